"""A real suite under coverage.py, and what a later change of one function makes of its tests."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from hotfire_infra.api.service import Service
from hotfire_infra.cli.main import main
from hotfire_infra.client.embedded import EmbeddedClient
from hotfire_infra.client.http import HttpClient
from hotfire_infra.settings import read_settings
from hotfire_pipelines.plan import Plan

IDENTITY = ("-c", "user.name=Test", "-c", "user.email=test@example.org")
PLATFORMS = """
schema: hotfire.dev/platforms/1
platforms:
  here: {dimensions: {os: linux}, run: {facts: {os: linux}}, reach: [local]}
"""
PIPELINE = """
schema: hotfire.dev/pipeline/1
name: small
axes:
  platform: {values: [here]}
selection:
  rules:
    - {paths: ["ops/**", "tests/**"], tasks: [check]}
  coverage: {python: [check]}
tasks:
  check:
    harness: pytest
    matrix: {platform: [here]}
    inputs: [{name: source, source: true}]
    paths: ["{input:source}/tests"]
    args: ["-p", "no:cacheprovider"]
    env:
      PYTHONPATH: "{input:source}"
      SOURCE: "{input:source}"
      HOTFIRE_CONTEXTS: "{work}/contexts.json"
    command:
      - sh
      - -euc
      - |
        "$0" -m coverage run --data-file=data --source="$SOURCE" -m pytest "$@"
        "$0" -m hotfire_testframework.line_coverage python --data data --root "$SOURCE" \
          --contexts "$HOTFIRE_CONTEXTS" --suite python --out python.hotfire-coverage.json
      - "{python}"
    outputs:
      - {name: python.hotfire-coverage.json, path: python.hotfire-coverage.json}
