"""Gives rows another value of the newest axis, until as few tuples as possible need a new row.

Growing along the rows is greedy: the last tuples find all their rows taken. Some of these rows could do
with another value, if others take over what they alone covered; such a chain is looked for by
least conflict, with rows that were changed lately left alone.
"""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from itertools import combinations
from typing import Protocol

from hotfire_pipelines.covering.space import bits

MOST_LEFT_OF_PAIRS = 12
ROWS_PER_LEFT = 3
"""More tuples than this, or than a third of the rows, are too many for chains: new rows are due."""
STEPS_OF_PAIRS = 4
STEPS = 40
"""Changes per tuple that is left. Pairs have little time, and many axes."""
REST = 8
"""Steps for which a row that was changed stays as it is."""
OPEN = -1
"""Stands for the value of a row that has none yet."""


def is_worth_it(strength: int, left: int, rows: int) -> bool:
    """Say whether so many tuples are few enough to look for chains."""
    return 0 < left <= (MOST_LEFT_OF_PAIRS if strength == 2 else rows // ROWS_PER_LEFT)


class Cell(Protocol):
    """A cell in the making."""

    mask: int


@dataclass(slots=True)
class Exchange:
    """One axis, its values by row, and how often each tuple with it occurs."""

    rows: Sequence[Cell]
    """Those that may take any value of the axis."""
    values: Sequence[int]
    strength: int
    allows: Callable[[int, int], bool]
    """Of (place of a row, value): whether the row may take it."""
    random: random.Random
    allowance: int
    """Looked-up bit sets after which no row is changed any more."""
    cost: int = 0
    _of: list[int] = field(default_factory=list)
    _parts: list[list[int]] = field(default_factory=list)
    _times: dict[int, Counter[int]] = field(default_factory=dict)

    def run(self, fixed: Sequence[Cell], left: set[tuple[int, int]]) -> set[tuple[int, int]]:
        """Change rows; return the (value, rest of the tuple) that still occur nowhere, of `left`.

        `fixed` are rows that stay and cover too.
        """
        own = sum(1 << value for value in self.values)
        self._times = {value: Counter() for value in self.values}
        for row in self.rows:
            value = (row.mask & own).bit_length() - 1
            self._of.append(value)
            self._parts.append(self._rests(row.mask & ~own))
            if value != OPEN:
                self._times[value].update(self._parts[-1])
        for row in fixed:
            if row.mask & own:
                value = (row.mask & own).bit_length() - 1
                self._times[value].update(self._rests(row.mask & ~own))
        now, best, kept = set(left), set(left), list(self._of)
        rested = [-REST] * len(self.rows)
        steps = STEPS_OF_PAIRS if self.strength == 2 else STEPS
        for step in range(steps * len(left)):
            if not now or self.cost > self.allowance:
                break
            value, rest = self.random.choice(sorted(now))
            place = self._cheapest(value, rest, now, rested, step)
            if place is None:
                continue
            rested[place] = step + REST
            self._give(place, value, now)
            if len(now) < len(best):
                best, kept = set(now), list(self._of)
        for row, value in zip(self.rows, kept, strict=True):
            row.mask = row.mask & ~own | (1 << value if value != OPEN else 0)
        return best

    def _rests(self, mask: int) -> list[int]:
        found = [sum(one) for one in combinations([1 << b for b in bits(mask)], self.strength - 1)]
        self.cost += len(found) // 4 + 1
        return found

    def _cheapest(
        self,
        value: int,
        rest: int,
        now: set[tuple[int, int]],
        rested: Sequence[int],
        step: int,
    ) -> int | None:
        """Return the row with `rest` that loses least by taking the value; None: none may."""
        self.cost += len(self.rows) // 8 + 1
        found: tuple[int, float] | None = None
        place_found = None
        for place, row in enumerate(self.rows):
            if rest & ~row.mask or rested[place] > step or not self.allows(place, value):
                continue
            old, parts = self._of[place], self._parts[place]
            self.cost += len(parts) // 2 + 1
            lost = 0 if old == OPEN else sum(self._times[old][one] == 1 for one in parts)
            won = sum((value, one) in now for one in parts)
            rank = (lost - won, self.random.random())
            if found is None or rank < found:
                found, place_found = rank, place
        return place_found

    def _give(self, place: int, value: int, now: set[tuple[int, int]]) -> None:
        old, parts = self._of[place], self._parts[place]
        if old != OPEN:
            times = self._times[old]
            for one in parts:
                times[one] -= 1
                if not times[one]:
                    now.add((old, one))
        self._of[place] = value
        times = self._times[value]
        for one in parts:
            times[one] += 1
            now.discard((value, one))
