"""The fleet: which device an attempt gets, which devices are doubted, checked and taken out.

One object per orchestrator. What it knows between rounds is a copy; every decision is derived from
rows, so a crash loses nothing. It writes only inside the round's transaction.
"""

from __future__ import annotations

import logging
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass, field

from sqlalchemy import Connection

from hotfire_infra.executors.protocol import DeviceReport, Executor
from hotfire_infra.orchestrator import inquiry
from hotfire_infra.orchestrator.devices import USABLE, register, suits
from hotfire_infra.orchestrator.inquiry import Rerun, Scene
from hotfire_infra.sections.devices import DevicesSection
from hotfire_infra.states import ATTEMPT_LIVE, DeviceHealth
from hotfire_infra.store import queries_devices
from hotfire_infra.store.database import Store
from hotfire_infra.store.rows import AttemptRow, DeviceRow

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class Seat:
    """Where an attempt may start now: on a device, anywhere (no device is told apart), or not yet."""

    device_id: int | None = None
    identity: str = ""
    obstacle: str = ""


ANYWHERE = Seat()


@dataclass(slots=True)
class Seats:
    """The devices of one round: what is taken is taken for the rest of it."""

    devices: Sequence[DeviceRow]
    busy: set[int]
    _found: dict[tuple[int, frozenset[int], str], Seat] = field(default_factory=dict)
    """By requirement, avoid-list and device, until something is taken: thousands of tasks ask alike."""

    def find(self, requires: object, avoid: Collection[int] = (), only: str = "") -> Seat:
        """Return a seat for a task, without taking it; `only`: identity of the one that will do.

        Good devices before suspect ones. One to be avoided is used only if there is no other.
        """
        key = (id(requires), frozenset(avoid), only)
        if key not in self._found:
            self._found[key] = self._look(requires, avoid, only)
        return self._found[key]

    def _look(self, requires: object, avoid: Collection[int], only: str) -> Seat:
        fitting = [device for device in self.devices if suits(device, requires)]
        if only:
            fitting = [device for device in fitting if device.identity == only]
            if not fitting:
                return Seat(obstacle=f"waits for the device {only}, which is not here")
        shared = [device for device in fitting if device.facts.get("is_shared")]
        if shared and not _names_devices(requires):
            fitting = shared
        if not fitting:
            return ANYWHERE
        usable = [device for device in fitting if device.health in USABLE]
        if not usable:
            return Seat(obstacle=_all_out(fitting))
        allowed = [device for device in usable if device.id not in avoid] or usable
        order = sorted(allowed, key=lambda device: device.health is DeviceHealth.SUSPECT)
        for device in order:
            if device.id not in self.busy or device.facts.get("is_shared"):
                return Seat(device_id=device.id, identity=device.identity)
        return Seat(obstacle=_all_busy(allowed, usable))

    def take(self, seat: Seat) -> None:
        """Keep a device for whoever it was found for."""
        if seat.device_id is not None:
            self.busy.add(seat.device_id)
            self._found.clear()


def _names_devices(requires: object) -> bool:
    return isinstance(requires, dict) and bool(requires.get("devices"))


def _all_out(devices: Sequence[DeviceRow]) -> str:
    states = ", ".join(sorted({str(device.health) for device in devices}))
    return f"no device that fits is in use: all {len(devices)} are {states}"


def _all_busy(allowed: Sequence[DeviceRow], usable: Sequence[DeviceRow]) -> str:
    if len(allowed) < len(usable):
        names = ", ".join(sorted({d.identity for d in usable} - {d.identity for d in allowed}))
        return f"waits for another device than {names}"
    return f"all {len(allowed)} devices that fit are busy"


