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
    ready = [at for at, load in enumerate(loads) if not left[load.key]]
    running: list[tuple[float, int, int]] = []
    busy: set[str] = set()
    now, free = 0.0, slots
    while ready or running:
        waiting = []
        while ready:
            at = heapq.heappop(ready)
            load = loads[at]
            wanted = slots if load.is_exclusive else min(load.cpus, slots)
            if wanted > free or busy & set(load.devices):
                waiting.append(at)
                if not free:
                    break  # Nothing takes no CPU: the rest need not be asked.
                continue
            free -= wanted
            busy |= set(load.devices)
            heapq.heappush(running, (now + load.seconds, at, wanted))
        for at in waiting:
            heapq.heappush(ready, at)
        if not running:
            raise AssertionError("tasks wait for each other")  # load_pipeline refuses cycles
        now, at, returned = heapq.heappop(running)
        free += returned
        busy -= set(loads[at].devices)
        for follower in followers.get(loads[at].key, ()):
            left[loads[follower].key] -= 1
            if not left[loads[follower].key]:
                heapq.heappush(ready, follower)
    return now
