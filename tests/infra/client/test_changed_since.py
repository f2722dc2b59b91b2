"""Plans narrowed to a change, priced and compared: the same here and by a service."""

from __future__ import annotations

import hashlib
import json
import subprocess
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from dataclasses import replace
from pathlib import Path

import pytest

from hotfire_infra.api.service import Service
from hotfire_infra.cli.main import main
from hotfire_infra.client import Client
from hotfire_infra.client.embedded import EmbeddedClient
from hotfire_infra.client.http import HttpClient
from hotfire_infra.errors import ServiceUnreachableError
from hotfire_infra.settings import Settings
from hotfire_infra.store import queries_coverage, queries_prices
from hotfire_pipelines.changes import LineFacts
from hotfire_pipelines.plan import Plan
from hotfire_pipelines.pricing import Sample

IDENTITY = ("-c", "user.name=Test", "-c", "user.email=test@example.org")
PLATFORMS = """
schema: hotfire.dev/platforms/1
platforms:
  here: {dimensions: {os: linux}, reach: [local]}
"""
PIPELINE = """
schema: hotfire.dev/pipeline/1
name: small
axes:
  platform: {values: [here]}
selection:
  paths-ignore: ["docs/**"]
  rules:
    - {paths: ["src/**"], tasks: [build]}
    - {paths: ["tests/**"], tasks: [check]}
  coverage: {native: [check]}
budget: {wall: 10m}
tasks:
  build:
    harness: command
    matrix: {platform: [here]}
    inputs: [{name: source, source: true}]
    command: ["true"]
    outputs: [{name: out, path: out}]
  check:
    harness: command
    matrix: {platform: [here]}
    inputs: [{name: out, task: build, artifact: out}]
    command: ["true"]
  lint:
    harness: command
    matrix: {platform: [here]}
    command: ["true"]
"""
CODE = "int a;\nint b;\nint c;\n"


def git(root: Path, *arguments: str) -> None:
    subprocess.run(["git", *IDENTITY, *arguments], cwd=root, check=True, capture_output=True)


