"""The orchestrator's round: requests, live attempts, folds, dispatch; safe to kill at any point."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from hotfire_infra.executors.protocol import Executor, Life
from hotfire_infra.executors.slots import fits
from hotfire_infra.orchestrator.attendance import Attendant
from hotfire_infra.orchestrator.dispatch import Dispatcher, in_order
from hotfire_infra.orchestrator.facts import RunFacts, TermsCache, read_run
from hotfire_infra.orchestrator.finalizing import Analysis, Finalizer
from hotfire_infra.orchestrator.lock import HeldLock
from hotfire_infra.orchestrator.progress import Progress
from hotfire_infra.orchestrator.requests import RequestBook
from hotfire_infra.states import ATTEMPT_TERMINAL, AttemptState, RunState, TaskState
from hotfire_infra.store import queries
from hotfire_infra.store.database import Store
from hotfire_infra.store.rows import AttemptRow, TaskRow
from hotfire_testframework.contract.ulid import Ulid

IDLE_SECONDS = 0.2
"""Between rounds in which nothing changed."""


@dataclass(slots=True)
class Orchestrator:
    """Carries out the runs of one store while it holds its lock.

    A round reads everything anew: there is no state here that a crash could lose. Its order matters
    after a crash: live attempts are looked at, and their spools stored, before any lease is judged.
    """

    store: Store
    executor: Executor
    cache: Path
    lock: HeldLock
    analyses: Sequence[Analysis] = ()
    _terms: TermsCache = field(default_factory=TermsCache)

    def sweep(self) -> None:
        """Release attempts that ended and whose service died before it could free them."""
        folders = sorted(self.store.attempts.glob("*/work"))
        for folder in folders:
            with self.store.reading() as connection:
                attempt = queries.attempt_by_ulid(connection, folder.parent.name)
            if attempt is not None and attempt.state in ATTEMPT_TERMINAL:
                self.executor.release(Ulid(attempt.ulid))

    def run_until_idle(self, stop: threading.Event, *, forever: bool = False) -> None:
        """Go round until no run is unfinished (or, with `forever`, until `stop`)."""
        self.sweep()
        while not stop.is_set():
            changed = self.round()
            if not forever and not changed and not self._unfinished():
                return
            if not changed:
                stop.wait(IDLE_SECONDS)

    def _unfinished(self) -> bool:
        with self.store.reading() as connection:
            return bool(queries.unfinished_runs(connection))

    def round(self) -> bool:
        """Do all that can be done now; True if anything moved."""
        self.lock.refresh()
        changed = RequestBook(self.store).carry_out(self.lock.holder)
        changed |= self._attend()
        with self.store.reading() as connection:
            runs = queries.unfinished_runs(connection)
        for run in runs:
            changed |= self._advance(run.id)
        return self._dispatch() or changed

    def _facts(self, run_id: int) -> RunFacts:
        with self.store.reading() as connection:
            return read_run(connection, queries.run_by_id(connection, run_id))

    def _attend(self) -> bool:
        attendant = Attendant(self.store, self.executor, self.lock.holder)
        with self.store.reading() as connection:
            live = queries.live_attempts(connection)
            runs = {a.run_id: queries.run_by_id(connection, a.run_id) for a in live}
            terms = {a.id: self._terms.get(connection, a.task_id) for a in live}
        changed = False
        for attempt in live:
            changed |= self._ensure_submitted(attempt)
            changed |= attendant.attend(
                attempt,
                is_cancelled=runs[attempt.run_id].cancel_requested_ns is not None,
                grace_seconds=terms[attempt.id].grace_seconds,
            )
        return changed

    def _ensure_submitted(self, attempt: AttemptRow) -> bool:
        """Submit what was leased by a process that died before it could."""
        if attempt.state is not AttemptState.LEASED:
            return False
        if self.executor.attach(Ulid(attempt.ulid)).life is not Life.ABSENT:
            return False
        facts = self._facts(attempt.run_id)
        if facts.is_cancelled:
            return False
        self._dispatcher().resubmit(facts.run, facts.tasks[attempt.task_id], attempt)
        return True

    def _advance(self, run_id: int) -> bool:
        facts = self._facts(run_id)
        progress = Progress(self.store, self.executor, self._terms, self.lock.holder)
        if facts.run.state is RunState.PLANNED:
            progress.start(facts.run, facts)
            return True
        if not progress.advance(facts):
            return False
        Finalizer(self.store, tuple(self.analyses), self.lock.holder).finalize(facts)
        return True

    def _dispatcher(self) -> Dispatcher:
        return Dispatcher(self.store, self.executor, self.cache, self.lock.holder)

    def _dispatch(self) -> bool:
        with self.store.reading() as connection:
            runs = queries.unfinished_runs(connection)
            queued: list[TaskRow] = []
            for run in runs:
                if run.cancel_requested_ns is None:
                    tasks = queries.tasks_of(connection, run.id)
                    queued += [task for task in tasks if task.state is TaskState.QUEUED]
            needs = {task.id: self._terms.get(connection, task.id).need for task in queued}
            live = queries.live_attempts(connection)
            running = [self._terms.get(connection, attempt.task_id).need for attempt in live]
        by_id = {run.id: run for run in runs}
        exclusive = frozenset(key for key, need in needs.items() if need.exclusive)
        changed = False
        for task in in_order(queued, exclusive):
            if fits(self.executor.capacity, running, needs[task.id]):
                self._dispatcher().dispatch(by_id[task.run_id], task)
                running.append(needs[task.id])
                changed = True
        return changed
