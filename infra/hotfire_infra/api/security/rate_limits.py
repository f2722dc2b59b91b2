"""Token buckets per key, in bounded memory, on an injected monotonic clock."""

from __future__ import annotations

import math
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass, field

from hotfire_infra.sections.limits import Rate

REMEMBERED = 20_000
"""Keys with a bucket of their own; the longest untouched is forgotten first, and then is full."""


@dataclass(slots=True)
class Buckets:
    """One bucket per key; `mono_ns` is the clock."""

    rate: Rate
    mono_ns: Callable[[], int]
    remembered: int = REMEMBERED
    _levels: OrderedDict[str, tuple[float, int]] = field(default_factory=OrderedDict)

    def take(self, key: str) -> float:
        """Take one; 0 when there was one, else seconds until there is."""
        level = self._level(key)
        wait = 0.0 if level >= 1 else (1 - level) / self.rate.per_second
        self._put(key, level - 1 if wait == 0 else level)
        return wait

    def wait(self, key: str) -> float:
        """Return the seconds until there is one, without taking it."""
        level = self._level(key)
        return 0.0 if level >= 1 else (1 - level) / self.rate.per_second

    def _level(self, key: str) -> float:
        if key not in self._levels:
            return self.rate.burst
        level, at_ns = self._levels[key]
        grown = (self.mono_ns() - at_ns) / 1e9 * self.rate.per_second
        return min(self.rate.burst, level + max(0.0, grown))

    def _put(self, key: str, level: float) -> None:
        self._levels[key] = (level, self.mono_ns())
        self._levels.move_to_end(key)
        while len(self._levels) > self.remembered:
            self._levels.popitem(last=False)


def retry_after(seconds: float) -> str:
    """Return the header's value: whole seconds, at least one."""
    return str(max(1, math.ceil(seconds)))
