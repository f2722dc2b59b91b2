"""From a matrix to its cells: all of them or a covering array, within a budget, without forgetting.

What a budget leaves out is named combination by combination; given back as `debt` it is paid first
by the next expansion, the oldest debt before the rest.
"""

from __future__ import annotations

import hashlib
import heapq
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import combinations
from math import comb, prod

from hotfire_pipelines.constraints.rules import Ruling
from hotfire_pipelines.covering import generate
from hotfire_pipelines.errors import MatrixError
from hotfire_pipelines.matrix import Assignment, Product, Rule, add_includes, agrees

DEFAULT_CAP = 10_000
EFFORT = 300_000
"""A cell costs machine time: a few tenths of a second are well spent on having fewer of them."""
SMALLER = "Write `strength: 2`, forbid more, or cut the matrix in two tasks; else raise the cap."
OLDEST = 40
"""Ages of debt that are told apart, from the oldest on; the younger ones count as one."""

NO_RULING = Ruling((), (), {})

Part = frozenset[tuple[str, str]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Debt:
    """A combination that an earlier expansion could not afford; `age` counts those expansions."""

    assignment: Mapping[str, str]
    age: int = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class Gap:
    """A combination that occurs in no cell, and why."""

    assignment: Mapping[str, str]
    reason: str
    is_proven: bool
    """Whether it is certain that no cell could have it; False for a budget, or if none was found."""
    age: int = 0
    """Expansions in a row that could not afford it; 0 where a rule forbids it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Expanded:
    """The rows of a matrix, and an account of all combinations of `strength` values."""

    rows: tuple[Assignment, ...]
    strength: int
    covered: int
    """Combinations that occur in the matrix part of the rows; with `gaps` all that there are."""
    gaps: tuple[Gap, ...] = ()

    @property
    def debt(self) -> tuple[Debt, ...]:
        """What the next expansion should pay first."""
        return tuple(Debt(assignment=gap.assignment, age=gap.age) for gap in self.gaps if gap.age)


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """What a matrix asks for, aliases resolved; the words are those of the pipeline file."""

    axes: Mapping[str, Sequence[str]]
    include: Sequence[Rule] = ()
    exclude: Sequence[Rule] = ()
    always: Sequence[Rule] = ()
    ruling: Ruling = NO_RULING
    defaults: Mapping[str, str] | None = None
    """Values of axes that a row does not have, for constraints."""
    strength: int | None = None
    """None: the whole product."""
    seed: int = 0
    max_cells: int | None = None
    cap: int = DEFAULT_CAP


def stable_seed(name: str) -> int:
    """Return a seed that depends on the name alone, on every machine."""
    return int.from_bytes(hashlib.sha256(name.encode()).digest()[:4], "big")


def expand(wanted: Wanted, debt: Sequence[Debt] = ()) -> Expanded:
    """Return the rows of a matrix. Equal arguments give equal rows in an equal order.

    Raises MatrixError for a matrix above its cap (with its size), for a row that must be in and is
    forbidden, for more such rows than `max_cells`; CoveringError for what cannot be covered.
    """
    _check_always(wanted)
    written = wanted
    # A mapping has no order that means something: the same matrix gives the same cells.
    wanted = replace(wanted, axes=dict(sorted(wanted.axes.items())))
    depth = min(wanted.strength or len(wanted.axes), len(wanted.axes))
    is_whole = depth == len(wanted.axes)
    seeded = _seeded(wanted)
    rows, gaps = _whole(wanted, written) if is_whole else _covering(wanted, depth, seeded)
    for number, row in enumerate(wanted.always):
        if not any(agrees(one, row) for one in rows):
            raise _impossible(number, row, "its rules together leave no cell with it")
    limit = wanted.max_cells
    chosen = rows
    included = add_includes(rows, wanted.include)
    if limit is not None and len(included) > limit:
        chosen, included = _afford(wanted, rows, depth, debt, seeded, limit)
    covered = {part for row in chosen for part in _parts(row, depth)} if wanted.axes else set()
    if len(chosen) < len(rows):
        gaps = [*gaps, *_unpaid(rows, covered, depth, limit, debt)]
    _check_rules(wanted, included)
    _check_cap(wanted, len(included))
    return Expanded(rows=tuple(included), strength=depth, covered=len(covered), gaps=tuple(gaps))


def _seeded(wanted: Wanted) -> list[Rule]:
    """Rows that must be in: `always`, and includes that name every axis of an allowed cell."""
    complete = []
    for row in wanted.include:
        own = {axis: row[axis] for axis in wanted.axes if axis in row}
        is_cell = len(own) == len(wanted.axes) and all(
            value in wanted.axes[axis] for axis, value in own.items()
        )
        if is_cell and not any(agrees(own, rule) for rule in _forbidden(wanted)):
            complete.append(own)
    return [*wanted.always, *complete]


def _check_always(wanted: Wanted) -> None:
    for number, row in enumerate(wanted.always):
        for rule in _forbidden(wanted):
            if agrees(row, rule):
                raise _impossible(number, row, _reason(wanted, rule, "forbidden"))


def _impossible(number: int, row: Rule, reason: str) -> MatrixError:
    return MatrixError(
        f"{_words(row)} must always be in and cannot: {reason}",
        "Remove the row, or loosen the rule.",
        "always",
        number,
    )


def _forbidden(wanted: Wanted) -> list[Rule]:
    """All partial assignments that no cell of the matrix may have, in terms of its values."""
    return [
        rule
        for rule in (*wanted.exclude, *wanted.ruling.assignments)
        if all(value in wanted.axes.get(axis, ()) for axis, value in rule.items())
    ]


def _whole(wanted: Wanted, written: Wanted) -> tuple[list[Assignment], list[Gap]]:
    if not wanted.axes:
        return [], []
    product = Product(wanted.axes, _forbidden(wanted))
    size = product.size()
    if size is None:
        raise MatrixError(
            f"the matrix has up to {product.bound():,} cells under rules that cannot be counted; "
            f"`cap:` is {wanted.cap:,}",
            SMALLER,
        )
    # Constraints over many axes can only take cells away: they are tried one by one below.
    ceiling = wanted.cap * 100 if wanted.ruling.tests else wanted.cap
    if size > ceiling:
        raise MatrixError(
            f"the matrix has {size:,} cells ({_shape(written)}), `cap:` is {wanted.cap:,}", SMALLER
        )
    return [row for row in product if not _breaks(wanted, row)], []


def _shape(wanted: Wanted) -> str:
    sizes = " × ".join(f"{len(values)} {axis}" for axis, values in wanted.axes.items())
    return f"{sizes} = {prod(len(values) for values in wanted.axes.values()):,} before rules"


def _covering(
    wanted: Wanted, depth: int, seeded: Sequence[Rule]
) -> tuple[list[Assignment], list[Gap]]:
    rules = _forbidden(wanted)
    forbid: Callable[[Mapping[str, str]], bool] | list[Rule] = rules
    if wanted.ruling.tests:

        def forbid(cell: Mapping[str, str]) -> bool:
            return _breaks(wanted, cell) or any(agrees(cell, rule) for rule in rules)

    array = generate(
        wanted.axes, depth, forbid=forbid, rows=seeded, seed=wanted.seed, effort=EFFORT
    )
    gaps = [
        Gap(
            assignment=one.assignment,
            reason=_reason(wanted, one.assignment, one.reason),
            is_proven=one.is_proven,
        )
        for one in array.uncovered
    ]
    return [dict(row) for row in array.rows], gaps


def _reason(wanted: Wanted, assignment: Mapping[str, str], otherwise: str) -> str:
    """Cite the rule as it is written where one alone forbids the combination."""
    items = set(assignment.items())
    for forbidden, name in wanted.ruling.names.items():
        if set(forbidden) <= items:
            return f"forbidden by {name}"
    for rule in wanted.exclude:
        if set(rule.items()) <= items:
            return f"forbidden by exclude {_words(rule)}"
    return otherwise


def _breaks(wanted: Wanted, row: Mapping[str, str]) -> bool:
    if not wanted.ruling.tests:
        return False
    cell = {**(wanted.defaults or {}), **row}
    return any(constraint.forbids(cell) for constraint in wanted.ruling.tests)


def _check_rules(wanted: Wanted, rows: Sequence[Assignment]) -> None:
    """An include may go around an `exclude`, as on GitHub; never around a constraint."""
    if not wanted.include:
        return
    for row in rows:
        cell = {**(wanted.defaults or {}), **row}
        for constraint in wanted.ruling.constraints:
            if constraint.forbids(cell):
                raise MatrixError(
                    f"an `include:` makes the cell {_words(row)}, which breaks {constraint.name}",
                    "An include goes around an exclude, never around a constraint.",
                    "include",
                )


def _check_cap(wanted: Wanted, size: int) -> None:
    if size > wanted.cap:
        raise MatrixError(f"the matrix has {size:,} cells, `cap:` is {wanted.cap:,}", SMALLER)


def _afford(
    wanted: Wanted,
    rows: Sequence[Assignment],
    depth: int,
    debt: Sequence[Debt],
    seeded: Sequence[Rule],
    limit: int,
) -> tuple[list[Assignment], list[Assignment]]:
    """Choose rows so that with the includes they are at most `limit` cells."""
    must = _must(rows, seeded)
    free = limit
    while free >= len(must):
        chosen = _within(wanted, rows, depth, free, debt, must)
        included = add_includes(chosen, wanted.include)
        if len(included) <= limit:
            return chosen, included
        # An include that has lost the cells it extends is a cell of its own.
        free -= len(included) - limit
    own = len(add_includes([rows[place] for place in must], wanted.include))
    raise MatrixError(
        f"{own} cells must be in (`always:` and `include:`), `max_cells:` is {limit}",
        "Raise `max_cells:`, or ask for fewer.",
        "max_cells",
    )


def _must(rows: Sequence[Assignment], seeded: Sequence[Rule]) -> list[int]:
    """The first row for each seeded one."""
    found = []
    for wish in seeded:
        place = next(number for number, row in enumerate(rows) if agrees(row, wish))
        if place not in found:
            found.append(place)
    return found


def _within(
    wanted: Wanted,
    rows: Sequence[Assignment],
    depth: int,
    limit: int,
    debt: Sequence[Debt],
    must: Sequence[int],
) -> list[Assignment]:
    """Choose rows: those that must be in, then by oldest debt, then by most new combinations.

    The gain of a row only falls while others are chosen, so that a row whose gain was computed
    again and still leads is the best (lazy greedy). Ages are digits of one number: no amount of
    younger debt outweighs an older one. Only the oldest ages are told apart, since what is paid is
    owed anew: were the youngest told apart instead, a long rotation would forget some rows.
    """
    base = comb(len(wanted.axes), depth) + 1
    ages = sorted({item.age for item in debt}, reverse=True)[: OLDEST - 1]
    digits = {age: OLDEST - place for place, age in enumerate(ages)}
    owed = {frozenset(item.assignment.items()): base ** digits.get(item.age, 1) for item in debt}
    chosen = list(must)
    covered = {part for place in chosen for part in _parts(rows[place], depth)}

    def gain(place: int) -> int:
        return sum(owed.get(part, 1) for part in _parts(rows[place], depth) if part not in covered)

    # Rows of a whole product share no combination: without a lot the first values would win.
    lots = [_lot(wanted.seed, row) if depth == len(wanted.axes) else "" for row in rows]
    queue = [
        (-gain(place), lots[place], place) for place in range(len(rows)) if place not in chosen
    ]
    heapq.heapify(queue)
    while queue and len(chosen) < limit:
        worth, lot, place = heapq.heappop(queue)
        now = -gain(place)
        if now != worth:
            heapq.heappush(queue, (now, lot, place))
            continue
        chosen.append(place)
        covered.update(_parts(rows[place], depth))
    return [rows[place] for place in sorted(chosen)]


def _lot(seed: int, row: Assignment) -> str:
    return hashlib.sha256(f"{seed}|{_words(dict(sorted(row.items())))}".encode()).hexdigest()


def _unpaid(
    rows: Sequence[Assignment],
    covered: set[Part],
    depth: int,
    limit: int | None,
    debt: Sequence[Debt],
) -> Iterator[Gap]:
    """Yield what the budget leaves out, the oldest debt first."""
    ages = {frozenset(item.assignment.items()): item.age for item in debt}
    left: dict[Part, Mapping[str, str]] = {}
    for row in rows:
        for part in _parts(row, depth):
            if part not in covered and part not in left:
                left[part] = {axis: value for axis, value in row.items() if (axis, value) in part}
    for part in sorted(left, key=lambda part: (-ages.get(part, 0), sorted(part))):
        yield Gap(
            assignment=left[part],
            reason=f"budget: max_cells is {limit}",
            is_proven=False,
            age=ages.get(part, 0) + 1,
        )


def _parts(row: Assignment, depth: int) -> Iterator[Part]:
    return map(frozenset, combinations(row.items(), depth))


def _words(row: Mapping[str, str]) -> str:
    return ", ".join(f"{axis}={value}" for axis, value in row.items())
