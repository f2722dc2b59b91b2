"""Schedules: runs that start by the clock or by a push, each due time once, whoever looks.

A firing is a row, unique by schedule and due time (or pushed revision), written before the run is
made; the run's id follows from the firing. So a service that dies in between, or a clock that is
set back, makes no second run. A clock that jumps ahead makes one run, not one per missed time.
Asking git and planning are done beside the round: a clone that hangs must not stall leases.
"""

from __future__ import annotations

import hashlib
import logging
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import partial
from typing import Any, Protocol
from zoneinfo import ZoneInfo

from sqlalchemy import Connection, insert, select, update

from hotfire_infra.errors import InfraError, LockLostError, RequestRefusedError
from hotfire_infra.orchestrator.beside import Beside
from hotfire_infra.orchestrator.fair_share import SECOND_NS
from hotfire_infra.orchestrator.lock import HeldLock
from hotfire_infra.sections.schedules import ScheduleSection
from hotfire_infra.store.database import Store
from hotfire_infra.store.models import Firing, Run, Schedule
from hotfire_infra.store.transitions import publish
from hotfire_pipelines.errors import PipelineError
from hotfire_testframework.contract.ulid import Ulid, new_ulid

log = logging.getLogger(__name__)

STEP_NS = SECOND_NS
MISFIRE_SECONDS = 300
"""A due time that is noticed later than this was missed."""
STARTING = "starting"
MISSED = "missed "
BY_HAND = "by hand "
CLOSE_SECONDS = 5.0
"""A launch under way is waited for at the end; one that takes longer is made by whoever leads next."""


class Launcher(Protocol):
    """Plans and records a run of a revision; stands in the client's room, above this one."""

    def tip(self, section: ScheduleSection) -> str:
        """Return the revision that the schedule would test now."""

    def start(self, name: str, section: ScheduleSection, revision: str, ulid: Ulid) -> int:
        """Record the run, once for a `ulid`; return its surrogate."""


