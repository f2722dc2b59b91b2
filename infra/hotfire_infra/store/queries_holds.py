"""SELECTs on holds: machines that are kept for a person after a failed attempt."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, Select, select

from hotfire_infra.states import Priority
from hotfire_infra.store.models import Attempt, Cell, Hold, Run, Task

REFUSED = "not held: "
"""How the reason of a refused hold begins."""


@dataclass(frozen=True, slots=True, kw_only=True)
class HoldRow:
    """One hold with what it keeps and for whom."""

    id: int
    ulid: str
    attempt_id: int
    attempt_ulid: str
    attempt_number: int
    task_id: int
    cell_key: str
    run_id: int
    run_number: int
    pipeline: str
    team: str
    priority: Priority
    requested_by: str
    executor: str
    pool: str
    cpus: int
    device_id: int | None
    reason: str
    held_by: str
    boot_id: str
    until_mono_ns: int
    until_ns: int
    released_ns: int | None

    @property
    def is_refused(self) -> bool:
        """Whether the machine was never kept."""
        return self.reason.startswith(REFUSED)


def _holds() -> Select[Any]:
    return (
        select(
            *Hold.__table__.c,
            Attempt.ulid.label("attempt_ulid"),
            Attempt.number.label("attempt_number"),
            Attempt.task_id,
            Attempt.executor,
            Attempt.pool,
            Attempt.device_id,
            Cell.key.label("cell_key"),
            Run.id.label("run_id"),
            Run.number.label("run_number"),
            Run.pipeline,
            Run.team,
            Run.priority,
            Run.requested_by,
        )
        .join(Attempt, Attempt.id == Hold.attempt_id)
        .join(Task, Task.id == Attempt.task_id)
        .join(Cell, Cell.id == Task.cell_id)
        .join(Run, Run.id == Task.run_id)
        .order_by(Hold.id)
    )


def _rows(connection: Connection, query: Select[Any]) -> tuple[HoldRow, ...]:
    names = HoldRow.__dataclass_fields__
    return tuple(
        HoldRow(**{name: getattr(row, name) for name in names}) for row in connection.execute(query)
    )


def active_holds(connection: Connection) -> tuple[HoldRow, ...]:
    """Return the holds that are not released, oldest first; some may be due."""
    return _rows(connection, _holds().where(Hold.released_ns.is_(None)))


def holds_called(connection: Connection, prefix: str) -> tuple[HoldRow, ...]:
    """Return the active holds whose id begins so, or that keep a machine of this attempt."""
    text = prefix.upper()
    return tuple(
        row
        for row in active_holds(connection)
        if row.ulid.startswith(text) or row.attempt_ulid == text
    )


def holds_of_run(connection: Connection, run_id: int) -> tuple[HoldRow, ...]:
    """Return all holds of a run, also those that are over or were refused."""
    return _rows(connection, _holds().where(Run.id == run_id))


def held_attempts(connection: Connection) -> frozenset[str]:
    """Return the attempts whose workspace must not be released."""
    query = (
        select(Attempt.ulid)
        .join(Hold, Hold.attempt_id == Attempt.id)
        .where(Hold.released_ns.is_(None))
    )
    return frozenset(connection.execute(query).scalars())
