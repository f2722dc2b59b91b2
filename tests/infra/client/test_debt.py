"""What a budget leaves out of one run comes first in the plan after it."""

from __future__ import annotations

import subprocess
from collections.abc import Collection
from pathlib import Path

import pytest
from sqlalchemy import select, update

from hotfire_infra.cli.main import main
from hotfire_infra.client import Client
from hotfire_infra.client.embedded import EmbeddedClient
from hotfire_infra.states import RunState
from hotfire_infra.store.models import Cell, Run
from hotfire_pipelines.plan import Plan

IDENTITY = ("-c", "user.name=Test", "-c", "user.email=test@example.org")
PLATFORMS = """
schema: hotfire.dev/platforms/1
platforms:
  here: {dimensions: {os: linux}, reach: [local]}
"""
PIPELINE = """
schema: hotfire.dev/pipeline/1
name: broad
axes:
  platform: {values: [here]}
  a: {values: [x, y, z]}
  b: {values: [x, y, z]}
tasks:
  unit:
    harness: command
    command: ["true"]
    matrix: {platform: [here], a: [x, y, z], b: [x, y, z], strength: 2, max_cells: 3}
"""


@pytest.fixture
def checkout(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    root = tmp_path / "library"
    definitions = root / "pipelines" / "definitions"
    definitions.mkdir(parents=True)
    (definitions / "platforms.yaml").write_text(PLATFORMS)
    (definitions / "broad.yaml").write_text(PIPELINE)
    for arguments in (["init", "-q"], ["add", "-A"], ["commit", "-qm", "First"]):
        subprocess.run(["git", *IDENTITY, *arguments], cwd=root, check=True)
    monkeypatch.chdir(root)
    return root


def keys(plan: Plan) -> set[str]:
    return {cell.key for cell in plan.cells}


def end(client: EmbeddedClient, number: int, state: RunState, silent: Collection[str] = ()) -> None:
    """End a run as if all its cells had passed but the silent ones, which no machine could run."""
    with client.store.writing() as connection:
        connection.execute(update(Run).where(Run.number == number).values(state=state))
        mine = Cell.run_id == select(Run.id).where(Run.number == number).scalar_subquery()
        connection.execute(update(Cell).where(mine).values(verdict="passed"))
        unable = update(Cell).where(mine, Cell.key.in_(silent))
        connection.execute(unable.values(verdict="not_executable"))


def test_three_runs_of_three_cells_cover_nine(clients: tuple[Client, EmbeddedClient]) -> None:
    client, near = clients
    first = client.plan("broad")
    assert keys(client.plan("broad")) == keys(first), "a plan alone pays nothing"
    cancelled = client.start_run(first)
    end(near, cancelled.number, RunState.CANCELLED)
    assert keys(client.plan("broad")) == keys(first), "nor does a run that was cancelled"
    seen = set()
    for _ in range(3):
        plan = client.plan("broad")
        assert not keys(plan) & seen
        seen |= keys(plan)
        end(near, client.start_run(plan).number, RunState.FINALIZED)
    assert len(seen) == 9


def test_a_cell_that_did_not_execute_pays_nothing_and_starves_nobody(
    clients: tuple[Client, EmbeddedClient],
) -> None:
    client, near = clients
    first = client.plan("broad")
    # One of the three could never be executed here; the other two were.
    (never, *_) = sorted(keys(first))
    answered: set[str] = set()
    tried = 0
    for _ in range(5):
        plan = client.plan("broad")
        tried += never in keys(plan)
        answered |= keys(plan) - {never}
        end(near, client.start_run(plan).number, RunState.FINALIZED, silent=[never])
    assert tried >= 2, "what was never executed is tried again"
    assert len(answered) == 8, "and all others had their turn meanwhile"


def test_the_plan_says_what_is_left_to_the_next_run(
    tmp_path: Path,
    checkout: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setenv("HOTFIRE_HOME", str(tmp_path / "home"))
    assert main(["plan", "broad"]) == 0
    said = capsys.readouterr().err
    assert "unit: 9 of 15 combinations of 2 values covered, 6 left to the next run" in said
