"""The frozen plan: one digest for one content, and nothing outside it."""

import hashlib
import json
import os
import random
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from hotfire_pipelines.errors import EmptyMatrixError, PipelineError, PlanError
from hotfire_pipelines.estimate import Durations
from hotfire_pipelines.plan import Plan, Source, WaiverSource
from hotfire_pipelines.waivers import restore

House = Any
WAIVERS = """\
schema: hotfire.dev/waivers/1
waivers:
  - test: aestus.kernels/native/gemm.f32:*
    owner: kernels@example.org
    bug: HF-12
    reason: rounding
    signature: over its bound
    created: 2026-11-01
    expires: 2026-12-01
"""


def task_keys(plan: Plan) -> list[str]:
    return [task.key for task in plan.tasks]


def shuffled(value: object, order: random.Random) -> object:
    if isinstance(value, dict):
        keys = order.sample(list(value), len(value))
        return {key: shuffled(value[key], order) for key in keys}
    return value


@pytest.mark.parametrize("seed", range(20))
def test_the_order_of_keys_in_the_files_does_not_matter(house: House, seed: int) -> None:
    original = house.freeze().to_json()
    order = random.Random(seed)
    house.pipeline = shuffled(house.pipeline, order)
    house.platforms = shuffled(house.platforms, order)
    assert house.freeze().to_json() == original


def test_hash_seeds_do_not_matter(house: House, repository: Path) -> None:
    house.load()
    program = (
        "import sys, pathlib; from hotfire_pipelines import load, catalogue, freeze, plan;"
        "root = pathlib.Path(sys.argv[1]);"
        "print(freeze.freeze(load.load_pipeline(root / 'small.yaml'),"
        " catalogue.load_platforms(root / 'platforms.yaml'),"
        " plan.Source(repository='r', revision='c'), inventory=lambda key: None,"
        " history=None, source_root=root).to_json())"
    )
    path = os.pathsep.join(str(repository / name) for name in ("pipelines", "testframework"))
    texts = {
        subprocess.run(
            [sys.executable, "-c", program, str(house.root)],
            env={**os.environ, "PYTHONHASHSEED": seed, "PYTHONPATH": path},
            check=True,
            capture_output=True,
        ).stdout
        for seed in ("0", "1", "4242")
    }
    assert len(texts) == 1


def waive(house: House, text: str = WAIVERS, name: str = "waivers.yaml") -> None:
    (house.root / name).write_text(text)
    house.pipeline["waivers"] = name


def test_a_plan_reads_back_as_itself(house: House) -> None:
    waive(house)
    plan = house.freeze(runner_sha256="ab" * 32)
    assert plan.waivers
    again = Plan.from_json(plan.to_json())
    assert again == plan
    assert again.to_json() == plan.to_json()
    assert Plan.from_json(plan.to_dict()) == plan
    assert Plan.from_json(json.dumps(plan.to_dict(), indent=2).encode()) == plan


def test_estimates_and_times_stay_outside_the_digest(house: House) -> None:
    slow = Durations(tasks={"build|platform=pc": 1000.0})
    plain, late = house.freeze(), house.freeze(history=slow, created="2030-01-01T00:00:00Z")
    assert late.estimate != plain.estimate
    assert late.digest == plain.digest


@pytest.mark.parametrize(
    "changes",
    [
        {"source": Source(repository="hotfire", revision="f" * 40)},
        {"source": Source(repository="hotfire", revision="0" * 40, patch_digest="1" * 64)},
        {"runner_sha256": "ab" * 32},
        {"inventory": lambda key: ["aestus.unit/gtest/A.b"]},
    ],
)
def test_what_decides_the_outcome_is_inside_the_digest(
    house: House, changes: dict[str, Any]
) -> None:
    assert house.freeze(**changes).digest != house.freeze().digest


def test_waivers_and_the_digest_of_their_file_are_inside_the_digest(house: House) -> None:
    without = house.freeze()
    waive(house)
    plan = house.freeze()
    assert [(one["bug"], one["line"]) for one in plan.waivers] == [("HF-12", 3)]
    assert plan.waiver_file == WaiverSource(
        file="waivers.yaml", sha256=hashlib.sha256(WAIVERS.encode()).hexdigest()
    )
    waive(house, WAIVERS + "# a comment\n")
    assert len({without.digest, plan.digest, house.freeze().digest}) == 3
    assert restore(plan.waivers, "waivers.yaml").lines == (3,)


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("../waivers.yaml", "leaves the folder of the pipeline"),
        ("link.yaml", "leaves the folder of the pipeline"),
        ("gone.yaml", "there is no waiver file 'gone.yaml'"),
    ],
)
def test_waivers_are_read_below_the_folder_of_the_pipeline(
    house: House, tmp_path_factory: pytest.TempPathFactory, name: str, message: str
) -> None:
    elsewhere = tmp_path_factory.mktemp("elsewhere") / "waivers.yaml"
    elsewhere.write_text(WAIVERS)
    (house.root / "link.yaml").symlink_to(elsewhere)
    house.pipeline["waivers"] = name
    with pytest.raises(PipelineError, match=message):
        house.load()


