"""How long a plan takes: durations from history, else declared, and a simulated schedule."""

import heapq
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from hotfire_pipelines.plan import Estimate


@dataclass(frozen=True, slots=True, kw_only=True)
class Durations:
    """Measured seconds: whole tasks by task key, tests by cell key and test identifier."""

    tasks: Mapping[str, float] = field(default_factory=dict)
    tests: Mapping[str, Mapping[str, float]] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Load:
    """What the schedule must know of one task."""

    key: str
    seconds: float
    cpus: int
    is_exclusive: bool
    waits_for: tuple[str, ...]


def estimate(loads: Sequence[Load], slots: int) -> Estimate:
    """Wall time on one machine with `slots` CPUs; an exclusive task takes all of them.

    Greedy list scheduling in the order given: within a factor of two of the optimum (Graham),
    and what a local executor does.
    """
    ends: dict[str, float] = {}
    waiting = list(loads)
    running: list[tuple[float, str, int]] = []
    now, free = 0.0, slots
    while waiting or running:
        for load in list(waiting):
            if not free:
                break  # Nothing takes no CPU: the rest of a long queue need not be asked.
            wanted = slots if load.is_exclusive else min(load.cpus, slots)
            if wanted <= free and all(earlier in ends for earlier in load.waits_for):
                free -= wanted
                heapq.heappush(running, (now + load.seconds, load.key, wanted))
                waiting.remove(load)
        if not running:
            raise AssertionError("tasks wait for each other")  # load_pipeline refuses cycles
        now, key, returned = heapq.heappop(running)
        ends[key] = now
        free += returned
    return Estimate(
        seconds=round(now, 1), by_task={load.key: round(load.seconds, 2) for load in loads}
    )
