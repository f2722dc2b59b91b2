"""Inquiries into devices: doubt by evidence, differential rerun, judgement, quarantine, health check.

Called inside the round's transaction whenever there may be something new. Everything is derived from
rows: evidence since the last mark, open differential reruns, attempts and their ends.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import dataclass, field

from sqlalchemy import Connection, delete, insert, update

from hotfire_infra.clock import Clock
from hotfire_infra.orchestrator import differential
from hotfire_infra.orchestrator.device_health import (
    Conclusion,
    Field,
    allowed_in_quarantine,
    judge,
    suspicion,
)
from hotfire_infra.orchestrator.devices import HEALTH_CHECK, Note, explain, move_device, note
from hotfire_infra.orchestrator.differential import Progressed, known_good
from hotfire_infra.sections.devices import DevicesSection
from hotfire_infra.states import AttemptState, DeviceHealth
from hotfire_infra.store import queries_devices
from hotfire_infra.store.models import Attempt, Invalidation
from hotfire_infra.store.rows import DeviceEvidenceRow, DeviceRow, DifferentialRow
from hotfire_infra.store.transitions import publish
from hotfire_testframework.contract.evidence import CERTAIN, HARDWARE
from hotfire_testframework.contract.failure import FailureClass
from hotfire_testframework.contract.ulid import new_ulid

log = logging.getLogger(__name__)

CHECK_REQUESTED, CHECK_STARTED = "check-requested", "check-started"
_HARDWARE = frozenset(witness.value for witness in HARDWARE)
_CHECKS = frozenset({CHECK_REQUESTED, CHECK_STARTED, HEALTH_CHECK})


@dataclass(frozen=True, slots=True, kw_only=True)
class Rerun:
    """An attempt outside of any run's count that is to be started now."""

    task_id: int
    device_id: int
    identity: str
    purpose: str


@dataclass(slots=True, kw_only=True)
class Scene:
    """One look at all devices of a pool, in an open transaction."""

    connection: Connection
    clock: Clock
    section: DevicesSection
    devices: Sequence[DeviceRow]
    busy: set[int]
    by: str
    concluded: set[int] = field(default_factory=set)
    waits: bool = False
    """Whether something is due that could not be started yet."""
    reruns: list[Rerun] = field(default_factory=list)

    def device(self, device_id: int) -> DeviceRow | None:
        """Return a device of the pool, as it is now."""
        return next((one for one in self.devices if one.id == device_id), None)

    def refresh(self) -> None:
        """Read the devices again."""
        pool = self.devices[0].pool if self.devices else None
        self.devices = queries_devices.devices(self.connection, pool=pool)

    def start(self, task_id: int, candidates: Sequence[int], purpose: str) -> bool:
        """Start a rerun on the first free candidate; else wait for one."""
        for device_id in candidates:
            device = self.device(device_id)
            if device is None or (device_id in self.busy and not device.facts.get("is_shared")):
                continue
            self.busy.add(device_id)
            self.reruns.append(
                Rerun(
                    task_id=task_id,
                    device_id=device_id,
                    identity=device.identity,
                    purpose=purpose,
                )
            )
            return True
        self.waits = True
        return False

    def move(self, device: DeviceRow, health: DeviceHealth, reason: str) -> bool:
        """Move a device and note why."""
        moved = move_device(
            self.connection, device, health, reason, by=self.by, at_ns=self.clock.wall_ns()
        )
        self.refresh()
        return moved

    def note(self, device_id: int, what: Note) -> None:
        """Note evidence."""
        note(self.connection, device_id, what, self.clock.wall_ns())

    @property
    def has_room(self) -> bool:
        """Whether the cap lets one more device be taken out."""
        here = [one for one in self.devices if one.health is not DeviceHealth.RETIRED]
        out = sum(one.health is DeviceHealth.BAD for one in here)
        return out < allowed_in_quarantine(len(here), self.section)


def advance(scene: Scene) -> list[Rerun]:
    """Do all that follows from what is known now; returns what is to be started."""
    for device in scene.devices:
        if device.health is DeviceHealth.GOOD:
            _doubt(scene, device)
    for row in queries_devices.differentials(scene.connection, state="open"):
        found = scene.device(row.device_id)
        if found is not None:
            _pursue(scene, row, found)
    for device in tuple(scene.devices):
        if device.health is DeviceHealth.SUSPECT:
            _question(scene, device)
        elif device.health in (DeviceHealth.BAD, DeviceHealth.MAINTENANCE):
            _check(scene, device)
    return scene.reruns


def _weight(scene: Scene, rows: Sequence[DeviceEvidenceRow]) -> float:
    oldest = scene.clock.wall_ns() - int(scene.section.window_hours * 3600e9)
    return suspicion(
        row.confidence
        if row.failure_class == FailureClass.INFRA_DEVICE.value
        else scene.section.interruption_weight
        for row in rows
        if row.at_ns >= oldest and row.kind not in _CHECKS
    )


