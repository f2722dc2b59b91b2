"""Hand the slot of an attempt that has just passed to the one that was started ahead for it.

First of all in a round, in a transaction of its own: what the ended attempt has left is read, stored
and folded while the next command runs. Only what the queue's last decision confirmed is handed on, and
only while nothing has come between; everything else waits for the round's own decision.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from sqlalchemy import Connection

from hotfire_infra.executors.protocol import Executor
from hotfire_infra.executors.slots import Room
from hotfire_infra.orchestrator.attendance import GRANTED, Effect, grant_claim
from hotfire_infra.orchestrator.crashpoints import CrashPoint, Passing, pass_by
from hotfire_infra.orchestrator.facts import RunBook, TermsCache, last_event
from hotfire_infra.orchestrator.lock import HeldLock
from hotfire_infra.orchestrator.queue_keeper import QueueKeeper
from hotfire_infra.states import AttemptState
from hotfire_infra.store import queries
from hotfire_infra.store.database import Store
from hotfire_infra.store.postgres import serialise
from hotfire_infra.store.rows import AttemptRow
from hotfire_infra.store.transitions import OUTBOX
from hotfire_testframework.contract.ulid import Ulid


@dataclass(frozen=True, slots=True, kw_only=True)
class HandOver:
    """Passes slots on, on behalf of whoever leads."""

    store: Store
    executor: Executor
    lock: HeldLock
    book: RunBook
    queue: QueueKeeper
    terms: TermsCache
    at: Passing = pass_by

    def hand_over(self) -> list[Effect]:
        """Grant what can be granted at once; return the answers, which are due now."""
        claims = self._claims()
        if not claims:
            return []
        with self.lock.writing() as connection:
            serialise(connection, OUTBOX)
            is_alone = last_event(connection) == self.book.last_event
            answers = [self._grant(connection, row, holder) for row, holder in claims]
            self.at(CrashPoint.HANDED_OVER)
            newest = last_event(connection)
        if is_alone:
            self.book.last_event = newest
        return answers

    def _claims(self) -> list[tuple[AttemptRow, str]]:
        """Return the attempts that begin now, with whoever claims them."""
        line, queue = self.queue.line, self.queue
        if not line.confirmed or queue.closed or queue.holds:
            return []
        live = self.book.live_attempts()
        waiting = {row.id: row for row in live if row in line}
        taken = [row for row in live if row.id not in waiting and not self._is_free(row)]
        if len(taken) + len(waiting) == len(live):
            return []
        # Not one for one: a slot that was passed on a moment ago is taken again.
        room = Room(self.executor.capacity)
        for row in taken:
            room.take(self.terms[row.task_id].need)
        claims = []
        for row, holder in self._ready(waiting[key] for key in line.confirmed if key in waiting):
            need = self.terms[row.task_id].need
            if not room.fits(need):
                break
            room.take(need)
            claims.append((row, holder))
        return claims

    def _ready(self, rows: Iterator[AttemptRow]) -> Iterator[tuple[AttemptRow, str]]:
        """Yield those whose runner has asked; nobody goes before one that has not."""
        for row in rows:
            request = self.executor.spool(Ulid(row.ulid)).claim_request()
            facts = self.book.runs.get(row.run_id)
            if request is None or facts is None or facts.is_cancelled or facts.run.hold_seconds:
                return
            yield row, str(request.get("holder", ""))

    def _is_free(self, attempt: AttemptRow) -> bool:
        """Whether a runner has said that all has passed and nothing of the task runs.

        After any other end something may be left of it, or its machine may be held.
        """
        is_started = attempt.state is AttemptState.STARTED
        return is_started and self.executor.spool(Ulid(attempt.ulid)).is_free()

    def _grant(self, connection: Connection, row: AttemptRow, holder: str) -> Effect:
        status, fence = grant_claim(connection, self.store, row.id, holder)
        granted = queries.attempt_by_ulid(connection, row.ulid)
        if granted is None or status != GRANTED:
            self.book.forget_run(row.run_id)
        else:
            self.book.note_attempt(granted)
        self.queue.line.seat(row)
        spool = self.executor.spool(Ulid(row.ulid))
        return lambda: spool.answer_claim(status, fence)
