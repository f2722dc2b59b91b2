"""Levels an assignment of tests to shards with few moves."""

from __future__ import annotations

import bisect
from collections.abc import Mapping
from dataclasses import dataclass

from hotfire_pipelines.sharding import lower_bound

TOLERANCE = 0.0045
"""A makespan this much above the lower bound is good enough: no test moves for less."""


@dataclass(frozen=True, slots=True)
class _Step:
    """A test that leaves the fullest shard, and perhaps one that comes back for it."""

    test: str
    to: int
    back: str | None
    worst: float
    """Load of the fuller of both shards afterwards."""
    moves: int


def repair(
    home: Mapping[str, int],
    seconds: Mapping[str, float],
    shards: int,
    *,
    max_moves: int | None = None,
) -> dict[str, int]:
    """Return test → shard for all of `seconds`, near `home`; no shard stays empty needlessly.

    Tests without a home go to the emptiest shard, longest first; to move them costs nothing. Others
    move, at most `max_moves` of them, while the makespan is more than `TOLERANCE` above the bound.
    """
    kept = {
        test: home[test] for test in sorted(seconds) if test in home and 0 <= home[test] < shards
    }
    state = _State(kept, seconds, shards)
    for test in sorted(seconds.keys() - kept.keys(), key=lambda test: (-seconds[test], test)):
        state.put(test, min(range(shards), key=lambda shard: (state.load[shard], shard)))
    goal = lower_bound(list(seconds.values()), shards) * (1 + TOLERANCE)
    left = len(seconds) if max_moves is None else max_moves
    for _ in range(2 * len(seconds)):
        fullest = max(range(shards), key=lambda shard: (state.load[shard], -shard))
        if state.load[fullest] <= goal:
            break
        step = state.best_step(fullest, goal, left)
        if step is None:
            break
        left -= step.moves
        state.put(step.test, step.to)
        if step.back is not None:
            state.put(step.back, fullest)
    state.fill_empty()
    return state.home


class _State:
    """An assignment with its loads and, by shard, its tests by duration."""

    def __init__(self, kept: dict[str, int], seconds: Mapping[str, float], shards: int) -> None:
        self.seconds = seconds
        self.kept = kept
        self.home: dict[str, int] = {}
        self.load = [0.0] * shards
        self.tests: list[list[tuple[float, str]]] = [[] for _ in range(shards)]
        for test, shard in kept.items():
            self.put(test, shard)

    def put(self, test: str, shard: int) -> None:
        entry = (self.seconds[test], test)
        if test in self.home:
            old = self.home[test]
            self.load[old] -= entry[0]
            self.tests[old].remove(entry)
        self.home[test] = shard
        self.load[shard] += entry[0]
        bisect.insort(self.tests[shard], entry)

    def cost(self, test: str, to: int) -> int:
        """Return the moves that this adds; to return home takes one back."""
        origin = self.kept.get(test)
        if origin is None:
            return 0
        return int(to != origin) - int(self.home[test] != origin)

    def best_step(self, fullest: int, goal: float, left: int) -> _Step | None:
        """Return the step that levels most, then the cheapest; None: none helps or is paid for."""
        best: tuple[float, int, float, str, int] | None = None
        found: _Step | None = None
        for step in self._steps(fullest):
            if step.moves > left or step.worst >= self.load[fullest] * (1 - 1e-9):
                continue
            # Below the goal it does not matter how far; a pair of moves has to earn its price.
            over = max(step.worst, goal)
            price = (self.load[fullest] - over) / max(step.moves, 0.5)
            rank = (-price, step.moves, step.worst, step.test, step.to)
            if best is None or rank < best:
                best, found = rank, step
        return found

    def _steps(self, fullest: int) -> list[_Step]:
        steps = []
        for to, load in enumerate(self.load):
            if to == fullest:
                continue
            gap = self.load[fullest] - load
            there = self.tests[to]
            for duration, test in self.tests[fullest]:
                steps.append(self._step(fullest, to, test, duration, None))
                # In exchange for one that is shorter by about half the gap.
                place = bisect.bisect_left(there, (duration - gap / 2, ""))
                steps.extend(
                    self._step(fullest, to, test, duration - back[0], back[1])
                    for back in there[max(0, place - 1) : place + 1]
                )
        return steps

    def _step(self, fullest: int, to: int, test: str, shift: float, back: str | None) -> _Step:
        return _Step(
            test=test,
            to=to,
            back=back,
            worst=max(self.load[fullest] - shift, self.load[to] + shift),
            moves=self.cost(test, to) + (self.cost(back, fullest) if back is not None else 0),
        )

    def fill_empty(self) -> None:
        """Give each empty shard the shortest test of the shard with most tests."""
        for shard, tests in enumerate(self.tests):
            if tests:
                continue
            donor = max(range(len(self.tests)), key=lambda one: (len(self.tests[one]), -one))
            if len(self.tests[donor]) > 1:
                self.put(self.tests[donor][0][1], shard)