def _doubt(scene: Scene, device: DeviceRow) -> None:
    """Make a good device suspect if what speaks against it weighs enough."""
    rows = queries_devices.open_evidence(scene.connection, device.id)
    if _weight(scene, rows) < scene.section.suspect_at:
        return
    is_alone = not _others(scene, device)
    if is_alone and not _has_hardware(rows):
        return  # Nothing to compare it with: whatever happens on the only device tells nothing.
    kinds = ", ".join(sorted({row.kind for row in rows if row.kind not in _CHECKS}))
    scene.move(device, DeviceHealth.SUSPECT, f"evidence: {kinds}")


def _others(scene: Scene, device: DeviceRow) -> list[DeviceRow]:
    usable = (DeviceHealth.GOOD, DeviceHealth.SUSPECT)
    return [
        other
        for other in scene.devices
        if other.id != device.id and other.kind == device.kind and other.health in usable
    ]


def _has_hardware(rows: Sequence[DeviceEvidenceRow]) -> bool:
    return any(row.kind in _HARDWARE and row.confidence >= CERTAIN for row in rows)


def _question(scene: Scene, device: DeviceRow) -> None:
    """Open a differential rerun for a suspect device with new evidence, or judge it without."""
    opened = queries_devices.differentials(scene.connection, device_id=device.id)
    if any(row.state == "open" for row in opened):
        return
    rows = [
        row
        for row in queries_devices.open_evidence(scene.connection, device.id)
        if row.kind not in _CHECKS
    ]
    if not rows:
        _retake(scene, device, opened)
        return
    attempt = next((row.attempt_id for row in rows if row.attempt_id is not None), None)
    if attempt is not None and _others(scene, device):
        deadline = {
            "boot_id": scene.clock.boot_id,
            "mono_ns": scene.clock.mono_ns() + int(scene.section.differential_seconds * 1e9),
        }
        differential.open_one(
            scene.connection, device, attempt, deadline=deadline, at_ns=scene.clock.wall_ns()
        )
        (row,) = [
            one
            for one in queries_devices.differentials(scene.connection, device_id=device.id)
            if one.state == "open"
        ]
        _pursue(scene, row, device)
        return
    _judge(scene, device, Conclusion.UNCLEAR, Field.UNKNOWN, rows)


def _pursue(scene: Scene, row: DifferentialRow, device: DeviceRow) -> None:
    """Fill the fields of an open rerun; judge the device once they are."""
    if device.health is not DeviceHealth.SUSPECT:
        # A person has decided meanwhile.
        unknown = Progressed(elsewhere=Field.UNKNOWN, here=Field.UNKNOWN)
        differential.close(scene.connection, row, unknown, Conclusion.UNCLEAR)
        scene.concluded.add(device.id)
        return
    fleet = [one for one in scene.devices if one.kind == device.kind]
    found = differential.look(scene.connection, row, device, fleet)
    conclusion = found.conclusion(is_widespread=_is_widespread(scene))
    if conclusion is None and _is_overdue(scene, row):
        conclusion = Conclusion.UNCLEAR
    if conclusion is None:
        for want in found.wanted:
            scene.start(want.task_id, want.devices, differential.PURPOSE)
        return
    (now,) = [
        one
        for one in queries_devices.differentials(scene.connection, device_id=device.id)
        if one.id == row.id
    ]
    differential.close(scene.connection, now, found, conclusion)
    rows = queries_devices.open_evidence(scene.connection, device.id)
    _judge(scene, device, conclusion, found.here or Field.UNKNOWN, rows)
    scene.concluded.add(device.id)
    if conclusion is Conclusion.DEVICE:
        _excuse(scene, device, row)


def _is_widespread(scene: Scene) -> bool:
    """Whether more devices are doubted at once than may be taken out."""
    doubted = sum(
        one.health is DeviceHealth.SUSPECT
        or _weight(scene, queries_devices.open_evidence(scene.connection, one.id)) > 0
        for one in scene.devices
        if one.health in (DeviceHealth.GOOD, DeviceHealth.SUSPECT)
    )
    return doubted > max(1, allowed_in_quarantine(len(scene.devices), scene.section))


def _is_overdue(scene: Scene, row: DifferentialRow) -> bool:
    deadline = row.body.get("deadline", {})
    is_same_boot = deadline.get("boot_id") == scene.clock.boot_id
    return not is_same_boot or scene.clock.mono_ns() > int(deadline.get("mono_ns", 0))


