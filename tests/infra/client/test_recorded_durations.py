"""Whoever plans, here or at a service, cuts shards by what the runs before took."""

from __future__ import annotations

import subprocess
from dataclasses import replace
from pathlib import Path
from unittest.mock import Mock

import pytest
from sqlalchemy import insert, select, update

from hotfire_infra.cli.here import Here
from hotfire_infra.cli.main import main
from hotfire_infra.cli.verbs.plan import print_plan
from hotfire_infra.client.embedded import EmbeddedClient
from hotfire_infra.errors import DatabaseBusyError
from hotfire_infra.states import AttemptState, RunState
from hotfire_infra.store import models, queries_durations, queries_prices
from hotfire_infra.store.models import Attempt, Cell, Result, Run, Task
from hotfire_pipelines.plan import Plan

IDENTITY = ("-c", "user.name=Test", "-c", "user.email=test@example.org")
PLATFORMS = """
schema: hotfire.dev/platforms/1
platforms:
  here: {dimensions: {os: linux}, reach: [local]}
"""
PIPELINE = """
schema: hotfire.dev/pipeline/1
name: sharded
axes:
  platform: {values: [here]}
tasks:
  kernels:
    harness: cases
    command: ["true"]
    matrix: {platform: [here]}
    cases: {files: ["*.cases"]}
    shards: {target: 1m, max: 8}
"""
LINES = [f"gemm.f32:m={size},n=2,k=2,data=exact,seed=1" for size in range(1, 7)]


@pytest.fixture
def checkout(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    root = tmp_path / "library"
    definitions = root / "pipelines" / "definitions"
    definitions.mkdir(parents=True)
    (definitions / "platforms.yaml").write_text(PLATFORMS)
    (definitions / "sharded.yaml").write_text(PIPELINE)
    (root / "all.cases").write_text("\n".join(LINES) + "\n")
    for arguments in (["init", "-q"], ["add", "-A"], ["commit", "-qm", "First"]):
        subprocess.run(["git", *IDENTITY, *arguments], cwd=root, check=True)
    monkeypatch.chdir(root)
    return root


def took(client: EmbeddedClient, number: int, seconds: float) -> None:
    """End a run as if each case but the last had taken so long."""
    with client.store.writing() as connection:
        connection.execute(update(Run).where(Run.number == number).values(state=RunState.FINALIZED))
        task = connection.execute(
            select(Task.id, Cell.variant_id).join(Cell, Cell.id == Task.cell_id)
        ).one()
        attempt = {
            "ulid": "0" * 26, "task_id": task.id, "number": 1, "state": AttemptState.PASSED,
            "executor": "local", "pool": "local", "token_sha256": "0", "boot_id": "b",
            "lease_expires_mono_ns": 0, "created_ns": 0, "started_ns": 0,
            "ended_ns": round((5 * seconds + 3) * 1e9),
        }  # fmt: skip
        [attempt_id] = connection.execute(insert(Attempt).values(**attempt)).inserted_primary_key
        for seq, line in enumerate(LINES[:-1], start=1):
            test = {"module": "aestus.kernels", "scheme": "native", "name": line}
            found = connection.execute(
                select(models.Test.id).where(models.Test.name == line)
            ).scalar()
            [test_id] = (
                [found]
                if found
                else connection.execute(insert(models.Test).values(**test)).inserted_primary_key
            )
            result = {
                "attempt_id": attempt_id, "seq": seq, "test_id": test_id,
                "variant_id": task.variant_id, "try_number": 1, "outcome": "passed",
                "duration_ns": round(seconds * 1e9),
            }  # fmt: skip
            connection.execute(insert(Result).values(**result))


def test_the_next_plan_has_as_many_shards_as_its_target_needs(clients):
    planner, embedded = clients
    first = planner.plan("sharded")
    assert [one.unknown for one in first.durations] == [6]
    assert len(first.tasks) == 1
    run = planner.start_run(first)
    took(embedded, run.number, 20.0)
    again = planner.plan("sharded")
    [said] = again.durations
    assert (said.measured, said.neighbours, said.unknown) == (5, 1, 0)
    assert said.setup_measured
    assert said.setup_s == pytest.approx(3.0)
    assert len(again.tasks) == 3
    assert sorted(line for task in again.tasks for line in task.spec.cases) == sorted(LINES)


def test_a_plan_does_not_fail_for_want_of_durations(clients, monkeypatch, capsys):
    planner, embedded = clients
    took(embedded, planner.start_run(planner.plan("sharded")).number, 20.0)
    told = planner.plan("sharded")

    def broken(*asked):
        raise DatabaseBusyError("the disk does not answer")

    asked = Mock(side_effect=broken)
    monkeypatch.setattr(queries_durations, "cell_history", asked)
    monkeypatch.setattr(queries_prices, "samples_of", broken)
    plan = planner.plan("sharded")
    assert (len(told.tasks), len(plan.tasks)) == (3, 1), "cut by declared costs"
    assert [one.unknown for one in plan.durations] == [6]
    assert asked.call_count == 1
    assert [said.partition(",")[0] for said in plan.unanswered] == [
        "durations of tests cannot be read",
        "what attempts took cannot be read",
    ]
    assert Plan.from_json(plan.to_json()) == plan
    assert replace(plan, unanswered=()).digest == plan.digest
    print_plan(plan, Here(), as_json=False)
    assert "in doubt: durations of tests cannot be read" in capsys.readouterr().err


def test_the_command_says_what_shards_are_cut_by(checkout, tmp_path, monkeypatch, capsys):
    monkeypatch.setenv("HOTFIRE_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("HOTFIRE_CACHE", str(tmp_path / "cache"))
    assert main(["plan", "sharded"]) == 0
    said = capsys.readouterr()
    assert "durations: 0 measured on this platform, 6 unknown, as declared" in said.out + said.err
