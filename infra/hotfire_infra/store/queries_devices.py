"""Every SELECT on devices: which there are, what speaks against them, what was made of it."""

from __future__ import annotations

from collections.abc import Collection
from typing import Any

from sqlalchemy import Connection, Row, Select, func, select

from hotfire_infra.errors import DeviceNotFoundError
from hotfire_infra.states import DeviceHealth
from hotfire_infra.store import queries
from hotfire_infra.store.models import Attempt, Device, DeviceEvidence, Differential, History, Task
from hotfire_infra.store.rows import (
    DeviceEvidenceRow,
    DeviceRow,
    DifferentialRow,
    RunRow,
    TaskRow,
    TransitionRow,
)

MARKS = ("cleared", "differential")
"""Kinds of evidence rows with which an inquiry ends: what lies before them is settled."""
SHORTEST_PREFIX = 4


def _devices() -> Select[Any]:
    return select(*Device.__table__.c)


def _row(row: Row[Any]) -> DeviceRow:
    return DeviceRow(**{name: getattr(row, name) for name in DeviceRow.__dataclass_fields__})


def devices(
    connection: Connection,
    *,
    pool: str | None = None,
    health: Collection[DeviceHealth] | None = None,
) -> tuple[DeviceRow, ...]:
    """Return all devices, perhaps of one pool or of some states, by pool and identity."""
    query = _devices().order_by(Device.pool, Device.identity)
    if pool is not None:
        query = query.where(Device.pool == pool)
    if health is not None:
        query = query.where(Device.health.in_(list(health)))
    return tuple(_row(row) for row in connection.execute(query))


def device_by_id(connection: Connection, device_id: int) -> DeviceRow | None:
    """Return the device with this surrogate."""
    row = connection.execute(_devices().where(Device.id == device_id)).one_or_none()
    return None if row is None else _row(row)


def find_device(connection: Connection, ref: str) -> DeviceRow:
    """Return the device that people call `ref`: its identity or ULID, or a prefix of one of them."""
    exact = _devices().where((Device.identity == ref) | (Device.ulid == ref.upper()))
    found = connection.execute(exact).all()
    if not found and len(ref) >= SHORTEST_PREFIX:
        begins = Device.identity.startswith(ref, autoescape=True)
        also = Device.ulid.startswith(ref.upper(), autoescape=True)
        found = connection.execute(_devices().where(begins | also).limit(5)).all()
    if len(found) == 1:
        return _row(found[0])
    if found:
        names = ", ".join(row.identity for row in found)
        raise DeviceNotFoundError(f"{ref!r} begins the names of several devices: {names}")
    raise DeviceNotFoundError(f"no device is called {ref!r}; list them with `hotfire devices list`")


def evidence_of(
    connection: Connection, device_id: int, *, limit: int = 100
) -> tuple[DeviceEvidenceRow, ...]:
    """Return what was noted of a device, newest first."""
    query = (
        select(*DeviceEvidence.__table__.c, Attempt.ulid.label("attempt_ulid"))
        .outerjoin(Attempt, Attempt.id == DeviceEvidence.attempt_id)
        .where(DeviceEvidence.device_id == device_id)
        .order_by(DeviceEvidence.id.desc())
        .limit(limit)
    )
    fields = DeviceEvidenceRow.__dataclass_fields__
    return tuple(
        DeviceEvidenceRow(**{name: getattr(row, name) for name in fields})
        for row in connection.execute(query)
    )


def open_evidence(connection: Connection, device_id: int) -> tuple[DeviceEvidenceRow, ...]:
    """Return what was noted of a device since the last inquiry into it ended, newest first."""
    found: list[DeviceEvidenceRow] = []
    for row in evidence_of(connection, device_id, limit=1000):
        if row.kind in MARKS:
            break
        found.append(row)
    return tuple(found)


def newest_evidence(connection: Connection) -> int:
    """Return the id of the newest row of evidence, 0 before the first."""
    return int(connection.execute(select(func.max(DeviceEvidence.id))).scalar() or 0)


def differentials(
    connection: Connection, *, device_id: int | None = None, state: str | None = None
) -> tuple[DifferentialRow, ...]:
    """Return differential reruns, oldest first."""
    query = (
        select(
            *Differential.__table__.c,
            Attempt.ulid.label("attempt_ulid"),
            Attempt.task_id,
            Task.run_id,
            Task.key.label("task_key"),
        )
        .join(Attempt, Attempt.id == Differential.attempt_id)
        .join(Task, Task.id == Attempt.task_id)
        .order_by(Differential.id)
    )
    if device_id is not None:
        query = query.where(Differential.device_id == device_id)
    if state is not None:
        query = query.where(Differential.state == state)
    fields = DifferentialRow.__dataclass_fields__
    return tuple(
        DifferentialRow(**{name: getattr(row, name) for name in fields})
        for row in connection.execute(query)
    )


def transitions_of(
    connection: Connection, entity: str, entity_id: int, *, limit: int = 50
) -> tuple[TransitionRow, ...]:
    """Return the newest transitions of one entity, newest first."""
    query = (
        select(History.from_state, History.to_state, History.reason, History.at_ns, History.by)
        .where(History.entity == entity, History.entity_id == entity_id)
        .order_by(History.id.desc())
        .limit(limit)
    )
    return tuple(TransitionRow(*row) for row in connection.execute(query))


def task_with_run(connection: Connection, task_id: int) -> tuple[RunRow, TaskRow]:
    """Return a task and its run, which may be over."""
    run_id = connection.execute(select(Task.run_id).where(Task.id == task_id)).scalar_one()
    tasks = queries.tasks_of(connection, run_id)
    task = next(row for row in tasks if row.id == task_id)
    return queries.run_by_id(connection, run_id), task
