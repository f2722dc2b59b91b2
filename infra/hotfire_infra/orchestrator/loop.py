"""The orchestrator's round: requests, live attempts, folds, dispatch; safe to kill at any point."""

from __future__ import annotations

import logging
import threading
from collections.abc import Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field, replace
from pathlib import Path

from sqlalchemy import Connection

from hotfire_infra.configuration import Configuration
from hotfire_infra.errors import DatabaseBusyError, DatabaseUnreachableError, InfraError
from hotfire_infra.executors.protocol import Executor
from hotfire_infra.operations.context import about
from hotfire_infra.orchestrator.attendance import Attendant, Effect, Look, Settled
from hotfire_infra.orchestrator.budgets import Budgets
from hotfire_infra.orchestrator.confirmed_gates import ConfirmedGates
from hotfire_infra.orchestrator.crashpoints import CrashPoint, Passing, pass_by
from hotfire_infra.orchestrator.dispatch import Dispatcher, Leased
from hotfire_infra.orchestrator.facts import RESULT, RunBook, RunFacts, TermsCache, last_event
from hotfire_infra.orchestrator.finalizing import Analysis, Finalizer
from hotfire_infra.orchestrator.fleet import Fleet, Seats
from hotfire_infra.orchestrator.handover import HandOver
from hotfire_infra.orchestrator.holds import HoldKeeper
from hotfire_infra.orchestrator.lock import LEADER_SECONDS, HeldLock
from hotfire_infra.orchestrator.look_memory import LookMemory
from hotfire_infra.orchestrator.merge_base import MergeBaseRuns
from hotfire_infra.orchestrator.progress import Progress
from hotfire_infra.orchestrator.queue_keeper import QueueKeeper
from hotfire_infra.orchestrator.requests import RequestBook
from hotfire_infra.orchestrator.retry_policy import remaining_seconds
from hotfire_infra.orchestrator.reuse import ReuseBook
from hotfire_infra.orchestrator.schedules import Launcher, Scheduler
from hotfire_infra.orchestrator.waiting import WaitingNotes
from hotfire_infra.secret_files import SecretBook
from hotfire_infra.states import ATTEMPT_TERMINAL, RunState, TaskState
from hotfire_infra.store import queries
from hotfire_infra.store.database import Store
from hotfire_infra.store.postgres import serialise
from hotfire_infra.store.queries_devices import task_with_run
from hotfire_infra.store.queries_holds import held_attempts
from hotfire_infra.store.rows import AttemptRow
from hotfire_infra.store.transitions import OUTBOX
from hotfire_testframework.contract.ulid import Ulid

log = logging.getLogger(__name__)

IDLE_SECONDS = 0.2
"""At most between rounds in which nothing changed; an executor that hears of a change ends it."""
RETRY_SECONDS = 0.5
"""While the database restarts, or after a deadlock."""
UNRELEASED = ("*/token", "*/work", "*/secrets")
"""What an attempt's directory holds until it is released."""


