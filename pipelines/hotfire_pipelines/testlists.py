"""Test lists by hardware condition: which entries of a list a machine is asked to run.

Two notations of one model are read: the test-db files of TensorRT-LLM (`version:`, then contexts of
blocks with `condition` and `tests`), and ours (`schema: hotfire.dev/testlists/1`, `lists:` of blocks
with `when` and `tests`). Blocks are alternatives in the order of the file. Within a block every key
must hold: `ranges` compare numbers (`gte`, `lte`), `wildcards` match one of their patterns without
regard to case, `terms` are equal strings. A key that the query or the block lacks holds; `na` (the
probe failed) is a value like any other.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase
from pathlib import Path

from hotfire_pipelines.document import Document, Place, read_document
from hotfire_pipelines.errors import (
    EmptySelectionError,
    InvalidValueError,
    Location,
    UnknownNameError,
    suggest,
)

SCHEMA = "hotfire.dev/testlists/1"
_MARK = r"(?:ISOLATION|TIMEOUT\s*\(\s*\d+\s*\))"
_MARKS = re.compile(rf"\s+(?P<marks>{_MARK}(?:\s*,\s*{_MARK}|\s+{_MARK})*)\s*$")
_TIMEOUT = re.compile(r"TIMEOUT\s*\(\s*(\d+)\s*\)")
_LOST_MARK = re.compile(r"\s(?:ISOLATION|TIMEOUT)\b")
_OPTION = re.compile(r"\s+-(?P<name>[km])\s+(?P<value>\"[^\"]*\"|'[^']*'|\S+)(?=\s|$)")
_KINDS = ("ranges", "wildcards", "terms")
_BOUNDS = ("gte", "lte")


@dataclass(frozen=True, slots=True, kw_only=True)
class TestEntry:
    """One line of a list."""

    __test__ = False

    test: str
    """A file, a folder, or a node id with its parameters."""
    timeout_minutes: int | None = None
    isolation: bool = False
    """Runs in a process of its own, after the others."""
    keyword: str | None = None
    """pytest's `-k`."""
    marker: str | None = None
    """pytest's `-m`."""
    source: Location
    """File and line it stands in."""

    @property
    def selector(self) -> str:
        """The entry without TIMEOUT and ISOLATION: how durations are keyed."""
        parts = [self.test]
        if self.keyword is not None:
            parts.append(f'-k "{self.keyword}"')
        if self.marker is not None:
            parts.append(f'-m "{self.marker}"')
        return " ".join(parts)

    def __str__(self) -> str:
        """Return the line in test-db notation; parsing it gives the same entry."""
        marks = ["ISOLATION"] if self.isolation else []
        if self.timeout_minutes is not None:
            marks.append(f"TIMEOUT ({self.timeout_minutes})")
        return " ".join([self.selector, ",".join(marks)]).rstrip()


@dataclass(frozen=True, slots=True, kw_only=True)
class Requirement:
    """One key of a block's condition."""

    kind: str
    """`ranges`, `wildcards` or `terms`."""
    key: str
    patterns: tuple[str, ...] = ()
    at_least: float | None = None
    at_most: float | None = None

    def holds(self, value: str) -> bool:
        """Say whether a value of the query satisfies it."""
        if self.kind == "ranges":
            number = _number(value)
            if number is None:
                return False
            low = self.at_least is None or number >= self.at_least
            return low and (self.at_most is None or number <= self.at_most)
        if self.kind == "terms":
            return value in self.patterns
        folded = value.lower()
        return any(fnmatchcase(folded, pattern.lower()) for pattern in self.patterns)

    def __str__(self) -> str:
        """Return the requirement in words: `gpu like *a10*`, `1 ≤ system_gpu_count ≤ 1`."""
        if self.kind == "ranges":
            low = "" if self.at_least is None else f"{self.at_least:g} ≤ "
            return f"{low}{self.key}" + ("" if self.at_most is None else f" ≤ {self.at_most:g}")
        verb = "like" if self.kind == "wildcards" else "="
        return f"{self.key} {verb} {' or '.join(self.patterns)}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Block:
    """A condition and the entries under it."""

    context: str
    requirements: tuple[Requirement, ...]
    entries: tuple[TestEntry, ...]
    source: Location

    def obstacle(self, conditions: Mapping[str, str]) -> Requirement | None:
        """Return the first requirement that a query contradicts; none: the block holds."""
        for requirement in self.requirements:
            value = conditions.get(requirement.key)
            if value is not None and not requirement.holds(value):
                return requirement
        return None


