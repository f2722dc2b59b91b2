"""What may not occur together: decides whether a partial assignment can still become a cell.

Three judges answer alike. Rules given as partial assignments are decided exactly by search. A
black-box predicate is decided exactly where all cells can be asked, and else by samples: then "no"
means only that none was found, which `proof` says.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import product
from math import prod
from typing import Protocol

from hotfire_pipelines.covering.space import Space, bits

Predicate = Callable[[Mapping[str, str]], bool]

WHOLE_SPACE = 1 << 14
"""Cells that are asked one by one: then a predicate is as good as rules."""
SAMPLES = 200
"""Random completions of a partial assignment before it counts as not found."""
KEPT_WITNESSES = 256


@dataclass(frozen=True, slots=True, kw_only=True)
class Proof:
    """Why a combination occurs in no cell."""

    reason: str
    is_proven: bool


class Judge(Protocol):
    """Decides about partial assignments."""

    @property
    def is_open(self) -> bool:
        """Whether nothing at all is forbidden."""

    def allows(self, mask: int) -> bool:
        """Say whether some allowed cell contains the assignment."""

    def complete(self, mask: int, preference: Sequence[Sequence[int]]) -> int | None:
        """Return an allowed cell around it that takes values in the order of preference."""

    def proof(self, mask: int) -> Proof:
        """Explain a combination that `allows` refused."""


@dataclass(slots=True)
class Rules:
    """Forbidden partial assignments; exact, by depth-first search with unit propagation."""

    space: Space
    forbidden: tuple[int, ...]
    _involved: int = 0
    """All bits of the axes that occur in a rule: nothing else decides."""
    _rules_of: dict[int, list[int]] = field(default_factory=dict)
    _known: dict[int, bool] = field(default_factory=dict)

    def __post_init__(self) -> None:
        axes = {self.space.owner[bit] for rule in self.forbidden for bit in bits(rule)}
        self._involved = sum(self.space.fields[axis] for axis in axes)
        for rule in self.forbidden:
            for bit in bits(rule):
                self._rules_of.setdefault(bit, []).append(rule)

    @property
    def is_open(self) -> bool:
        """Whether there is no rule."""
        return not self.forbidden

    def allows(self, mask: int) -> bool:
        """Look the involved part up, or search."""
        part = mask & self._involved
        known = self._known.get(part)
        if known is None:
            known = self._known[part] = self._search(part, self._preference()) is not None
        return known

    def complete(self, mask: int, preference: Sequence[Sequence[int]]) -> int | None:
        """Search a cell: involved axes by search, the others by preference."""
        found = self._search(mask, preference)
        if found is None:
            return None
        for axis in self.space.open_axes(found):
            found |= 1 << preference[axis][0]
        return found

    def _preference(self) -> list[range]:
        return [self.space.literals(axis) for axis in range(len(self.space.names))]

    def _search(self, mask: int, preference: Sequence[Sequence[int]]) -> int | None:
        """Assign all involved axes without breaking a rule, the tightest axis first."""
        excluded = 0
        for rule in self.forbidden:
            rest = rule & ~mask
            if not rest:
                return None
            if not rest & (rest - 1):
                excluded |= rest
        return self._extend(mask, excluded, preference)

    def _extend(self, mask: int, excluded: int, preference: Sequence[Sequence[int]]) -> int | None:
        tightest, fewest = -1, 0
        for axis, owned in enumerate(self.space.fields):
            if mask & owned or not owned & self._involved:
                continue
            left = (owned & ~excluded).bit_count()
            if left == 0:
                return None
            if tightest < 0 or left < fewest:
                tightest, fewest = axis, left
        if tightest < 0:
            return mask
        for bit in preference[tightest]:
            if excluded >> bit & 1:
                continue
            grown = mask | 1 << bit
            found = self._extend(grown, excluded | self._implied(bit, grown), preference)
            if found is not None:
                return found
        return None

    def _implied(self, bit: int, mask: int) -> int:
        """Return the values that would now complete a rule."""
        implied = 0
        for rule in self._rules_of.get(bit, ()):
            rest = rule & ~mask
            if not rest & (rest - 1):
                implied |= rest
        return implied

    def proof(self, mask: int) -> Proof:
        """Name the rule that is broken, or say that the rules together leave no cell."""
        for rule in self.forbidden:
            if rule & ~mask == 0:
                return Proof(reason=f"forbidden: {words(self.space, rule)}", is_proven=True)
        return Proof(reason="the rules together leave no cell with it", is_proven=True)


@dataclass(slots=True)
class Listed:
    """A predicate over so few cells that each was asked."""

    space: Space
    cells: tuple[int, ...]
    _known: dict[int, bool] = field(default_factory=dict)

    @property
    def is_open(self) -> bool:
        """Whether every cell is allowed."""
        return len(self.cells) == prod(len(values) for values in self.space.values)

    def allows(self, mask: int) -> bool:
        """Look for a cell that contains the assignment."""
        known = self._known.get(mask)
        if known is None:
            known = self._known[mask] = any(mask & ~cell == 0 for cell in self.cells)
        return known

    def complete(self, mask: int, preference: Sequence[Sequence[int]]) -> int | None:
        """Return the cell that follows the preferences best."""
        rank = {bit: place for order in preference for place, bit in enumerate(order)}
        fitting = (cell for cell in self.cells if mask & ~cell == 0)
        return min(fitting, key=lambda cell: [rank[bit] for bit in bits(cell)], default=None)

    def proof(self, mask: int) -> Proof:
        """All cells were asked, and none is allowed."""
        del mask
        return Proof(reason="the predicate forbids every cell with it", is_proven=True)


@dataclass(slots=True)
class Sampled:
    """A predicate over too many cells to ask them all."""

    space: Space
    forbid: Predicate
    random: random.Random
    _known: dict[int, int | None] = field(default_factory=dict)
    """A cell with the assignment, or that none was found."""
    _proven: set[int] = field(default_factory=set)
    _witnesses: list[int] = field(default_factory=list)

    @property
    def is_open(self) -> bool:
        """Nobody knows."""
        return False

    def allows(self, mask: int) -> bool:
        """Look for a witness: among the latest ones, then by samples or by asking all."""
        if mask not in self._known:
            self._known[mask] = self._find(mask)
        return self._known[mask] is not None

    def complete(self, mask: int, preference: Sequence[Sequence[int]]) -> int | None:
        """Return the preferred cell if it is allowed, else the witness."""
        open_axes = self.space.open_axes(mask)
        wanted = mask | sum(1 << preference[axis][0] for axis in open_axes)
        if self._is_allowed(wanted):
            return wanted
        return self._known[mask] if self.allows(mask) else None

    def _find(self, mask: int) -> int | None:
        open_axes = self.space.open_axes(mask)
        for cell in reversed(self._witnesses):
            if mask & ~cell == 0:
                return cell
        size = prod(len(self.space.literals(axis)) for axis in open_axes)
        return (
            self._ask_all(mask, open_axes) if size <= SAMPLES else self._ask_some(mask, open_axes)
        )

    def _ask_all(self, mask: int, open_axes: list[int]) -> int | None:
        for chosen in product(*(self.space.literals(axis) for axis in open_axes)):
            cell = mask | sum(1 << bit for bit in chosen)
            if self._is_allowed(cell):
                return cell
        self._proven.add(mask)
        return None

    def _ask_some(self, mask: int, open_axes: list[int]) -> int | None:
        for _ in range(SAMPLES):
            cell = mask
            for axis in open_axes:
                cell |= 1 << self.random.choice(self.space.literals(axis))
            if self._is_allowed(cell):
                return cell
        return None

    def _is_allowed(self, cell: int) -> bool:
        if self.forbid(self.space.decode(cell)):
            return False
        self._witnesses.append(cell)
        del self._witnesses[:-KEPT_WITNESSES]
        return True

    def proof(self, mask: int) -> Proof:
        """Say whether all cells with the combination were asked, or only samples of them."""
        if mask in self._proven:
            return Proof(reason="the predicate forbids every cell with it", is_proven=True)
        reason = f"not proven: {SAMPLES} sampled cells with it are forbidden, others were not asked"
        return Proof(reason=reason, is_proven=False)


def judge_of(space: Space, forbid: Predicate | Sequence[Mapping[str, str]], seed: int) -> Judge:
    """Choose the judge for rules or a predicate."""
    if not callable(forbid):
        rules = [space.encode(rule, f"rule {number}") for number, rule in enumerate(forbid, 1)]
        return Rules(space, tuple(dict.fromkeys(rules)))
    if prod(len(values) for values in space.values) > WHOLE_SPACE:
        return Sampled(space, forbid, random.Random(seed))
    cells = []
    for chosen in product(*(space.literals(axis) for axis in range(len(space.names)))):
        cell = sum(1 << bit for bit in chosen)
        if not forbid(space.decode(cell)):
            cells.append(cell)
    return Listed(space, tuple(cells))


def words(space: Space, mask: int) -> str:
    """Return an assignment as people write it: `os=windows, arch=aarch64`."""
    return ", ".join(f"{name}={value}" for name, value in space.decode(mask).items())