@dataclass(slots=True)
class Scheduler:
    """Fires what is due, on behalf of whoever leads."""

    store: Store
    sections: Mapping[str, ScheduleSection]
    launcher: Launcher | None
    lock: HeldLock
    beside: Beside = field(default_factory=lambda: Beside("hotfire-schedule"))
    _stepped_ns: int | None = None
    _polled_ns: dict[str, int] = field(default_factory=dict)
    _complaints: dict[str, str] = field(default_factory=dict)

    def step(self) -> None:
        """Look at all schedules, once a second at most; what takes long is begun beside."""
        now = self.store.clock.mono_ns()
        is_early = self._stepped_ns is not None and 0 <= now - self._stepped_ns < STEP_NS
        if self.launcher is None or not self.sections or is_early:
            return
        self._stepped_ns = now
        for name, section in self.sections.items():
            if section.cron is not None:
                self._look_at_clock(name, section)
            elif self._is_poll_due(name, section, now):
                look = partial(self._look_at_branch, name, section, self.launcher)
                if self.beside.begin(f"look at {name}", look):
                    self._polled_ns[name] = now
        self._launch(self.launcher)

    def close(self) -> None:
        """Wait a little for what is under way."""
        self.beside.finish(CLOSE_SECONDS)

    def _look_at_clock(self, name: str, section: ScheduleSection) -> None:
        wall_ns = self.store.clock.wall_ns()
        with self.store.reading() as connection:
            row = schedule_row(connection, name)
        upcoming = next_due_ns(section, wall_ns)
        if row is None or row.definition != definition_of(section):
            self._declare(name, section, upcoming)
        elif row.next_ns is None or wall_ns < row.next_ns:
            # A clock that ran ahead left a time far off; the firing keeps what was from repeating.
            if row.next_ns is None or upcoming < row.next_ns:
                self._declare(name, section, upcoming)
        elif section.paused or row.paused:
            self._declare(name, section, upcoming)
        else:
            self._fire_due(name, section, row.next_ns, wall_ns, upcoming)

    def _fire_due(
        self, name: str, section: ScheduleSection, first_ns: int, wall_ns: int, upcoming: int
    ) -> None:
        """Fire for the latest due time; say what became of the ones before it."""
        latest = max(first_ns, last_due_ns(section, wall_ns))
        is_missed = wall_ns - latest > MISFIRE_SECONDS * SECOND_NS
        with self.lock.writing() as connection:
            # Under another key: a clock that is set back must still find its due time unused.
            if first_ns < latest:
                why = "skipped: nothing executed when it was due; also those up to the latest"
                self._record(connection, name, f"{MISSED}{due_text(first_ns)}", why)
            if is_missed and section.catch_up == "none":
                why = "skipped: nothing executed when it was due, and catch_up is none"
                self._record(connection, name, f"{MISSED}{due_text(latest)}", why)
            else:
                self._record(connection, name, due_text(latest), STARTING)
            values = {"next_ns": upcoming}
            connection.execute(update(Schedule).where(Schedule.name == name).values(**values))

    def _is_poll_due(self, name: str, section: ScheduleSection, now: int) -> bool:
        assert section.on is not None
        polled = self._polled_ns.get(name)
        return polled is None or not 0 <= now - polled < section.on.poll_seconds * SECOND_NS

    def _look_at_branch(self, name: str, section: ScheduleSection, launcher: Launcher) -> None:
        try:
            tip = launcher.tip(section)
        except InfraError as error:
            self._complain(name, str(error))
            return
        self._complaints.pop(name, None)
        with self.store.reading() as connection:
            row = schedule_row(connection, name)
        is_new = row is None or row.definition != definition_of(section)
        if is_new:
            self._declare(name, section, None)
        is_paused = section.paused or (row is not None and row.paused)
        outcome = STARTING
        if is_new or is_paused:
            outcome = "seen first: nothing started" if is_new else "skipped: paused"
        with self.lock.writing() as connection:
            self._record(connection, name, tip, outcome)

    def _complain(self, name: str, problem: str) -> None:
        if self._complaints.get(name) != problem:
            self._complaints[name] = problem
            log.warning("schedule %s: %s", name, problem)

    def _declare(self, name: str, section: ScheduleSection, next_ns: int | None) -> None:
        with self.lock.writing() as connection:
            declare(connection, name, section, next_ns=next_ns)

    def _record(self, connection: Connection, name: str, due: str, outcome: str) -> None:
        record_firing(connection, name, due, outcome, at_ns=self.store.clock.wall_ns())

    def _launch(self, launcher: Launcher) -> None:
        """Make the runs of firings that have none yet, also those of a service that died."""
        with self.store.reading() as connection:
            query = select(Firing).where(Firing.run_id.is_(None), Firing.outcome == STARTING)
            open_firings = connection.execute(query.order_by(Firing.id)).all()
        for firing in open_firings:
            section = self.sections.get(firing.schedule)
            if section is not None:
                make = partial(launch, self.store, launcher, firing, section)
                self.beside.begin(f"firing {firing.id}", make)


def launch(store: Store, launcher: Launcher, firing: Any, section: ScheduleSection) -> str:
    """Make the run of one firing; return what came of it, which stands in its row too.

    Two that launch the same firing (one was deposed meanwhile) make one run: its id is the firing's.
    """
    run_id: int | None = None
    try:
        # A push is the revision that was pushed; a time is whatever stands there now.
        revision = firing.due if section.on is not None else launcher.tip(section)
        if firing.due.startswith(BY_HAND):
            revision = launcher.tip(section)
        run_id = launcher.start(firing.schedule, section, revision, firing_ulid(firing))
    except LockLostError:
        raise
    except (InfraError, PipelineError, OSError) as error:
        outcome = f"not started: {error}"
        log.warning("schedule %s: %s", firing.schedule, outcome)
    with store.writing() as connection:
        if run_id is not None:
            number = connection.execute(select(Run.number).where(Run.id == run_id)).scalar_one()
            outcome = f"started run {number}"
        # The first word stands, but a run that was made is never denied.
        is_open = Firing.outcome == firing.outcome if run_id is None else Firing.run_id.is_(None)
        changed = update(Firing).where(Firing.id == firing.id, is_open)
        if connection.execute(changed.values(run_id=run_id, outcome=outcome)).rowcount != 1:
            return outcome
        publish(
            connection,
            topic="schedule.started" if run_id is not None else "schedule.failed",
            run_id=run_id,
            payload={"state": outcome, "reason": "", "schedule": firing.schedule},
            at_ns=store.clock.wall_ns(),
        )
    return outcome