@pytest.fixture
def checkout(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    root = tmp_path / "library"
    files = {
        "pipelines/definitions/platforms.yaml": PLATFORMS,
        "pipelines/definitions/small.yaml": PIPELINE,
        "src/a.cpp": CODE,
        "tests/t.cpp": CODE,
        "docs/a.md": "text\n",
    }
    for name, text in files.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(text)
    for arguments in (["init", "-qb", "main"], ["add", "-A"], ["commit", "-qm", "First"]):
        git(root, *arguments)
    git(root, "checkout", "-qb", "topic")
    monkeypatch.chdir(root)
    return root


@pytest.fixture(params=["embedded", "service"])
def client(
    request: pytest.FixtureRequest,
    tmp_path: Path,
    checkout: Path,
    served: Callable[..., AbstractContextManager[str]],
) -> Iterator[Client]:
    settings = Settings(home=tmp_path / "home", cache=tmp_path / "cache", user="tester")
    embedded = EmbeddedClient.open(settings)
    if request.param == "embedded":
        yield embedded
    else:
        with served(Service.over(embedded, settings, executes=False)) as address:
            far = HttpClient.open(replace(settings, home=tmp_path / "else", server=address))
            yield far
            far.close()
    embedded.close()


def tasks(plan: Plan) -> list[str]:
    return sorted(cell.task for cell in plan.cells)


def test_a_plan_is_narrowed_and_names_what_it_leaves_out(client: Client, checkout: Path) -> None:
    (checkout / "tests" / "t.cpp").write_text("x\n")
    plan = client.plan("small", since="main")
    assert tasks(plan) == ["build", "check"]
    assert [cell.task for cell in plan.unselected] == ["lint"]
    assert plan.selection is not None
    assert plan.selection.base is not None
    assert plan.selection.reasons["lint|platform=here"] == (
        "the one changed file does not concern it",
    )
    started = client.start_run(plan)
    assert client.plan_of(str(started.number)) == plan
    assert tasks(client.plan("small")) == ["build", "check", "lint"]


@pytest.mark.parametrize("name", ["small.yaml", "platforms.yaml"])
def test_a_changed_definition_selects_everything(client: Client, checkout: Path, name: str) -> None:
    path = checkout / "pipelines" / "definitions" / name
    path.write_text(path.read_text() + "# changed\n")
    plan = client.plan("small", since="main")
    assert len(plan.cells) == 3
    assert plan.selection is not None
    assert plan.selection.doubts == (f"pipelines/definitions/{name} is what the plan is made from",)


def test_definitions_of_the_target_branch_have_the_same_names(
    client: Client, checkout: Path
) -> None:
    path = checkout / "pipelines" / "definitions" / "small.yaml"
    path.write_text(path.read_text().replace("tests/**", "docs/**"))
    (checkout / "docs" / "a.md").write_text("changed\n")
    plan = client.plan("small", since="main", is_trusted=False)
    assert plan.selection is not None
    assert plan.selection.doubts == (
        "pipelines/definitions/small.yaml is what the plan is made from",
    )
    assert [file.meaning for file in plan.selection.files if file.path == "docs/a.md"] == [
        "ignored: paths-ignore"
    ]


def known(monkeypatch: pytest.MonkeyPatch, hit: int, revisions: list[str] | None = None) -> None:
    """Let the store answer that suite `native` measured src/a.cpp at the base."""

    def answer(_connection: object, asked: list[str], paths: list[str]) -> tuple[LineFacts, ...]:
        fact = LineFacts(
            run=7, revision=(revisions or asked)[0], suite="native", platform="here",
            path="src/a.cpp", sha256=hashlib.sha256(CODE.encode()).hexdigest(),
            executable=7, hit=hit,
        )  # fmt: skip
        return (fact,) if fact.path in paths else ()

    monkeypatch.setattr(queries_coverage, "coverage_of_files", answer)


def test_coverage_of_the_base_leaves_out_what_no_changed_line_runs_in(
    client: Client, checkout: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (checkout / "src" / "a.cpp").write_text(CODE.replace("int c", "int d"))
    known(monkeypatch, hit=0b011)
    plan = client.plan("small", since="main")
    assert tasks(plan) == ["build"]
    assert plan.selection is not None
    assert plan.selection.reasons["check|platform=here"] == (
        "coverage: no changed line of src/a.cpp ran in suite native on here (run 7)",
    )
    known(monkeypatch, hit=0b100)
    assert tasks(client.plan("small", since="main")) == ["build", "check"]


def test_coverage_that_cannot_be_read_selects_everything(
    client: Client, checkout: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (checkout / "docs" / "a.md").write_text("changed\n")
    assert not client.plan("small", since="main").cells

    def broken(*_: object) -> tuple[LineFacts, ...]:
        raise ServiceUnreachableError("nobody answers")

    if isinstance(client, HttpClient):
        monkeypatch.setattr(client, "_coverage", broken)
    else:
        monkeypatch.setattr(queries_coverage, "coverage_of_files", broken)
    plan = client.plan("small", since="main")
    assert len(plan.cells) == 3
    assert plan.selection is not None
    assert plan.selection.doubts == ("the coverage of earlier runs cannot be read: nobody answers",)


def test_the_price_rests_on_what_attempts_took(
    client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    took = Sample(cell="check|platform=here", task="check", platform="here", shards=1, seconds=30.0)
    declared = client.plan("small").price
    assert declared is not None
    assert declared.measured == 0.0
    monkeypatch.setattr(queries_prices, "samples_of", lambda *_: (took,) * 4)
    price = client.plan("small").price
    assert price is not None
    assert price.measured == pytest.approx(0.2)
    assert [task.samples for task in price.tasks if task.cell == took.cell] == [4]


@pytest.fixture
def command(tmp_path: Path, checkout: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The checkout, where commands work on a store of their own, and nobody carries runs out."""
    monkeypatch.setattr("hotfire_infra.cli.verbs.run.detach", lambda *_: None)
    monkeypatch.setenv("HOTFIRE_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("HOTFIRE_CACHE", str(tmp_path / "cache"))
    monkeypatch.delenv("HOTFIRE_SERVER", raising=False)
    return checkout


def said(capsys: pytest.CaptureFixture[str]) -> str:
    found = capsys.readouterr()
    return found.out + found.err


def test_the_table_has_a_row_for_every_cell(
    command: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (command / "tests" / "t.cpp").write_text("x\n")
    assert main(["plan", "small", "--changed-since", "main"]) == 0
    words = said(capsys)
    assert "lint\there\t\t\t\t\tnot selected: the one changed file does not concern it" in words
    assert "tests/t.cpp  modified, rule 2" in words
    assert "selected 2 of 3 cells, 1 not selected" in words
    assert "nothing measured yet, all declared" in words
    assert "budget wall 10 min 00 s: kept" in words


def test_a_run_of_nothing_is_exit_code_5(command: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (command / "docs" / "a.md").write_text("x\n")
    assert main(["run", "small", "--changed-since", "main"]) == 5
    assert "no cell of small is selected: nothing that changed since main" in said(capsys)
    assert main(["ps"]) == 0
    assert "small" not in said(capsys)


def test_explanations_of_cells_and_tests(command: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (command / "tests" / "t.cpp").write_text("x\n")
    asked = ["plan", "small", "--changed-since", "main", "--explain"]
    assert main([*asked, "check@here"]) == 0
    assert "selected   tests/t.cpp is modified: rule 2 names check" in said(capsys)
    assert main([*asked, "lint@here"]) == 0
    assert "lint@here: not selected" in said(capsys)
    assert main([*asked, "tasks/command/check", "-o", "json"]) == 0
    [found] = json.loads(capsys.readouterr().out)
    assert (found["kind"], found["is_selected"]) == ("test", True)
    assert ["in", "check@here"] in found["facts"]
    assert main([*asked, "chek@here"]) == 2
    assert "Did you mean 'check@here'?" in said(capsys)


def test_plans_are_compared_by_file_and_with_a_run(
    command: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    old = tmp_path / "old.json"
    assert main(["plan", "small", "-o", "json"]) == 0
    old.write_text(capsys.readouterr().out)
    assert main(["run", "--plan", str(old), "--detach"]) == 0
    said(capsys)
    assert main(["plan", "--diff", "latest"]) == 0
    assert "the plans are equal" in said(capsys)
    path = command / "pipelines" / "definitions" / "small.yaml"
    path.write_text(path.read_text().replace("  lint:", "  style:"))
    assert main(["plan", "small", "--diff", str(old)]) == 0
    words = said(capsys)
    assert "added\tcell\tstyle|platform=here" in words
    assert "removed\tcell\tlint|platform=here" in words
    assert "changed\tplan\tsource.patch_digest" in words
    assert main(["plan", "small", "--diff", "latest", "-o", "json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert (found["equal"], found["cells_added"]) == (False, ["style|platform=here"])
    new = tmp_path / "new.json"
    assert main(["plan", "small", "-o", "json"]) == 0
    new.write_text(capsys.readouterr().out)
    assert main(["plan", "--diff", str(old), str(new)]) == 0
    assert "removed\tcell\tlint|platform=here" in said(capsys)


@pytest.mark.parametrize(
    ("spoil", "words"),
    [
        (lambda text: text.replace('"reach":["local"]', '"reach":["ssh"]'), "was changed after"),
        (lambda text: text.replace("hotfire.dev/plan/1", "hotfire.dev/plan/0"), "has the schema"),
        (lambda _: "no plan", "cannot be read"),
        (lambda _: "[]", "a plan is a JSON object"),
    ],
    ids=["tampered", "old", "no JSON", "no object"],
)
def test_a_plan_that_is_not_one_is_one_error(
    command: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    spoil: Callable[[str], str],
    words: str,
) -> None:
    saved = tmp_path / "saved.json"
    assert main(["plan", "small", "-o", "json"]) == 0
    saved.write_text(spoil(capsys.readouterr().out))
    for typed in (["run", "--plan", str(saved)], ["plan", str(saved)]):
        assert main(typed) == 2
        lines = capsys.readouterr().err.splitlines()
        assert [line.partition(":")[0] for line in lines] == ["error", "next"]
        assert str(saved) in lines[0]
        assert words in lines[0]


def test_a_plan_of_another_source_and_none_at_all_are_refused(
    command: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    saved = tmp_path / "saved.json"
    assert main(["run", "--plan", str(saved)]) == 2
    assert "No such file" in said(capsys)
    assert main(["plan", "small", "-o", "json"]) == 0
    saved.write_text(capsys.readouterr().out)
    (command / "src" / "a.cpp").write_text("x\n")
    assert main(["run", "--plan", str(saved)]) == 2
    assert "plan again" in said(capsys)
    assert main(["run", "--plan", str(saved), "--changed-since", "main"]) == 2
    assert "a saved plan is frozen" in said(capsys)


def test_a_run_beyond_its_budget_is_refused_without_yes(
    command: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = command / "pipelines" / "definitions" / "small.yaml"
    path.write_text(path.read_text().replace("wall: 10m", "wall: 1m"))
    assert main(["plan", "small"]) == 0
    assert "budget wall 60 s: exceeded: 2 minutes of wall time of 1" in said(capsys)
    assert main(["run", "small", "--detach"]) == 2
    lines = capsys.readouterr().err.splitlines()
    assert "beyond the budget of pipeline 'small': 2 minutes of wall time of 1" in lines[0]
    assert lines[1] == "next:  hotfire run small --yes"
    saved = tmp_path / "saved.json"
    assert main(["plan", "small", "-o", "json"]) == 0
    saved.write_text(capsys.readouterr().out)
    assert main(["run", "--plan", str(saved), "--detach"]) == 2
    assert main(["run", "--plan", str(saved), "--detach", "--yes"]) == 0