@dataclass(slots=True)
class Fleet:
    """The devices of one executor's pool."""

    store: Store
    executor: Executor
    section: DevicesSection = field(default_factory=DevicesSection)
    devices: tuple[DeviceRow, ...] = ()
    _reports: Sequence[DeviceReport] | None = None
    _asked_ns: int | None = None
    _is_outdated: bool = True
    _has_open_inquiry: bool = False
    disputed: frozenset[int] = frozenset()
    """Devices under inquiry: what fails on them counts once that has ended."""

    @property
    def pool(self) -> str:
        """The pool that its devices belong to."""
        return self.executor.name

    def forget(self) -> None:
        """Trust nothing any more: what was noted may not have been committed."""
        self._is_outdated = True

    def ask(self) -> None:
        """Ask the executor for its devices, if that is due; outside any transaction."""
        now = self.store.clock.mono_ns()
        due = int(self.section.report_seconds * 1e9)
        if self._asked_ns is None or now - self._asked_ns >= due:
            self._reports = self.executor.devices()
            self._asked_ns = now

    @property
    def needs_writing(self) -> bool:
        """Whether the next transaction has something to do here."""
        is_outdated = self._is_outdated and bool(self.devices)
        return bool(self._reports) or is_outdated or self._has_open_inquiry

    def note_end(self, attempt: AttemptRow) -> None:
        """Look at the devices again: an attempt ended on one of them."""
        if attempt.device_id is not None and attempt.state not in ATTEMPT_LIVE:
            is_quiet = attempt.state == "passed" and attempt.purpose == "result"
            # A pass says something only to an inquiry that waits for it, or of a suspect.
            is_suspect = any(
                device.id == attempt.device_id and device.health is DeviceHealth.SUSPECT
                for device in self.devices
            )
            self._is_outdated |= not is_quiet or self._has_open_inquiry or is_suspect

    def advance(
        self, connection: Connection, live: Iterable[AttemptRow], *, by: str
    ) -> tuple[list[Rerun], frozenset[int]]:
        """Take in reports and evidence, and move inquiries on.

        Returns what is to be started, and the devices whose inquiry ended with a conclusion: what
        failed on them is to be folded again.
        """
        now = self.store.clock.wall_ns()
        if self._reports is not None:
            changed = register(
                connection, self.pool, self.executor.name, self._reports, by=by, at_ns=now
            )
            self._reports = None
            self._is_outdated |= changed
        if not self._is_outdated and not self._has_open_inquiry:
            return [], frozenset()
        scene = Scene(
            connection=connection,
            clock=self.store.clock,
            section=self.section,
            devices=queries_devices.devices(connection, pool=self.pool),
            busy={row.device_id for row in live if row.device_id is not None},
            by=by,
        )
        reruns = inquiry.advance(scene)
        self.devices = queries_devices.devices(connection, pool=self.pool)
        rows = queries_devices.differentials(connection, state="open")
        self.disputed = frozenset(row.device_id for row in rows)
        self._has_open_inquiry = bool(rows) or scene.waits
        self._is_outdated = False
        return reruns, frozenset(scene.concluded)

    def seats(self, live: Iterable[AttemptRow]) -> Seats:
        """Return the devices that are free now."""
        busy = {row.device_id for row in live if row.device_id is not None}
        return Seats(devices=self.devices, busy=busy)

    def is_shared(self, device_id: int | None) -> bool:
        """Whether a device carries several attempts at once; none: nobody tells devices apart."""
        return device_id is None or any(
            bool(device.facts.get("is_shared")) for device in self.devices if device.id == device_id
        )

    def available(self, avoid: Collection[int] = ()) -> tuple[DeviceRow, ...]:
        """Return the devices that may be given work at all, good ones first."""
        usable = [d for d in self.devices if d.health in USABLE and d.id not in avoid]
        return tuple(sorted(usable, key=lambda device: device.health is DeviceHealth.SUSPECT))

    def identity_of(self, device_id: int | None) -> str:
        """Return what the machine calls a device; empty for none."""
        return next((d.identity for d in self.devices if d.id == device_id), "")
