"""A bounded number of hands for requests to the API server, so that no round ever waits for one.

What fails and may pass is done again with back-off, each piece of work for itself; while creating
fails for everybody (Kueue's webhook is down, the API server restarts) all creating pauses together.
"""

from __future__ import annotations

import heapq
import logging
import random
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field

from hotfire_infra.errors import ClusterError
from hotfire_infra.executors.kubernetes.cluster import PASSING

log = logging.getLogger(__name__)

FIRST_SECONDS, LONGEST_SECONDS = 0.5, 30.0


@dataclass(slots=True)
class Work:
    """Something to do in the cluster, again and again until it is done or pointless."""

    key: str
    do: Callable[[], None]
    """Raises ClusterError where it could not be done."""
    give_up: Callable[[ClusterError], None]
    """Told once when it is pointless, or its time is over."""
    note: Callable[[ClusterError], None] = lambda _error: None
    """Told of every failure that may pass."""
    group: str = ""
    """Works of one group pause together."""
    patience_seconds: float = 1800.0
    every_seconds: float = 0.0
    """Not once, but again so long after each time, however that ended."""
    attempts: int = 0
    began_ns: int = 0


@dataclass(slots=True)
class _Group:
    failures: int = 0
    until_ns: int = 0


@dataclass(order=True, slots=True)
class _Due:
    at_ns: int
    number: int
    work: Work = field(compare=False)


@dataclass(slots=True)
class Hands:
    """Threads that work a queue off; started with the first work."""

    count: int = 8
    per_second: float = 100.0
    random: random.Random = field(default_factory=random.Random)
    mono_ns: Callable[[], int] = time.monotonic_ns
    first_seconds: float = FIRST_SECONDS
    longest_seconds: float = LONGEST_SECONDS
    _queue: list[_Due] = field(default_factory=list)
    _keys: dict[str, int] = field(default_factory=dict)
    _groups: dict[str, _Group] = field(default_factory=dict)
    _threads: list[threading.Thread] = field(default_factory=list)
    _change: threading.Condition = field(default_factory=threading.Condition)
    _number: int = 0
    _next_slot_ns: int = 0
    _stopped: bool = False

    def take(self, work: Work, *, after_seconds: float = 0.0) -> bool:
        """Do something soon; False: work of this key is waiting or under way already."""
        with self._change:
            if self._stopped or work.key in self._keys:
                return False
            work.began_ns = self.mono_ns()
            self._keys[work.key] = 1
            self._push(work, work.began_ns + int(after_seconds * 1e9))
            if len(self._threads) < self.count:
                thread = threading.Thread(
                    target=self._run, name=f"hotfire-hand-{len(self._threads)}", daemon=True
                )
                self._threads.append(thread)
                thread.start()
            return True

    def has(self, key: str) -> bool:
        """Whether work of this key waits or is under way."""
        return key in self._keys

    def __len__(self) -> int:
        return len(self._keys)

    def close(self, seconds: float = 5.0) -> None:
        """Finish what is under way; what waits is left, and found again by the next process."""
        with self._change:
            self._stopped = True
            self._queue.clear()
            self._change.notify_all()
        deadline = time.monotonic() + seconds
        for thread in self._threads:
            thread.join(max(0.0, deadline - time.monotonic()))

    def _push(self, work: Work, at_ns: int) -> None:
        self._number += 1
        heapq.heappush(self._queue, _Due(at_ns, self._number, work))
        self._change.notify()

    def _run(self) -> None:
        while True:
            work = self._next()
            if work is None:
                return
            self._do(work)

    def _next(self) -> Work | None:
        """Wait for work that is due, and for our turn by the rate."""
        with self._change:
            while not self._stopped:
                now = self.mono_ns()
                if not self._queue:
                    self._change.wait()
                    continue
                due = self._queue[0]
                group = self._groups.get(due.work.group)
                at_ns = max(due.at_ns, self._next_slot_ns)
                if group is not None and group.until_ns > due.at_ns:
                    # To the end of the pause, so that it does not stand before the others.
                    heapq.heapreplace(self._queue, _Due(group.until_ns, due.number, due.work))
                    continue
                if at_ns > now:
                    self._change.wait((at_ns - now) / 1e9)
                    continue
                heapq.heappop(self._queue)
                self._next_slot_ns = max(self._next_slot_ns, now - 10**9) + int(
                    1e9 / self.per_second
                )
                return due.work
            return None

    def _do(self, work: Work) -> None:
        error: ClusterError | None = None
        try:
            work.do()
        except ClusterError as raised:
            error = raised
        except Exception as raised:  # a hand that dies would be missing for ever
            log.exception("%s", work.key)
            error = ClusterError(f"{type(raised).__name__}: {raised}", trouble="defect")
        with self._change:
            again_ns = self._again(work, error)
            if error is None and work.group:
                self._groups.pop(work.group, None)
            if again_ns is not None and not self._stopped:
                self._push(work, again_ns)
            else:
                del self._keys[work.key]
        if error is None:
            return
        if work.every_seconds:
            log.info("%s: %s", work.key, error)
        elif again_ns is None:
            log.warning("given up: %s: %s", work.key, error)
            work.give_up(error)
        else:
            work.note(error)

    def _again(self, work: Work, error: ClusterError | None) -> int | None:
        """Return when to do it again; None: it is done, or pointless."""
        now = self.mono_ns()
        if work.every_seconds:
            return now + int(work.every_seconds * 1e9)
        if error is None:
            return None
        work.attempts += 1
        is_late = now - work.began_ns > work.patience_seconds * 1e9
        if error.trouble not in PASSING or is_late:
            return None
        wait = self._wait_seconds(work.attempts, error)
        if work.group:
            group = self._groups.setdefault(work.group, _Group())
            if now >= group.until_ns:
                group.failures += 1
                pause = self._wait_seconds(group.failures, error)
                group.until_ns = now + int(pause * 1e9)
        return now + int(wait * 1e9)

    def _wait_seconds(self, failures: int, error: ClusterError) -> float:
        doubled = min(self.first_seconds * 2.0 ** min(failures - 1, 20), self.longest_seconds)
        return max(error.retry_after or 0.0, doubled * self.random.uniform(0.1, 1.0))