"""
FILES = {
    "pipelines/definitions/platforms.yaml": PLATFORMS,
    "pipelines/definitions/small.yaml": PIPELINE,
    "ops/__init__.py": "",
    "ops/a.py": "def a():\n    return 1\n",
    "ops/b.py": "def b():\n    return 2\n",
    "tests/test_ops.py": "from ops.a import a\nfrom ops.b import b\n\n\n"
    "def test_a():\n    assert a() == 1\n\n\ndef test_b():\n    assert b() == 2\n",
}
TEST_A, TEST_B, TEST_NEW = (
    f"source.tests.test_ops/pytest/test_{name}" for name in ("a", "b", "new")
)  # fmt: skip


def git(root: Path, *arguments: str) -> None:
    subprocess.run(["git", *IDENTITY, *arguments], cwd=root, check=True, capture_output=True)


@pytest.fixture
def checkout(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    root = tmp_path / "library"
    for name, text in FILES.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(text)
    for arguments in (["init", "-qb", "main"], ["add", "-A"], ["commit", "-qm", "First"]):
        git(root, *arguments)
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


def planned_tests(plan: Plan) -> tuple[Any, Any]:
    """What the one cell expects, and what it leaves out."""
    [cell] = plan.cells
    return plan.expected(cell), plan.unconcerned(cell)


def said_of(run: str, capsys: pytest.CaptureFixture[str]) -> str:
    capsys.readouterr()
    assert main(["show", run]) == 0
    said = capsys.readouterr()
    return said.out + said.err


def test_a_changed_function_runs_the_tests_that_ran_its_file_here_and_by_a_service(
    checkout: Path,
    asked: Any,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    served: Callable[..., AbstractContextManager[str]],
) -> None:
    assert asked("run", "small")["cells"][0]["tests"] == {"passed": 2}
    git(checkout, "checkout", "-qb", "topic")
    (checkout / "ops" / "a.py").write_text("def a():\n    x = 1\n    return x\n")
    plan = Plan.from_json(asked("plan", "small", "--changed-since", "main"))
    assert planned_tests(plan) == ((TEST_A,), (TEST_B,))

    settings = read_settings()
    embedded = EmbeddedClient.open(settings)
    with served(Service.over(embedded, settings, executes=False)) as address:
        far = HttpClient.open(replace(settings, home=tmp_path / "else", server=address))
        assert planned_tests(far.plan("small", since="main")) == ((TEST_A,), (TEST_B,))
        far.close()
    embedded.close()

    for test, words in (
        (TEST_A, "by test   it ran ops/a.py in suite python (run 1)"),
        (TEST_B, "no change concerns it: it ran no function of ops/a.py in suite python (run 1)"),
    ):
        assert main(["plan", "small", "--changed-since", "main", "--explain", test]) == 0
        assert words in capsys.readouterr().out
    assert main(["plan", "small", "--changed-since", "main"]) == 0
    said = capsys.readouterr()
    assert "1 test left out: no change concerns them" in said.out
    assert "tests of check@here: 1 test left out: it ran no function of ops/a.py" in said.err

    shown = asked("run", "small", "--changed-since", "main")
    assert (shown["verdict"], shown["cells"][0]["tests"]) == ("passed", {"passed": 1})
    assert "partial coverage" in said_of("2", capsys), "half of the tests is no drop"
    assert "(1 test left out)" in said_of("2", capsys)
    assert "   coverage " in said_of("1", capsys)
    [again] = asked("plan", "small")["cells"]
    assert planned_tests(Plan.from_json(asked("plan", "small")))[0] == (TEST_A, TEST_B), (
        "none is lost"
    )
    assert again["left_out"] == 0


def test_a_new_test_runs_and_a_changed_constant_runs_all(checkout: Path, asked: Any) -> None:
    assert asked("run", "small")["verdict"] == "passed"
    git(checkout, "checkout", "-qb", "topic")
    tests = checkout / "tests" / "test_ops.py"
    tests.write_text(tests.read_text() + "\n\ndef test_new():\n    assert a() == 1\n")
    (checkout / "ops" / "a.py").write_text("def a():\n    x = 1\n    return x\n")
    plan = Plan.from_json(asked("plan", "small", "--changed-since", "main"))
    assert planned_tests(plan) == ((TEST_A, TEST_B), ())
    assert plan.selection is not None
    [told] = plan.selection.tests.values()
    assert (
        told.doubt
        == "tests/test_ops.py changed outside of functions, or in a way that is not known"
    )
    shown = asked("run", "small", "--changed-since", "main")
    assert shown["cells"][0]["tests"] == {"passed": 3}
    git(checkout, "checkout", "-q", "tests")
    tests.with_name("test_more.py").write_text("def test_new():\n    pass\n")
    git(checkout, "add", "-A")
    git(checkout, "commit", "-qm", "Second")
    (checkout / "ops" / "b.py").write_text("ONE = 1\n\n\ndef b():\n    return 2\n")
    plan = Plan.from_json(asked("plan", "small", "--changed-since", "main"))
    assert not planned_tests(plan)[1]


LISTED = {
    "pipelines/definitions/small.yaml": PIPELINE.replace(
        "    args:", "    tests: {list: lists/small.yml, values: {stage: pre_merge}}\n    args:"
    ),
    "pipelines/definitions/lists/small.yml": "version: 0.0.1\nsmall:\n"
    "- condition: {terms: {stage: pre_merge}}\n  tests:\n"
    "  - test_ops.py TIMEOUT (1)\n  - test_rest.py TIMEOUT (1)\n",
    "tests/test_rest.py": "from ops.b import b\n\n\ndef test_rest():\n    assert b() == 2\n",
}
LISTED_A, LISTED_B, LISTED_REST = (
    f"{name}/pytest/test_{test}"
    for name, test in (("test_ops", "a"), ("test_ops", "b"), ("test_rest", "rest"))
)


@pytest.fixture
def narrowed(checkout: Path, asked: Any) -> Callable[[str], Plan]:
    """Run a pipeline with a list, change a function, and plan what is left of it."""

    def narrowed(more: str) -> Plan:
        files = dict(LISTED)
        files["pipelines/definitions/lists/small.yml"] += more
        for name, text in files.items():
            (checkout / name).parent.mkdir(parents=True, exist_ok=True)
            (checkout / name).write_text(text)
        git(checkout, "add", "-A")
        git(checkout, "commit", "-qm", "List")
        assert asked("run", "small")["cells"][0]["tests"] == {"passed": 3}
        git(checkout, "checkout", "-qb", "topic")
        (checkout / "ops" / "a.py").write_text("def a():\n    x = 1\n    return x\n")
        return Plan.from_json(asked("plan", "small", "--changed-since", "main"))

    return narrowed


def test_a_list_that_a_change_narrows_runs_what_is_left_of_it(
    narrowed: Callable[[str], Plan], asked: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    """Of one entry a test is left out, of another all; neither is missing, nor an empty entry."""
    plan = narrowed("")
    assert planned_tests(plan) == ((LISTED_A,), (LISTED_B, LISTED_REST))
    assert len(plan.tasks[0].spec.tests) == 2, "the entries stay: what is new in them runs"
    shown = asked("run", "small", "--changed-since", "main")
    assert (shown["verdict"], shown["cells"][0]["tests"]) == ("passed", {"passed": 1})
    assert "(2 tests left out)" in said_of("2", capsys)


def test_coverage_of_the_last_process_of_a_list_proves_nothing_of_the_others(
    narrowed: Callable[[str], Plan],
) -> None:
    plan = narrowed("  - test_rest.py::test_rest -k rest ISOLATION,TIMEOUT (1)\n")
    expected, _ = planned_tests(plan)
    assert set(expected) >= {LISTED_A, LISTED_B}