def _judge(
    scene: Scene,
    device: DeviceRow,
    conclusion: Conclusion,
    here: Field,
    rows: Sequence[DeviceEvidenceRow],
) -> None:
    verdict = judge(
        conclusion, here, has_hardware_evidence=_has_hardware(rows), has_room=scene.has_room
    )
    is_against = conclusion in (Conclusion.DEVICE, Conclusion.BOTH)
    scene.note(
        device.id,
        Note(
            kind="differential",
            source="orchestrator",
            confidence=1.0 if is_against else 0.0,
            detail=verdict.reason,
            failure_class=FailureClass.INFRA_DEVICE if is_against else None,
        ),
    )
    if verdict.health is not device.health:
        scene.move(device, verdict.health, verdict.reason)
        return
    explain(scene.connection, device, verdict.reason)
    scene.refresh()
    if "cap" in verdict.reason:
        _shout(scene, device, verdict.reason)


def _shout(scene: Scene, device: DeviceRow, reason: str) -> None:
    """Say it where people look: a fleet of which more is sick than may be taken out."""
    log.error("pool %s: device %s: %s", device.pool, device.identity, reason)
    publish(
        scene.connection,
        topic="device.capped",
        run_id=None,
        payload={"device": device.identity, "pool": device.pool, "reason": reason},
        at_ns=scene.clock.wall_ns(),
    )


def _retake(scene: Scene, device: DeviceRow, past: Sequence[DifferentialRow]) -> None:
    """Settle a suspect device with no new evidence.

    Found guilty when the cap had no room: it goes, now that there is. Not found guilty: what has
    passed on it since acquits it.
    """
    if not past:
        return
    is_guilty = past[-1].conclusion in (Conclusion.DEVICE, Conclusion.BOTH)
    since = int(past[-1].body.get("last_attempt", 0))
    passes = 0 if is_guilty else differential.passes_since(scene.connection, device, since)
    if passes >= scene.section.acquit_after:
        scene.note(device.id, Note(kind="cleared", source="orchestrator", confidence=0.0))
        scene.move(
            device, DeviceHealth.GOOD, f"{passes} attempts passed on it since it was doubted"
        )
    if is_guilty and scene.has_room:
        reason = f"differential rerun: {past[-1].conclusion}; there is room in quarantine now"
        scene.move(device, DeviceHealth.BAD, reason)


def _excuse(scene: Scene, device: DeviceRow, row: DifferentialRow) -> None:
    """Take what failed on a guilty device, while it was doubted, off the product."""
    connection = scene.connection
    excused = insert(Invalidation).values(
        ulid=new_ulid(),
        predicate={"device": device.identity, "differential": row.ulid},
        reason=f"device {device.identity} was found at fault",
        requested_by=scene.by,
        attempts=0,
        created_ns=scene.clock.wall_ns(),
    )
    key = connection.execute(excused.returning(Invalidation.id)).scalar_one()
    query = (
        update(Attempt)
        .where(
            Attempt.device_id == device.id,
            Attempt.id >= row.attempt_id,
            Attempt.purpose == "result",
            Attempt.state.in_([AttemptState.FAILED, AttemptState.TIMED_OUT]),
        )
        .values(
            failure_class=FailureClass.INFRA_DEVICE.value,
            failure_source="differential",
            confidence=0.95,
            invalidation_id=key,
        )
        .returning(Attempt.id)
    )
    count = len(connection.execute(query).all())
    own = Invalidation.id == key
    if count:
        connection.execute(update(Invalidation).where(own).values(attempts=count))
    else:
        connection.execute(delete(Invalidation).where(own))


def _check(scene: Scene, device: DeviceRow) -> None:
    """Run the health check that somebody asked for; let the device back if it passes."""
    rows = [
        row
        for row in queries_devices.evidence_of(scene.connection, device.id, limit=20)
        if row.kind in {*_CHECKS, *queries_devices.MARKS}
    ]
    newest = rows[0] if rows else None
    if newest is None or newest.kind not in (CHECK_REQUESTED, HEALTH_CHECK):
        return
    if newest.kind == CHECK_REQUESTED:
        task_id = known_good(scene.connection, device, None)
        if task_id is None:
            explain(scene.connection, device, "no known-good task yet to check it with")
            scene.waits = True
        elif scene.start(task_id, (device.id,), HEALTH_CHECK):
            scene.note(device.id, Note(kind=CHECK_STARTED, source=scene.by, confidence=0.0))
        return
    passed = newest.confidence == 0.0
    detail = f"health check {'passed' if passed else 'failed'}: {newest.detail}"
    scene.note(
        device.id,
        Note(
            kind="cleared" if passed else CHECK_STARTED,
            source=scene.by,
            confidence=0.0,
            detail=detail,
        ),
    )
    if passed:
        scene.move(device, DeviceHealth.GOOD, detail)
    elif device.health is DeviceHealth.MAINTENANCE:
        scene.move(device, DeviceHealth.BAD, detail)
    else:
        explain(scene.connection, device, detail)
