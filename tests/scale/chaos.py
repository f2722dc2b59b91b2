"""Break a run in every way we know of, seeded, and hold what is left against the fault-free run."""

from __future__ import annotations

import contextlib
import errno
import os
import random
from collections import Counter, defaultdict
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from psycopg.errors import DiskFull
from sqlalchemy import event, func, select

from hotfire_infra.clock import ManualClock
from hotfire_infra.errors import InfraError, LockLostError, StorageFullError
from hotfire_infra.executors.spool import write_object
from hotfire_infra.orchestrator.attendance import CONFLICT, LEASE_SECONDS, grant_claim
from hotfire_infra.orchestrator.crashpoints import CrashPoint, pass_by
from hotfire_infra.orchestrator.creation import RunRequest, create_run
from hotfire_infra.orchestrator.lock import HeldLock, acquire
from hotfire_infra.orchestrator.loop import Orchestrator
from hotfire_infra.states import ATTEMPT_INTERRUPTED, ATTEMPT_TERMINAL, AttemptState, RunVerdict
from hotfire_infra.store import queries
from hotfire_infra.store.database import Store, open_store
from hotfire_infra.store.models import History, Outbox, Result
from hotfire_infra.store.queries_lists import outbox_after
from hotfire_testframework.contract.task import AttemptSpec
from hotfire_testframework.contract.ulid import Ulid

from ..infra.conftest import SOURCE, plan_of, spec_of
from .scripted import ScriptedExecutor, is_far

RETRIES = 2
DOOMED_EVERY = 97
"""Of so many tasks one is killed whenever it runs, until its budget is spent."""
SLOTS = 10
ROUNDS_PER_TASK = 30
FOLLOWED_EVENTS = 200


class ServiceDeath(BaseException):
    """Nothing in the service may catch and survive this."""


def doomed(task: str) -> bool:
    """Whether a task is killed at every attempt."""
    return int(task[1:]) % DOOMED_EVERY == 20


def plan_for(tasks: int):
    """Return a plan of so many cells; every tenth waits for the one before it."""
    names = [f"t{number:04}" for number in range(tasks)]
    edges = [(names[n - 1], names[n]) for n in range(10, tasks, 10) if n % 7 != 4]
    return plan_of(
        {name: [f"m/s/{name}-a", f"m/s/{name}-b"] for name in names},
        edges=[(a, b) for a, b in edges if not doomed(a) and not doomed(b)],
        specs={name: spec_of(retries=RETRIES) for name in names},
    )


