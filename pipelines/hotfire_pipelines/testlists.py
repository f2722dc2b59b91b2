"""Test lists by hardware condition: which entries of a list a machine is asked to run.

Two notations of one model are read: the test-db files of TensorRT-LLM (`version:`, then contexts of
blocks with `condition` and `tests`), and ours (`schema: hotfire.dev/testlists/1`, `lists:` of blocks
with `when` and `tests`). Blocks are alternatives in the order of the file. Within a block every key
must hold: `ranges` compare numbers (`gte`, `lte`), `wildcards` match one of their patterns without
regard to case, `terms` are equal strings. A key that the query or the block lacks holds; `na` (the
probe failed) is a value like any other.
"""

from __future__ import annotations

import json
import math
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
from hotfire_pipelines.testlist_entries import TestEntry, parse_entry

__all__ = ["Block", "Decision", "Requirement", "TestEntry", "TestLists", "parse_entry", "read"]

SCHEMA = "hotfire.dev/testlists/1"
_KINDS = ("ranges", "wildcards", "terms")
_BOUNDS = ("gte", "lte")
_TRUTHS = ("true", "false")


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
        folded = value.lower()
        if self.kind == "terms":
            # A truth is not a text: `true` in YAML is `True` to whoever asks from Python.
            return value in self.patterns or (folded in _TRUTHS and folded in self.patterns)
        return any(fnmatchcase(folded, pattern.lower()) for pattern in self.patterns)

    def __str__(self) -> str:
        """Return the requirement in words: `gpu like *a10*`, `2 ≤ system_gpu_count ≤ 4`."""
        if self.kind == "ranges":
            if self.at_least == self.at_most and self.at_least is not None:
                return f"{self.key} = {self.at_least:g}"
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

    def obstacles(self, conditions: Mapping[str, str]) -> tuple[Requirement, ...]:
        """Return the requirements that a query contradicts; none: the block holds."""
        return tuple(
            requirement
            for requirement in self.requirements
            if requirement.key in conditions and not requirement.holds(conditions[requirement.key])
        )

    def explain(self, conditions: Mapping[str, str]) -> Decision:
        """Say whether the block is in, and why."""
        obstacles = self.obstacles(conditions)
        if obstacles:
            reason = "; ".join(
                f"{one}, but {one.key} is {conditions[one.key]}" for one in obstacles
            )
            return Decision(block=self, is_selected=False, reason=reason, obstacles=len(obstacles))
        unasked = [str(one) for one in self.requirements if one.key not in conditions]
        reason = "every condition holds" if self.requirements else "it has no condition"
        if unasked:
            reason += f" (the query does not say: {'; '.join(unasked)})"
        return Decision(block=self, is_selected=True, reason=reason)


