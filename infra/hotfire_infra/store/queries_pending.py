"""Why nothing of a cell runs yet: for room, for machines, or for other tasks."""

from __future__ import annotations

from collections.abc import Sequence

from sqlalchemy import ColumnElement, Connection, case, exists, select
from sqlalchemy.orm import aliased

from hotfire_infra.states import TASK_TERMINAL, AttemptState, TaskState
from hotfire_infra.store.models import Attempt, Edge, Run, Task

SAID_BY = "said_by"
"""Option of a run: for whom it is, as its client said; who asked is its `requested_by`."""
NAMED_TASKS = 2
"""Tasks named that another one waits for; more are counted."""


def still_pending() -> ColumnElement[str]:
    """Return the reason of a task that was handed over, as long as nobody has claimed it.

    Of a queued task it is what keeps it here; after that what its executor waits for.
    """
    is_claimed = exists().where(Attempt.task_id == Task.id, Attempt.state == AttemptState.STARTED)
    return case(
        (Task.state == TaskState.QUEUED, Task.pending),
        (Task.state != TaskState.RUNNING, ""),
        (Task.pending == "", ""),
        (is_claimed, ""),
        else_=Task.pending,
    ).label("still_pending")


def pending_of_cells(connection: Connection, run_id: int) -> dict[int, str]:
    """Return the reason by cell, for cells of which something waits and nothing runs."""
    tasks = select(Task.cell_id, Task.state, still_pending()).where(
        Task.run_id == run_id,
        Task.state.in_([TaskState.QUEUED, TaskState.RUNNING, TaskState.WAITING]),
    )
    running: set[int] = set()
    queued: dict[int, str] = {}
    waiting: set[int] = set()
    for cell_id, state, pending in connection.execute(tasks.order_by(Task.id)):
        if state is TaskState.RUNNING and not pending:
            running.add(cell_id)
        elif state is not TaskState.WAITING:
            queued[cell_id] = queued.get(cell_id) or pending
        else:
            waiting.add(cell_id)
    reasons = _awaited(connection, run_id) if waiting else {}
    reasons |= {cell_id: why for cell_id, why in queued.items() if why}
    return {cell_id: why for cell_id, why in reasons.items() if cell_id not in running}


def pending_of_runs(connection: Connection, run_ids: Sequence[int]) -> dict[int, str]:
    """Return by run why nothing of it runs; runs of which something does are left out."""
    query = (
        select(Task.run_id, Task.state, still_pending())
        .where(Task.run_id.in_(run_ids), Task.state.in_([TaskState.QUEUED, TaskState.RUNNING]))
        .order_by(Task.id)
    )
    running: set[int] = set()
    reasons: dict[int, str] = {}
    for run_id, state, pending in connection.execute(query):
        if state is TaskState.RUNNING and not pending:
            running.add(run_id)
        else:
            reasons[run_id] = reasons.get(run_id) or pending
    return {key: why for key, why in reasons.items() if why and key not in running}


def superseded_by(connection: Connection, run_id: int) -> tuple[int, ...]:
    """Return the numbers of the runs that were ended for this one."""
    query = select(Run.number).where(Run.superseded_by_run_id == run_id).order_by(Run.number)
    return tuple(connection.execute(query).scalars())


def said_by(connection: Connection, run_id: int) -> str:
    """Return for whom a run is, as its client said; empty where it said nothing."""
    options = connection.execute(select(Run.options).where(Run.id == run_id)).scalar_one() or {}
    return str(options.get(SAID_BY, ""))


def _awaited(connection: Connection, run_id: int) -> dict[int, str]:
    earlier, later = aliased(Task), aliased(Task)
    query = (
        select(later.cell_id, earlier.key, earlier.id)
        .join(Edge, Edge.to_task_id == later.id)
        .join(earlier, earlier.id == Edge.from_task_id)
        .where(
            later.run_id == run_id,
            Edge.run_id == run_id,
            later.state == TaskState.WAITING,
            earlier.state.not_in(TASK_TERMINAL),
        )
        .distinct()
        .order_by(earlier.id)
    )
    found: dict[int, dict[str, None]] = {}
    for cell_id, key, _ in connection.execute(query):
        found.setdefault(cell_id, {})[key] = None
    return {cell_id: _waits_for(list(keys)) for cell_id, keys in found.items()}


def _waits_for(keys: list[str]) -> str:
    named = " and ".join(keys[:NAMED_TASKS])
    more = len(keys) - NAMED_TASKS
    return f"waits for {named}" + (f" and {more} more" if more > 0 else "")