def fire_by_hand(store: Store, launcher: Launcher, name: str, section: ScheduleSection) -> str:
    """Start a schedule now, due or not; the next due time stays as it is."""
    now = store.clock.wall_ns()
    due = f"{BY_HAND}{datetime.fromtimestamp(now / SECOND_NS, UTC).isoformat()}"
    with store.writing() as connection:
        # Not `starting`: whoever leads would start it too.
        record_firing(connection, name, due, "starting by hand", at_ns=now)
        query = select(Firing).where(Firing.schedule == name, Firing.due == due)
        firing = connection.execute(query).one()
    return launch(store, launcher, firing, section)


def firing_ulid(firing: Any) -> Ulid:
    """Return the id of a firing's run: the same however often it is asked for."""
    identity = hashlib.sha256(f"{firing.schedule}\0{firing.due}".encode()).digest()
    return new_ulid(
        time_ms=firing.at_ns // 1_000_000, randomness=int.from_bytes(identity[:10], "big")
    )


def record_firing(connection: Connection, name: str, due: str, outcome: str, *, at_ns: int) -> bool:
    """Write a firing unless its due time has one; True if it was new."""
    known = select(Firing.id).where(Firing.schedule == name, Firing.due == due)
    if connection.execute(known).scalar() is not None:
        return False
    connection.execute(insert(Firing).values(schedule=name, due=due, outcome=outcome, at_ns=at_ns))
    return True


def schedule_row(connection: Connection, name: str) -> Any:
    """Return where a schedule stands; None before it was first seen."""
    return connection.execute(select(Schedule).where(Schedule.name == name)).one_or_none()


def definition_of(section: ScheduleSection) -> dict[str, Any]:
    """Return what makes a schedule another one when it changes: its trigger."""
    return section.model_dump(mode="json", include={"cron", "on", "timezone"})


def declare(
    connection: Connection, name: str, section: ScheduleSection, *, next_ns: int | None
) -> None:
    """Note a schedule as it is declared, and when it is due next."""
    values = {"definition": definition_of(section), "next_ns": next_ns}
    if schedule_row(connection, name) is None:
        connection.execute(insert(Schedule).values(name=name, paused=False, **values))
    else:
        connection.execute(update(Schedule).where(Schedule.name == name).values(**values))


def set_paused(
    store: Store, sections: Mapping[str, ScheduleSection], name: str, *, paused: bool
) -> None:
    """Pause or resume a schedule; what is due while it is paused is not made up for."""
    section = sections.get(name)
    if section is None:
        known = ", ".join(sorted(sections)) or "none"
        raise RequestRefusedError(f"no schedule is called {name!r}; there is {known}")
    if section.paused and not paused:
        raise RequestRefusedError(
            f"{name} is paused in the service's configuration: remove `paused: true` there"
        )
    with store.writing() as connection:
        if schedule_row(connection, name) is None:
            declare(connection, name, section, next_ns=None)
        connection.execute(update(Schedule).where(Schedule.name == name).values(paused=paused))


def next_due_ns(section: ScheduleSection, after_ns: int) -> int:
    """Return the first due time after an instant; daylight saving as Debian's cron has it."""
    return _cron(section, after_ns, is_reverse=False)


def last_due_ns(section: ScheduleSection, until_ns: int) -> int:
    """Return the last due time up to an instant, that instant included."""
    return _cron(section, until_ns + SECOND_NS, is_reverse=True)


def _cron(section: ScheduleSection, from_ns: int, *, is_reverse: bool) -> int:
    from cronsim import CronSim

    assert section.cron is not None
    moment = datetime.fromtimestamp(from_ns // SECOND_NS, ZoneInfo(section.timezone))
    due = next(CronSim(section.cron, moment, reverse=is_reverse))
    return int(due.timestamp()) * SECOND_NS


def due_text(due_ns: int) -> str:
    """Return a due time as its firing is keyed: RFC 3339, UTC, so no hour comes twice."""
    moment = datetime.fromtimestamp(due_ns // SECOND_NS, UTC)
    return moment.strftime("%Y-%m-%dT%H:%M:%SZ")
