"""What the orchestrator knows of the runs under way: read once, then kept up to date.

A thousand tasks are read when a run is first seen, when somebody else wrote about it, and after any
trouble; a round otherwise touches only what changed. Nothing here is truth: every write is guarded
in the store, so an outdated fact costs a round, never a wrong state.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from sqlalchemy import Connection, bindparam, func, select

from hotfire_infra.executors.protocol import Need
from hotfire_infra.orchestrator.endings import LEASE_SOURCE
from hotfire_infra.orchestrator.folds import AttemptFacts, TaskFold
from hotfire_infra.states import ATTEMPT_LIVE, AttemptState, TaskState
from hotfire_infra.store import queries
from hotfire_infra.store.models import Edge, Outbox, Task
from hotfire_infra.store.prepared import prepare
from hotfire_infra.store.rows import AttemptRow, CellRow, RunRow, TaskRow
from hotfire_testframework.contract.failure import FailureClass
from hotfire_testframework.contract.task import TaskSpec

RESULT = "result"
"""Purpose of an attempt that counts."""
CLAIMED = f"attempt.{AttemptState.STARTED}"
"""Topic of the one step of an attempt that the ingest routes make."""
MOST_NEWS = 2000
"""Events that are looked at one by one."""
_DISPUTABLE = frozenset({AttemptState.FAILED, AttemptState.TIMED_OUT})


@dataclass(frozen=True, slots=True, kw_only=True)
class TaskTerms:
    """The part of a specification that scheduling looks at; it never changes."""

    retries: int
    need: Need
    grace_seconds: float
    secrets: tuple[str, ...] = ()
    """Names of the secrets that it is to be given."""
    demand: tuple[tuple[str, Any], ...] = ()
    """What it takes of a machine, as executors are asked about it."""


@dataclass(slots=True, kw_only=True)
class RunFacts:
    """A run as the orchestrator knows it, with the folds that were made of it."""

    run: RunRow
    cells: dict[int, CellRow]
    tasks: dict[int, TaskRow]
    attempts: dict[int, tuple[AttemptRow, ...]]
    """By task, oldest first."""
    upstream: Mapping[int, tuple[int, ...]]
    """Tasks that a task waits for."""
    downstream: Mapping[int, tuple[int, ...]] = field(default_factory=dict)
    tasks_of_cell: Mapping[int, tuple[int, ...]] = field(default_factory=dict)
    folds: dict[int, TaskFold] = field(default_factory=dict)
    touched: set[int] = field(default_factory=set)
    """Tasks to fold again."""
    live: dict[int, int] = field(default_factory=dict)
    """Task by attempt that is leased or started."""
    queued: set[int] = field(default_factory=set)
    open_tasks: int = 0
    """Tasks whose fold is not over."""

    @property
    def is_cancelled(self) -> bool:
        """Whether somebody asked for the run's end."""
        return self.run.cancel_requested_ns is not None

    @property
    def is_over(self) -> bool:
        """Whether nothing more will happen to any task."""
        return not self.touched and self.open_tasks == 0

    def note_task(self, task_id: int, **values: Any) -> None:
        """Remember what was just written to a task."""
        task = self.tasks[task_id] = replace(self.tasks[task_id], **values)
        if task.state is TaskState.QUEUED:
            self.queued.add(task_id)
        else:
            self.queued.discard(task_id)

    def note_cell(self, cell_id: int, **values: Any) -> None:
        """Remember what was just written to a cell."""
        self.cells[cell_id] = replace(self.cells[cell_id], **values)

    def note_attempt(self, attempt: AttemptRow) -> None:
        """Remember a new attempt, or a known one as it is now; its task is folded again."""
        known = self.attempts.get(attempt.task_id, ())
        others = tuple(row for row in known if row.id != attempt.id)
        self.attempts[attempt.task_id] = (*others, attempt) if others else (attempt,)
        if attempt.state in ATTEMPT_LIVE:
            self.live[attempt.id] = attempt.task_id
        else:
            self.live.pop(attempt.id, None)
        self.touched.add(attempt.task_id)

    def note_fold(self, task_id: int, fold: TaskFold) -> bool:
        """Remember a fold; True if it differs from the one before."""
        before = self.folds.get(task_id)
        if before == fold:
            return False
        was_open = before is None or not before.is_over
        self.open_tasks += (not fold.is_over) - was_open
        self.folds[task_id] = fold
        return True

    def live_attempts(self) -> Iterator[AttemptRow]:
        """Yield the attempts that are leased or started."""
        for attempt_id, task_id in self.live.items():
            rows = self.attempts[task_id]
            # The newest, but for a rare case: this is done for thousands in every round.
            newest = rows[-1].id == attempt_id
            yield rows[-1] if newest else next(row for row in rows if row.id == attempt_id)

    def describe(self, attempt: AttemptRow) -> dict[str, Any]:
        """Return what watchers are told about an attempt: its run and who it is."""
        cell = self.cells[attempt.cell_id]
        subject = {
            "task": attempt.task_key,
            "cell": cell.key,
            "platform": cell.platform,
            "attempt": attempt.ulid,
            "number": attempt.number,
        }
        return {"run_id": attempt.run_id, "subject": subject}


