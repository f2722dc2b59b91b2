"""Read and write confirmations: what is run again to be sure, how far that is, what it came to."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, Select, func, insert, select, update

from hotfire_infra.store.models import (
    Attempt,
    Cell,
    Confirmation,
    Device,
    Measurement,
    Run,
    SeriesChange,
    Task,
)
from hotfire_infra.store.prepared import prepare
from hotfire_infra.store.transitions import publish

PURPOSE = "confirm"
"""Of the runs that are its launches, and the key in their options."""
DEVICES = "devices"
"""The key in the options of a run that may use only these devices: identity by cell key."""
OPEN, DECIDED = "open", "decided"


@dataclass(frozen=True, slots=True, kw_only=True)
class ConfirmationRow:
    """One confirmation."""

    id: int
    ulid: str
    run_id: int
    run_number: int
    change_id: int | None
    change: str | None
    """ULID of the change that it is about."""
    state: str
    answer: str | None
    reason: str
    budget_seconds: int
    body: Any
    result: Any
    requested_by: str
    created_ns: int
    decided_ns: int | None

    @property
    def launches(self) -> tuple[int, ...]:
        """Runs that were started for it, oldest first."""
        return tuple((self.result or {}).get("launches", ()))


@dataclass(frozen=True, slots=True, kw_only=True)
class LaunchTime:
    """How long the tasks of one launch ran, and on which device by cell."""

    seconds: float
    devices: Mapping[str, str]


def insert_confirmation(connection: Connection, values: Mapping[str, Any], at_ns: int) -> None:
    """Record what is to be run again; whoever executes hears of it."""
    row = {"state": OPEN, "reason": "", "result": {"launches": []}, "created_ns": at_ns, **values}
    connection.execute(insert(Confirmation).values(row))
    payload = {"state": OPEN, "reason": "", "confirmation": values["ulid"]}
    publish(
        connection, topic="confirmation.open", run_id=values["run_id"], payload=payload, at_ns=at_ns
    )


def note_launch(connection: Connection, row: ConfirmationRow, run_id: int) -> None:
    """Remember that a run was started for a confirmation."""
    result = {**(row.result or {}), "launches": [*row.launches, run_id]}
    connection.execute(update(Confirmation).where(Confirmation.id == row.id).values(result=result))


def decide_confirmation(
    connection: Connection, row: ConfirmationRow, values: Mapping[str, Any], at_ns: int
) -> bool:
    """Write the answer; False where somebody else did."""
    mine = (Confirmation.id == row.id, Confirmation.state == OPEN)
    step = update(Confirmation).where(*mine).values(**values, state=DECIDED, decided_ns=at_ns)
    if connection.execute(step.returning(Confirmation.id)).scalar() is None:
        return False
    payload = {
        "state": DECIDED,
        "reason": str(values.get("reason", "")),
        "confirmation": row.ulid,
        "answer": values.get("answer"),
    }
    publish(
        connection, topic="confirmation.decided", run_id=row.run_id, payload=payload, at_ns=at_ns
    )
    return True


def open_confirmations(connection: Connection) -> tuple[ConfirmationRow, ...]:
    """Return what is still to be run, oldest first."""
    query = _confirmations().where(Confirmation.state == OPEN).order_by(Confirmation.id)
    return _rows(connection, query)


def confirmation_called(connection: Connection, ulid: str) -> ConfirmationRow | None:
    """Return the confirmation with this id."""
    found = _rows(connection, _confirmations().where(Confirmation.ulid == ulid))
    return found[0] if found else None


def confirmations_of_run(connection: Connection, run_id: int) -> tuple[ConfirmationRow, ...]:
    """Return what was run again about a run, oldest first."""
    query = _confirmations().where(Confirmation.run_id == run_id).order_by(Confirmation.id)
    return _rows(connection, query)


def confirmations_of_changes(
    connection: Connection, change_ids: Sequence[int]
) -> tuple[ConfirmationRow, ...]:
    """Return what was run again about some changes, oldest first."""
    if not change_ids:
        return ()
    query = _confirmations().where(Confirmation.change_id.in_(change_ids))
    return _rows(connection, query.order_by(Confirmation.id))


def newest_confirmations(
    connection: Connection, *, limit: int, before: int | None = None
) -> tuple[ConfirmationRow, ...]:
    """Return the newest first, older than a surrogate if one is given."""
    query = _confirmations().order_by(Confirmation.id.desc()).limit(limit)
    if before is not None:
        query = query.where(Confirmation.id < before)
    return _rows(connection, query)


def tasks_of_series(
    connection: Connection, run_id: int, keys: Sequence[str]
) -> Mapping[str, tuple[str, str]]:
    """Return (task, cell) in which a run measured each of some series; those it did not are left out."""
    query = (
        select(Measurement.series_key, Task.key, Cell.key.label("cell"))
        .join(Attempt, Attempt.id == Measurement.attempt_id)
        .join(Task, Task.id == Attempt.task_id)
        .join(Cell, Cell.id == Task.cell_id)
        .where(Task.run_id == run_id, Measurement.series_key.in_(keys))
    )
    return {row.series_key: (row.key, row.cell) for row in connection.execute(query)}


def time_of_launch(
    connection: Connection, run_id: int, tasks: Sequence[str] | None = None
) -> LaunchTime:
    """Return how long a run's tasks, or some, took over all attempts, and where they ran last."""
    query = (
        select(Attempt.started_ns, Attempt.ended_ns, Device.identity, Cell.key)
        .join(Task, Task.id == Attempt.task_id)
        .join(Cell, Cell.id == Task.cell_id)
        .outerjoin(Device, Device.id == Attempt.device_id)
        .where(Task.run_id == run_id)
        .order_by(Attempt.id)
    )
    if tasks is not None:
        query = query.where(Task.key.in_(tasks))
    rows = connection.execute(query).all()
    spent = sum(
        row.ended_ns - row.started_ns
        for row in rows
        if row.started_ns is not None and row.ended_ns is not None
    )
    return LaunchTime(
        seconds=spent / 1e9, devices={row.key: row.identity for row in rows if row.identity}
    )


def count_open(connection: Connection) -> int:
    """Return how many confirmations are under way."""
    (count,) = _COUNT_OPEN.row(connection) or (0,)
    return int(count)


# Asked after whatever happens: building it costs more than executing it.
_COUNT_OPEN = prepare(
    select(func.count()).select_from(Confirmation).where(Confirmation.state == OPEN)
)


def _confirmations() -> Select[Any]:
    return (
        select(
            *Confirmation.__table__.c,
            Run.number.label("run_number"),
            SeriesChange.ulid.label("change"),
        )
        .join(Run, Run.id == Confirmation.run_id)
        .outerjoin(SeriesChange, SeriesChange.id == Confirmation.change_id)
    )


def _rows(connection: Connection, query: Select[Any]) -> tuple[ConfirmationRow, ...]:
    return tuple(ConfirmationRow(**row._mapping) for row in connection.execute(query))
