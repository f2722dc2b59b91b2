"""Devices in the store: register what an executor reports, note evidence, move health."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from sqlalchemy import Connection, insert, select, update

from hotfire_infra.executors.protocol import DeviceReport
from hotfire_infra.orchestrator.endings import Ending
from hotfire_infra.states import AttemptState, DeviceHealth
from hotfire_infra.store import queries_devices
from hotfire_infra.store.models import Attempt, Device, DeviceEvidence
from hotfire_infra.store.rows import AttemptRow, DeviceRow
from hotfire_infra.store.transitions import Move, move, record_history
from hotfire_testframework.contract.evidence import Evidence, Witness
from hotfire_testframework.contract.failure import FailureClass
from hotfire_testframework.contract.ulid import new_ulid

INTERRUPTION = "interruption"
HEALTH_CHECK = "health-check"
USABLE = frozenset({DeviceHealth.GOOD, DeviceHealth.SUSPECT})
"""States in which a device is given work; a suspect one after all good ones."""
_WEAK = frozenset({Witness.HANG.value, Witness.UNKILLABLE.value})


@dataclass(frozen=True, slots=True, kw_only=True)
class Note:
    """One row of evidence about a device."""

    kind: str
    source: str
    confidence: float
    detail: str = ""
    failure_class: FailureClass | None = None
    attempt_id: int | None = None


def register(
    connection: Connection,
    pool: str,
    executor: str,
    reports: Sequence[DeviceReport],
    *,
    by: str,
    at_ns: int,
) -> bool:
    """Take in what an executor sees now; True if a device is new, other or has something against it."""
    known = {device.identity: device for device in queries_devices.devices(connection)}
    changed = False
    for report in reports:
        device = known.get(report.identity)
        facts = {**report.facts, "is_shared": report.is_shared}
        if device is None:
            _insert(connection, pool, executor, report, facts, by=by, at_ns=at_ns)
            changed = True
            continue
        values = {"pool": pool, "kind": report.kind, "executor": executor, "facts": facts}
        changed |= any(getattr(device, name) != value for name, value in values.items())
        connection.execute(
            update(Device).where(Device.id == device.id).values(**values, last_seen_ns=at_ns)
        )
        changed |= _note_new(connection, device, report.evidence, at_ns)
    return changed


def _insert(
    connection: Connection,
    pool: str,
    executor: str,
    report: DeviceReport,
    facts: dict[str, object],
    *,
    by: str,
    at_ns: int,
) -> None:
    row = insert(Device).values(
        ulid=new_ulid(),
        identity=report.identity,
        pool=pool,
        kind=report.kind,
        executor=executor,
        facts=facts,
        health=DeviceHealth.GOOD,
        changed_ns=at_ns,
        last_seen_ns=at_ns,
    )
    device_id = connection.execute(row.returning(Device.id)).scalar_one()
    step = Move(
        entity="device",
        entity_id=device_id,
        to_state=DeviceHealth.GOOD,
        reason=f"first seen by {executor}",
        by=by,
        subject={"device": report.identity, "pool": pool},
    )
    record_history(connection, step, None, at_ns)
    for item in report.evidence:
        note(connection, device_id, _of(item, None), at_ns)


def _note_new(
    connection: Connection, device: DeviceRow, items: Sequence[Evidence], at_ns: int
) -> bool:
    """Note what is not noted yet: a counter says the same at every look."""
    if not items:
        return False
    seen = {(row.kind, row.detail) for row in queries_devices.evidence_of(connection, device.id)}
    new = [item for item in items if (item.kind, item.detail) not in seen]
    for item in new:
        note(connection, device.id, _of(item, None), at_ns)
    return bool(new)


def note(connection: Connection, device_id: int, what: Note, at_ns: int) -> None:
    """Write a row of evidence."""
    connection.execute(
        insert(DeviceEvidence).values(
            device_id=device_id,
            attempt_id=what.attempt_id,
            kind=what.kind,
            failure_class=what.failure_class.value if what.failure_class else None,
            source=what.source,
            confidence=what.confidence,
            detail=what.detail,
            at_ns=at_ns,
        )
    )


def note_ending(connection: Connection, attempt: AttemptRow, ending: Ending, at_ns: int) -> None:
    """Note what the end of an attempt says of the device it ran on; in the same transaction."""
    query = select(Attempt.device_id, Attempt.purpose, Device.identity, Device.facts)
    row = connection.execute(
        query.join(Device, Device.id == Attempt.device_id).where(Attempt.id == attempt.id)
    ).one_or_none()
    if row is None:
        return
    whole = str((row.facts or {}).get("gpu", ""))
    for what in _notes(attempt.id, ending, {"", row.identity, whole}):
        note(connection, row.device_id, what, at_ns)
    if row.purpose == HEALTH_CHECK:
        passed = ending.state is AttemptState.PASSED
        what = Note(
            kind=HEALTH_CHECK,
            source="orchestrator",
            confidence=0.0 if passed else 1.0,
            detail=f"{ending.state}: {ending.reason}" if ending.reason else str(ending.state),
            failure_class=None if passed else FailureClass.INFRA_DEVICE,
            attempt_id=attempt.id,
        )
        note(connection, row.device_id, what, at_ns)


def _notes(attempt_id: int, ending: Ending, names: set[str]) -> list[Note]:
    found = [
        _of(item, attempt_id)
        for item in ending.evidence
        if item.device in names
        and (item.failure_class is FailureClass.INFRA_DEVICE or item.kind in _WEAK)
    ]
    is_unexplained = ending.state is AttemptState.LOST or (
        ending.state is AttemptState.ERRORED
        and ending.failure_class == FailureClass.INFRA_NODE.value
    )
    if is_unexplained and not found:
        found.append(
            Note(
                kind=INTERRUPTION,
                source=ending.source,
                confidence=ending.confidence,
                detail=ending.reason,
                failure_class=FailureClass.INFRA_NODE,
                attempt_id=attempt_id,
            )
        )
    return found


def _of(item: Evidence, attempt_id: int | None) -> Note:
    return Note(
        kind=item.kind,
        source=item.source,
        confidence=item.confidence,
        detail=item.detail,
        failure_class=item.failure_class,
        attempt_id=attempt_id,
    )


def move_device(
    connection: Connection,
    device: DeviceRow,
    health: DeviceHealth,
    reason: str,
    *,
    by: str,
    at_ns: int,
) -> bool:
    """Move a device to another health, with its history; False: its health does not allow it."""
    step = Move(
        entity="device",
        entity_id=device.id,
        to_state=health,
        reason=reason,
        by=by,
        subject={"device": device.identity, "pool": device.pool},
        values={"reason": reason, "changed_ns": at_ns},
    )
    return move(connection, step, at_ns)


def identity_of(connection: Connection, device_id: int | None) -> str:
    """Return what the machine calls a device; empty for none."""
    found = None if device_id is None else queries_devices.device_by_id(connection, device_id)
    return "" if found is None else found.identity


def explain(connection: Connection, device: DeviceRow, reason: str) -> None:
    """Write why a device stays as it is."""
    connection.execute(update(Device).where(Device.id == device.id).values(reason=reason))


def suits(device: DeviceRow, requires: object) -> bool:
    """Say whether a task that requires these devices (`nvidia:sm_90`) may run on this one."""
    wanted = requires.get("devices", ()) if isinstance(requires, dict) else ()
    for word in wanted:
        vendor, _, kind = str(word).partition(":")
        if device.facts.get("vendor") == vendor:
            return not kind or device.facts.get("capability") == kind
    return not wanted
