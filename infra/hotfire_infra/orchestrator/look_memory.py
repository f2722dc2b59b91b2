"""Which live attempts need no new look, and how soon the next round goes.

Thousands of attempts may wait outside, and a round is to cost what moves.

An executor that can tell cheaply whether anything of an attempt has changed gives a mark of it
(`Remote`). While the mark stays and the store's row is the same, the last look is as good as a new
one, for a short while: leases and patience run out by the clock alone.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from hotfire_infra.clock import Clock
from hotfire_infra.executors.protocol import Executor, Mark, Remote
from hotfire_infra.orchestrator.attendance import Look
from hotfire_infra.store.rows import AttemptRow
from hotfire_testframework.contract.ulid import Ulid

GOOD_NS = 5 * 10**9
"""How long a look may be used: short beside every lease, and beside whatever people wait for."""
WORDS_NS = 2 * 10**9
"""How long a look may be used when only words have changed: people read them, nothing is decided."""
SHORTEST_SECONDS, LONGEST_SECONDS = 0.05, 0.3
"""Between the rounds of a remote executor: its news come in crowds, and one round serves them all."""
CROWD = 100
"""So many live attempts are one; of a few each is waited for by somebody."""


@dataclass(frozen=True, slots=True)
class _Kept:
    look: Look
    row: AttemptRow
    """Of the store, as it was looked at: the very object."""
    mark: Mark
    at_ns: int


@dataclass(slots=True)
class LookMemory:
    """The last look at each live attempt, and what it showed the state of."""

    clock: Clock
    executor: Executor
    all: list[Look] = field(default_factory=list)
    """Of this round, those of before among them: nothing is to be written for those."""
    _looks: dict[int, _Kept] = field(default_factory=dict)
    _remote: Remote | None = field(init=False)
    _took_seconds: float = 0.0
    _live: int = 0
    _mark: Mark | None = None
    """Of the attempt that `recall` was last asked for: from before the look, so that it is not missed
    what changes meanwhile."""

    def __post_init__(self) -> None:
        self._remote = self.executor if isinstance(self.executor, Remote) else None

    def recall(self, attempt: AttemptRow) -> Look | None:
        """Return the look of before if a new one would show the same."""
        self._mark = None
        if self._remote is None:
            return None
        ulid, kept = Ulid(attempt.ulid), self._looks.get(attempt.id)
        if kept is not None and kept.row is attempt and kept.mark.acts == self._remote.acts(ulid):
            age_ns = self.clock.mono_ns() - kept.at_ns
            is_good = 0 <= age_ns < WORDS_NS or (
                0 <= age_ns < GOOD_NS and kept.mark == self._remote.mark(ulid)
            )
            if is_good:
                self.all.append(kept.look)
                return kept.look
        self._mark = self._remote.mark(ulid)
        return None

    def note(self, attempt: AttemptRow, look: Look) -> None:
        """Remember a look that leaves nothing to be done."""
        mark, self._mark = self._mark, None
        self.all.append(look)
        if mark is None or look.needs_writing:
            self._looks.pop(attempt.id, None)
        else:
            self._looks[attempt.id] = _Kept(look, attempt, mark, self.clock.mono_ns())

    def begin(self, live: Sequence[AttemptRow]) -> Sequence[AttemptRow]:
        """Begin to look at all of them, and forget those that are over; return what was given."""
        self.all = []
        self._live = len(live)
        if len(self._looks) > len(live):
            ids = {row.id for row in live}
            self._looks = {key: kept for key, kept in self._looks.items() if key in ids}
        return live

    def timed(self, go_round: Callable[[], bool]) -> bool:
        """Go round, and note how long that takes."""
        began = time.monotonic()
        changed = go_round()
        self._took_seconds = time.monotonic() - began
        return changed

    def pause(self, stop: threading.Event, idle_seconds: float, *, has_changed: bool) -> None:
        """Wait between rounds: for news, or for the crowd that follows the news there were."""
        if not has_changed:
            self.executor.wait(idle_seconds)
        elif self._remote is not None:
            # As long as the round took: half of the processor is for what the next one is about.
            crowd = SHORTEST_SECONDS + LONGEST_SECONDS * min(1.0, self._live / CROWD)
            stop.wait(min(max(self._took_seconds, crowd), LONGEST_SECONDS))

    def forget(self) -> None:
        """Trust nothing any more."""
        self._looks.clear()
