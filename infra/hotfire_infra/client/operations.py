"""Schedules and holds as the command line sees and moves them: in the store, or at a service."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Protocol
from urllib.parse import quote

from sqlalchemy import select

from hotfire_infra.analysis.quantities import iso_utc
from hotfire_infra.analysis.report import HoldReport
from hotfire_infra.analysis.reporting import StoreReports
from hotfire_infra.analysis.transport import from_plain
from hotfire_infra.client.connection import Connection
from hotfire_infra.client.embedded import EmbeddedClient
from hotfire_infra.client.http_reports import HttpReports
from hotfire_infra.client.launching import CheckoutLauncher
from hotfire_infra.errors import RequestRefusedError
from hotfire_infra.orchestrator.holds import HoldKeeper
from hotfire_infra.orchestrator.lock import acquire
from hotfire_infra.orchestrator.requests import RequestBook
from hotfire_infra.orchestrator.schedules import fire_by_hand, schedule_row, set_paused
from hotfire_infra.sections.schedules import ScheduleSection
from hotfire_infra.states import RequestKind
from hotfire_infra.store.audit import local_entry, record_audit
from hotfire_infra.store.models import Firing
from hotfire_infra.store.queries_holds import HoldRow
from hotfire_testframework.contract.ulid import Ulid


@dataclass(frozen=True, slots=True, kw_only=True)
class ScheduleState:
    """One declared schedule and where it stands."""

    name: str
    pipeline: str
    trigger: str
    team: str
    paused: bool
    next: str | None
    """RFC 3339, UTC; none for a push, or before a service has seen it."""
    last: str
    """What came of the newest firing."""


@dataclass(frozen=True, slots=True, kw_only=True)
class HoldName:
    """What a hold keeps, in words that tell it from others."""

    id: str
    cell: str
    run: int


class Operations(Protocol):
    """What an operator does with schedules and holds; raises InfraError and its children."""

    def schedules(self) -> tuple[ScheduleState, ...]:
        """Return the schedules of the service's configuration, by name."""

    def pause(self, name: str, *, paused: bool) -> None:
        """Pause or resume a schedule."""

    def fire(self, name: str) -> str:
        """Start a schedule now; return what came of it: `started run 12`, or why not."""

    def holds(self) -> tuple[HoldReport, ...]:
        """Return the machines that are kept now."""

    def release(self, prefix: str) -> HoldName:
        """Ask for the end of a hold; whoever executes frees the machine."""

    def extend(self, prefix: str, seconds: int) -> HoldName:
        """Let a hold last for `seconds` from now."""


@dataclass(frozen=True, slots=True)
class ServiceOperations:
    """At a service."""

    connection: Connection

    def schedules(self) -> tuple[ScheduleState, ...]:
        """Return the schedules of the service's configuration, by name."""
        found = self.connection.get("/schedules/declared")
        return tuple(from_plain(ScheduleState, one) for one in found)

    def pause(self, name: str, *, paused: bool) -> None:
        """Pause or resume a schedule."""
        self.connection.post(f"/schedules/{quote(name, safe='')}/pause", {"paused": paused})

    def fire(self, name: str) -> str:
        """Start a schedule now; return what came of it."""
        return str(self.connection.post(f"/schedules/{quote(name, safe='')}/fire", {})["outcome"])

    def holds(self) -> tuple[HoldReport, ...]:
        """Return the machines that are kept now."""
        return HttpReports(self.connection).holds()

    def release(self, prefix: str) -> HoldName:
        """Ask for the end of a hold."""
        name = self._named(self.connection.get(f"/holds/active/{quote(prefix, safe='')}"))
        self.connection.post(f"/holds/{name.id}/release", {})
        return name

    def extend(self, prefix: str, seconds: int) -> HoldName:
        """Let a hold last for `seconds` from now."""
        path = f"/holds/{quote(prefix, safe='')}/extend"
        return self._named(self.connection.post(path, {"seconds": seconds}))

    def _named(self, found: Mapping[str, Any]) -> HoldName:
        name: HoldName = from_plain(HoldName, found)
        return name


