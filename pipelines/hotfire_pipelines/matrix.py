"""Expands one task's matrix: product, then exclude, then include, as GitHub Actions does."""

from __future__ import annotations

import hashlib
import itertools
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from math import prod

Assignment = dict[str, str]
Rule = Mapping[str, str]

BLOCK = 1_024
"""Assignments of the last axes that are built once and joined to every beginning."""
KEPT_BLOCKS = 1_024
COUNTED_STATES = 200_000
OPPOSITE = bytes.maketrans(b"01", b"\x01\x00")


def expand(
    axes: Mapping[str, Sequence[str]],
    include: Sequence[Rule] = (),
    exclude: Sequence[Rule] = (),
) -> list[Assignment]:
    """All assignments in a fixed order; the same assignment never appears twice.

    An `exclude` removes what agrees with all its keys. An `include` is added to every
    assignment of the product whose original values it does not change (it may change what an
    earlier include added); if there is none, it is an assignment of its own.
    """
    return add_includes(list(Product(axes, exclude)) if axes else [], include)


def add_includes(
    originals: Sequence[Mapping[str, str]], include: Sequence[Rule]
) -> list[Assignment]:
    """Extend assignments by includes, or append them; see `expand`."""
    extended = [dict(row) for row in originals]
    alone: list[Assignment] = []
    for extra in include:
        targets = [
            row
            for original, row in zip(originals, extended, strict=True)
            if all(original.get(axis, value) == value for axis, value in extra.items())
        ]
        for row in targets:
            row.update(extra)
        if not targets:
            alone.append(dict(extra))
    return _without_repetition([*extended, *alone])


def agrees(assignment: Mapping[str, str], rule: Mapping[str, str]) -> bool:
    """Whether an assignment has every value that the rule names."""
    return all(assignment.get(axis) == value for axis, value in rule.items())


def _without_repetition(rows: list[Assignment]) -> list[Assignment]:
    unique: dict[tuple[tuple[str, str], ...], Assignment] = {}
    for row in rows:
        unique.setdefault(tuple(sorted(row.items())), row)
    return list(unique.values())


@dataclass(frozen=True, slots=True)
class _Tails:
    """What can follow a beginning: assignments of the last axes, and the same as text."""

    rows: list[Assignment]
    texts: list[str]