@dataclass(frozen=True, slots=True, kw_only=True)
class Decision:
    """Why a block is in or out."""

    block: Block
    is_selected: bool
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class TestLists:
    """All lists of one file."""

    __test__ = False

    file: str
    blocks: tuple[Block, ...]

    @property
    def contexts(self) -> tuple[str, ...]:
        """Names of the lists, in the order of the file."""
        return tuple(dict.fromkeys(block.context for block in self.blocks))

    def select(self, conditions: Mapping[str, str], context: str | None = None) -> list[TestEntry]:
        """Return the entries for a machine, in file order; one that two blocks list comes twice.

        `conditions`: what the machine is, as strings. `context`: one list of the file; none: all.
        Raises EmptySelectionError, which prints the query, when nothing is selected, and
        UnknownNameError for a context that the file does not have.
        """
        found = [
            entry
            for decision in self.explain(conditions, context)
            if decision.is_selected
            for entry in decision.block.entries
        ]
        if not found:
            raise EmptySelectionError(self._nothing(conditions, context))
        return found

    def explain(self, conditions: Mapping[str, str], context: str | None = None) -> list[Decision]:
        """Return for each block of the list whether it is in, and why."""
        if context is not None and context not in self.contexts:
            start = Location(file=self.file, line=1, column=1)
            remedy = suggest(context, self.contexts)
            raise UnknownNameError(start, f"no list {context!r} in this file", remedy)
        decisions = []
        for block in self.blocks:
            if context in (None, block.context):
                obstacle = block.obstacle(conditions)
                reason = "every condition holds"
                if obstacle is not None:
                    reason = f"{obstacle}, but {obstacle.key} is {conditions[obstacle.key]}"
                decisions.append(Decision(block=block, is_selected=obstacle is None, reason=reason))
        return decisions

    def _nothing(self, conditions: Mapping[str, str], context: str | None) -> str:
        query = ", ".join(f"{key}={value}" for key, value in sorted(conditions.items()))
        where = f"the list {context!r}" if context else "the lists"
        reasons = "; ".join(
            f"line {one.block.source.line}: {one.reason}"
            for one in self.explain(conditions, context)
            if not one.is_selected
        )
        return (
            f"{self.file}: nothing in {where} is selected by the query {{{query}}}"
            f" ({reasons or 'no entry at all'})"
        )


def read(path: Path | str) -> TestLists:
    """Read a file in either notation; errors name file, line, value and remedy."""
    document = read_document(Path(path))
    top = document.value
    if not isinstance(top, dict):
        raise InvalidValueError(
            document.at(), "a test list is a mapping", "Start it with `version:` or `schema:`."
        )
    if "schema" in top:
        return _ours(document, top)
    blocks: list[Block] = []
    for name in top:
        if name != "version":
            blocks += _blocks(document, name, (name,), "condition")
    return TestLists(file=document.file, blocks=tuple(blocks))


def _ours(document: Document, top: Mapping[str, object]) -> TestLists:
    if top["schema"] != SCHEMA:
        raise InvalidValueError(
            document.at("schema"), f"unknown schema {top['schema']!r}", f"Write {SCHEMA}."
        )
    _known(document, (), top, ("schema", "lists"))
    lists = _mapping(document, ("lists",), top.get("lists"))
    blocks: list[Block] = []
    for name in lists:
        blocks += _blocks(document, name, ("lists", name), "when")
    return TestLists(file=document.file, blocks=tuple(blocks))


def _blocks(document: Document, context: str, place: Place, condition: str) -> Iterator[Block]:
    for number, value in enumerate(_sequence(document, place, _value(document, place))):
        at = (*place, number)
        block = _mapping(document, at, value)
        _known(document, at, block, (condition, "tests"))
        requirements = tuple(_requirements(document, (*at, condition), block.get(condition)))
        tests = _sequence(document, (*at, "tests"), block.get("tests"))
        entries = tuple(
            _entry(document, (*at, "tests", index), test) for index, test in enumerate(tests)
        )
        yield Block(
            context=context,
            requirements=requirements,
            entries=entries,
            source=document.at(*at),
        )


def _requirements(document: Document, place: Place, value: object) -> Iterator[Requirement]:
    if value is None:
        return
    condition = _mapping(document, place, value)
    _known(document, place, condition, _KINDS)
    for kind in _KINDS:
        if condition.get(kind) is not None:
            group = _mapping(document, (*place, kind), condition[kind])
            for key, wanted in group.items():
                yield _requirement(document, (*place, kind, key), kind, key, wanted)


