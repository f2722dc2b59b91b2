"""Generate a covering array: several passes, the smallest result, and an account of every tuple."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations, product
from math import prod

from hotfire_pipelines.covering.growth import Growth
from hotfire_pipelines.covering.rules import Judge, Predicate, judge_of, words
from hotfire_pipelines.covering.space import Space, bits
from hotfire_pipelines.errors import CoveringError

MAXIMUM_STRENGTH = 6
MAXIMUM_TUPLES = 20_000_000
EFFORT = 45_000
"""Looked-up bit sets after which no further pass begins: a few hundredths of a second."""
DEEPER = 10
"""Times the effort beyond pairs, where a pass looks up that many more bit sets."""
SPARE = 2
"""Times the effort that a pass may spend on exchanges."""
MAXIMUM_PASSES = 40
PAIR_WINDOWS = (32, 16, 64)
WINDOWS = (64, 32, 16)
"""Rows that compete for the next value, pass by pass: more of them take longer and cover better."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Uncovered:
    """A combination of values that occurs in no row, and why."""

    assignment: Mapping[str, str]
    reason: str
    is_proven: bool
    """Whether it is certain that no allowed cell has it; False: none was found."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CoveringArray:
    """Rows in which every combination of `strength` values occurs but for those in `uncovered`."""

    rows: tuple[Mapping[str, str], ...]
    uncovered: tuple[Uncovered, ...]
    strength: int
    covered: int
    """Number of combinations that occur; with `uncovered` it makes the number that there are."""


def generate(
    axes: Mapping[str, Sequence[str]],
    strength: int,
    *,
    forbid: Predicate | Sequence[Mapping[str, str]] = (),
    rows: Sequence[Mapping[str, str]] = (),
    seed: int = 0,
    effort: int = EFFORT,
) -> CoveringArray:
    """Return few rows that cover all combinations of `strength` values of different axes.

    `forbid`: partial assignments that no row may contain (exact, and fast), or a predicate over
    whole rows (True: forbidden), which is asked about each cell of a small space and about samples
    of a large one. `rows`: rows that must be in, whole or partial; they come first, in their order.
    Equal arguments give equal arrays. More strength than axes means all combinations of all axes.
    `effort`: looked-up bit sets after which no further pass is tried; more is slower, for fewer rows.

    Raises CoveringError for a strength outside of 1…6, an axis without values, unknown names, a
    seeded row that is forbidden, and a model with more than 20 million combinations.
    """
    space = Space({name: tuple(values) for name, values in axes.items()})
    if not 1 <= strength <= MAXIMUM_STRENGTH:
        raise CoveringError(f"strength {strength} is not in 1…{MAXIMUM_STRENGTH}")
    if not space.names:
        raise CoveringError("there is no axis to cover; declare at least one")
    depth = min(strength, len(space.names))
    total = _count(space, depth)
    if total > MAXIMUM_TUPLES:
        raise CoveringError(
            f"strength {strength} over these axes has {total:,} combinations, "
            f"the limit is {MAXIMUM_TUPLES:,}; lower the strength or cut the axes in two groups"
        )
    judge = judge_of(space, forbid, seed)
    seeded = [space.encode(row, f"row {number}") for number, row in enumerate(rows, 1)]
    for mask in seeded:
        if not judge.allows(mask):
            why = judge.proof(mask).reason
            raise CoveringError(f"row {words(space, mask)} must be in and cannot: {why}")
    cells, impossible = _smallest(space, judge, depth, seeded, seed, effort)
    return _account(space, judge, depth, cells, impossible, total)


def _count(space: Space, depth: int) -> int:
    """Number of combinations: the elementary symmetric polynomial of the axes' sizes."""
    sums = [1] + [0] * depth
    for values in space.values:
        for degree in range(depth, 0, -1):
            sums[degree] += sums[degree - 1] * len(values)
    return sums[depth]


def _smallest(
    space: Space, judge: Judge, depth: int, seeded: Sequence[int], seed: int, effort: int
) -> tuple[list[int], list[int]]:
    """Return the fewest cells of several passes, and the impossible combinations."""
    if depth == 1:
        return _single(space, judge, seeded)
    best: list[int] = []
    impossible: list[int] = []
    spent = 0
    floor = _floor(space, depth) if not seeded else len(seeded)
    windows = PAIR_WINDOWS if depth == 2 else WINDOWS
    allowed = effort if depth == 2 else effort * DEEPER
    for number in range(MAXIMUM_PASSES):
        lot = random.Random(f"{seed}/{number}")
        window = windows[number % len(windows)]
        growth = Growth(space, judge, depth, seeded, lot, window, allowed * SPARE)
        cells = growth.run()
        if not best or len(cells) < len(best):
            best, impossible = cells, growth.impossible
        spent += growth.cost
        if len(best) <= floor or spent > allowed:
            break
    return _without_spare(best, depth, len(seeded)), impossible