@dataclass(slots=True)
class _News:
    """What others wrote."""

    runs: set[int] = field(default_factory=set)
    """To be read anew."""
    attempts: dict[str, None] = field(default_factory=dict)
    """Attempts that were claimed and nothing else, in their order."""
    is_more: bool = False
    """Anything beside claims."""


def read_run(connection: Connection, run: RunRow) -> RunFacts:
    """Read a run with its tasks, attempts and edges; all of it is to be folded."""
    attempts: dict[int, list[AttemptRow]] = {}
    for attempt in queries.attempts_of(connection, run.id):
        if attempt.purpose != RESULT:
            continue  # A rerun for somebody else's question never counts for the run.
        attempts.setdefault(attempt.task_id, []).append(attempt)
    upstream: dict[int, set[int]] = {}
    downstream: dict[int, set[int]] = {}
    edges = select(Edge.from_task_id, Edge.to_task_id).where(Edge.run_id == run.id)
    for earlier, later in connection.execute(edges):
        upstream.setdefault(later, set()).add(earlier)
        downstream.setdefault(earlier, set()).add(later)
    tasks = {task.id: task for task in queries.tasks_of(connection, run.id)}
    members: dict[int, list[int]] = {}
    for task in tasks.values():
        members.setdefault(task.cell_id, []).append(task.id)
    return RunFacts(
        run=run,
        cells=_with_shared_requirements(queries.cells_of(connection, run.id)),
        tasks=tasks,
        attempts={key: tuple(rows) for key, rows in attempts.items()},
        upstream={key: tuple(sorted(rows)) for key, rows in upstream.items()},
        downstream={key: tuple(sorted(rows)) for key, rows in downstream.items()},
        tasks_of_cell={key: tuple(rows) for key, rows in members.items()},
        touched=set(tasks),
        live={
            row.id: row.task_id
            for rows in attempts.values()
            for row in rows
            if row.state in ATTEMPT_LIVE
        },
        queued={task.id for task in tasks.values() if task.state is TaskState.QUEUED},
        open_tasks=len(tasks),
    )


def _with_shared_requirements(cells: Iterable[CellRow]) -> dict[int, CellRow]:
    """Give cells that require the same one object of it: seats are looked for once for each."""
    shared: dict[str, Any] = {}
    found = {}
    for cell in cells:
        requires = shared.setdefault(repr(cell.requires), cell.requires)
        found[cell.id] = replace(cell, requires=requires)
    return found


