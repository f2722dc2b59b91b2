"""2×2 differential reruns: open them, fill their fields, draw the conclusion.

The four fields: the failed test here (given), the failed test elsewhere, a known-good test here, and
the same known-good test elsewhere (given: that is why it counts as good). What the run's own retry on
another device has shown already is not run again.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, func, insert, select, update

from hotfire_infra.orchestrator.device_health import Conclusion, Field, conclude, field_of
from hotfire_infra.orchestrator.devices import USABLE
from hotfire_infra.states import ATTEMPT_LIVE, TASK_TERMINAL, AttemptState, DeviceHealth
from hotfire_infra.store.models import Attempt, Device, Differential, Run, Task
from hotfire_infra.store.rows import DeviceRow, DifferentialRow
from hotfire_testframework.contract.failure import FailureClass
from hotfire_testframework.contract.ulid import new_ulid

PURPOSE = "differential"
GOOD_ATTEMPTS_LOOKED_AT = 200


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """A rerun that is to be started: a task, and the devices that it may run on."""

    task_id: int
    devices: tuple[int, ...]
    field: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Progressed:
    """Where a differential rerun stands."""

    elsewhere: Field | None
    """None: not known yet."""
    here: Field | None
    wanted: tuple[Wanted, ...] = ()

    def conclusion(self, *, is_widespread: bool) -> Conclusion | None:
        """Return the conclusion, once both fields are filled."""
        if self.elsewhere is None or self.here is None:
            return None
        return conclude(self.elsewhere, self.here, is_widespread=is_widespread)


def open_one(
    connection: Connection,
    device: DeviceRow,
    attempt_id: int,
    *,
    deadline: Mapping[str, Any],
    at_ns: int,
) -> None:
    """Begin an inquiry into a device; `deadline`: boot id and monotonic time of its end."""
    row = insert(Differential).values(
        ulid=new_ulid(),
        device_id=device.id,
        attempt_id=attempt_id,
        state="open",
        body={"deadline": dict(deadline)},
        created_ns=at_ns,
    )
    connection.execute(row)


def close(
    connection: Connection, row: DifferentialRow, found: Progressed, conclusion: Conclusion
) -> None:
    """Write down what was found."""
    body = {
        **row.body,
        "failed_here": row.attempt_ulid,
        "failed_elsewhere": str(found.elsewhere or Field.UNKNOWN),
        "good_here": str(found.here or Field.UNKNOWN),
        "last_attempt": connection.execute(select(func.max(Attempt.id))).scalar() or 0,
        "good_elsewhere": str(Field.PASSED if row.body.get("good_task") else Field.UNKNOWN),
    }
    connection.execute(
        update(Differential)
        .where(Differential.id == row.id)
        .values(state="decided", conclusion=conclusion.value, body=body)
    )


def look(
    connection: Connection, row: DifferentialRow, device: DeviceRow, fleet: Sequence[DeviceRow]
) -> Progressed:
    """See which fields are filled, and what has to be started to fill the others."""
    elsewhere, first = _elsewhere(connection, row, device, fleet)
    here, second = _here(connection, row, device)
    return Progressed(elsewhere=elsewhere, here=here, wanted=(*first, *second))


def _elsewhere(
    connection: Connection, row: DifferentialRow, device: DeviceRow, fleet: Sequence[DeviceRow]
) -> tuple[Field | None, tuple[Wanted, ...]]:
    others = [other for other in fleet if other.id != device.id and other.health in USABLE]
    if not others:
        return Field.UNKNOWN, ()
    # A second doubtful device would acquit the first: only good ones testify, while there are any.
    good = [other for other in others if other.health is DeviceHealth.GOOD] or others
    witnesses = {other.id for other in good}
    seen = [item for item in _attempts(connection, row.task_id) if item.device_id in witnesses]
    if any(item.state is AttemptState.PASSED for item in seen):
        return Field.PASSED, ()
    if any(item.state in ATTEMPT_LIVE for item in seen):
        return None, ()
    fields = {_field(item) for item in seen} - {Field.UNKNOWN}
    if fields:
        return Field.FAILED, ()
    if _will_run(connection, row.task_id):
        return None, ()
    if len(seen) >= len(good):
        return Field.UNKNOWN, ()
    tried = {item.device_id for item in seen}
    left = tuple(other.id for other in good if other.id not in tried)
    return None, (Wanted(task_id=row.task_id, devices=left, field="elsewhere"),)


def _here(
    connection: Connection, row: DifferentialRow, device: DeviceRow
) -> tuple[Field | None, tuple[Wanted, ...]]:
    task_id = row.body.get("good_task")
    if task_id is not None:
        reruns = [
            item
            for item in _attempts(connection, int(task_id))
            if item.device_id == device.id and item.id > row.attempt_id and item.purpose == PURPOSE
        ]
        if any(item.state in ATTEMPT_LIVE for item in reruns):
            return None, ()
        if reruns:
            return _field(reruns[-1]), ()
        return None, (Wanted(task_id=int(task_id), devices=(device.id,), field="here"),)
    found = known_good(connection, device, row.run_id)
    if found is None:
        return (None, ()) if _may_pass_elsewhere(connection, row, device) else (Field.UNKNOWN, ())
    remember_good_task(connection, row, found)
    return None, (Wanted(task_id=found, devices=(device.id,), field="here"),)


def remember_good_task(connection: Connection, row: DifferentialRow, task_id: int) -> None:
    """Keep to one known-good task."""
    connection.execute(
        update(Differential)
        .where(Differential.id == row.id)
        .values(body={**row.body, "good_task": task_id})
    )


def passes_since(connection: Connection, device: DeviceRow, attempt_id: int) -> int:
    """Return how many attempts for runs have passed on a device after another attempt was made."""
    query = select(func.count(Attempt.id)).where(
        Attempt.device_id == device.id,
        Attempt.id > attempt_id,
        Attempt.purpose == "result",
        Attempt.state == AttemptState.PASSED,
    )
    return int(connection.execute(query).scalar_one())


def known_good(connection: Connection, device: DeviceRow, run_id: int | None) -> int | None:
    """Return a task that passed on another device of this kind: of this run, else the newest one.

    Of this run first: same source, same day, so that nothing but the device differs.
    """
    query = (
        select(Attempt.task_id, Task.run_id, Attempt.started_ns, Attempt.ended_ns)
        .join(Task, Task.id == Attempt.task_id)
        .join(Device, Device.id == Attempt.device_id)
        .join(Run, Run.id == Task.run_id)
        .where(
            Attempt.state == AttemptState.PASSED,
            Attempt.purpose == "result",
            Attempt.invalidation_id.is_(None),
            Attempt.device_id != device.id,
            Device.pool == device.pool,
            Device.kind == device.kind,
            Run.cancel_requested_ns.is_(None),
        )
        .order_by(Attempt.id.desc())
        .limit(GOOD_ATTEMPTS_LOOKED_AT)
    )
    rows = connection.execute(query).all()
    if not rows:
        return None
    best = min(rows, key=lambda row: (row.run_id != run_id, _duration(row)))
    return int(best.task_id)


def _duration(row: Any) -> int:
    return int((row.ended_ns or 0) - (row.started_ns or 0))


def _attempts(connection: Connection, task_id: int) -> Sequence[Any]:
    query = select(
        Attempt.id,
        Attempt.state,
        Attempt.device_id,
        Attempt.purpose,
        Attempt.failure_class,
        Attempt.started_ns,
    )
    return connection.execute(query.where(Attempt.task_id == task_id).order_by(Attempt.id)).all()


def _field(row: Any) -> Field:
    failure = FailureClass(row.failure_class) if row.failure_class else None
    return field_of(row.state, failure, has_started=row.started_ns is not None)


def _will_run(connection: Connection, task_id: int) -> bool:
    """Whether the run itself will try the task again: then that is the rerun."""
    state = connection.execute(select(Task.state).where(Task.id == task_id)).scalar_one()
    if state in TASK_TERMINAL:
        return False
    live = select(Attempt.id).where(Attempt.task_id == task_id, Attempt.state.in_(ATTEMPT_LIVE))
    is_live = connection.execute(live.limit(1)).scalar() is not None
    return is_live or str(state) in ("queued", "waiting")


def _may_pass_elsewhere(connection: Connection, row: DifferentialRow, device: DeviceRow) -> bool:
    """Whether something runs on another device that may soon be known to be good."""
    query = (
        select(Attempt.id)
        .where(
            Attempt.state.in_(ATTEMPT_LIVE),
            Attempt.purpose == "result",
            Attempt.device_id != device.id,
            Attempt.pool == device.pool,
            Attempt.task_id != row.task_id,
        )
        .limit(1)
    )
    return connection.execute(query).scalar() is not None
