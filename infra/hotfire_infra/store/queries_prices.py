"""SELECTs on what attempts took: what the next plan of a pipeline is priced by."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from sqlalchemy import Connection, CursorResult, or_, select

from hotfire_infra.states import AttemptState, RunState
from hotfire_infra.store.models import Attempt, Cell, Run, Task
from hotfire_pipelines.history import definition_of
from hotfire_pipelines.pricing import Sample

PRICED_RUNS = 30
"""Newest finalized runs that a price looks back on: older ones tell of other machines."""
LENT_RUNS = 5
"""Newest finalized runs of each other pipeline that it borrows from."""
SEARCHED_RUNS = 400
"""Newest runs of all pipelines among which those of others are looked for."""


def samples_of(connection: Connection, pipeline: str) -> tuple[Sample, ...]:
    """Return what the passed attempts of a pipeline's newest runs took, newest first.

    Behind them, with its name and how it defines the cell, what those of other pipelines took. From
    the claim to the end, with set-up and tear-down: the time in which a machine was taken.
    Failed attempts end early, so they do not count; invalidated ones neither, nor those of cells
    that a change left only a part of.
    """
    own = (
        select(Run.id)
        .where(Run.pipeline == pipeline, Run.state == RunState.FINALIZED, Run.purpose == "result")
        .order_by(Run.id.desc())
        .limit(PRICED_RUNS)
    )
    mine = dict.fromkeys(connection.execute(own).scalars(), "")
    return (
        *_samples(connection, mine),
        *_samples(connection, _lenders(connection, pipeline)),
    )


def _lenders(connection: Connection, pipeline: str) -> dict[int, str]:
    """Return the newest finalized runs of the other pipelines, each with its pipeline."""
    # States are compared here: in SQL, SQLite would take their index and read all of the past.
    query = select(Run.id, Run.pipeline, Run.state, Run.purpose).order_by(Run.id.desc())
    found: dict[int, str] = {}
    taken: Counter[str] = Counter()
    for run in connection.execute(query.limit(SEARCHED_RUNS)):
        if run.pipeline == pipeline or taken[run.pipeline] == LENT_RUNS:
            continue
        if run.state is RunState.FINALIZED and run.purpose == "result":
            found[run.id] = run.pipeline
            taken[run.pipeline] += 1
    return found


def _samples(connection: Connection, runs: Mapping[int, str]) -> Iterator[Sample]:
    if not runs:
        return
    definitions: dict[int, str] = {}
    for row in _attempts(connection, list(runs)):
        lender = runs[row.run_id]
        if lender and row.cell_id not in definitions:
            spec = select(Task.spec).where(Task.cell_id == row.cell_id).limit(1)
            definitions[row.cell_id] = definition_of(connection.execute(spec).scalar_one())
        yield Sample(
            cell=row.key,
            task=row.task,
            platform=row.platform,
            shards=row.shards,
            seconds=max(row.ended_ns - row.started_ns, 0) / 1e9,
            pipeline=lender,
            definition=definitions[row.cell_id] if lender else "",
        )


def _attempts(connection: Connection, runs: Sequence[int]) -> CursorResult[Any]:
    # A spec is read only where tests were left out: it may hold thousands of case lines.
    is_whole = or_(Cell.left_out == 0, Task.spec["leave_out"].as_string().is_(None))
    query = (
        select(
            Task.run_id,
            Task.cell_id,
            Cell.key,
            Cell.task,
            Cell.platform,
            Task.shards,
            Attempt.started_ns,
            Attempt.ended_ns,
        )
        .join(Task, Task.id == Attempt.task_id)
        .join(Cell, Cell.id == Task.cell_id)
        .where(
            Task.run_id.in_(runs),
            is_whole,
            Attempt.state == AttemptState.PASSED,
            Attempt.purpose == "result",
            Attempt.invalidation_id.is_(None),
            Attempt.started_ns.is_not(None),
            Attempt.ended_ns.is_not(None),
        )
        .order_by(Attempt.id.desc())
    )
    return connection.execute(query)