def _requirement(
    document: Document, place: Place, kind: str, key: str, wanted: object
) -> Requirement:
    if kind != "ranges":
        several = wanted if isinstance(wanted, list) else [wanted]
        patterns = tuple(
            _scalar(document, (*place, number) if isinstance(wanted, list) else place, one)
            for number, one in enumerate(several)
        )
        return Requirement(kind=kind, key=key, patterns=patterns)
    bounds = _mapping(document, place, wanted)
    _known(document, place, bounds, _BOUNDS)
    numbers = {}
    for name, bound in bounds.items():
        number = _number(_scalar(document, (*place, name), bound))
        if number is None:
            where = document.at(*place, name)
            raise InvalidValueError(where, f"{bound!r} is no number", "Write a number.")
        numbers[name] = number
    return Requirement(kind=kind, key=key, at_least=numbers.get("gte"), at_most=numbers.get("lte"))


def _entry(document: Document, place: Place, value: object) -> TestEntry:
    where = document.at(*place)
    if isinstance(value, dict):
        return _entry_of_keys(document, place, value)
    if not isinstance(value, str) or not value.strip():
        raise InvalidValueError(where, f"{value!r} is no test", "Write its path or node id.")
    return parse_entry(value, where)


def _entry_of_keys(document: Document, place: Place, value: Mapping[str, object]) -> TestEntry:
    """Our notation's long form: the same fields by name."""
    _known(document, place, value, ("test", "timeout_minutes", "isolation", "keyword", "marker"))
    kinds: Mapping[str, type] = {"timeout_minutes": int, "isolation": bool}
    fields: dict[str, object] = {}
    for name, one in value.items():
        kind = kinds.get(name, str)
        if type(one) is not kind:
            where = document.at(*place, name)
            raise InvalidValueError(where, f"{name} is {one!r}", f"Write a {kind.__name__}.")
        fields[name] = one
    if "test" not in fields:
        raise InvalidValueError(document.at(*place), "the key `test` is missing", "Add it.")
    return TestEntry(source=document.at(*place), **fields)  # type: ignore[arg-type]


def parse_entry(line: str, source: Location) -> TestEntry:
    """Parse a line in test-db notation: `test -k "…" -m "…" ISOLATION,TIMEOUT (90)`."""
    rest = line.strip()
    timeout, isolation = None, False
    marks = _MARKS.search(rest)
    if marks:
        rest = rest[: marks.start()]
        isolation = "ISOLATION" in marks["marks"]
        minutes = _TIMEOUT.search(marks["marks"])
        timeout = int(minutes[1]) if minutes else None
    options: dict[str, str] = {}
    while (option := _OPTION.search(rest)) is not None:
        if option["name"] in options:
            raise InvalidValueError(
                source, f"-{option['name']} is given twice in {line!r}", "Join them with `and`."
            )
        options[option["name"]] = option["value"].strip("\"'")
        rest = rest[: option.start()] + rest[option.end() :]
    if lost := _LOST_MARK.search(rest):
        raise InvalidValueError(
            source,
            f"{lost[0].strip()} in {line!r} is not at the end, or has no minutes",
            "Write `… ISOLATION,TIMEOUT (90)`, the minutes as a whole number.",
        )
    return TestEntry(
        test=rest,
        timeout_minutes=timeout,
        isolation=isolation,
        keyword=options.get("k"),
        marker=options.get("m"),
        source=source,
    )


def _number(value: str) -> float | None:
    try:
        return float(value)
    except ValueError:
        return None


def _value(document: Document, place: Place) -> object:
    value: object = document.value
    for part in place:
        value = value[part]  # type: ignore[index]
    return value


def _scalar(document: Document, place: Place, value: object) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, (str, int, float)):
        # As written: `12.10` is not 12.1.
        return document.written.get(place, str(value))
    raise InvalidValueError(document.at(*place), f"{value!r} is no plain value", "Write a string.")


def _mapping(document: Document, place: Place, value: object) -> dict[str, object]:
    if isinstance(value, dict):
        return value
    raise InvalidValueError(
        document.at(*place), f"{value!r} is no mapping", "Write `key: value` lines below it."
    )


def _sequence(document: Document, place: Place, value: object) -> Sequence[object]:
    if isinstance(value, list):
        return value
    raise InvalidValueError(
        document.at(*place), f"{value!r} is no list", "Write items below it, each after `- `."
    )


def _known(
    document: Document, place: Place, value: Mapping[str, object], keys: Sequence[str]
) -> None:
    for key in value:
        if key not in keys:
            where = document.key(*place, key)
            raise InvalidValueError(where, f"unknown key {key!r}", suggest(key, keys))
