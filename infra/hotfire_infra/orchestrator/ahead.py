"""Attempts that are started ahead: leased, their runner up, their claim unanswered until there is room.

Between the end of one command and the start of the next lie a lease, a fork and a claim. Where tasks
are short, the next runner is therefore started while the slots are still taken: it has claimed and
waits. It holds no slot. Its task stays in the queue's decision: it begins when the queue picks it,
and waits on when something more urgent comes; only `claim granted` starts anything.

After a crash nothing about it is remembered or needs to be: of the live attempts those are ahead that
are leased and do not fit beside the others.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from hotfire_infra.executors.protocol import Capacity, Need
from hotfire_infra.executors.slots import Room
from hotfire_infra.orchestrator.facts import RESULT, RunBook, TaskTerms, TermsCache
from hotfire_infra.states import ATTEMPT_LIVE, AttemptState
from hotfire_infra.store.rows import AttemptRow

BRISK_NS = 30 * 1_000_000_000
"""Attempts that take longer than this gain nothing by a tenth of a second."""


@dataclass(slots=True)
class Line:
    """Who is ahead, by attempt; nothing here is truth."""

    confirmed: tuple[int, ...] = ()
    """Attempts that the queue would start next, in this order, as last decided."""
    is_brisk: bool = False
    """The last attempt that ended here was short."""
    _waiting: set[int] | None = field(default=None)

    def forget(self) -> None:
        """Trust nothing any more: what was noted may not have been committed."""
        self.confirmed, self._waiting = (), None

    def learn(self, book: RunBook, terms: TermsCache, capacity: Capacity, held: list[Need]) -> None:
        """Find out who is ahead, if that is not known."""
        if self._waiting is not None:
            return
        room = Room(capacity)
        for need in held:
            room.take(need)
        waiting = set()
        # Who has begun has its room, whatever came after it.
        for attempt in sorted(book.live_attempts(), key=lambda row: (_may_wait(row), row.id)):
            need = terms[attempt.task_id].need
            if _may_wait(attempt) and not room.fits(need):
                waiting.add(attempt.id)
            else:
                room.take(need)
        self._waiting = waiting

    def __contains__(self, attempt: AttemptRow) -> bool:
        """Whether an attempt is ahead."""
        waiting = self._waiting or ()
        return attempt.id in waiting and _may_wait(attempt)

    def waiting(self, book: RunBook) -> list[AttemptRow]:
        """Return who is ahead, oldest first."""
        return [row for row in book.live_attempts() if row in self] if self._waiting else []

    def seated(self, book: RunBook) -> list[AttemptRow]:
        """Return the live attempts that have their room."""
        return [row for row in book.live_attempts() if row not in self]

    def add(self, attempt: AttemptRow) -> None:
        """Note an attempt that was leased ahead."""
        self._waiting = {*(self._waiting or ()), attempt.id}

    def seat(self, attempt: AttemptRow) -> None:
        """Note that an attempt has its room now."""
        if self._waiting:
            self._waiting.discard(attempt.id)
        self.confirmed = tuple(key for key in self.confirmed if key != attempt.id)

    def note(self, attempt: AttemptRow) -> None:
        """Note an attempt that moved: one that is over is ahead of nothing."""
        if attempt.state in ATTEMPT_LIVE:
            return
        self.seat(attempt)
        if attempt.started_ns is not None and attempt.ended_ns is not None:
            self.is_brisk = attempt.ended_ns - attempt.started_ns < BRISK_NS


def _may_wait(attempt: AttemptRow) -> bool:
    return attempt.state is AttemptState.LEASED and attempt.purpose == RESULT


def can_go_ahead(terms: TaskTerms) -> bool:
    """Whether a task may be started ahead: one that shares the machine, and is given no secrets.

    An exclusive task wants an idle machine, a large one would wait with several slots; secrets are
    handed out when a task begins.
    """
    return terms.need == Need(cpus=1, exclusive=False) and not terms.secrets
