"""The queue of one orchestrator: gathers what `queueing` decides on, and stores why others wait."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field, replace

from sqlalchemy import Connection, update

from hotfire_infra.executors.protocol import Capacity, Executor, Need
from hotfire_infra.executors.slots import Room
from hotfire_infra.orchestrator.ahead import Line, can_go_ahead
from hotfire_infra.orchestrator.facts import RunBook, RunFacts, TaskTerms, TermsCache
from hotfire_infra.orchestrator.fair_share import SECOND_NS, UsageLedger
from hotfire_infra.orchestrator.queueing import (
    Choice,
    Lane,
    Occupied,
    Order,
    Pool,
    choose_lanes,
)
from hotfire_infra.sections.queue import QueueSection
from hotfire_infra.states import TaskState
from hotfire_infra.store import queries
from hotfire_infra.store.database import Store
from hotfire_infra.store.models import Task
from hotfire_infra.store.queries_holds import HoldRow, active_holds
from hotfire_infra.store.rows import AttemptRow, RunRow, TaskRow

LOOK_NS = SECOND_NS
"""Reasons are written once a second at most: people read them, nothing is decided by them."""
SMALLEST = Need(cpus=1, exclusive=False)
NOTHING = Choice(picks=(), waiting=())
MOST_AT_ONCE = 100
"""Tasks that one round starts: a thousand would keep those that end meanwhile waiting for seconds."""
WRITE_AT_ONCE = 500
"""Ids in one statement."""


def nothing_in_the_way(_facts: RunFacts, _task_id: int) -> str:
    """Return no obstacle: nobody tells devices apart."""
    return ""


@dataclass(slots=True)
class QueueKeeper:
    """Knows the queue between rounds; nothing here is truth."""

    store: Store
    executor: Executor
    section: QueueSection
    closed: str = ""
    """Why nothing new starts: the service is draining."""
    holds: tuple[HoldRow, ...] = ()
    """Machines that are kept, as last read."""
    obstacle: Callable[[RunFacts, int], str] = nothing_in_the_way
    """Why a task cannot start now for a reason other than room: its device, its back-off."""
    line: Line = field(default_factory=Line)
    """Attempts that were started before there is room for them."""
    _freed: set[str] = field(default_factory=set)
    _ledger: UsageLedger = field(init=False)
    _strangers: dict[int, Order] = field(default_factory=dict)
    """Orders of runs that are over and still have an attempt."""
    _learned_ns: int | None = None
    _written_ns: int | None = None

    def __post_init__(self) -> None:
        self._ledger = UsageLedger(self.section.half_life_hours * 3600)

    def is_stale(self) -> bool:
        """Whether it is time to learn again even without news."""
        return self._is_past(self._learned_ns)

    def learn(self, connection: Connection, book: RunBook) -> None:
        """Read what the next decision needs beside the runs: holds and, for a contest, shares."""
        clock = self.store.clock
        self._learned_ns = clock.mono_ns()
        self.read_holds(connection)
        rivals = {
            (facts.run.team, facts.run.priority) for facts in book.runs.values() if facts.queued
        }
        if len(rivals) > 1:
            self._ledger.catch_up(connection, wall_ns=clock.wall_ns(), mono_ns=clock.mono_ns())
        self._strangers = {
            row.run_id: order_of(queries.run_by_id(connection, row.run_id))
            for row in book.others.values()
        }

    def find_line(self, book: RunBook, terms: TermsCache) -> None:
        """Find out who was started ahead, if that is not known."""
        held = [_held(row).need for row in self.holds]
        self.line.learn(book, terms, self.executor.capacity, held)

    def read_holds(self, connection: Connection) -> None:
        """Read the holds; what is not held any more is to be freed."""
        before = {row.attempt_ulid for row in self.holds}
        self.holds = active_holds(connection)
        self._freed |= before - {row.attempt_ulid for row in self.holds}

    def take_freed(self) -> tuple[str, ...]:
        """Return the attempts whose hold has ended, once."""
        freed, self._freed = tuple(sorted(self._freed)), set()
        return freed

    def has_work(self, book: RunBook, terms: TermsCache) -> bool:
        """Whether anything of the queue is to be written."""
        choice = self.decide(book, terms)
        if choice.picks or (self._is_past(self._written_ns) and self._changes(book, choice)):
            return True
        if choice.waiting:
            self._written_ns = self.store.clock.mono_ns()
        return False

    def decide(self, book: RunBook, terms: TermsCache) -> Choice:
        """Choose, where there is room or somebody is to be told why there is none."""
        if not any(facts.queued for facts in book.runs.values()) and not self.line.waiting(book):
            return NOTHING
        if not self._is_past(self._written_ns) and not self._has_room(book, terms):
            return NOTHING
        choice = self.choose(book, terms)
        return replace(choice, picks=choice.picks[:MOST_AT_ONCE])

    def _has_room(self, book: RunBook, terms: TermsCache) -> bool:
        room = Room(self.executor.capacity)
        for attempt in self.line.seated(book):
            room.take(terms[attempt.task_id].need)
        for row in self.holds:
            room.take(_held(row).need)
        return room.fits(SMALLEST)

    def _is_past(self, moment_ns: int | None) -> bool:
        now = self.store.clock.mono_ns()
        return moment_ns is None or not 0 <= now - moment_ns < LOOK_NS

    def choose(self, book: RunBook, terms: TermsCache) -> Choice:
        """Decide which queued tasks start now, those that were started ahead among them."""
        return self._choose(book, terms, self.executor.capacity)

    def choose_ahead(self, book: RunBook, terms: TermsCache) -> tuple[int, ...]:
        """Decide which tasks would start next if slots became free, and confirm those that wait."""
        there = self.executor.capacity
        waiting = {row.task_id: row.id for row in self.line.waiting(book)}
        if not there.ahead or self.closed or not (waiting or self.line.is_brisk):
            self.line.confirmed = ()
            return ()
        live = book.live_attempts()
        more = replace(there, cpus=there.cpus + there.ahead)
        is_quiet = any(terms[row.task_id].need.exclusive for row in live)
        picks = () if is_quiet or not live else self._choose(book, terms, more).picks
        # Nothing goes ahead of a task that is next and cannot be started so.
        next_up = list(itertools.takewhile(lambda key: can_go_ahead(terms[key]), picks))
        known = itertools.takewhile(lambda key: key in waiting, next_up)
        self.line.confirmed = tuple(waiting[key] for key in known)
        if not self.line.is_brisk:
            return ()
        fresh = [key for key in next_up if key not in waiting]
        return tuple(fresh[: max(0, there.ahead - len(waiting))])

    def _choose(self, book: RunBook, terms: TermsCache, capacity: Capacity) -> Choice:
        pool = self.executor.name
        now_ns = self.store.clock.wall_ns()
        ahead: dict[int, set[int]] = {}
        for row in self.line.waiting(book):
            ahead.setdefault(row.run_id, set()).add(row.task_id)
        lanes = [
            lane
            for facts in book.runs.values()
            if (tasks := facts.queued | ahead.get(facts.run.id, set())) and not facts.is_cancelled
            for lane in _lanes_of(facts, tasks, terms, pool, now_ns, self.obstacle)
        ]
        return choose_lanes(
            lanes,
            [*self._running(book, terms, now_ns), *(_held(row) for row in self.holds)],
            {pool: Pool(capacity=capacity, closed=self.closed)},
            self._ledger.used(),
            self.section,
        )

    def _running(self, book: RunBook, terms: TermsCache, now_ns: int) -> Iterable[Occupied]:
        for attempt in self.line.seated(book):
            facts = book.runs.get(attempt.run_id)
            order = order_of(facts.run) if facts else self._strangers.get(attempt.run_id)
            if order is not None:
                yield _occupied(attempt, order, terms[attempt.task_id], now_ns)

    def slots_of(self, need: Need) -> int:
        """Return how many slots an attempt takes: an exclusive one takes all."""
        there = self.executor.capacity.cpus
        return there if need.exclusive else min(need.cpus, there)

    def _changes(self, book: RunBook, choice: Choice) -> dict[str, list[TaskRow]]:
        """Return the tasks whose reason is another than the stored one, by reason."""
        tasks = {
            task_id: facts.tasks[task_id]
            for facts in book.runs.values()
            for task_id in facts.queued
        }
        changed: dict[str, list[TaskRow]] = {}
        for task_ids, why in choice.waiting:
            found = [tasks[key] for key in task_ids if key in tasks and tasks[key].pending != why]
            if found:
                changed.setdefault(why, []).extend(found)
        return changed

    def write(self, connection: Connection, book: RunBook, choice: Choice) -> None:
        """Store why tasks wait; no event: watchers look at least once a second anyhow."""
        if not choice.waiting or not self._is_past(self._written_ns):
            return
        self._written_ns = self.store.clock.mono_ns()
        for why, tasks in self._changes(book, choice).items():
            for start in range(0, len(tasks), WRITE_AT_ONCE):
                part = tasks[start : start + WRITE_AT_ONCE]
                connection.execute(
                    update(Task)
                    .where(Task.id.in_([task.id for task in part]), Task.state == TaskState.QUEUED)
                    .values(pending=why)
                )
                for task in part:
                    book.runs[task.run_id].note_task(task.id, pending=why)


def order_of(run: RunRow) -> Order:
    """Return what decides the place of a run's tasks."""
    return Order(
        run_number=run.number,
        pipeline=run.pipeline,
        team=run.team,
        user=run.requested_by,
        priority=run.priority,
    )


