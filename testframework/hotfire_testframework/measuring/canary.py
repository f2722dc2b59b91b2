"""Fixed pieces of work that the code under test has no part in: when they are slow, the machine was.

Three, for what a machine may lack: a loop of the interpreter (clock), a copy of memory far larger than
any cache (bandwidth), and floating-point sums (arithmetic). All of them are compiled code of the Python
that runs the tests, so a new library, compiler or flag changes none; another Python begins anew.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, fields
from functools import cache
from statistics import median

ROUNDS = 100_000  # about 5 ms of CPython on a 2024 server core
COPIED = 64 << 20  # bytes; beyond the last-level cache of a processor's share
TERMS = 100_000
REPEATS = 3
WORK = {"rounds": ROUNDS, "copied": COPIED, "terms": TERMS, "repeats": REPEATS}
"""What a song is made of: other work is another series."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Song:
    """Seconds of the fastest of some runs of each canary."""

    clock: float
    memory: float
    arithmetic: float


def canary() -> Song:
    """Run all canaries; about 60 ms."""
    return Song(clock=_fastest(_count), memory=_fastest(_copy), arithmetic=_fastest(_add))


def residuals(songs: Iterable[Song], best: Song) -> Mapping[str, float]:
    """Return by what share each canary was slower than at its best, in the median of some songs."""
    heard = list(songs)
    return {
        one.name: median(getattr(song, one.name) for song in heard) / getattr(best, one.name) - 1
        for one in fields(Song)
    }


def best_of(songs: Iterable[Song]) -> Song:
    """Return the fastest run of each canary."""
    heard = list(songs)
    return Song(
        **{one.name: min(getattr(song, one.name) for song in heard) for one in fields(Song)}
    )


def _fastest(work: Callable[[], float]) -> float:
    return min(_timed(work) for _ in range(REPEATS))


def _timed(work: Callable[[], float]) -> float:
    start = time.perf_counter()
    value = work()
    elapsed = time.perf_counter() - start
    assert value != 0  # the work is observed, so nothing may leave it out
    return elapsed


def _count() -> float:
    value = 1
    for _ in range(ROUNDS):
        value = (value * 48271) % 2147483647
    return value


@cache
def _buffers() -> tuple[memoryview, memoryview]:
    """Two buffers whose pages are mapped: the first copy must not pay for that."""
    return memoryview(bytearray(b"\x01" * COPIED)), memoryview(bytearray(b"\x02" * COPIED))


def _copy() -> float:
    source, target = _buffers()
    target[:] = source
    return target[-1]


@cache
def _points() -> tuple[list[float], list[float]]:
    return [i * 0.5 for i in range(TERMS)], [i * 0.25 + 1 for i in range(TERMS)]


def _add() -> float:
    """The distance of two points in many dimensions: a difference, a product and a sum for each."""
    return math.dist(*_points())
