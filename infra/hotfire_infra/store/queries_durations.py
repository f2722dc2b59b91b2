"""SELECTs on how long the tests of a cell took: what the next plan cuts its shards by."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from typing import Any

from sqlalchemy import Connection, Select, select

from hotfire_infra.states import AttemptState, RunState
from hotfire_infra.store.models import Attempt, Cell, Result, Run, Task, Test
from hotfire_pipelines.durations import Measured, summarise
from hotfire_pipelines.history import CellHistory, definition_of
from hotfire_testframework.contract.outcomes import Outcome

REMEMBERED_RUNS = 40
"""Newest runs of a pipeline among which finalized ones with the cell are looked for."""
SEARCHED_RUNS = 400
"""Newest runs of all pipelines among which those of other pipelines are looked for."""
MEASURED_RUNS = 5
"""Runs of a cell whose durations count: older ones tell of other code."""
MOST_RESULTS = 100_000
"""Rows that one question reads; a cell with more tests is told by fewer runs."""

_ENDED = (AttemptState.PASSED, AttemptState.FAILED)


def cell_history(
    connection: Connection,
    pipeline: str,
    cell: str,
    task: str,
    platform: str,
    definition: str | None = None,
) -> CellHistory | None:
    """Return what the newest runs tell of a cell, or None where none ran it or its like.

    Runs of the pipeline come first; while they are few, those of others count too, as far as the
    cell had the same `definition` there (`history.definition_of`). A cell that never ran is told by
    those of the same task and platform, with other axis values or defined otherwise.
    """
    mine, theirs = _runs(connection, pipeline)
    own = _attempts(connection, select(Cell.id).where(Cell.run_id.in_(mine), Cell.key == cell))
    borrowed: list[Any] = []
    lenders: dict[str, list[int]] = {}
    if definition is not None and len({row.cell_id for row in own}) < MEASURED_RUNS:
        lenders = _with_definition(connection, theirs, cell, definition)
        cells = [one for found in lenders.values() for one in found]
        borrowed = _attempts(connection, select(Cell.id).where(Cell.id.in_(cells)))
    if own or borrowed:
        tests, setup = _durations(connection, own) if own else ({}, None)
        others, other_setup = _durations(connection, borrowed) if borrowed else ({}, None)
        told = {row.cell_id for row in borrowed}
        return CellHistory(
            tests={**others, **tests},
            setup=setup or other_setup,
            shards=_shards(connection, own[0].cell_id) if own else (),
            pipelines=tuple(sorted(name for name, found in lenders.items() if told & {*found})),
        )
    alike = (Cell.task == task, Cell.platform == platform)
    for runs in (mine, [run for found in theirs.values() for run in found]):
        near = select(Cell.id).where(Cell.run_id.in_(runs), *alike)
        attempts = _attempts(connection, near)
        if attempts:
            tests, setup = _durations(connection, attempts)
            return CellHistory(tests=tests, setup=setup, is_own=False)
    return None


def _runs(connection: Connection, pipeline: str) -> tuple[list[int], dict[str, list[int]]]:
    """Return finalized runs of a pipeline, and those of each other one, newest first."""
    # States are compared here: asked for in SQL, SQLite would take the index of states instead of
    # that of pipelines, and walk through everything that was ever finished.
    columns = select(Run.id, Run.pipeline, Run.state, Run.purpose).order_by(Run.id.desc())
    own = columns.where(Run.pipeline == pipeline).limit(REMEMBERED_RUNS)
    mine = [run.id for run in connection.execute(own) if _is_told_by(run)]
    theirs: dict[str, list[int]] = defaultdict(list)
    for run in connection.execute(columns.limit(SEARCHED_RUNS)):
        if run.pipeline != pipeline and _is_told_by(run):
            theirs[run.pipeline].append(run.id)
    return mine, {name: found[:MEASURED_RUNS] for name, found in theirs.items()}


def _is_told_by(run: Any) -> bool:
    return run.state is RunState.FINALIZED and run.purpose == "result"


def _with_definition(
    connection: Connection, runs: Mapping[str, Sequence[int]], cell: str, definition: str
) -> dict[str, list[int]]:
    """Return a cell in the runs of each pipeline whose newest one defines it like this."""
    found: dict[str, list[int]] = {}
    for pipeline, ids in runs.items():
        query = (
            select(Cell.id)
            .where(Cell.run_id.in_(ids), Cell.key == cell)
            .order_by(Cell.run_id.desc())
        )
        cells = list(connection.execute(query).scalars())
        if not cells:
            continue
        newest = select(Task.spec).where(Task.cell_id == cells[0]).limit(1)
        spec = connection.execute(newest).scalar()
        if spec is not None and definition_of(spec) == definition:
            found[pipeline] = cells
    return found


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
    """Return the case lines, or the tests of a list, of each task of a cell, by shard."""
    query = select(Task.spec).where(Task.cell_id == cell_id).order_by(Task.shard)
    parts = [
        (*spec.get("cases", ()), *(one["test"] for one in spec.get("tests", ())))
        for spec in connection.execute(query).scalars()
    ]
    return tuple(parts) if any(parts) else ()
