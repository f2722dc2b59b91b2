"""A list schedule of tasks on CPUs and devices, played through to learn how long it takes."""

from __future__ import annotations

import heapq
from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Load:
    """What the schedule must know of one task."""

    key: str
    seconds: float
    cpus: int
    is_exclusive: bool
    waits_for: tuple[str, ...]
    devices: tuple[str, ...] = ()
    """Kinds of devices; of each one machine is assumed, which takes one task at a time."""


def simulate(loads: Sequence[Load], slots: int) -> float:
    """Return the seconds until the last of `loads` ends, started in their order as they can be.

    An exclusive task takes all slots. Greedy list scheduling: within a factor of two of the best
    schedule (Graham 1966), and what the executor does.
    """
    left = {load.key: len(set(load.waits_for)) for load in loads}
    followers: dict[str, list[int]] = {}
    for at, load in enumerate(loads):
        for earlier in set(load.waits_for):
            followers.setdefault(earlier, []).append(at)
    ready = _Ready(loads, slots)
    for at, load in enumerate(loads):
        if not left[load.key]:
            ready.add(at)
    running: list[tuple[float, int, int]] = []
    busy: set[str] = set()
    now, free = 0.0, slots
    while ready or running:
        while (found := ready.take(free, busy)) is not None:
            at, wanted = found
            free -= wanted
            busy |= set(loads[at].devices)
            heapq.heappush(running, (now + loads[at].seconds, at, wanted))
        if not running:
            raise AssertionError("tasks wait for each other")  # load_pipeline refuses cycles
        now, at, returned = heapq.heappop(running)
        free += returned
        busy -= set(loads[at].devices)
        for follower in followers.get(loads[at].key, ()):
            left[loads[follower].key] -= 1
            if not left[loads[follower].key]:
                ready.add(follower)
    return now


class _Ready:
    """Tasks that wait for nothing but room, by what they take: few sorts, however many tasks."""

    def __init__(self, loads: Sequence[Load], slots: int) -> None:
        self._loads = loads
        self._slots = slots
        self._sorts: dict[tuple[int, tuple[str, ...]], list[int]] = {}

    def __bool__(self) -> bool:
        return any(self._sorts.values())

    def add(self, at: int) -> None:
        """Let the task at this place begin when it can."""
        load = self._loads[at]
        wanted = self._slots if load.is_exclusive else min(load.cpus, self._slots)
        heapq.heappush(self._sorts.setdefault((wanted, load.devices), []), at)

    def take(self, free: int, busy: set[str]) -> tuple[int, int] | None:
        """Return the first task that fits, and the slots it takes."""
        fitting = [
            (places[0], wanted, places)
            for (wanted, devices), places in self._sorts.items()
            if places and wanted <= free and not busy & set(devices)
        ]
        if not fitting:
            return None
        at, wanted, places = min(fitting)
        heapq.heappop(places)
        return at, wanted