def _lanes_of(
    facts: RunFacts,
    tasks: Iterable[int],
    terms: TermsCache,
    pool: str,
    now_ns: int,
    obstacle: Callable[[RunFacts, int], str],
) -> list[Lane]:
    lanes: dict[tuple[Need, str], Lane] = {}
    order = order_of(facts.run)
    for task_id in tasks:
        need = terms[task_id].need
        why = obstacle(facts, task_id)
        lane = lanes.get((need, why))
        if lane is None:
            lane = lanes[need, why] = Lane(
                run_id=facts.run.id,
                order=order,
                pool=pool,
                need=need,
                obstacle=why,
                entries=[],
                now=now_ns / SECOND_NS,
            )
        queued_ns = facts.tasks[task_id].queued_ns
        lane.entries.append(((now_ns if queued_ns is None else queued_ns) / SECOND_NS, task_id))
    for lane in lanes.values():
        lane.entries.sort()
    return list(lanes.values())


def _occupied(attempt: AttemptRow, order: Order, terms: TaskTerms, now_ns: int) -> Occupied:
    return Occupied(
        order=order,
        pool=attempt.executor,
        need=terms.need,
        running_seconds=max(0, now_ns - attempt.created_ns) / SECOND_NS,
    )


def _held(row: HoldRow) -> Occupied:
    # A hold shares: nothing runs there that an exclusive task would have to fear.
    return Occupied(
        order=Order(
            run_number=row.run_number,
            pipeline=row.pipeline,
            team=row.team,
            user=row.requested_by,
            priority=row.priority,
        ),
        pool=row.pool,
        need=Need(cpus=row.cpus, exclusive=False),
        is_hold=True,
    )
