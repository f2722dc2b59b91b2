"""SELECTs on what attempts took: what the next plan of a pipeline is priced by."""

from __future__ import annotations

from sqlalchemy import Connection, select

from hotfire_infra.states import AttemptState, RunState
from hotfire_infra.store.models import Attempt, Cell, Run, Task
from hotfire_pipelines.pricing import Sample

PRICED_RUNS = 30
"""Newest finalized runs that a price looks back on: older ones tell of other machines."""


def samples_of(connection: Connection, pipeline: str) -> tuple[Sample, ...]:
    """Return what the passed attempts of a pipeline's newest runs took, newest first.

    From the claim to the end, with set-up and tear-down: the time in which a machine was taken.
    Failed attempts end early, so they do not count; invalidated ones neither.
    """
    runs = (
        select(Run.id)
        .where(Run.pipeline == pipeline, Run.state == RunState.FINALIZED, Run.purpose == "result")
        .order_by(Run.id.desc())
        .limit(PRICED_RUNS)
    )
    query = (
        select(
            Cell.key, Cell.task, Cell.platform, Task.shards, Attempt.started_ns, Attempt.ended_ns
        )
        .join(Task, Task.id == Attempt.task_id)
        .join(Cell, Cell.id == Task.cell_id)
        .where(
            Task.run_id.in_([row.id for row in connection.execute(runs)]),
            Attempt.state == AttemptState.PASSED,
            Attempt.purpose == "result",
            Attempt.invalidation_id.is_(None),
            Attempt.started_ns.is_not(None),
            Attempt.ended_ns.is_not(None),
        )
        .order_by(Attempt.id.desc())
    )
    return tuple(
        Sample(
            cell=row.key,
            task=row.task,
            platform=row.platform,
            shards=row.shards,
            seconds=max(row.ended_ns - row.started_ns, 0) / 1e9,
        )
        for row in connection.execute(query)
    )
