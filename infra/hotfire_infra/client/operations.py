"""Schedules and holds as the command line sees and moves them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from sqlalchemy import select

from hotfire_infra.analysis.quantities import iso_utc
from hotfire_infra.client.embedded import EmbeddedClient
from hotfire_infra.client.launching import CheckoutLauncher
from hotfire_infra.errors import RequestRefusedError
from hotfire_infra.orchestrator.holds import HoldKeeper
from hotfire_infra.orchestrator.lock import acquire
from hotfire_infra.orchestrator.requests import RequestBook
from hotfire_infra.orchestrator.schedules import fire_by_hand, schedule_row, set_paused
from hotfire_infra.sections.schedules import ScheduleSection
from hotfire_infra.states import RequestKind
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


@dataclass(frozen=True, slots=True)
class Operations:
    """Verbs of an operator on the store beside the command line."""

    client: EmbeddedClient
    user: str

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

    def fire(self, name: str) -> str:
        """Start a schedule now; return what came of it."""
        sections = self.client.configuration.schedules
        if name not in sections:
            known = ", ".join(sorted(sections)) or "none"
            raise RequestRefusedError(f"no schedule is called {name!r}; there is {known}")
        launcher = CheckoutLauncher(self.client)
        return fire_by_hand(self.client.store, launcher, name, sections[name])

    def release(self, prefix: str) -> HoldRow:
        """Ask for the end of a hold; whoever executes frees the machine."""
        with self.client.store.reading() as connection:
            row = self._holds.find(connection, prefix)
        RequestBook(self.client.store).ask(
            RequestKind.RELEASE, row.run_id, payload={"hold": row.ulid}, requested_by=self.user
        )
        self._carry_out(row)
        return row

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

    def extend(self, prefixes: Sequence[str], seconds: int) -> tuple[HoldRow, ...]:
        """Let holds last for `seconds` from now."""
        return tuple(self._holds.extend(prefix, seconds) for prefix in prefixes)

    @property
    def _holds(self) -> HoldKeeper:
        return HoldKeeper(self.client.store, self.client.configuration.holds)
