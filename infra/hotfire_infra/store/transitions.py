"""The only door to a state: a guarded UPDATE, its history and outbox rows, one transaction."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from functools import cache
from typing import Any, cast

from sqlalchemy import Connection, Table, bindparam, select

from hotfire_infra.states import (
    ATTEMPT_TRANSITIONS,
    DEVICE_TRANSITIONS,
    REQUEST_TRANSITIONS,
    RUN_TRANSITIONS,
    TASK_TRANSITIONS,
    states_before,
)
from hotfire_infra.store.models import Attempt, Base, Device, History, Outbox, Request, Run, Task
from hotfire_infra.store.postgres import serialise
from hotfire_infra.store.prepared import Prepared, prepare

OUTBOX = "outbox"
"""Name of the queue of transactions that publish (PostgreSQL gives out ids before the commit)."""

_ENTITIES: dict[str, tuple[type[Base], Mapping[Any, frozenset[Any]]]] = {
    "attempt": (Attempt, ATTEMPT_TRANSITIONS),
    "task": (Task, TASK_TRANSITIONS),
    "run": (Run, RUN_TRANSITIONS),
    "request": (Request, REQUEST_TRANSITIONS),
    "device": (Device, DEVICE_TRANSITIONS),
}
_COLUMNS = {"device": "health"}
"""What holds the state where it is not called `state`."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Move:
    """One step of one entity, with what changes beside its state."""

    entity: str
    entity_id: int
    to_state: StrEnum
    reason: str
    by: str
    run_id: int | None = None
    subject: Mapping[str, Any] = field(default_factory=dict)
    """What watchers are told beside state and reason."""
    values: Mapping[str, Any] = field(default_factory=dict)
    """Columns set in the same update."""
    fence: int | None = None
    """For an attempt: the update is refused unless this is the attempt's fence."""


def move(connection: Connection, step: Move, at_ns: int) -> bool:
    """Make a step; False: state or fence forbid it by now, and nothing was written."""
    (seen,) = _state_of(step.entity).row(connection, the_id=step.entity_id) or (None,)
    if seen not in states_before(_ENTITIES[step.entity][1], step.to_state):
        return False
    statement = _step(step.entity, tuple(step.values), step.fence is not None)
    values: dict[str, Any] = {
        "the_id": step.entity_id,
        "seen": seen,
        _state_column(step.entity): step.to_state,
        **step.values,
    }
    if step.fence is not None:
        values["the_fence"] = step.fence
    if not statement.run(connection, **values):
        return False
    record_history(connection, step, seen, at_ns)
    return True


# Building a statement costs more than executing it, and these are executed for every step.
@cache
def _state_of(entity: str) -> Prepared:
    table = _ENTITIES[entity][0].__table__
    return prepare(select(table.c[_state_column(entity)]).where(table.c.id == bindparam("the_id")))


def _state_column(entity: str) -> str:
    return _COLUMNS.get(entity, "state")


@cache
def _step(entity: str, columns: tuple[str, ...], is_fenced: bool) -> Prepared:
    table = cast("Table", _ENTITIES[entity][0].__table__)
    state = _state_column(entity)
    guard = [table.c.id == bindparam("the_id"), table.c[state] == bindparam("seen")]
    if is_fenced:
        guard.append(table.c.fence == bindparam("the_fence"))
    values: dict[str, Any] = {name: bindparam(name) for name in (state, *columns)}
    return prepare(table.update().where(*guard).values(values))


def _insertion(model: type[Base], *names: str) -> Prepared:
    table = cast("Table", model.__table__)
    return prepare(table.insert().values({name: bindparam(name) for name in names}))


_INSERT_HISTORY = _insertion(
    History, "entity", "entity_id", "from_state", "to_state", "reason", "at_ns", "by"
)
_INSERT_EVENT = _insertion(Outbox, "topic", "run_id", "payload", "created_ns")


def record_history(connection: Connection, step: Move, from_state: str | None, at_ns: int) -> None:
    """Write the history row and the outbox row of a step (also of a creation: from no state)."""
    row = {
        "entity": step.entity,
        "entity_id": step.entity_id,
        "from_state": from_state,
        "to_state": step.to_state,
        "reason": step.reason,
        "at_ns": at_ns,
        "by": step.by,
    }
    _INSERT_HISTORY.run(connection, **row)
    publish(
        connection,
        topic=f"{step.entity}.{step.to_state}",
        run_id=step.run_id,
        payload={"state": str(step.to_state), "reason": step.reason, **step.subject},
        at_ns=at_ns,
    )


def publish(
    connection: Connection,
    *,
    topic: str,
    run_id: int | None,
    payload: Mapping[str, Any],
    at_ns: int,
) -> None:
    """Put an event into the outbox of the current transaction.

    Events become visible in the order of their ids: whoever reads on from the last id misses none.
    """
    serialise(connection, OUTBOX)
    row = {"topic": topic, "run_id": run_id, "payload": dict(payload), "created_ns": at_ns}
    _INSERT_EVENT.run(connection, **row)
