"""SELECTs on how long the tests of a cell took: what the next plan cuts its shards by."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from typing import Any

from sqlalchemy import Connection, Select, select

from hotfire_infra.states import AttemptState, RunState
from hotfire_infra.store.models import Attempt, Cell, Result, Run, Task, Test
from hotfire_pipelines.durations import Measured, summarise
from hotfire_pipelines.history import CellHistory
from hotfire_testframework.contract.outcomes import Outcome

REMEMBERED_RUNS = 40
"""Newest runs of a pipeline among which finalized ones with the cell are looked for."""
MEASURED_RUNS = 5
"""Runs of a cell whose durations count: older ones tell of other code."""
MOST_RESULTS = 100_000
"""Rows that one question reads; a cell with more tests is told by fewer runs."""

_ENDED = (AttemptState.PASSED, AttemptState.FAILED)


def cell_history(
    connection: Connection, pipeline: str, cell: str, task: str, platform: str
) -> CellHistory | None:
    """Return what the newest runs of a pipeline tell of a cell, or None where none ran it.

    A cell that never ran is told by those of the same task and platform with other axis values.
    """
    # States are compared here: asked for in SQL, SQLite would take the index of states instead of
    # that of pipelines, and walk through everything that was ever finished.
    runs = (
        select(Run.id, Run.state, Run.purpose)
        .where(Run.pipeline == pipeline)
        .order_by(Run.id.desc())
        .limit(REMEMBERED_RUNS)
    )
    ids = [
        run.id
        for run in connection.execute(runs)
        if run.state is RunState.FINALIZED and run.purpose == "result"
    ]
    own = select(Cell.id).where(Cell.run_id.in_(ids), Cell.key == cell)
    near = select(Cell.id).where(
        Cell.run_id.in_(ids), Cell.task == task, Cell.platform == platform, Cell.key != cell
    )
    for query, is_own in ((own, True), (near, False)):
        attempts = _attempts(connection, query)
        if attempts:
            tests, setup = _durations(connection, attempts)
            shards = _shards(connection, attempts[0].cell_id) if is_own else ()
            return CellHistory(tests=tests, setup=setup, shards=shards, is_own=is_own)
    return None


def _attempts(connection: Connection, cells: Select[int]) -> list[Any]:
    """Return the attempts of the newest cells that say something, newest first."""
    newest = list(
        connection.execute(cells.order_by(Cell.id.desc()).limit(REMEMBERED_RUNS)).scalars()
    )
    query = (
        select(Attempt.id, Attempt.started_ns, Attempt.ended_ns, Attempt.state, Task.cell_id)
        .join(Task, Task.id == Attempt.task_id)
        .where(
            Task.cell_id.in_(newest),
            Attempt.purpose == "result",
            Attempt.invalidation_id.is_(None),
        )
        .order_by(Attempt.id.desc())
    )
    found = [row for row in connection.execute(query) if row.state in _ENDED]
    told = list(dict.fromkeys(row.cell_id for row in found))[:MEASURED_RUNS]
    return [row for row in found if row.cell_id in told]


def _durations(
    connection: Connection, attempts: Sequence[Any]
) -> tuple[dict[str, Measured], Measured | None]:
    """Return passed tests by identifier, and what attempts took beside their tests."""
    query = (
        select(
            Result.attempt_id,
            Result.outcome,
            Result.duration_ns,
            Test.module,
            Test.scheme,
            Test.name,
        )
        .join(Test, Test.id == Result.test_id)
        .where(Result.attempt_id.in_([row.id for row in attempts]))
        .order_by(Result.attempt_id.desc(), Result.seq)
        .limit(MOST_RESULTS)
    )
    seconds: dict[str, list[float]] = defaultdict(list)
    spent: dict[int, float] = defaultdict(float)
    rows = connection.execute(query).all()
    for row in rows:
        took = row.duration_ns / 1e9
        spent[row.attempt_id] += took
        if row.outcome == Outcome.PASSED:
            seconds[f"{row.module}/{row.scheme}/{row.name}"].append(took)
    cut_off = rows[-1].attempt_id if len(rows) == MOST_RESULTS else None
    beside = [
        max(0.0, (row.ended_ns - row.started_ns) / 1e9 - spent[row.id])
        for row in attempts
        if row.state == AttemptState.PASSED
        and row.started_ns is not None
        and row.ended_ns is not None
        and row.id in spent
        and row.id != cut_off
    ]
    tests = {test: summarise(took) for test, took in seconds.items()}
    return tests, summarise(beside) if beside else None


def _shards(connection: Connection, cell_id: int) -> tuple[tuple[str, ...], ...]:
    """Return the case lines of each task of a cell, by shard."""
    query = select(Task.spec).where(Task.cell_id == cell_id).order_by(Task.shard)
    parts = [tuple(spec.get("cases", ())) for spec in connection.execute(query).scalars()]
    return tuple(parts) if any(parts) else ()