@dataclass
class Chaos:
    """A run, its machine and its services; `round` goes on, the other methods break things."""

    store: Store
    clock: ManualClock
    cache: Path
    seed: int
    is_fenced: bool = True
    restart_database: Callable[[], None] | None = None
    only: tuple[str, ...] = ()
    """Kinds of faults, all by default."""
    done: Counter[str] = field(default_factory=Counter)
    hits: int = 0
    """Faults that struck while an attempt was live."""
    interruptions: Counter[str] = field(default_factory=Counter)
    """Runners that we killed or silenced, by task."""
    delivered: list[int] = field(default_factory=list)
    place: int = 0
    """Of the follower of the outbox: the last event it noted."""
    died_in: defaultdict[str, set[str]] = field(default_factory=lambda: defaultdict(set))
    """Tests that attempts were in when they were broken, by task."""
    deaths: Counter[tuple[CrashPoint, bool]] = field(default_factory=Counter)
    """Where the service died, and whether runners that were started ahead waited then."""
    has_room: bool = True
    """Whether the disk of the database has."""

    def __post_init__(self) -> None:
        event.listen(self.store.write_engine, "begin", self._limit_pages)
        self.random = random.Random(self.seed)
        self.executor = ScriptedExecutor(self.store, SLOTS, self.clock)
        self.orchestrator = self.new_service()

    def new_service(self) -> Orchestrator:
        """Start a service where the last one died, or beside one that does not know yet."""
        lock = acquire(self.store, label="service")
        assert lock is not None
        lock = HeldLock(lock.store, lock.holder, lock.fence, self.is_fenced)
        made = Orchestrator(store=self.store, executor=self.executor, cache=self.cache, lock=lock)
        made.sweep()
        return made

    def run(self, tasks: int, faults: int) -> int:
        """Start a run and break it so many times; return the run."""
        request = RunRequest(plan=plan_for(tasks), source=SOURCE, requested_by="tester")
        run_id = self.run_id = create_run(self.store, request)
        if faults and not self.only:
            self.executor.is_doomed = self._doom
        kinds = self.kinds()
        rounds = 0
        while not self.is_over(run_id):
            rounds += 1
            assert rounds < tasks * ROUNDS_PER_TASK, "the run does not come to an end"
            for _ in range(self.due(tasks, faults)):
                kind = self.random.choice(kinds)
                live = self.executor.live()
                if live and self.total < faults and getattr(self, kind)(live):
                    self.done[kind] += 1
                    self.hits += bool(live)
            self.round()
        self.deliver()
        self.executor.close()
        return run_id

    @property
    def total(self) -> int:
        """Faults so far."""
        return self.done.total()

    def kinds(self) -> list[str]:
        """Return the names of the methods that break something."""
        weights = {
            "kill_service": 4,
            "kill_runner": 4,
            "kill_both": 1,
            "let_lease_expire": 1,
            "duplicate_events": 2,
            "reorder_events": 2,
            "drop_events": 2,
            "drop_answer": 1,
            "claim_twice": 1,
            "depose_leader": 1,
            "kill_waiting": 2,
            "expire_handed_over": 1,
            "fill_disk": 1,
            "fill_database": 1,
            "jump_clock": 1,
            "lose_delivery": 1,
        }
        if self.restart_database is not None:
            weights["break_database"] = 1
        return [
            kind
            for kind, weight in weights.items()
            if not self.only or kind in self.only
            for _ in range(weight)
        ]

    def due(self, tasks: int, faults: int) -> int:
        """Return how many faults this round should see; attempts wait for those that are late."""
        goal = faults * len(self.executor.tasks) / tasks
        late = goal - self.total
        self.executor.may_end = lambda: self.total >= goal
        return max(0, min(12, round(late + self.random.random()))) if faults else 0

    def is_over(self, run_id: int) -> bool:
        with self.store.reading() as connection:
            return queries.run_by_id(connection, run_id).verdict is not None

    def round(self) -> None:
        """Go round once; what the service cannot stand is followed by a restart."""
        # Slots are handed over where no news has come between: not while results stream in.
        self.executor.is_line_quiet = not self.executor.is_line_quiet
        try:
            self.orchestrator.round()
        except (ServiceDeath, InfraError):
            self.orchestrator = self.new_service()
        self.clock.advance(0.2)

    # Faults: each takes the live attempts, and says whether it happened.

    def kill_service(self, _live: list[AttemptSpec]) -> bool:
        point = self.random.choice(list(CrashPoint))
        self.orchestrator.at = self._die_at(point)
        try:
            # Not every round hands a slot over.
            for _ in range(self.executor.life if point is CrashPoint.HANDED_OVER else 1):
                self.orchestrator.round()
        except ServiceDeath:
            self.orchestrator = self.new_service()
            return True
        self.orchestrator.at = pass_by
        return False

    def _die_at(self, point: CrashPoint):
        left = [self.random.choice([1, 1, 2])]

        def at(passed: CrashPoint) -> None:
            left[0] -= passed is point
            if left[0] == 0:
                self.deaths[point, bool(self.executor.waiting())] += 1
                raise ServiceDeath

        return at

    def _victim(self, live: list[AttemptSpec]) -> AttemptSpec | None:
        """Choose an attempt whose task may lose one more without running out of retries.

        None in a test that another attempt died in: two such deaths convict the test.
        """
        found = [
            spec
            for spec in live
            if not doomed(spec.task)
            and self.interruptions[spec.task] < RETRIES
            and self.executor.in_flight(spec) not in self.died_in[spec.task]
        ]
        return self.random.choice(found) if found else None

    def _interrupt(self, spec: AttemptSpec, how: set[str]) -> None:
        how.add(spec.attempt)
        self.interruptions[spec.task] += 1
        self.died_in[spec.task] |= {self.executor.in_flight(spec)} - {""}

    def _doom(self, spec: AttemptSpec) -> bool:
        """Kill the attempts of some tasks whenever they run."""
        if not doomed(spec.task):
            return False
        self._interrupt(spec, self.executor.dead)
        self.done["kill_runner"] += 1
        self.hits += 1
        return True

    def kill_runner(self, live: list[AttemptSpec]) -> bool:
        victim = self._victim(live)
        if victim is not None:
            self._interrupt(victim, self.executor.dead)
        return victim is not None

    def kill_both(self, live: list[AttemptSpec]) -> bool:
        return self.kill_service(live) and self.kill_runner(self.executor.live())

    def kill_waiting(self, _live: list[AttemptSpec]) -> bool:
        """A runner dies that was started ahead and waits for room."""
        return self.kill_runner(self.executor.waiting())

    def let_lease_expire(self, live: list[AttemptSpec]) -> bool:
        """A runner falls silent; all others have time to give a sign of life before it counts."""
        with self.store.reading() as connection:
            rows = queries.attempts_of(connection, self.run_id)
        started = {row.ulid for row in rows if row.state is AttemptState.STARTED}
        victim = self._victim([spec for spec in live if spec.attempt in started])
        if victim is None or any(self._is_unanswered(ulid) for ulid in started):
            return False
        self._interrupt(victim, self.executor.silent)
        self.clock.advance(LEASE_SECONDS + 1)
        # Now: a fault that follows at once could keep another runner from giving its sign.
        self.orchestrator.round()
        return True

    def _is_unanswered(self, ulid: str) -> bool:
        return self.executor.spool(Ulid(ulid)).claim_answer() is None

    def expire_handed_over(self, live: list[AttemptSpec]) -> bool:
        """A runner falls silent that began in the slot of one which had not ended."""
        handed = [spec for spec in live if spec.attempt in self.executor.handed_over]
        return self.let_lease_expire(handed)

    def _line_fault(self, live: list[AttemptSpec], what: str) -> bool:
        far = [spec for spec in live if is_far(spec) and not doomed(spec.task)]
        if far:
            self.executor.line_faults[self.random.choice(far).attempt] = what
        return bool(far)

    def duplicate_events(self, live: list[AttemptSpec]) -> bool:
        return self._line_fault(live, "duplicated")

    def reorder_events(self, live: list[AttemptSpec]) -> bool:
        return self._line_fault(live, "reordered")

    def drop_events(self, live: list[AttemptSpec]) -> bool:
        return self._line_fault(live, "dropped")

    def drop_answer(self, live: list[AttemptSpec]) -> bool:
        """An answer to a claim is lost, and an old heartbeat comes after a new one."""
        spool = self.executor.spool(self.random.choice(live).attempt)
        (spool.root / "claim.answer").unlink(missing_ok=True)
        beat = {"mono_ns": 0, "boot_id": self.clock.boot_id, "fence": 0}
        write_object(spool.root / "heartbeat", beat)
        return True

    def claim_twice(self, live: list[AttemptSpec]) -> bool:
        claimed = [one for one in live if self.executor.spool(one.attempt).claim_answer()]
        if not claimed:
            return False
        ulid = self.random.choice(claimed).attempt
        with self.store.writing() as connection:
            row = queries.attempt_by_ulid(connection, ulid)
            status, _ = grant_claim(connection, self.store, row.id, "intruder")
        assert status == CONFLICT
        return True

    def depose_leader(self, _live: list[AttemptSpec]) -> bool:
        """The leader sees all runners dead, sleeps while another leads, and wakes up to say so."""
        first = self.orchestrator
        second: list[Orchestrator] = []

        def sleep(point: CrashPoint) -> None:
            if point is CrashPoint.LOOKED and not second:
                self.executor.is_blind = False
                second.append(self.new_service())
                second[0].round()

        first.at = sleep
        self.executor.is_blind = True
        with contextlib.suppress(LockLostError):
            first.round()
        assert second
        self.orchestrator = self.new_service()
        return True

    def fill_disk(self, _live: list[AttemptSpec]) -> bool:
        """The next blob that is written meets a full disk."""
        sync = os.fsync

        def full(_handle: int) -> None:
            raise OSError(errno.ENOSPC, "No space left on device")

        os.fsync = full
        try:
            for _ in range(2 * self.executor.life):
                self.orchestrator.round()
        except StorageFullError:
            self.orchestrator = self.new_service()
            return True
        finally:
            os.fsync = sync
        return False

    def _limit_pages(self, connection) -> None:
        """Let SQLite find no room for another page, or find some again."""
        if self.store.write_engine.dialect.name == "sqlite":
            pages = 4_294_967_294 if self.has_room else 1  # None is taken from what is there.
            connection.exec_driver_sql(f"PRAGMA max_page_count = {pages}")

    def fill_database(self, _live: list[AttemptSpec]) -> bool:
        """A transaction meets a disk without room for one more page of the database."""

        def refuse(point: CrashPoint) -> None:
            if point is CrashPoint.SETTLED and self.store.write_engine.dialect.name != "sqlite":
                raise DiskFull("could not extend file: No space left on device")

        self.has_room, self.orchestrator.at = False, refuse
        try:
            for _ in range(2 * self.executor.life):
                self.orchestrator.round()
        except StorageFullError:
            # Restarted before there is room, as by systemd: it must come up, and say so again.
            self.orchestrator = self.new_service()
            return True
        finally:
            self.has_room = True
            self.orchestrator.at = pass_by
        return False

    def jump_clock(self, _live: list[AttemptSpec]) -> bool:
        """The wall clock jumps by years."""
        self.clock.wall += self.random.choice([-1, 1]) * 10 * 365 * 86_400 * 1_000_000_000
        return True

    def break_database(self, _live: list[AttemptSpec]) -> bool:
        """The database goes away in the middle of a transaction, and comes back."""
        assert self.restart_database is not None
        restarted = []

        def at(point: CrashPoint) -> None:
            if point is CrashPoint.SETTLED and not restarted:
                restarted.append(point)
                self.restart_database()

        self.orchestrator.at = at
        try:
            self.orchestrator.round()
        except InfraError:
            self.orchestrator.book.forget()
        self.orchestrator.at = pass_by
        return bool(restarted)

    def lose_delivery(self, _live: list[AttemptSpec]) -> bool:
        """A follower of the outbox takes events and dies before it notes all that it took."""
        taken = self._take()
        if taken:
            self.place = taken[len(taken) // 2 - 1] if len(taken) > 1 else self.place
        return bool(taken)

    def deliver(self) -> None:
        """Let the follower take all events, noting its place after each batch."""
        while taken := self._take():
            self.place = taken[-1]

    def _take(self) -> list[int]:
        with self.store.reading() as connection:
            events = outbox_after(connection, self.place, limit=FOLLOWED_EVENTS)
        taken = [event.id for _, event in events]
        self.delivered += taken
        return taken


def expected_of(tasks: int) -> dict[str, tuple[str, dict[str, int]]]:
    """Return what the scripts say that the cells must come to."""
    words = {f"t{n:04}": "failed" if n % 7 == 3 else "passed" for n in range(tasks)}
    return {key: (word, {word: 2}) for key, word in words.items()}


def fault_free(home: Path, tasks: int) -> dict[str, tuple[str | None, dict[str, int]]]:
    """Run the same plan without a fault on a store of its own; return what came of it."""
    clock = ManualClock()
    store = open_store(home, clock=clock)
    try:
        return verdicts_of(store, Chaos(store, clock, home / "cache", 0).run(tasks, 0))
    finally:
        store.close()


def verdicts_of(store: Store, run_id: int) -> dict[str, tuple[str | None, dict[str, int]]]:
    """Return verdict and tests by verdict of every cell."""
    with store.reading() as connection:
        cells = queries.cells_of(connection, run_id)
    return {cell.key: (cell.verdict, dict(cell.tests)) for cell in cells}


def check(chaos: Chaos, run_id: int, fault_free: dict[str, tuple[str | None, dict[str, int]]]):
    """Hold a broken run against the fault-free one: nothing lost, nothing counted twice."""
    store = chaos.store
    with store.reading() as connection:
        run = queries.run_by_id(connection, run_id)
        attempts = queries.attempts_of(connection, run_id)
        events = connection.execute(select(Outbox.id).order_by(Outbox.id)).scalars().all()
    expected = dict(fault_free)
    if not chaos.only:
        expected |= {key: ("errored", {"errored": 2}) for key in expected if doomed(key)}
    found = verdicts_of(store, run_id)
    wrong = {key: (found[key], expected[key]) for key in expected if found[key] != expected[key]}
    assert not wrong, (
        f"{len(wrong)} cells differ from the fault-free run: {list(wrong.items())[:3]}"
    )
    assert run.verdict is RunVerdict.FAILED
    by_task = defaultdict(list)
    for row in attempts:
        assert row.state in ATTEMPT_TERMINAL, row
        by_task[row.task_key].append(row)
    for task, rows in by_task.items():
        assert [row.number for row in rows] == list(range(1, len(rows) + 1)), rows
        interrupted = sum(row.state in ATTEMPT_INTERRUPTED for row in rows)
        assert interrupted == chaos.interruptions[task], f"{task} lost attempts that nobody broke"
    most = chaos.executor.most_at_once
    assert most <= SLOTS, f"{most} attempts ran at once"
    check_books(chaos)
    assert list(dict.fromkeys(chaos.delivered)) == events, "events were lost, or out of order"
    submitted = [str(ulid) for ulid in chaos.executor.submitted]
    assert sorted(submitted) == sorted(row.ulid for row in attempts)


def check_books(chaos: Chaos) -> None:
    """No result is there twice, and every history is one chain."""
    with chaos.store.reading() as connection:
        twice = connection.execute(
            select(Result.attempt_id, Result.test_id)
            .group_by(Result.attempt_id, Result.test_id, Result.try_number)
            .having(func.count() > 1)
        ).all()
        steps = connection.execute(
            select(
                History.entity, History.entity_id, History.from_state, History.to_state
            ).order_by(History.entity, History.entity_id, History.id)
        ).all()
    assert not twice
    last: dict[tuple[str, int], str | None] = {}
    for entity, key, before, after in steps:
        assert last.get((entity, key), before) == before, (entity, key, before, after)
        last[entity, key] = after