@dataclass(slots=True)
class RunBook:
    """The facts of all unfinished runs, and up to which event of the outbox they are true.

    Every transition writes an event in its transaction. Events that this process did not write
    itself are somebody else's doing. What they name is read anew: the attempt, where a runner has
    claimed it by the ingest routes, which happens once for each, else the whole run.
    """

    runs: dict[int, RunFacts] = field(default_factory=dict)
    others: dict[int, AttemptRow] = field(default_factory=dict)
    """Live attempts that count for no run under way: reruns for somebody else's question."""
    last_event: int = -1
    """-1: nothing is known yet."""
    is_outdated: bool = False
    """A run was forgotten since the last look."""
    is_more: bool = True
    """The last news were not only claims by the ingest routes: runs, requests, holds may be others."""

    def forget(self) -> None:
        """Trust nothing any more: what was noted may not have been committed."""
        self.runs.clear()
        self.others.clear()
        self.last_event = -1

    def forget_run(self, run_id: int) -> None:
        """Read this run anew at the next look."""
        self.runs.pop(run_id, None)
        self.is_outdated = True

    def look(self, connection: Connection) -> bool:
        """Take in what others wrote; True if there was anything."""
        newest = last_event(connection)
        if newest == self.last_event and not self.is_outdated:
            return False
        news = self._news(connection, newest) if self.runs else _News()
        self.is_more = not self.runs or news.is_more or self.is_outdated
        if not self.is_more:
            self._read_claimed(connection, news.attempts)
            self.last_event = newest
            return True
        self.is_outdated = False
        unfinished = {run.id: run for run in queries.unfinished_runs(connection)}
        for run_id in set(self.runs) - set(unfinished) | news.runs:
            self.runs.pop(run_id, None)
        for run_id, run in unfinished.items():
            if run_id not in self.runs:
                self.runs[run_id] = read_run(connection, run)
        self.runs = {run_id: self.runs[run_id] for run_id in unfinished}
        live = queries.live_strangers(connection)
        self.others = {row.id: row for row in live if not self._counts(row)}
        self._read_claimed(connection, news.attempts)
        self.last_event = newest
        return True

    def keep_up(self, connection: Connection) -> frozenset[int] | None:
        """Take in the claims since the last look and return the attempts; None: more has happened.

        In the transaction that writes next, so that its own events are known to be ours. What more
        has happened is left to `look`.
        """
        newest = last_event(connection)
        if newest == self.last_event:
            return frozenset()
        news = self._news(connection, newest)
        if news.is_more or self.last_event < 0:
            return None
        claimed = self._read_claimed(connection, news.attempts)
        self.last_event = newest
        return frozenset(claimed)

    def _news(self, connection: Connection, newest: int) -> _News:
        news = _News()
        if newest - self.last_event > MOST_NEWS:
            query = select(Outbox.run_id).where(Outbox.id > self.last_event).distinct()
            news.runs = {key for key in connection.execute(query).scalars() if key is not None}
            news.is_more = True
            return news
        for topic, run_id, payload in connection.execute(_NEWS, {"the_id": self.last_event}):
            if topic == CLAIMED and run_id in self.runs and payload.get("attempt"):
                news.attempts[payload["attempt"]] = None
                continue
            news.is_more = True
            if run_id is not None:
                news.runs.add(run_id)
        return news

    def _read_claimed(self, connection: Connection, ulids: Iterable[str]) -> list[int]:
        read = []
        for ulid in ulids:
            attempt = queries.attempt_by_ulid(connection, ulid)
            if attempt is not None:
                self.note_attempt(attempt)
                read.append(attempt.id)
        return read

    def read_again(self, connection: Connection, attempt: AttemptRow) -> None:
        """Take in what somebody else wrote to an attempt: records, or its lease."""
        fresh = queries.attempt_by_ulid(connection, attempt.ulid)
        if fresh is None or fresh.state is not attempt.state:
            self.forget_run(attempt.run_id)
        else:
            self.replace_attempt(fresh)

    def live_attempts(self) -> list[AttemptRow]:
        """Return the attempts that are leased or started, oldest first."""
        found = [row for facts in self.runs.values() for row in facts.live_attempts()]
        return sorted([*found, *self.others.values()], key=lambda row: row.id)

    def attempts_on(self, devices: Collection[int]) -> list[AttemptRow]:
        """Return the attempts of the runs under way that ran on some devices."""
        if not devices:
            return []
        return [
            row
            for facts in self.runs.values()
            for rows in facts.attempts.values()
            for row in rows
            if row.device_id in devices
        ]

    def _counts(self, attempt: AttemptRow) -> bool:
        return attempt.run_id in self.runs and attempt.purpose == RESULT

    def replace_attempt(self, attempt: AttemptRow) -> None:
        """Remember how far an attempt's stream and lease are, on which no fold depends."""
        if not self._counts(attempt):
            self.others[attempt.id] = attempt
            return
        facts = self.runs[attempt.run_id]
        facts.attempts[attempt.task_id] = tuple(
            attempt if row.id == attempt.id else row for row in facts.attempts[attempt.task_id]
        )

    def note_attempt(self, attempt: AttemptRow) -> None:
        """Remember an attempt as it is now."""
        if self._counts(attempt):
            self.runs[attempt.run_id].note_attempt(attempt)
        elif attempt.state in ATTEMPT_LIVE:
            self.others[attempt.id] = attempt
        else:
            self.others.pop(attempt.id, None)