def test_an_edited_plan_is_refused(house: House) -> None:
    value = house.freeze().to_dict()
    value["tasks"][0]["spec"]["command"][0] = "rm"
    with pytest.raises(PlanError, match="changed after it was frozen"):
        Plan.from_json(value)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("{", "cannot be read"),
        ("[]", "a plan is a JSON object"),
        ("{}", "schema None"),
        ('{"schema": "hotfire.dev/plan/9"}', "hotfire.dev/plan/9"),
        ('{"schema": "hotfire.dev/plan/1", "pipelin": "x"}', "did you mean 'pipeline'"),
    ],
)
def test_a_broken_plan_is_refused(text: str, words: str) -> None:
    with pytest.raises(PlanError, match=words):
        Plan.from_json(text)


def test_a_plan_that_names_what_it_does_not_hold_is_refused(house: House) -> None:
    value = house.freeze().to_dict()
    value["edges"][0]["from"] = "nobody"
    with pytest.raises(PlanError, match="an edge names a task that is not planned"):
        Plan.from_json(value)


def test_cases_are_expected_before_anything_is_built(house: House) -> None:
    plan = house.freeze()
    cell = next(cell for cell in plan.cells if cell.key == "kernels|platform=pc")
    expected = plan.expected(cell)
    assert expected is not None
    assert len(expected) == 5
    assert expected[0] == "aestus.kernels/native/gemm.f32:m=1,n=1,k=1,data=exact,seed=1"


def test_an_inventory_is_the_last_recorded_one_or_unknown(house: House) -> None:
    recorded = {"unit|platform=pc": ["aestus.unit/gtest/B.b", "aestus.unit/gtest/A.a"]}
    known, unknown = house.freeze(inventory=recorded.get), house.freeze()
    [cell] = [cell for cell in known.cells if cell.task == "unit"]
    assert known.expected(cell) == ("aestus.unit/gtest/A.a", "aestus.unit/gtest/B.b")
    [cell] = [cell for cell in unknown.cells if cell.task == "unit"]
    assert unknown.expected(cell) is None


def test_a_command_is_one_expected_test(house: House) -> None:
    plan = house.freeze()
    [cell] = [cell for cell in plan.cells if cell.key == "build|platform=pc"]
    assert plan.expected(cell) == ("tasks/command/build",)


def test_a_budget_cuts_the_emulated_list_and_says_by_how_much(house: House) -> None:
    house.pipeline["tasks"]["kernels"]["overrides"] = [
        {"match": {"execution": "emulated"}, "budget_seconds": 3}
    ]
    plan = house.freeze()
    cells = {cell.key: cell for cell in plan.cells}
    board, pc = cells["kernels|platform=board"], cells["kernels|platform=pc"]
    assert (board.left_out, len(plan.expected(board) or ())) == (2, 3)
    assert (board.budget_s, pc.left_out, pc.budget_s) == (3, 0, None)


def test_shards_partition_the_cell_and_carry_their_lines(house: House) -> None:
    house.pipeline["tasks"]["kernels"]["shards"] = 2
    plan = house.freeze()
    pieces = [task for task in plan.tasks if task.cell == "kernels|platform=pc"]
    assert [task.key for task in pieces] == [
        "kernels|platform=pc#1/2",
        "kernels|platform=pc#2/2",
    ]
    expected = [test for task in pieces for test in plan.expected_of(task) or ()]
    [cell] = [cell for cell in plan.cells if cell.key == "kernels|platform=pc"]
    assert sorted(expected) == list(plan.expected(cell) or ())
    into = [edge.later for edge in plan.edges if edge.later.startswith("kernels|platform=pc#")]
    assert into == ["kernels|platform=pc#1/2", "kernels|platform=pc#2/2"]


def test_the_spec_has_the_placeholders_of_the_plan_filled(house: House) -> None:
    house.platforms["platforms"]["board"]["executable_suffix"] = ".elf"
    specs = {task.key: task.spec for task in house.freeze().tasks}
    assert specs["build|platform=board"].command == ("make", "board", "-j{cpus}")
    assert specs["kernels|platform=board"].command == ("{input:out}/run.elf",)


