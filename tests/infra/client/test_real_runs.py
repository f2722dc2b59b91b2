"""Small pipelines through `hotfire run` itself: with a real runner, and what the next plan makes of it."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path
from typing import Any

import pytest

from hotfire_infra.cli.main import main

IDENTITY = ("-c", "user.name=Test", "-c", "user.email=test@example.org")
PLATFORMS = """
schema: hotfire.dev/platforms/1
platforms:
  here: {dimensions: {os: linux, gpu: none}, run: {facts: {os: linux}}, reach: [local]}
  qnx: {dimensions: {os: qnx}, run: {facts: {os: qnx}}, reach: [ssh]}
"""
LISTED = """
schema: hotfire.dev/pipeline/1
name: listed
axes:
  platform: {values: [here]}
tasks:
  unit:
    harness: pytest
    matrix: {platform: [here]}
    inputs: [{name: source, source: true}]
    paths: ["{input:source}/tests"]
    args: ["-p", "no:cacheprovider"]
    tests: {list: lists/unit.yaml, conditions: {gpu: platform.gpu}}
    shards: 2
"""
LIST = """
schema: hotfire.dev/testlists/1
lists:
  unit:
  - when: {terms: {gpu: none}}
    tests:
    - unit/test_a.py -k "not never"
    - unit/test_b.py::test_with[2] TIMEOUT (5)
    - {test: alone.py, isolation: true}
  - when: {terms: {gpu: h100}}
    tests: [unit/test_never.py]
"""
TESTS = {
    "unit/test_a.py": "def test_one(): pass\ndef test_two(): pass\ndef test_never(): assert 0\n",
    "unit/test_b.py": "import pytest\n\n@pytest.mark.parametrize('n', [1, 2])\n"
    "def test_with(n): assert n == 2\n",
    "unit/test_never.py": "def test_never(): assert 0\n",
    "alone.py": "def test_alone(): pass\n",
}
RAN = {
    "alone/pytest/test_alone",
    "unit.test_a/pytest/test_one",
    "unit.test_a/pytest/test_two",
    "unit.test_b/pytest/test_with[2]",
}
BROAD = """
schema: hotfire.dev/pipeline/1
name: broad
axes:
  platform: {values: [here, qnx]}
  mode: {values: [x, y]}
required: {qnx: when-available}
tasks:
  unit:
    harness: command
    command: ["true"]
    matrix: {platform: [here, qnx], mode: [x, y], strength: 2, max_cells: 2}
"""


@pytest.fixture
def checkout(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    root = tmp_path / "library"
    files = {
        "pipelines/definitions/platforms.yaml": PLATFORMS,
        "pipelines/definitions/listed.yaml": LISTED,
        "pipelines/definitions/lists/unit.yaml": LIST,
        "pipelines/definitions/broad.yaml": BROAD,
        **{f"tests/{name}": text for name, text in TESTS.items()},
    }
    for name, text in files.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    for arguments in (["init", "-q"], ["add", "-A"], ["commit", "-qm", "First"]):
        subprocess.run(["git", *IDENTITY, *arguments], cwd=root, check=True)
    monkeypatch.chdir(root)
    monkeypatch.setenv("HOTFIRE_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("HOTFIRE_CACHE", str(tmp_path / "cache"))
    monkeypatch.delenv("HOTFIRE_SERVER", raising=False)
    return root


@pytest.fixture
def asked(checkout: Path, capsys: pytest.CaptureFixture[str]) -> Any:
    def asked(*words: str) -> Any:
        assert main([*words, "-o", "json"]) == 0
        return json.loads(capsys.readouterr().out)

    return asked


def test_a_list_runs_in_shards_and_the_next_plan_knows_its_tests(asked, capsys):
    first = asked("plan", "listed")
    [cell] = first["cells"]
    assert [task["key"] for task in first["tasks"]] == [f"{cell['key']}#1/2", f"{cell['key']}#2/2"]
    spelt = first["inventories"][cell["inventory"]]
    assert spelt == ["unit.test_b/pytest/test_with[2]"]
    shown = asked("run", "listed")
    assert shown["verdict"] == "passed"
    assert shown["cells"][0]["tests"] == {"passed": 4}
    again = asked("plan", "listed")
    [cell] = again["cells"]
    assert set(again["inventories"][cell["inventory"]]) == RAN
    [durations] = again["durations"]
    assert (durations["measured"], durations["unknown"]) == (4, 0)
    assert durations["setup_measured"]
    parts = [[entry["test"] for entry in task["spec"]["tests"]] for task in again["tasks"]]
    assert parts == [["unit/test_a.py", "unit/test_b.py::test_with[2]"], ["alone.py"]]
    assert main(["plan", "listed", "--explain", "test_alone"]) == 0
    assert "shard 2 of 2" in capsys.readouterr().out


def test_what_no_machine_could_execute_is_owed_by_the_next_plans(asked):
    def combinations(plan: Any, state: str) -> set[tuple[str, str]]:
        if state == "planned":
            found = [{"platform": c["platform"], **c["variant"]} for c in plan["cells"]]
        else:
            [coverage] = plan["coverage"]
            found = [gap["assignment"] for gap in coverage["uncovered"] if gap.get("age")]
        return {(one["platform"], one["mode"]) for one in found}

    answered: set[tuple[str, str]] = set()
    for _ in range(4):
        plan = asked("plan", "broad")
        planned = combinations(plan, "planned")
        assert len(planned) == 2
        assert len(planned | combinations(plan, "owed")) == 4, "nothing is forgotten"
        shown = asked("run", "broad")
        verdicts = {
            (cell["variant"]["platform"], cell["variant"]["mode"]): cell["verdict"]
            for cell in shown["cells"]
        }
        assert verdicts.keys() == planned
        unable = {one for one, verdict in verdicts.items() if verdict == "not_executable"}
        assert unable == {one for one in planned if one[0] == "qnx"}
        answered |= planned - unable
        following = asked("plan", "broad")
        owed = {
            (gap["assignment"]["platform"], gap["assignment"]["mode"])
            for gap in following["coverage"][0]["uncovered"]
        }
        assert unable <= owed | combinations(following, "planned")
    assert answered == {("here", "x"), ("here", "y")}