def last_event(connection: Connection) -> int:
    """Return the id of the newest event, 0 before the first."""
    (newest,) = _LAST_EVENT.row(connection) or (None,)
    return int(newest or 0)


_LAST_EVENT = prepare(select(func.max(Outbox.id)))
_NEWS = (
    select(Outbox.topic, Outbox.run_id, Outbox.payload)
    .where(Outbox.id > bindparam("the_id"))
    .order_by(Outbox.id)
)


def attempt_facts(attempt: AttemptRow, disputed: Collection[int] = ()) -> AttemptFacts:
    """Reduce an attempt to what folds look at; `disputed`: devices under inquiry."""
    known = attempt.failure_class
    return AttemptFacts(
        state=attempt.state,
        reason=attempt.reason,
        failure_class=FailureClass(known) if known else None,
        in_flight=attempt.in_flight,
        device_id=attempt.device_id,
        ended_ns=attempt.ended_ns,
        is_disputed=attempt.device_id in disputed and attempt.state in _DISPUTABLE,
        is_silent=attempt.failure_source == LEASE_SOURCE,
    )


def read_spec(connection: Connection, task_id: int) -> TaskSpec:
    """Read the whole specification of a task."""
    row = _SPEC.row(connection, the_id=task_id)
    assert row is not None
    return TaskSpec.from_json(row[0])


_SPEC = prepare(select(Task.spec).where(Task.id == bindparam("the_id")))


class TermsCache:
    """Terms by task: specifications are large, immutable and needed every round."""

    def __init__(self, *, counts_attempts: bool = False) -> None:
        """`counts_attempts`: an attempt takes one slot, whatever it takes of its machine."""
        self._counts_attempts = counts_attempts
        self._known: dict[int, TaskTerms] = {}
        self._loaded: set[int] = set()

    def load(self, connection: Connection, run_ids: Iterable[int]) -> None:
        """Read the specifications of whole runs, each run once."""
        for run_id in set(run_ids) - self._loaded:
            specs = select(Task.id, Task.spec).where(Task.run_id == run_id)
            for task_id, value in connection.execute(specs):
                self._known[task_id] = self._terms(TaskSpec.from_json(value))
            self._loaded.add(run_id)

    def get(self, connection: Connection, task_id: int) -> TaskTerms:
        """Return the terms of a task, reading its specification once."""
        if task_id not in self._known:
            self._known[task_id] = self._terms(read_spec(connection, task_id))
        return self._known[task_id]

    def __getitem__(self, task_id: int) -> TaskTerms:
        """Return the terms of a task that was read before."""
        return self._known[task_id]

    def _terms(self, spec: TaskSpec) -> TaskTerms:
        need = Need(cpus=spec.cpus, exclusive=spec.exclusive)
        return TaskTerms(
            retries=spec.retries,
            need=Need(cpus=1, exclusive=False) if self._counts_attempts else need,
            grace_seconds=spec.timeouts.grace_s,
            secrets=spec.secrets,
            demand=(
                ("cpus", spec.cpus),
                ("memory_mib", spec.memory_mib),
                ("exclusive", spec.exclusive),
            ),
        )
