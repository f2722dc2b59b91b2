"""One pass of in-parameter-order: axis by axis, first along the rows, then down.

A tuple of `strength` values is kept as (value of the newest axis, the lowest bits, the highest
bit): `targets[value][lowest]` is a bit set of all highest bits still to be covered, so that the
gain of a choice is a few population counts.
"""

from __future__ import annotations

import random
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from itertools import combinations, product

from hotfire_pipelines.covering.rules import Judge
from hotfire_pipelines.covering.space import Space, bits

Key = tuple[int, ...]
Targets = dict[int, dict[Key, int]]


@dataclass(slots=True)
class Row:
    """A cell in the making."""

    mask: int
    """What is decided."""
    fixed: int = 0
    """What a seeded row says of axes that are not reached yet."""

    @property
    def known(self) -> int:
        """Everything that is certain about the row."""
        return self.mask | self.fixed


@dataclass(slots=True)
class Growth:
    """Grows the rows; `cost` counts looked-up bit sets, `impossible` the tuples without a cell."""

    space: Space
    judge: Judge
    strength: int
    """At least 2."""
    seeded: Sequence[int]
    random: random.Random
    window: int
    """Rows from which the one with the greatest gain is extended next."""
    cost: int = 0
    rows: list[Row] = field(default_factory=list)
    impossible: list[int] = field(default_factory=list)

    def run(self) -> list[int]:
        """Return complete, allowed rows that cover every possible tuple."""
        order = sorted(
            range(len(self.space.names)),
            key=lambda axis: (-len(self.space.literals(axis)), self.random.random()),
        )
        first = self.strength - 1
        for fixed in self.seeded:
            decided = sum(fixed & self.space.fields[axis] for axis in order[:first])
            self.rows.append(Row(decided, fixed))
        for place in range(first, len(order)):
            self._add_axis(order[:place], order[place])
        return self._complete()

    def _add_axis(self, earlier: Sequence[int], axis: int) -> None:
        targets = {value: self._targets(earlier, value) for value in self.space.literals(axis)}
        self._extend_rows(axis, targets)
        for value, left in targets.items():
            for wanted in _tuples(value, left):
                self._place(wanted)

    def _targets(self, earlier: Sequence[int], value: int) -> dict[Key, int]:
        """Return all possible tuples of a new value and `strength - 1` earlier ones."""
        if self.strength == 2 and self.judge.is_open:
            return {(): sum(self.space.fields[axis] for axis in earlier)}
        found: dict[Key, int] = {}
        new = 1 << value
        for *low, high in combinations(sorted(earlier), self.strength - 1):
            for key in product(*(self.space.literals(axis) for axis in low)):
                self.cost += 1
                if self.judge.is_open:
                    found[key] = found.get(key, 0) | self.space.fields[high]
                    continue
                base = new | sum(1 << bit for bit in key)
                possible = 0
                for bit in self.space.literals(high):
                    if self.judge.allows(base | 1 << bit):
                        possible |= 1 << bit
                    else:
                        self.impossible.append(base | 1 << bit)
                found[key] = found.get(key, 0) | possible
        return found

    def _extend_rows(self, axis: int, targets: Targets) -> None:
        """Give rows a value of the axis where it covers something; the most useful row first."""
        waiting = list(self.rows)
        self.random.shuffle(waiting)
        is_open, lot = self.judge.is_open, self.random.random
        used = dict.fromkeys(targets, 0)
        while waiting:
            best = (-1, 0.0)
            chosen, value = 0, -1
            for place, row in enumerate(waiting[: self.window]):
                for candidate in self._candidates(row, axis):
                    gain = self._gain(row.mask, targets[candidate])
                    if gain < best[0]:
                        continue
                    # Among equals the value that was used least, then by lot.
                    rank = (gain, lot() - used[candidate])
                    if rank > best and (is_open or self.judge.allows(row.known | 1 << candidate)):
                        best, chosen, value = rank, place, candidate
            row = waiting.pop(chosen)
            forced = row.fixed & self.space.fields[axis]
            if value < 0 or (best[0] == 0 and not forced):
                continue
            row.mask |= 1 << value
            used[value] += 1
            self._strike(row.mask, targets[value])

    def _candidates(self, row: Row, axis: int) -> Sequence[int]:
        forced = row.fixed & self.space.fields[axis]
        return [forced.bit_length() - 1] if forced else self.space.literals(axis)

    def _gain(self, mask: int, left: dict[Key, int]) -> int:
        self.cost += 1
        if self.strength == 2:
            return (left[()] & mask).bit_count()
        gain = 0
        for key in combinations(bits(mask), self.strength - 2):
            self.cost += 1
            gain += (left.get(key, 0) & mask).bit_count()
        return gain

    def _strike(self, mask: int, left: dict[Key, int]) -> None:
        if self.strength == 2:
            left[()] &= ~mask
            return
        for key in combinations(bits(mask), self.strength - 2):
            if key in left:
                left[key] &= ~mask

    def _place(self, wanted: int) -> None:
        """Put a tuple into the first row that leaves room for it, else into a new one."""
        region = sum(self.space.fields[self.space.owner[bit]] for bit in bits(wanted))
        fitting: Row | None = None
        self.cost += len(self.rows) // 8 + 1
        for row in self.rows:
            if wanted & ~row.mask == 0:
                return
            has_room = fitting is None and not row.known & region & ~wanted
            if has_room and self.judge.allows(row.known | wanted):
                fitting = row
        if fitting is None:
            self.rows.append(Row(wanted))
        else:
            fitting.mask |= wanted

    def _complete(self) -> list[int]:
        """Fill what is open with allowed values, those used least first."""
        used = [0] * self.space.offsets[-1]
        found = []
        for row in self.rows:
            preference = [
                sorted(self.space.literals(axis), key=lambda bit: (used[bit], bit))
                for axis in range(len(self.space.names))
            ]
            cell = self.judge.complete(row.known, preference)
            if cell is None:
                raise AssertionError("a row was grown that its judge does not allow")
            for bit in bits(cell):
                used[bit] += 1
            found.append(cell)
        return found


def _tuples(value: int, left: dict[Key, int]) -> Iterator[int]:
    for key, highest in left.items():
        base = 1 << value | sum(1 << bit for bit in key)
        for bit in bits(highest):
            yield base | 1 << bit
