"""What a machine cannot execute is shown in every plan, with the reason, and is no part of the plan."""

import json
from pathlib import Path

import pytest

from hotfire_infra.cli.here import Here, here_line, reasons_on
from hotfire_infra.cli.main import main
from hotfire_infra.client.catalogue import DEFINITIONS
from hotfire_infra.executors.probing import Machine
from hotfire_pipelines.catalogue import load_platforms
from hotfire_pipelines.freeze import freeze
from hotfire_pipelines.load import load_pipeline
from hotfire_pipelines.plan import Plan, Source

ROOT = Path(__file__).resolve().parents[3]
ELSEWHERE = {
    "dgx-a100", "dgx-h100", "dgx-h200", "dgx-b200", "jetson-orin", "jetson-thor", "windows-rtx",
    "drive-agx-qnx", "runner-windows-x86_64",
}  # fmt: skip


@pytest.fixture(scope="module")
def release() -> Plan:
    return freeze(
        load_pipeline(ROOT / DEFINITIONS / "release.yaml"),
        load_platforms(ROOT / DEFINITIONS / "platforms.yaml"),
        Source(repository="hotfire", revision="0" * 40),
        inventory=lambda key: None,
        history=None,
        source_root=ROOT,
    )


def test_a_platform_that_only_others_serve_has_a_reason(release, tmp_path):
    bare = Machine(path=str(tmp_path), cache=tmp_path)
    reasons = reasons_on(release, bare.missing)
    by_platform = {cell.platform: reasons.get(cell.key) for cell in release.cells}
    assert all(by_platform[name] for name in ELSEWHERE)
    # Nothing is installed on this one, so that what needs a tool is refused too.
    assert "qemu-aarch64-static" in str(reasons["unit|platform=l4t-aarch64"])
    assert reasons["build|platform=linux-x86_64"].startswith("no cmake")
    assert f"{len(reasons)} of {len(release.cells)} cells" in str(
        here_line(release, Here(reasons=reasons))
    )


def test_a_machine_that_lacks_nothing_has_no_line(release):
    assert here_line(release, Here()) is None


def test_a_question_for_a_module_imports_nothing(tmp_path, monkeypatch):
    package = tmp_path / "asked_for"
    package.mkdir()
    (package / "__init__.py").write_text("raise SystemExit('was imported')")
    (package / "part.py").write_text("")
    monkeypatch.syspath_prepend(tmp_path)
    machine = Machine(path="", cache=tmp_path)
    assert machine.missing({"python_modules": ["asked_for.part", "sys", "json.tool"]}) is None
    for name in ("asked_for.other", "nowhere.part", "sys.part"):
        assert f"no Python module {name}" in str(machine.missing({"python_modules": [name]}))


@pytest.mark.parametrize("name", ["pre-merge", "post-merge", "nightly", "release"])
def test_every_pipeline_plans_here_and_shows_what_is_not_executable(
    name, tmp_path, monkeypatch, capsys
):
    monkeypatch.setenv("HOTFIRE_HOME", str(tmp_path / "home"))
    monkeypatch.chdir(ROOT)
    assert main(["plan", name]) == 0
    rows = [row.split("\t") for row in capsys.readouterr().out.splitlines()[1:]]
    notes = {row[1]: row[-1] for row in rows}
    assert main(["plan", name, "-o", "json"]) == 0
    document = json.loads(capsys.readouterr().out)
    assert {"digest", "cells", "tasks", "edges", "estimate"} <= document.keys()
    assert document["not_executable"].keys() <= {cell["key"] for cell in document["cells"]}
    told = {key.partition("platform=")[2].partition(",")[0] for key in document["not_executable"]}
    assert {name.split("|")[0] for name in told} >= ELSEWHERE & set(notes)
    for platform in ELSEWHERE & set(notes):
        assert "not executable here: " in notes[platform], platform
    assert "not executable" not in notes["linux-x86_64"]