@dataclass(frozen=True, slots=True)
class StoreOperations:
    """On the store itself; `is_audited`: acts leave a line in the audit log, as a service's do."""

    client: EmbeddedClient
    user: str
    is_audited: bool = False

    def schedules(self) -> tuple[ScheduleState, ...]:
        """Return the schedules of the service's configuration, by name."""
        sections = self.client.configuration.schedules
        return tuple(self._state(name, sections[name]) for name in sorted(sections))

    def _state(self, name: str, section: ScheduleSection) -> ScheduleState:
        newest = (
            select(Firing.due, Firing.outcome)
            .where(Firing.schedule == name)
            .order_by(Firing.id.desc())
            .limit(1)
        )
        with self.client.store.reading() as connection:
            row = schedule_row(connection, name)
            firing = connection.execute(newest).one_or_none()
        if section.on is not None:
            trigger = f"push to {section.on.push}"
        else:
            trigger = f"{section.cron} {section.timezone}"
        return ScheduleState(
            name=name,
            pipeline=section.pipeline,
            trigger=trigger,
            team=section.team,
            paused=section.paused or (row is not None and row.paused),
            next=iso_utc(row.next_ns) if row is not None else None,
            last=f"{firing.due}: {firing.outcome}" if firing is not None else "",
        )

    def pause(self, name: str, *, paused: bool) -> None:
        """Pause or resume a schedule."""
        sections = self.client.configuration.schedules
        set_paused(self.client.store, sections, name, paused=paused)
        self._audit("schedules pause" if paused else "schedules resume", name)

    def fire(self, name: str) -> str:
        """Start a schedule now; return what came of it."""
        sections = self.client.configuration.schedules
        if name not in sections:
            known = ", ".join(sorted(sections)) or "none"
            raise RequestRefusedError(f"no schedule is called {name!r}; there is {known}")
        launcher = CheckoutLauncher(self.client)
        outcome = fire_by_hand(self.client.store, launcher, name, sections[name])
        self._audit("schedules fire", name, reason=outcome)
        return outcome

    def holds(self) -> tuple[HoldReport, ...]:
        """Return the machines that are kept now."""
        return StoreReports(self.client.store).holds()

    def hold(self, prefix: str) -> HoldName:
        """Return the one active hold with this id, prefix of it, or attempt."""
        with self.client.store.reading() as connection:
            return _name_of(self._keeper.find(connection, prefix))

    def release(self, prefix: str) -> HoldName:
        """Ask for the end of a hold; whoever executes frees the machine."""
        with self.client.store.reading() as connection:
            row = self._keeper.find(connection, prefix)
        RequestBook(self.client.store).ask(
            RequestKind.RELEASE, row.run_id, payload={"hold": row.ulid}, requested_by=self.user
        )
        self._audit("holds release", row.ulid, run_id=row.run_id)
        self._carry_out(row)
        return _name_of(row)

    def _carry_out(self, row: HoldRow) -> None:
        """Free the machine here and now where nobody executes the store."""
        lock = acquire(self.client.store, label="holds")
        if lock is None:
            return
        try:
            with lock.writing() as connection:
                RequestBook(self.client.store).carry_out(connection, lock.holder)
            self.client.executor.release(Ulid(row.attempt_ulid))
        finally:
            lock.release()

    def extend(self, prefix: str, seconds: int) -> HoldName:
        """Let a hold last for `seconds` from now."""
        row = self._keeper.extend(prefix, seconds)
        self._audit("holds extend", row.ulid, run_id=row.run_id, reason=f"{seconds} s from now")
        return _name_of(row)

    def _audit(self, action: str, target: str, **more: Any) -> None:
        if not self.is_audited:
            return
        store = self.client.store
        with store.writing() as connection:
            entry = local_entry(self.user, action, target, **more)
            record_audit(connection, entry, store.clock.wall_ns())

    @property
    def _keeper(self) -> HoldKeeper:
        return HoldKeeper(self.client.store, self.client.configuration.holds)


def _name_of(row: HoldRow) -> HoldName:
    return HoldName(id=row.ulid, cell=row.cell_key, run=row.run_number)
