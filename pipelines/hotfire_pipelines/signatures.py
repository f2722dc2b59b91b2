"""Search a regular expression in a message in time that grows with its length and no faster.

`re` tries one way after another, and a hostile message can make it try for years: `(a+)+b`. Here all
ways are followed at once. What cannot be followed so (references back, looking around, atomic groups)
is refused; everything else means what it means to `re`.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from functools import lru_cache
from importlib import import_module
from typing import Any

from hotfire_pipelines.errors import SignatureError

# The standard library's own parser, so that a text means here what it means there.
_parser: Any = import_module("re._parser")

LONGEST_MESSAGE = 65_536
"""Signs of a message that are looked at, from its beginning."""
MOST_STATES = 1_000
"""Of one expression; a counted repeat has those of what it repeats for each count."""
MEMORY = 5_000
"""Steps that are remembered; then it begins to remember anew."""

_Test = Callable[[str], bool]
_END = ""
"""What stands before the first and behind the last sign."""
_SPACES = frozenset("\x1c\x1d\x1e\x1f")


@dataclass(frozen=True, slots=True)
class _Sign:
    """Goes on to `to` over one sign."""

    test: _Test
    to: int


@dataclass(frozen=True, slots=True)
class _Place:
    """Goes on to `to` without a sign, where (sign before, sign behind, is it the last) allows it."""

    allows: Callable[[str, str, bool], bool]
    to: int


@dataclass(frozen=True, slots=True)
class _Fork:
    """Goes on to all of `to` without a sign."""

    to: list[int]


@dataclass(slots=True)
class _Machine:
    states: list[_Sign | _Place | _Fork | None] = field(default_factory=lambda: [None])
    """The first is the end: found."""
    memory: dict[tuple[frozenset[int], str, str, bool], frozenset[int] | None] = field(
        default_factory=dict
    )

    def add(self, state: _Sign | _Place | _Fork) -> int:
        if len(self.states) >= MOST_STATES:
            raise SignatureError("its counted repeats are too large; write a shorter one")
        self.states.append(state)
        return len(self.states) - 1

    def search(self, start: int, text: str) -> bool:
        last = len(text) - 1
        active: frozenset[int] | None = frozenset([start])
        before = _END
        for place, sign in enumerate(text):
            assert active is not None
            key = (active, before, sign, place == last)
            if key not in self.memory:
                if len(self.memory) >= MEMORY:
                    self.memory.clear()
                self.memory[key] = self._step(start, *key)
            active = self.memory[key]
            if active is None:
                return True
            before = sign
        assert active is not None
        return 0 in self._reached(active, before, _END, is_last=True)

    def _step(
        self, start: int, active: frozenset[int], before: str, sign: str, is_last: bool
    ) -> frozenset[int] | None:
        """Return where it goes over a sign; None: found before it."""
        reached = self._reached(active, before, sign, is_last=is_last)
        if 0 in reached:
            return None
        states = (self.states[number] for number in reached)
        onward = {one.to for one in states if isinstance(one, _Sign) and one.test(sign)}
        # What is looked for may begin at each sign.
        return frozenset(onward | {start})

    def _reached(self, active: Iterable[int], before: str, sign: str, *, is_last: bool) -> set[int]:
        reached: set[int] = set()
        open_ = list(active)
        while open_:
            number = open_.pop()
            if number in reached:
                continue
            reached.add(number)
            state = self.states[number]
            if isinstance(state, _Fork):
                open_ += state.to
            elif isinstance(state, _Place) and state.allows(before, sign, is_last):
                open_.append(state.to)
        return reached


@dataclass(frozen=True, slots=True)
class Signature:
    """An expression that can be searched in any message."""

    _machine: _Machine
    _start: int

    def is_in(self, message: str) -> bool:
        """Say whether `re.search` would find it in the message (`LONGEST_MESSAGE` signs of it)."""
        return self._machine.search(self._start, message[:LONGEST_MESSAGE])


@lru_cache(maxsize=256)
def compile_signature(pattern: str) -> Signature:
    """Read an expression; SignatureError says what is wrong with it."""
    try:
        re.compile(pattern)
        parsed = _parser.parse(pattern)
    except (re.error, RecursionError, OverflowError) as error:
        raise SignatureError(f"it is no regular expression: {error}") from error
    machine = _Machine()
    return Signature(machine, _build(machine, parsed, 0, parsed.state.flags))


def _build(machine: _Machine, parsed: Any, to: int, flags: int) -> int:
    """Add the states of a sequence that leads to `to`; return its first."""
    for operation, value in reversed(list(parsed)):
        to = _build_one(machine, str(operation), value, to, flags)
    return to


def _build_one(machine: _Machine, operation: str, value: Any, to: int, flags: int) -> int:
    match operation:
        case "LITERAL" | "NOT_LITERAL" | "ANY" | "IN":
            return machine.add(_Sign(_test_of(operation, value, flags), to))
        case "BRANCH":
            return machine.add(_Fork([_build(machine, way, to, flags) for way in value[1]]))
        case "SUBPATTERN":
            _, more, less, inner = value
            return _build(machine, inner, to, (flags | more) & ~less)
        case "MAX_REPEAT" | "MIN_REPEAT":
            return _repeat(machine, value, to, flags)
        case "AT":
            return machine.add(_Place(_place_of(str(value), flags), to))
        case _:
            said = operation.lower().replace("_", " ")
            raise SignatureError(
                f"it has a part that can take for ever ({said}); write it without references back, "
                "looking ahead or behind, atomic groups and possessive repeats"
            )


def _repeat(machine: _Machine, value: Any, to: int, flags: int) -> int:
    least, most, inner = value
    if most is _parser.MAXREPEAT:
        loop = _Fork([to])
        first = machine.add(loop)
        loop.to.append(_build(machine, inner, first, flags))
        to = first
    else:
        end = to
        for _ in range(most - least):
            to = machine.add(_Fork([end, _build(machine, inner, to, flags)]))
    for _ in range(least):
        # A repeat of nothing adds no state, however often.
        before, to = to, _build(machine, inner, to, flags)
        if to == before:
            break
    return to


def _test_of(operation: str, value: Any, flags: int) -> _Test:
    if operation == "ANY":
        return (lambda _: True) if flags & re.DOTALL else (lambda sign: sign != "\n")
    if operation == "NOT_LITERAL":
        operation, value = "IN", [("NEGATE", None), ("LITERAL", value)]
    if operation == "LITERAL":
        value = [("LITERAL", value)]
    items = [(str(kind), item) for kind, item in value]
    is_negated = items[0][0] == "NEGATE"
    tests = [_item_test(kind, item, flags) for kind, item in items if kind != "NEGATE"]

    def test(sign: str) -> bool:
        variants = {sign, sign.lower(), sign.upper()} if flags & re.IGNORECASE else {sign}
        return any(one(each) for one in tests for each in variants) != is_negated

    return test


def _item_test(kind: str, item: Any, flags: int) -> _Test:
    if kind == "LITERAL":
        return lambda sign: sign == chr(item)
    if kind == "RANGE":
        return lambda sign: len(sign) == 1 and item[0] <= ord(sign) <= item[1]
    name = str(item).removeprefix("CATEGORY_")
    is_wanted = not name.startswith("NOT_")
    category = {"DIGIT": str.isdecimal, "SPACE": str.isspace, "WORD": _is_word}[
        name.removeprefix("NOT_")
    ]
    if not flags & re.ASCII:
        return lambda sign: category(sign) == is_wanted
    # U+001C to U+001F are space to Unicode only.
    return lambda sign: (sign.isascii() and category(sign) and sign not in _SPACES) == is_wanted


def _is_word(sign: str) -> bool:
    return sign.isalnum() or sign == "_"


def _place_of(name: str, flags: int) -> Callable[[str, str, bool], bool]:
    lines = bool(flags & re.MULTILINE)

    def is_word(sign: str) -> bool:
        return _is_word(sign) and (sign.isascii() or not flags & re.ASCII)

    def begins(before: str, _sign: str, _is_last: bool) -> bool:
        return before == _END or (lines and name == "AT_BEGINNING" and before == "\n")

    def ends(_before: str, sign: str, is_last: bool) -> bool:
        if name == "AT_END_STRING":
            return sign == _END
        return sign == _END or (sign == "\n" and (is_last or lines))

    def bounds(before: str, sign: str, _is_last: bool) -> bool:
        return is_word(before) != is_word(sign)

    def continues(before: str, sign: str, is_last: bool) -> bool:
        # `re` finds no \B in an empty text.
        return not bounds(before, sign, is_last) and not (before == sign == _END)

    if name.startswith("AT_BEGINNING"):
        return begins
    if name.startswith("AT_END"):
        return ends
    return bounds if name == "AT_BOUNDARY" else continues