@dataclass(frozen=True, slots=True, kw_only=True)
class Decision:
    """Why a block is in or out."""

    block: Block
    is_selected: bool
    reason: str
    obstacles: int = 0
    """Conditions that the query contradicts."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TestLists:
    """All lists of one file."""

    __test__ = False

    file: str
    contexts: tuple[str, ...]
    """Names of the lists, in the order of the file."""
    blocks: tuple[Block, ...]

    @property
    def keys(self) -> tuple[str, ...]:
        """Everything that a block asks for, by name."""
        return tuple(dict.fromkeys(one.key for block in self.blocks for one in block.requirements))

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
        return [
            block.explain(conditions) for block in self.blocks if context in (None, block.context)
        ]

    def render(self) -> str:
        """Return the file in our notation; reading it gives the same blocks, but for their places."""
        lines = [f"schema: {SCHEMA}", "lists:"]
        for context in self.contexts:
            is_empty = all(block.context != context for block in self.blocks)
            lines.append(f"  {json.dumps(context)}:{' []' if is_empty else ''}")
            for block in self.blocks:
                if block.context == context:
                    when = json.dumps(_condition(block), ensure_ascii=False)
                    tests = [json.dumps(str(entry), ensure_ascii=False) for entry in block.entries]
                    lines += [f"  - when: {when}", "    tests:" if tests else "    tests: []"]
                    lines += [f"    - {test}" for test in tests]
        return "\n".join(lines) + "\n"

    def _nothing(self, conditions: Mapping[str, str], context: str | None) -> str:
        query = ", ".join(f"{key}={value}" for key, value in sorted(conditions.items()))
        where = f"the list {context!r}" if context else "the lists"
        found = f"{self.file}: nothing in {where} is selected by the query {{{query}}}"
        decisions = self.explain(conditions, context)
        if not decisions:
            return f"{found}: there is no block"
        nearest = min(decisions, key=lambda one: one.obstacles)
        said = nearest.reason if nearest.obstacles else f"{nearest.reason}, and it lists no test"
        block = f"the nearest block of {len(decisions)}" if len(decisions) > 1 else "its block"
        return f"{found}; {block} is {nearest.block.source}: {said}"


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
    contexts = tuple(name for name in top if name != "version")
    blocks: list[Block] = []
    for name in contexts:
        blocks += _blocks(document, name, (name,), "condition")
    return TestLists(file=document.file, contexts=contexts, blocks=tuple(blocks))


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
    return TestLists(file=document.file, contexts=tuple(lists), blocks=tuple(blocks))


def _blocks(document: Document, context: str, place: Place, condition: str) -> Iterator[Block]:
    is_ours = condition == "when"
    for number, value in enumerate(_sequence(document, place, is_ours=is_ours)):
        at = (*place, number)
        block = _mapping(document, at, value)
        _known(document, at, block, (condition, "tests"))
        requirements = tuple(_requirements(document, (*at, condition), block.get(condition)))
        if "tests" not in block:
            where = document.key(*at)
            raise InvalidValueError(where, "the key 'tests' is missing", "Add `tests:`.")
        tests = _sequence(document, (*at, "tests"), is_ours=is_ours)
        entries = tuple(
            _entry(document, (*at, "tests", index), test, is_ours=is_ours)
            for index, test in enumerate(tests)
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
        if not patterns:
            where = document.at(*place)
            raise InvalidValueError(where, f"{key} is an empty list", "Write what it may be.")
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


def _entry(document: Document, place: Place, value: object, *, is_ours: bool) -> TestEntry:
    where = document.at(*place)
    if isinstance(value, dict):
        if not is_ours:
            remedy = "Write the line in quotes: `: ` makes it a mapping."
            raise InvalidValueError(where, f"{value!r} is no test", remedy)
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
        is_nothing = one < 1 if type(one) is int else not str(one).strip()
        if is_nothing or {'"', "'"} <= set(str(one)):
            where = document.at(*place, name)
            remedy = "Write something, with one kind of quotes, or remove the key."
            raise InvalidValueError(where, f"{name} is {one!r}", remedy)
    if "test" not in fields:
        raise InvalidValueError(document.at(*place), "the key `test` is missing", "Add it.")
    return TestEntry(source=document.at(*place), **fields)  # type: ignore[arg-type]


def _number(value: str) -> float | None:
    try:
        number = float(value)
    except ValueError:
        return None
    # Python reads `1_0` and `nan` too, and no order holds for the latter.
    return None if "_" in value or math.isnan(number) else number


def _condition(block: Block) -> dict[str, dict[str, object]]:
    condition: dict[str, dict[str, object]] = {}
    for one in block.requirements:
        bounds = {"gte": one.at_least, "lte": one.at_most}
        limits = {name: bound for name, bound in bounds.items() if bound is not None}
        wanted = limits if one.kind == "ranges" else list(one.patterns)
        condition.setdefault(one.kind, {})[one.key] = wanted
    return condition


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


def _sequence(document: Document, place: Place, *, is_ours: bool) -> Sequence[object]:
    value: object = document.value
    for part in place:
        value = value[part]  # type: ignore[index]
    if isinstance(value, list):
        return value
    if value is None and not is_ours:
        return ()  # Everything below the key is commented out, as real lists have it.
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