def test_only_what_executes_here_gets_the_launcher(house: House) -> None:
    specs = {task.key: task.spec for task in house.freeze().tasks}
    assert specs["build|platform=board"].launcher == ()
    assert not specs["build|platform=board"].emulated
    assert specs["kernels|platform=board"].launcher == ("qemu-aarch64-static",)
    assert specs["kernels|platform=board"].emulated


def test_pytest_runs_on_the_host_and_is_told_the_launcher(house: House) -> None:
    house.pipeline["tasks"]["suite"] = {
        "harness": "pytest",
        "matrix": {"platform": ["board"]},
        "paths": ["suite"],
        "env": {"LAUNCHER": "{launcher}"},
    }
    [spec] = [task.spec for task in house.freeze().tasks if task.key == "suite|platform=board"]
    assert (spec.launcher, spec.emulated) == ((), False)
    assert spec.env["LAUNCHER"] == '["qemu-aarch64-static"]'


def test_overrides_apply_to_matching_cells_and_the_last_wins(house: House) -> None:
    house.pipeline["tasks"]["kernels"]["overrides"] = [
        {"match": {"platform": "pc"}, "env": {"A": "1", "B": "1"}, "cpus": 2},
        {"match": {"execution": "native"}, "env": {"B": "2"}},
    ]
    specs = {task.key: task.spec for task in house.freeze().tasks}
    assert specs["kernels|platform=pc"].env == {"A": "1", "B": "2"}
    assert specs["kernels|platform=pc"].cpus == 2
    assert specs["kernels|platform=board"].env == {}


def test_a_digest_of_a_task_changes_with_what_it_reads(house: House) -> None:
    before = {task.key: task.requested_digest for task in house.freeze().tasks}
    house.pipeline["tasks"]["build"]["env"] = {"CXXFLAGS": "-O0"}
    after = {task.key: task.requested_digest for task in house.freeze().tasks}
    changed = {key for key in before if before[key] != after[key]}
    assert {"build|platform=pc", "kernels|platform=pc", "kernels|platform=gpu"} <= changed
    assert "unit|platform=pc" not in changed  # waits for success, reads nothing


def test_whether_a_platform_can_execute_here_is_not_in_the_plan(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The cell of the missing GPU is planned like any other; the executor refuses it."""
    plan = house.freeze()
    monkeypatch.setenv("PATH", "")
    assert house.freeze().to_json() == plan.to_json()
    [cell] = [cell for cell in plan.cells if cell.platform == "gpu"]
    assert cell.requires == {"devices": ["nvidia:sm_90"], "reach": ["kubernetes"]}
    assert cell.required == "when-available"
    assert cell.key in task_keys(plan)


def test_tasks_come_in_an_order_that_can_be_run(house: House) -> None:
    plan = house.freeze()
    place = {key: index for index, key in enumerate(task_keys(plan))}
    assert plan.edges
    assert all(place[edge.earlier] < place[edge.later] for edge in plan.edges)


def test_a_selection_without_a_case_is_an_error_that_prints_the_query(house: House) -> None:
    house.pipeline["tasks"]["kernels"]["cases"]["operators"] = ["rope.*"]
    with pytest.raises(EmptyMatrixError, match=r"small\.yaml:\d+:\d+: .*none of 5 .*rope\.\*"):
        house.freeze()


def test_a_bad_case_line_stops_the_plan(house: House) -> None:
    (house.root / "cases" / "bad.cases").write_text("gemm.f32:m=1\n")
    with pytest.raises(Exception, match=r"cases/bad\.cases:1: "):
        house.freeze()


def test_a_measured_duration_replaces_the_declared_one(house: House) -> None:
    tests = {"kernels|platform=pc": {"aestus.kernels/native/x": 1.0}}
    plan = house.freeze(history=Durations(tasks={"unit|platform=pc": 7.5}, tests=tests))
    assert plan.estimate is not None
    assert plan.estimate.by_task["unit|platform=pc"] == 7.5


def test_an_exclusive_task_makes_the_plan_longer(house: House) -> None:
    shared = house.freeze(slots=8).estimate
    for task in house.pipeline["tasks"].values():
        task["exclusive"] = True
    alone = house.freeze(slots=8).estimate
    assert alone.seconds == pytest.approx(sum(alone.by_task.values()), abs=0.5)
    assert shared.seconds < alone.seconds
