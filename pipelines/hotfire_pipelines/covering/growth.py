"""One pass of in-parameter-order: axis by axis, first along the rows, then down.

A tuple of `strength` values is kept as (value of the newest axis, the lowest bits, the highest
bit): `targets[value][lowest]` is a bit set of all highest bits still to be covered, so that the
gain of a choice is a few population counts.
"""

from __future__ import annotations

import random
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from itertools import combinations, islice, product
from math import ceil

from hotfire_pipelines.covering.exchange import Exchange, is_worth_it
from hotfire_pipelines.covering.rules import Judge
from hotfire_pipelines.covering.space import Space, bits

Key = tuple[int, ...]
Targets = dict[int, dict[Key, int]]

NEVER = -2.0
"""The worth of a value that a row cannot take."""


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
    spare: int = 0
    """Looked-up bit sets that exchanges may cost; above, rows are added without looking further."""
    cost: int = 0
    exchanged: int = 0
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
        left = _size(targets)
        if self.exchanged < self.spare and is_worth_it(self.strength, left, len(self.rows)):
            self._exchange(axis, targets)
        for value, keys in targets.items():
            self._place_all(axis, value, keys)

    def _exchange(self, axis: int, targets: Targets) -> None:
        """Change rows, so that fewer of the tuples that are left need a new one."""
        field = self.space.fields[axis]
        free = [row for row in self.rows if not row.fixed & field]

        def allows(place: int, value: int) -> bool:
            known = free[place].known & ~field | 1 << value
            return self.judge.is_open or self.judge.allows(known)

        exchange = Exchange(
            rows=free,
            values=list(targets),
            strength=self.strength,
            allows=allows,
            # Of its own: whether there is anything to exchange changes nothing else.
            random=random.Random(axis),
            allowance=self.spare - self.exchanged,
        )
        left = {
            (value, wanted ^ 1 << value)
            for value, keys in targets.items()
            for wanted in _tuples(value, keys)
        }
        rest = exchange.run([row for row in self.rows if row.fixed & field], left)
        self.cost += exchange.cost
        self.exchanged += exchange.cost
        for value in targets:
            targets[value] = dict.fromkeys(targets[value], 0)
        for value, part in rest:
            *low, high = bits(part)
            targets[value][tuple(low)] |= 1 << high

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
        """Give rows a value of the axis where it covers something; the most useful row first.

        A row's worth of a value falls only when that value is given to another row, so that after
        each choice one column of the window is looked at again, not all of it.
        """
        lots = list(self.rows)
        self.random.shuffle(lots)
        waiting = iter(lots)
        board = _Board(list(targets), 1 / (len(lots) + 2))
        for row in islice(waiting, self.window):
            self._show(board, None, row, axis, targets)
        while board.rows:
            place, column, worth = board.best()
            row, value = board.rows[place], board.values[column]
            known = row.known | 1 << value
            if worth > NEVER and not self.judge.is_open and not self.judge.allows(known):
                board.lower(place, column, NEVER)
                continue
            following = next(waiting, None)
            if following is None:
                board.remove(place)
            else:
                self._show(board, place, following, axis, targets)
            is_forced = row.fixed & self.space.fields[axis]
            if worth <= NEVER or (ceil(worth) == 0 and not is_forced):
                continue
            row.mask |= 1 << value
            left = targets[value]
            before = left.get((), 0)
            self._strike(row.mask, left)
            board.used[column] += 1
            self._look_again(board, column, left, before & ~left.get((), 0))

    def _show(
        self, board: _Board, place: int | None, row: Row, axis: int, targets: Targets
    ) -> None:
        forced = row.fixed & self.space.fields[axis]
        worths = [
            NEVER
            if forced and not forced >> value & 1
            else self._gain(row.mask, targets[value])
            # Among equals the value that was used least, then by lot.
            - (board.used[column] + self.random.random()) * board.step
            for column, value in enumerate(board.values)
        ]
        board.put(place, row, worths)

    def _look_again(self, board: _Board, column: int, left: dict[Key, int], struck: int) -> None:
        """Lower the worth of a value for the rows in the window, after it was given to one."""
        is_pairs, step = self.strength == 2, board.step
        worths, tops = board.worths, board.tops
        self.cost += len(board.rows)
        for place, row in enumerate(board.rows):
            worth = worths[place][column]
            if worth <= 0:
                continue
            if is_pairs:
                now = worth - (struck & row.mask).bit_count() - step
            else:
                now = worth - ceil(worth) + self._gain(row.mask, left) - step
            worths[place][column] = now
            if worth == tops[place]:
                tops[place] = max(worths[place])

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

    def _place_all(self, axis: int, value: int, left: dict[Key, int]) -> None:
        """Put the tuples that are left into rows that have the value, or leave room for it."""
        field = self.space.fields[axis]
        near = [row for row in self.rows if not row.known & field or row.known >> value & 1]
        for wanted in _tuples(value, left):
            self._place(wanted, near)

    def _place(self, wanted: int, near: list[Row]) -> None:
        """Put a tuple into the first row that leaves room for it, else into a new one."""
        region = sum(self.space.fields[self.space.owner[bit]] for bit in bits(wanted))
        blocked = region & ~wanted
        fitting: Row | None = None
        self.cost += len(near) // 8 + 1
        for row in near:
            if not wanted & ~row.mask:
                return
            has_room = fitting is None and not (row.mask | row.fixed) & blocked
            if has_room and (self.judge.is_open or self.judge.allows(row.known | wanted)):
                fitting = row
        if fitting is None:
            fitting = Row(wanted)
            self.rows.append(fitting)
            near.append(fitting)
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


@dataclass(slots=True)
class _Board:
    """The rows in the window, and what each value of the new axis is worth to each of them.

    A worth is the number of tuples that it would cover, less a fraction that breaks ties; rounded
    up it is that number.
    """

    values: list[int]
    step: float
    used: list[int] = field(init=False)
    rows: list[Row] = field(default_factory=list)
    worths: list[list[float]] = field(default_factory=list)
    tops: list[float] = field(default_factory=list)
    """The greatest worth of each row."""

    def __post_init__(self) -> None:
        self.used = [0] * len(self.values)

    def best(self) -> tuple[int, int, float]:
        """Return the place of the row, the column of the value, and their worth."""
        worth = max(self.tops)
        place = self.tops.index(worth)
        return place, self.worths[place].index(worth), worth

    def put(self, place: int | None, row: Row, worths: list[float]) -> None:
        """Show a row, at the place of one that leaves or at the end."""
        if place is None:
            self.rows.append(row)
            self.worths.append(worths)
            self.tops.append(max(worths))
        else:
            self.rows[place], self.worths[place], self.tops[place] = row, worths, max(worths)

    def remove(self, place: int) -> None:
        """Take a row away."""
        self.rows[place] = self.rows[-1]
        self.worths[place] = self.worths[-1]
        self.tops[place] = self.tops[-1]
        self.rows.pop()
        self.worths.pop()
        self.tops.pop()

    def lower(self, place: int, column: int, worth: float) -> None:
        """Note that a value is worth less."""
        worths = self.worths[place]
        was_top = worths[column] == self.tops[place]
        worths[column] = worth
        if was_top:
            self.tops[place] = max(worths)


def _size(targets: Targets) -> int:
    """Number of tuples that are not covered."""
    return sum(high.bit_count() for left in targets.values() for high in left.values())


def _tuples(value: int, left: dict[Key, int]) -> Iterator[int]:
    for key, highest in left.items():
        base = 1 << value | sum(1 << bit for bit in key)
        for bit in bits(highest):
            yield base | 1 << bit