class Product:
    """The product of axes without what rules forbid, streamed: memory does not grow with its size.

    Beginnings that a rule forbids are never continued. The last axes are expanded once for each
    set of rules that a beginning has left open, and joined to it.
    """

    def __init__(self, axes: Mapping[str, Sequence[str]], forbidden: Sequence[Rule] = ()) -> None:
        self._axes = {name: tuple(values) for name, values in axes.items()}
        relevant = [
            rule
            for rule in forbidden
            if all(axis in axes and value in axes[axis] for axis, value in rule.items())
        ]
        self._forbidden = [dict(rule) for rule in relevant]
        self._names = list(self._axes)
        self._head = self._head_length()
        self._tails: dict[int, _Tails] = {}
        self._every: _Tails | None = None
        self._struck: dict[int, int] = {}

    def __iter__(self) -> Iterator[Assignment]:
        """Yield assignments in the order of axes and values as given."""
        for beginning, _, tails in self._blocks():
            for tail in tails.rows:
                yield beginning | tail

    def digested(self, digest: hashlib._Hash) -> Iterator[Assignment]:
        """Yield assignments, and feed the digest one line `axis=value,…` for each."""
        for beginning, text, tails in self._blocks():
            if tails.texts:
                digest.update(text.encode())
                digest.update(f"\n{text}".join(tails.texts).encode())
                digest.update(b"\n")
            for tail in tails.rows:
                yield beginning | tail

    def digest(self) -> str:
        """Return the sha256 over all assignments; the order of axes and values does not matter."""
        found = hashlib.sha256()
        for _ in self.ordered().digested(found):
            pass
        return found.hexdigest()

    def ordered(self) -> Product:
        """Return the same product with axes and values in alphabetical order."""
        axes = {name: sorted(self._axes[name]) for name in sorted(self._axes)}
        return Product(axes, self._forbidden)

    def size(self) -> int | None:
        """Count the assignments without building them; None where that would take too long.

        Axis by axis, the beginnings are merged that leave the same rules open.
        """
        last = [max(map(self._names.index, rule), default=-1) for rule in self._forbidden]
        if -1 in last:
            return 0
        ways = {(1 << len(self._forbidden)) - 1: 1}
        for place, name in enumerate(self._names):
            ending = sum(1 << rule for rule, end in enumerate(last) if end == place)
            grown: dict[int, int] = {}
            for value in self._axes[name]:
                kept = self._compatible(name, value)
                for open_rules, number in ways.items():
                    left = open_rules & kept
                    if not left & ending:
                        key = left & ~ending
                        grown[key] = grown.get(key, 0) + number
            if len(grown) > COUNTED_STATES:
                return None
            ways = grown
        return sum(ways.values())

    def bound(self) -> int:
        """The size if nothing were forbidden."""
        return prod(len(values) for values in self._axes.values())

    def _compatible(self, axis: str, value: str) -> int:
        """Return the rules that a value does not contradict, as bits."""
        return sum(
            1 << number
            for number, rule in enumerate(self._forbidden)
            if rule.get(axis, value) == value
        )

    def _head_length(self) -> int:
        length, size = len(self._names), 1
        while length and size * len(self._axes[self._names[length - 1]]) <= BLOCK:
            length -= 1
            size *= len(self._axes[self._names[length]])
        return length

    def _blocks(self) -> Iterator[tuple[Assignment, str, _Tails]]:
        if any(not rule for rule in self._forbidden):
            return
        kept = {
            (axis, value): self._compatible(axis, value)
            for axis in self._names[: self._head]
            for value in self._axes[axis]
        }
        ends: list[int] = [0] * self._head
        for number, rule in enumerate(self._forbidden):
            last = max(map(self._names.index, rule))
            if last < self._head:
                ends[last] |= 1 << number
        done = sum(ends)

        def walk(
            place: int, row: Assignment, text: str, rules: int
        ) -> Iterator[tuple[Assignment, str, _Tails]]:
            if place == self._head:
                yield row, text, self._tails_for(rules & ~done)
                return
            axis = self._names[place]
            for value in self._axes[axis]:
                left = rules & kept[axis, value]
                if not left & ends[place]:
                    grown = f"{text}{axis}={value},"
                    yield from walk(place + 1, {**row, axis: value}, grown, left)

        yield from walk(0, {}, "", (1 << len(self._forbidden)) - 1)

    def _tails_for(self, rules: int) -> _Tails:
        found = self._tails.get(rules)
        if found is None:
            if len(self._tails) >= KEPT_BLOCKS:
                self._tails.clear()
            found = self._tails[rules] = self._filter_tails(rules)
        return found

    def _filter_tails(self, rules: int) -> _Tails:
        """Take the tails that no open rule forbids: one bit string says which they are."""
        if self._every is None:
            self._every, self._struck = self._expand_tails()
        forbidden = 0
        for number, struck in self._struck.items():
            if rules >> number & 1:
                forbidden |= struck
        if not forbidden:
            return self._every
        width = len(self._every.rows)
        kept = f"{forbidden:0{width}b}".encode().translate(OPPOSITE)
        rows = itertools.compress(self._every.rows, kept)
        return _Tails(list(rows), list(itertools.compress(self._every.texts, kept)))

    def _expand_tails(self) -> tuple[_Tails, dict[int, int]]:
        """Build all tails, and for each rule the tails that complete it, the first as highest bit."""
        names = self._names[self._head :]
        product = itertools.product(*(self._axes[name] for name in names))
        rows = [dict(zip(names, values, strict=True)) for values in product]
        struck = {}
        for number, rule in enumerate(self._forbidden):
            wanted = [(axis, value) for axis, value in rule.items() if axis in names]
            if wanted:
                signs = (
                    "1" if all(row[axis] == value for axis, value in wanted) else "0"
                    for row in rows
                )
                struck[number] = int("".join(signs), 2)
        texts = [",".join(f"{axis}={value}" for axis, value in row.items()) for row in rows]
        return _Tails(rows, texts), struck