@dataclass(slots=True)
class Orchestrator:
    """Carries out the runs of one store while it holds its lock.

    A round looks at live attempts, settles in one transaction whatever that showed (with folds and
    new leases), and then acts outside. What it knows of runs between rounds is a copy that any
    crash may lose. Its order matters after a crash: live attempts are looked at, and their spools
    stored, before any lease is judged.
    """

    store: Store
    executor: Executor
    cache: Path
    lock: HeldLock
    analyses: Sequence[Analysis] = ()
    at: Passing = pass_by
    book: RunBook = field(default_factory=RunBook)
    configuration: Configuration = field(default_factory=Configuration)
    launcher: Launcher | None = None
    """Who makes the runs of schedules; none: this process fires nothing."""
    queue: QueueKeeper = field(init=False)
    _scheduler: Scheduler = field(init=False)
    fleet: Fleet = field(init=False)
    _seats: Seats | None = None
    """Free devices while the queue is decided on."""
    _terms: TermsCache = field(init=False)
    _waiting: WaitingNotes = field(init=False)
    _memory: LookMemory = field(init=False)
    _touched_ns: int = 0
    _reuse: ReuseBook = field(init=False)
    _merge_base: MergeBaseRuns = field(init=False)
    _confirmed: ConfirmedGates = field(init=False)

    def __post_init__(self) -> None:
        self.queue = QueueKeeper(self.store, self.executor, self.configuration.queue)
        self._terms = TermsCache(counts_attempts=self.executor.capacity.counts_attempts)
        self._waiting = WaitingNotes(self.store)
        self._memory = LookMemory(self.store.clock, self.executor)
        sections = self.configuration.schedules
        self._scheduler = Scheduler(self.store, sections, self.launcher, self.lock)
        self._reuse = ReuseBook(self.store, self.executor, self.cache)
        self._merge_base = MergeBaseRuns(self.store, self.lock)
        self._confirmed = ConfirmedGates(self.store, self.lock)
        self.fleet = Fleet(self.store, self.executor, self.configuration.devices)
        self.queue.obstacle = self._obstacle

    def sweep(self) -> None:
        """Release attempts that ended and whose service died before it could free them."""
        names = {
            path.parent.name for pattern in UNRELEASED for path in self.store.attempts.glob(pattern)
        }
        with self.store.reading() as connection:
            names -= held_attempts(connection)
        for name in sorted(names):
            with self.store.reading() as connection:
                attempt = queries.attempt_by_ulid(connection, name)
            if attempt is not None and attempt.state in ATTEMPT_TERMINAL:
                self._attendant().free(attempt, is_silent=True)

    def run_until_idle(self, stop: threading.Event, *, forever: bool = False) -> None:
        """Go round until no run is unfinished (or, with `forever`, until `stop`)."""
        try:
            self._go_round(stop, forever=forever)
        finally:
            self._scheduler.close()

    def _go_round(self, stop: threading.Event, *, forever: bool) -> None:
        self.sweep()
        while not stop.is_set():
            try:
                changed = self._memory.timed(self.round)
            except (DatabaseBusyError, DatabaseUnreachableError) as error:
                log.warning("the round is repeated: %s", error)
                stop.wait(RETRY_SECONDS)
                continue
            if not forever and not changed and not self.book.runs:
                return
            self._memory.pause(stop, IDLE_SECONDS, has_changed=changed)

    def round(self) -> bool:
        """Do all that can be done now; True if anything moved.

        Raises LockLostError when another process leads by now: nothing was changed then.
        """
        try:
            return self._round()
        except BaseException:
            # What was noted may not have been committed.
            self.book.forget()
            self.fleet.forget()
            self.queue.line.forget()
            self._memory.forget()
            raise

    def _round(self) -> bool:
        changed = self._take_in()
        self._confirmed.is_due |= changed
        changed |= self._confirmed.advance()
        changed |= self._end_holds()
        self._scheduler.step()
        self.fleet.ask()
        self.queue.find_line(self.book, self._terms)
        changed |= not changed and self._hand_over()
        looks = self._look()
        self.at(CrashPoint.LOOKED)
        refused = {
            run_id: self._progress().refusals(facts)
            for run_id, facts in self.book.runs.items()
            if facts.run.state is RunState.PLANNED
        }
        for facts in self.book.runs.values():
            self._reuse.ask_machines(facts)
        if self._has_work(looks, refused):
            changed |= self._settle(looks, refused)
        elif self._is_touch_due():
            self.lock.refresh()
            self._touched_ns = self.store.clock.mono_ns()
        return self._finalize() or changed

    def _take_in(self) -> bool:
        """Learn what others wrote, and carry out what they ask."""
        requests = RequestBook(self.store)
        with self.store.reading() as connection:
            has_news = self._learn(connection)
            is_asked = has_news and self.book.is_more and requests.has_open(connection)
        if not is_asked:
            return has_news
        with self.lock.writing() as connection:
            requests.carry_out(connection, self.lock.holder)
            self.fleet.forget()
        with self.store.reading() as connection:
            self._learn(connection)
        return True

    def _learn(self, connection: Connection) -> bool:
        has_news = self.book.look(connection)
        self._terms.load(connection, self.book.runs)
        for attempt in self.book.others.values():
            self._terms.get(connection, attempt.task_id)
        if (has_news and self.book.is_more) or self.queue.is_stale():
            self.queue.learn(connection, self.book)
        return has_news

    def _look(self) -> list[Look]:
        attendant = self._attendant()
        looks = []
        for attempt in self._memory.begin(self.book.live_attempts()):
            facts = self.book.runs.get(attempt.run_id)
            is_cancelled = facts is not None and facts.is_cancelled
            is_ahead = attempt in self.queue.line
            if not (is_cancelled or is_ahead) and self._memory.recall(attempt):
                continue
            grace = self._terms[attempt.task_id].grace_seconds
            with self._about(attempt):
                look = attendant.look(
                    attempt, is_cancelled=is_cancelled, grace_seconds=grace, is_ahead=is_ahead
                )
                attendant.answer_again(look)
            self._memory.note(attempt, look)
            looks.append(look)
        return looks

    def _has_work(self, looks: Sequence[Look], refused: dict[int, dict[int, str]]) -> bool:
        return (
            bool(refused)
            or any(look.needs_writing for look in looks)
            or any(facts.touched for facts in self.book.runs.values())
            or self.fleet.needs_writing
            or self._waiting.have_changed(self.book, self._memory.all)
            or self._queue_has_work()
        )

    def _settle(self, looks: Sequence[Look], refused: dict[int, dict[int, str]]) -> bool:
        """Write in one transaction all that follows from what was seen, then act on it."""
        effects: list[Effect] = []
        chores: list[Effect] = []
        leased: list[Leased] = []
        has_moved = bool(refused)
        with self.lock.writing() as connection:
            serialise(connection, OUTBOX)
            claimed = self.book.keep_up(connection)
            self._touch(connection)
            for look in looks:
                # What was claimed since the look is looked at anew.
                if look.needs_writing and look.attempt.id not in (claimed or ()):
                    settled = self._settle_one(connection, look, leased)
                    effects += settled.effects
                    chores += settled.chores
                    has_moved |= settled.has_moved
            self.at(CrashPoint.SETTLED)
            if any(facts.run.hold_seconds for facts in self.book.runs.values()):
                self.queue.read_holds(connection)
            leased += self._advance_fleet(connection)
            self._fold(connection, refused)
            leased += self._dispatch(connection)
            effects += self._grant_seated(connection, looks)
            self._waiting.write(connection, self.book, self._memory.all)
            self.at(CrashPoint.LEASED)
            newest = last_event(connection)
        has_moved |= newest != self.book.last_event or bool(claimed)
        if claimed is not None:
            self.book.last_event = newest
        self.at(CrashPoint.COMMITTED)
        self._act(effects, leased, chores)
        return has_moved

    def _settle_one(self, connection: Connection, look: Look, leased: list[Leased]) -> Settled:
        attempt = look.attempt
        if look.was_never_submitted and not look.is_over:
            leased += self._submit_again(connection, attempt)
            return Settled(attempt=attempt)
        with self._about(attempt):
            settled = self._attendant().settle(connection, look)
        if settled.has_moved and settled.attempt is not None:
            self.fleet.note_end(settled.attempt)
            self.queue.line.note(settled.attempt)
        if settled.attempt is None:
            self.book.read_again(connection, attempt)
        elif settled.has_moved:
            self.book.note_attempt(settled.attempt)
        else:
            self.book.replace_attempt(settled.attempt)
        return settled

    def _about(self, attempt: AttemptRow) -> AbstractContextManager[None]:
        """Let the log say which attempt the work at hand is about."""
        facts = self.book.runs.get(attempt.run_id)
        number = None if facts is None else facts.run.number
        return about(run=number, task=attempt.task_key, attempt=attempt.ulid)

    def _submit_again(self, connection: Connection, attempt: AttemptRow) -> list[Leased]:
        """Submit what was leased by a process that died before it could."""
        facts = self.book.runs.get(attempt.run_id)
        if facts is not None:
            run, task = facts.run, facts.tasks[attempt.task_id]
        elif attempt.purpose == RESULT:
            return []
        else:
            # A rerun for another question: the run of its task may be over long since.
            run, task = task_with_run(connection, attempt.task_id)
        renewed = self._dispatcher().renew(connection, run, task, attempt)
        return [replace(renewed, is_ahead=attempt in self.queue.line)]

    def _fold(self, connection: Connection, refused: dict[int, dict[int, str]]) -> None:
        progress = self._progress()
        for run_id, facts in list(self.book.runs.items()):
            if run_id in refused:
                progress.start(connection, facts, refused[run_id])
            if facts.touched:
                progress.advance(connection, facts)

    def _dispatch(self, connection: Connection) -> list[Leased]:
        """Lease what was chosen; it is submitted once the transaction is committed."""
        leased = []
        seats = self._seats = self.fleet.seats(self.book.live_attempts())
        choice = self.queue.decide(self.book, self._terms)
        tasks = {key: facts for facts in self.book.runs.values() for key in facts.queued}
        waiting = {row.task_id: row for row in self.queue.line.waiting(self.book)}
        for task_id in choice.picks:
            if task_id in waiting:
                self.queue.line.seat(waiting[task_id])
                continue
            found = self._lease(connection, tasks[task_id], task_id, seats)
            leased += [] if found is None else [found]
        self.queue.write(connection, self.book, choice)
        for task_id in self.queue.choose_ahead(self.book, self._terms):
            facts = tasks[task_id]
            device = seats.find(*self._wish(facts, task_id)).device_id
            if facts.run.hold_seconds or not self.fleet.is_shared(device):
                continue  # What it needs of the machine is not known before there is room.
            found = self._lease(connection, facts, task_id, seats)
            if found is not None:
                self.queue.line.add(found.attempt)
                leased.append(replace(found, is_ahead=True))
        return leased

    def _lease(
        self, connection: Connection, facts: RunFacts, task_id: int, seats: Seats
    ) -> Leased | None:
        """Lease a task; None: its device was taken by the task before it, or it is queued no more."""
        cpus = self.queue.slots_of(self._terms[task_id].need)
        seat = seats.find(*self._wish(facts, task_id))
        if seat.obstacle:
            return None
        seats.take(seat)
        task = facts.tasks[task_id]
        found = self._dispatcher().lease(connection, facts.run, task, cpus=cpus, seat=seat)
        if found is None:
            self.book.forget_run(facts.run.id)
            return None
        facts.note_task(task_id, state=TaskState.RUNNING, pending="")
        facts.note_attempt(found.attempt)
        return found

    def _grant_seated(self, connection: Connection, looks: Sequence[Look]) -> list[Effect]:
        """Grant the claims of those that were started ahead and have their room now."""
        effects: list[Effect] = []
        for look in looks:
            if look.waits_ahead and not look.is_over and look.attempt not in self.queue.line:
                seated = replace(look, is_ahead=False)
                effects += self._settle_one(connection, seated, []).effects
        return effects

    def _hand_over(self) -> bool:
        """Let those begin that wait for the slot of an attempt which has just passed."""
        desk = HandOver(
            store=self.store,
            executor=self.executor,
            lock=self.lock,
            book=self.book,
            queue=self.queue,
            terms=self._terms,
            at=self.at,
        )
        answers = desk.hand_over()
        if answers:
            self.at(CrashPoint.COMMITTED)
            self._act(answers, (), ())
        return bool(answers)

    def _advance_fleet(self, connection: Connection) -> list[Leased]:
        """Move inquiries into devices on; returns the reruns that they need."""
        live = self.book.live_attempts()
        reruns, concluded = self.fleet.advance(connection, live, by=self.lock.holder)
        for attempt in self.book.attempts_on(concluded):
            self.book.note_attempt(queries.attempt_by_ulid(connection, attempt.ulid) or attempt)
        leased = []
        for rerun in reruns:
            run, task = task_with_run(connection, rerun.task_id)
            need = self._terms.get(connection, rerun.task_id).need
            cpus = self.queue.slots_of(need)
            found_lease = self._dispatcher().rerun(connection, run, task, rerun, cpus=cpus)
            self.book.note_attempt(found_lease.attempt)
            leased.append(found_lease)
        return leased

    def _wish(self, facts: RunFacts, task_id: int) -> tuple[object, frozenset[int], str]:
        """Return what devices a task requires, which it is to avoid, and which only will do."""
        cell = facts.cells[facts.tasks[task_id].cell_id]
        fold = facts.folds.get(task_id)
        avoid = frozenset() if fold is None else fold.avoid
        return cell.requires, avoid, facts.run.devices.get(cell.key, "")

    def _obstacle(self, facts: RunFacts, task_id: int) -> str:
        """Say why a task cannot start now, room or not."""
        fold = facts.folds.get(task_id)
        if fold is not None and fold.wait_seconds > 0:
            now = self.store.clock.wall_ns()
            left = remaining_seconds(fold.not_before_ns, fold.wait_seconds, now)
            if left > 0:
                return f"retry waits {fold.wait_seconds:g} s after {facts.tasks[task_id].reason}"
        if not self.fleet.devices:
            return ""
        if self._seats is None:
            self._seats = self.fleet.seats(self.book.live_attempts())
        return self._seats.find(*self._wish(facts, task_id)).obstacle

    def _queue_has_work(self) -> bool:
        self._seats = self.fleet.seats(self.book.live_attempts())
        return self.queue.has_work(self.book, self._terms)

    def _end_holds(self) -> bool:
        """End the holds whose time is over, and free what is not held any more."""
        keeper = HoldKeeper(self.store, self.configuration.holds)
        if any(keeper.is_due(row) for row in self.queue.holds):
            with self.lock.writing() as connection:
                for row in keeper.due(connection):
                    keeper.release(connection, row)
                self.queue.read_holds(connection)
        freed = self.queue.take_freed()
        for attempt in freed:
            self.executor.release(Ulid(attempt))
        return bool(freed)

    def _act(
        self, effects: Sequence[Effect], leased: Sequence[Leased], chores: Sequence[Effect]
    ) -> None:
        """Do what the store says already; one failure keeps nothing else from happening."""
        failures = self._try_all(effects)
        for found in leased:
            self.at(CrashPoint.SUBMITTING)
            with self._about(found.attempt):
                is_submitted = self._dispatcher().submit(found)
            if not is_submitted:
                self.book.forget_run(found.run.id)
            self.at(CrashPoint.SUBMITTED)
        failures += self._try_all(chores)
        if failures:
            raise failures[0]

    def _try_all(self, effects: Sequence[Effect]) -> list[Exception]:
        failures: list[Exception] = []
        for effect in effects:
            try:
                effect()
            except (InfraError, OSError) as error:
                failures.append(error)
            self.at(CrashPoint.ANSWERED)
        return failures

    def _is_touch_due(self) -> bool:
        age = self.store.clock.mono_ns() - self._touched_ns
        return age > LEADER_SECONDS / 3 * 1e9

    def _touch(self, connection: Connection) -> None:
        if self._is_touch_due():
            self.lock.touch(connection)
            self._touched_ns = self.store.clock.mono_ns()

    def _finalize(self) -> bool:
        over = [
            facts
            for facts in self.book.runs.values()
            if facts.is_over
            and self._merge_base.is_settled(facts)
            and self._confirmed.is_settled(facts)
        ]
        self._confirmed.is_due |= bool(over)
        for facts in over:
            Finalizer(self.store, tuple(self.analyses), self.lock, self.at).finalize(facts)
            self.at(CrashPoint.FINALIZED)
        return bool(over)

    def _attendant(self) -> Attendant:
        return Attendant(self.store, self.executor, self.lock, self.configuration.holds)

    def _progress(self) -> Progress:
        return Progress(
            self.store,
            self.executor,
            self._terms,
            self.lock.holder,
            self._reuse,
            Budgets(self.store, self.executor.name, self.configuration.retries),
            self.fleet.disputed,
            SecretBook(self.configuration.secrets),
        )

    def _dispatcher(self) -> Dispatcher:
        book = SecretBook(self.configuration.secrets)
        retries = self.configuration.retries
        return Dispatcher(self.store, self.executor, self.cache, self.lock, book, retries)
