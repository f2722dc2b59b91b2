"""`hotfire lists`: print a test list as it is understood, and why a test is in or out."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from hotfire_infra.analysis.quantities import count
from hotfire_infra.cli.console import data, progress, table
from hotfire_infra.cli.exit_codes import CliExit
from hotfire_infra.cli.problems import CliError
from hotfire_pipelines.errors import Location, PipelineError, UnknownNameError, suggest
from hotfire_pipelines.testlists import Block, Decision, TestEntry, TestLists, read

LISTED = ("LINE", "LIST", "TEST", "OPTIONS", "CONDITION")
EXPLAINED = ("BLOCK", "LIST", "ENTRY", "SELECTED", "WHY")


@dataclass(frozen=True, slots=True, kw_only=True)
class Explained:
    """What one block makes of a test; `entry` is none where it does not list it."""

    decision: Decision
    entry: TestEntry | None
    is_asked: bool

    @property
    def is_selected(self) -> bool | None:
        """None: no machine was described."""
        if self.entry is None:
            return False
        return self.decision.is_selected if self.is_asked else None

    @property
    def why(self) -> str:
        """In words."""
        if self.entry is None:
            return "does not list it"
        if not self.is_asked:
            return f"asks for {condition_of(self.decision.block)}"
        return self.decision.reason


@contextmanager
def _named() -> Iterator[None]:
    """Errors of the planner name the verb that was typed."""
    try:
        yield
    except PipelineError as error:
        error.add_note("See `hotfire lists --help`.")
        raise


@_named()
def show(file: Path, context: str | None, where: Sequence[str], *, as_json: bool) -> int:
    """Print every entry, or with `where` those of a machine; an empty selection is an error."""
    lists = read(file)
    query = query_of(where)
    _note_unasked(lists, query)
    if query:
        lists.select(query, context)
    # A block may be written once and used twice, so that a place names no block.
    entries = [
        (one.block, entry)
        for one in lists.explain(query, context)
        if one.is_selected
        for entry in one.block.entries
    ]
    if as_json:
        data(json.dumps([_entry_document(*one) for one in entries], ensure_ascii=False))
        return CliExit.OK
    rows = [
        (str(e.source.line), block.context, e.test, options_of(e), condition_of(block))
        for block, e in entries
    ]
    data(table(LISTED, rows, frozenset({0})))
    blocks_used = {id(block) for block, _ in entries}
    said = "selected" if query else "listed"
    progress(
        f" {lists.file}: {count(len(entries), 'entry', 'entries')} {said}, in "
        f"{len(blocks_used)} of {count(len(lists.blocks), 'block')}"
    )
    return CliExit.OK


@_named()
def explain(
    file: Path, test: str, context: str | None, where: Sequence[str], *, as_json: bool
) -> int:
    """Print for each block whether it lists a test, and whether its condition holds."""
    lists = read(file)
    query = query_of(where)
    _note_unasked(lists, query)
    found = explained(lists, test, context, query)
    if as_json:
        data(json.dumps([_explained_document(one) for one in found], ensure_ascii=False))
        return CliExit.OK
    words = {True: "yes", False: "no", None: ""}
    rows = [
        (
            f"{one.decision.block.source.line}",
            one.decision.block.context,
            "" if one.entry is None else f"line {one.entry.source.line}: {one.entry}",
            words[one.is_selected],
            one.why,
        )
        for one in found
    ]
    data(table(EXPLAINED, rows, frozenset({0})))
    return CliExit.OK


def explained(
    lists: TestLists, test: str, context: str | None, query: dict[str, str]
) -> list[Explained]:
    """Return what each block makes of a test; UnknownNameError where none lists it."""
    decisions = lists.explain(query, context)
    found: list[Explained] = []
    for decision in decisions:
        listed: list[TestEntry | None] = [*_entries(decision.block, test)]
        found += [
            Explained(decision=decision, entry=entry, is_asked=bool(query))
            for entry in listed or [None]
        ]
    if all(one.entry is None for one in found):
        known = {entry.test for one in decisions for entry in one.block.entries}
        start = Location(file=lists.file, line=1, column=1)
        raise UnknownNameError(start, f"no block lists {test!r}", suggest(test, known))
    return found


def query_of(where: Sequence[str]) -> dict[str, str]:
    """Read `key=value` words."""
    query: dict[str, str] = {}
    for word in where:
        key, sign, value = word.partition("=")
        if not sign or not key:
            raise CliError(
                f"--where {word!r} is no KEY=VALUE", next_command="hotfire lists show --help"
            )
        query[key] = value
    return query


def _note_unasked(lists: TestLists, query: dict[str, str]) -> None:
    """A mistyped key would hold everywhere, and nobody would see it."""
    for key in sorted(query.keys() - set(lists.keys)):
        progress(f" no block asks for {key!r}, so it decides nothing. {suggest(key, lists.keys)}")


def condition_of(block: Block) -> str:
    """Return a block's condition in words."""
    return ", ".join(str(one) for one in block.requirements) or "nothing"


def options_of(entry: TestEntry) -> str:
    """Return what follows the test in its line."""
    return str(entry).removeprefix(entry.test).strip()


def _entries(block: Block, test: str) -> list[TestEntry]:
    return [
        entry
        for entry in block.entries
        if test in (entry.selector, str(entry)) or entry.lists(test)
    ]


def _entry_document(block: Block, entry: TestEntry) -> dict[str, object]:
    return {
        "file": entry.source.file,
        "line": entry.source.line,
        "context": block.context,
        "test": entry.test,
        "keyword": entry.keyword,
        "marker": entry.marker,
        "timeout_minutes": entry.timeout_minutes,
        "isolation": entry.isolation,
        "condition": [str(one) for one in block.requirements],
    }


def _explained_document(one: Explained) -> dict[str, object]:
    block = one.decision.block
    return {
        "file": block.source.file,
        "line": block.source.line,
        "context": block.context,
        "entry": None if one.entry is None else _entry_document(block, one.entry),
        "selected": one.is_selected,
        "why": one.why,
    }
