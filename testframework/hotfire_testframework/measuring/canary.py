"""A fixed piece of work of our own: when it is slow, the machine was, and not the code under test."""

from __future__ import annotations

import time

ROUNDS = 200_000  # about 10 ms of CPython on a 2024 server core
REPEATS = 3


def canary() -> float:
    """Seconds of the fastest of three runs of a fixed integer loop."""
    return min(_once() for _ in range(REPEATS))


def _once() -> float:
    start = time.perf_counter()
    value = 1
    for _ in range(ROUNDS):
        value = (value * 48271) % 2147483647
    elapsed = time.perf_counter() - start
    assert value != 0  # the work is observed, so nothing may leave it out
    return elapsed