def _floor(space: Space, depth: int) -> int:
    """No array without rules has fewer rows than the product of the largest axes."""
    return prod(sorted((len(values) for values in space.values), reverse=True)[:depth])


def _single(space: Space, judge: Judge, seeded: Sequence[int]) -> tuple[list[int], list[int]]:
    """Strength 1: every possible value once."""
    every = range(space.offsets[-1])
    impossible = [1 << bit for bit in every if not judge.allows(1 << bit)]
    missing = [bit for bit in every if 1 << bit not in impossible]
    cells: list[int] = []
    pending = list(seeded)
    while pending or missing:
        row = pending.pop(0) if pending else 0
        for bit in missing:
            field = space.fields[space.owner[bit]]
            if not row & field and judge.allows(row | 1 << bit):
                row |= 1 << bit
        preference = [space.literals(axis) for axis in range(len(space.names))]
        cell = judge.complete(row, preference)
        if cell is None:
            raise AssertionError("a row was grown that its judge does not allow")
        missing = [bit for bit in missing if not cell >> bit & 1]
        cells.append(cell)
    return cells, impossible


def _without_spare(cells: list[int], depth: int, seeded: int) -> list[int]:
    """Drop rows, last first, whose every combination occurs in another row too."""
    if not _has_spare(cells, depth, seeded):
        return cells
    counts = Counter(part for cell in cells for part in _parts(cell, depth))
    kept = []
    for place in range(len(cells) - 1, -1, -1):
        parts = list(_parts(cells[place], depth))
        if place >= seeded and all(counts[part] > 1 for part in parts):
            counts.subtract(parts)
        else:
            kept.append(cells[place])
    return kept[::-1]


def _has_spare(cells: Sequence[int], depth: int, seeded: int) -> bool:
    """Look with bit sets, many combinations at once: mostly there is no such row."""
    once: dict[int, int] = {}
    twice: dict[int, int] = {}
    for cell in cells:
        for low, high in _bundles(cell, depth):
            known = once.get(low, 0)
            twice[low] = twice.get(low, 0) | (known & high)
            once[low] = known | high
    return any(
        all(not high & ~twice[low] for low, high in _bundles(cell, depth))
        for cell in cells[seeded:]
    )


def _bundles(cell: int, depth: int) -> Iterator[tuple[int, int]]:
    """Yield the combinations of a cell as (all bits but the highest, every highest bit)."""
    for chosen in combinations([1 << bit for bit in bits(cell)], depth - 1):
        yield sum(chosen), cell & -(chosen[-1] << 1) if chosen else cell


def _parts(cell: int, depth: int) -> Iterator[int]:
    """The combinations that occur in a cell."""
    return map(sum, combinations([1 << bit for bit in bits(cell)], depth))


def _account(
    space: Space,
    judge: Judge,
    depth: int,
    cells: Sequence[int],
    impossible: Sequence[int],
    total: int,
) -> CoveringArray:
    """Count what occurs in the rows themselves; what does not is named, whatever was planned."""
    seen: dict[int, int] = {}
    for cell in cells:
        for low, high in _bundles(cell, depth):
            seen[low] = seen.get(low, 0) | high
    covered = sum(high.bit_count() for high in seen.values())

    def occurs(mask: int) -> bool:
        highest = 1 << mask.bit_length() - 1
        return bool(seen.get(mask ^ highest, 0) & highest)

    lost = [mask for mask in impossible if not occurs(mask)]
    if covered + len(lost) != total:
        known = set(lost)
        lost += [mask for mask in _all(space, depth) if mask not in known and not occurs(mask)]
    uncovered = []
    for mask in sorted(lost):
        proof = judge.proof(mask)
        uncovered.append(
            Uncovered(assignment=space.decode(mask), reason=proof.reason, is_proven=proof.is_proven)
        )
    return CoveringArray(
        rows=tuple(space.decode(cell) for cell in cells),
        uncovered=tuple(uncovered),
        strength=depth,
        covered=covered,
    )


def _all(space: Space, depth: int) -> Iterator[int]:
    for axes in combinations(range(len(space.names)), depth):
        for chosen in product(*(space.literals(axis) for axis in axes)):
            yield sum(1 << bit for bit in chosen)
