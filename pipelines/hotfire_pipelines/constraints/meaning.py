"""What a constraint means: names and values checked against the pipeline, then a closure."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from fnmatch import translate

from hotfire_pipelines.constraints.grammar import (
    ORDER,
    All,
    Among,
    Compare,
    Like,
    Literal,
    Name,
    Not,
    Some,
    Tree,
    Where,
    parse,
    shown,
)
from hotfire_pipelines.errors import InvalidValueError, UnknownNameError, suggest

PLATFORM_AXIS = "platform"
EXECUTION = "execution"

Assignment = Mapping[str, str]
Test = Callable[[Assignment], bool]
Version = tuple[tuple[int, ...], str]


class Kind(StrEnum):
    """What a constraint does to the cells that it holds for."""

    FORBID = "forbid"
    REQUIRE = "require"


@dataclass(frozen=True, slots=True)
class Vocabulary:
    """The names that a constraint may use, and the values that each can have.

    `dimensions` are those of the platforms: platform name → dimension → value. A platform without
    a dimension has the empty text there; an axis that a cell does not have is at its default, else
    the empty text too.
    """

    axes: Mapping[str, Sequence[str]]
    dimensions: Mapping[str, Mapping[str, str]] = field(default_factory=dict)

    def values(self, name: str) -> Sequence[str] | None:
        """All values of a name, or None where the name is unknown."""
        key = self._dimension(name)
        if key is None:
            return self.axes.get(name)
        found = [of.get(key, "") for of in self.dimensions.values()]
        return list(dict.fromkeys(found)) if any(found) else None

    def names(self) -> list[str]:
        """Every name that is known."""
        keys = {key for of in self.dimensions.values() for key in of}
        derived = [EXECUTION if key == EXECUTION else f"{PLATFORM_AXIS}.{key}" for key in keys]
        return [*self.axes, *sorted(derived)]

    def axis_of(self, name: str) -> str:
        """The axis that decides a name."""
        return name if self._dimension(name) is None else PLATFORM_AXIS

    def reader(self, name: str) -> Callable[[Assignment], str]:
        """How a name is read from an assignment."""
        key = self._dimension(name)
        if key is None:
            return lambda cell: cell.get(name, "")
        of = {platform: found.get(key, "") for platform, found in self.dimensions.items()}
        return lambda cell: of.get(cell.get(PLATFORM_AXIS, ""), "")

    def _dimension(self, name: str) -> str | None:
        if name == EXECUTION:
            return EXECUTION
        head, dot, tail = name.partition(".")
        return tail if dot and head == PLATFORM_AXIS else None


@dataclass(frozen=True, slots=True)
class Constraint:
    """One understood constraint; `forbids` is its closure over an assignment of its axes."""

    kind: Kind
    text: str
    axes: tuple[str, ...]
    """The axes that decide it, sorted."""
    forbids: Test
    where: Where

    @property
    def name(self) -> str:
        """As it is cited in reasons: `forbid "a == 'b'"`."""
        return f'{self.kind} "{" ".join(self.text.split())}"'


def understand(text: str, kind: Kind, vocabulary: Vocabulary, where: Where) -> Constraint:
    """Parse and check one constraint.

    Raises InvalidValueError and UnknownNameError with the place of the wrong word, the value, and
    the nearest known name.
    """
    tree = parse(text, where)
    meaning = _Meaning(text, vocabulary, where)
    test = meaning.test(tree)
    axes = tuple(sorted({vocabulary.axis_of(name.text) for name in names_in(tree)}))
    forbids = test if kind is Kind.FORBID else _opposite(test)
    return Constraint(kind=kind, text=text, axes=axes, forbids=forbids, where=where)


def names_in(tree: Tree) -> Iterator[Name]:
    """Yield every name of an expression."""
    match tree:
        case Compare():
            yield tree.left
            if isinstance(tree.right, Name):
                yield tree.right
        case Among() | Like():
            yield tree.left
        case Not():
            yield from names_in(tree.part)
        case All() | Some():
            for part in tree.parts:
                yield from names_in(part)


def version(text: str) -> Version | None:
    """Return a number or version as something that compares (12 = 12.0 < 12.8 < 12.10), or None.

    What follows the numbers orders by text, and before the version without it if it starts with a
    hyphen, as releases do: 1.0-rc1 < 1.0 < 1.0a.
    """
    found = re.fullmatch(r"(\d+(?:\.\d+)*)([A-Za-z0-9_.+\-]*)", text)
    if found is None:
        return None
    numbers = [int(part) for part in found[1].split(".")]
    while len(numbers) > 1 and numbers[-1] == 0:
        numbers.pop()
    rest = found[2]
    return tuple(numbers), rest if rest.startswith("-") else f"~{rest}"


def _opposite(test: Test) -> Test:
    return lambda cell: not test(cell)


class _Meaning:
    """Checks a tree against the vocabulary while it makes closures of it."""

    def __init__(self, text: str, vocabulary: Vocabulary, where: Where) -> None:
        self._text = text
        self._vocabulary = vocabulary
        self._where = where

    def test(self, tree: Tree) -> Test:
        match tree:
            case Compare():
                return self._compare(tree)
            case Among():
                return self._among(tree)
            case Like():
                return self._like(tree)
            case Not():
                return _opposite(self.test(tree.part))
            case All():
                every = tuple(self.test(part) for part in tree.parts)
                return lambda cell: all(test(cell) for test in every)
            case Some():
                some = tuple(self.test(part) for part in tree.parts)
                return lambda cell: any(test(cell) for test in some)

    def _compare(self, tree: Compare) -> Test:
        values = self._values(tree.left)
        if tree.sign in ORDER:
            return self._order(tree, values)
        left = self._vocabulary.reader(tree.left.text)
        is_equal = tree.sign == "=="
        if isinstance(tree.right, Name):
            others = self._values(tree.right)
            if not set(values) & set(others):
                raise self._never(
                    tree.right.at, f"{tree.left.text!r} and {tree.right.text!r} never agree"
                )
            right = self._vocabulary.reader(tree.right.text)
            return lambda cell: (left(cell) == right(cell)) is is_equal
        wanted = self._known(tree.left, tree.right, values)
        return lambda cell: (left(cell) == wanted) is is_equal

    def _order(self, tree: Compare, values: Sequence[str]) -> Test:
        known = self._versions(tree.left, values)
        read = self._vocabulary.reader(tree.left.text)
        sign = tree.sign
        if isinstance(tree.right, Name):
            others = self._versions(tree.right, self._values(tree.right))
            other = self._vocabulary.reader(tree.right.text)
            return lambda cell: _in_order(known.get(read(cell)), sign, others.get(other(cell)))
        limit = version(tree.right.text)
        if limit is None:
            raise self._wrong(
                tree.right.at, f"{tree.right.text!r} is no number or version", "Write one: 12.8."
            )
        holding = {value for value, found in known.items() if _in_order(found, sign, limit)}
        return lambda cell: read(cell) in holding

    def _versions(self, name: Name, values: Sequence[str]) -> dict[str, Version]:
        found = {}
        for value in values:
            if not value:
                continue  # A platform without the dimension: no order holds.
            parsed = version(value)
            if parsed is None:
                raise self._wrong(
                    name.at,
                    f"{name.text!r} has the value {value!r}, which is no number or version",
                    "Compare it with == or in.",
                )
            found[value] = parsed
        return found

    def _among(self, tree: Among) -> Test:
        values = self._values(tree.left)
        wanted = frozenset(self._known(tree.left, choice, values) for choice in tree.choices)
        if len(wanted) < len(tree.choices):
            raise self._wrong(
                tree.choices[-1].at, "the list names a value twice", "Remove one of them."
            )
        read = self._vocabulary.reader(tree.left.text)
        return lambda cell: read(cell) in wanted

    def _like(self, tree: Like) -> Test:
        values = self._values(tree.left)
        matches = re.compile(translate(tree.pattern.text)).match
        wanted = frozenset(value for value in values if matches(value))
        if not wanted:
            raise self._never(
                tree.pattern.at,
                f"no value of {tree.left.text!r} is like {tree.pattern.text!r}",
                suggest(tree.pattern.text, [value for value in values if value]),
            )
        read = self._vocabulary.reader(tree.left.text)
        return lambda cell: read(cell) in wanted

    def _values(self, name: Name) -> Sequence[str]:
        values = self._vocabulary.values(name.text)
        if values is None:
            known = self._vocabulary.names()
            remedy = suggest(name.text, known)
            if any(name.text in self._vocabulary.axes[axis] for axis in self._vocabulary.axes):
                remedy = f"A value has quotes: '{name.text}'."
            raise UnknownNameError(
                self._where(name.at),
                f"unknown name {name.text!r} in {shown(self._text, name.at)}",
                remedy,
            )
        return values

    def _known(self, name: Name, literal: Literal, values: Sequence[str]) -> str:
        if literal.text in values:
            return literal.text
        known = [value for value in values if value]
        raise self._never(
            literal.at,
            f"{literal.text!r} is no value of {name.text!r}",
            suggest(literal.text, known),
        )

    def _never(
        self, at: int, problem: str, remedy: str = "Remove the constraint."
    ) -> UnknownNameError:
        return UnknownNameError(
            self._where(at), f"{problem}: it can never apply, {shown(self._text, at)}", remedy
        )

    def _wrong(self, at: int, problem: str, remedy: str) -> InvalidValueError:
        return InvalidValueError(self._where(at), f"{problem} in {shown(self._text, at)}", remedy)


def _in_order(left: Version | None, sign: str, right: Version | None) -> bool:
    if left is None or right is None:
        return False
    match sign:
        case "<":
            return left < right
        case "<=":
            return left <= right
        case ">":
            return left > right
    return left >= right
