"""Tests of a task by list: reads the file that it names, and asks it for each cell."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from hotfire_pipelines.constraints import Vocabulary
from hotfire_pipelines.document import Document, Place, is_file, names_beside
from hotfire_pipelines.errors import (
    EmptySelectionError,
    InvalidValueError,
    UnknownNameError,
    suggest,
)
from hotfire_pipelines.includes import inside
from hotfire_pipelines.list_choice import ListChoice
from hotfire_pipelines.schema import PipelineFile
from hotfire_pipelines.testlist_entries import TestEntry
from hotfire_pipelines.testlists import TestLists, read
from hotfire_testframework.contract.identifiers import TestId, pytest_test_id
from hotfire_testframework.contract.listing import ListedTest, is_of

ABSENT = "na"
"""What a list is told of a dimension that a platform does not have, as by a probe that failed."""

DIMENSION = "platform."


def load_lists(document: Document, definition: PipelineFile, root: Path) -> dict[str, TestLists]:
    """Read the lists that tasks name, by task; `root`: the folder that they must not leave.

    A path is relative to the file that names it. Raises DefinitionError for a list that is not there,
    a context that it does not have, and a condition that none of its blocks asks for.
    """
    found: dict[str, TestLists] = {}
    read_once: dict[Path, TestLists] = {}
    for name, task in definition.tasks.items():
        choice = task.tests
        if choice is None:
            continue
        place = ("tasks", name, "tests")
        where = document.at(*place, "list")
        file = Path(where.file)
        resolved = inside(root, file, choice.list, where)
        if not is_file(resolved):
            beside = names_beside(resolved, "*.y*ml")
            raise UnknownNameError(
                where, f"there is no test list {choice.list!r}", suggest(resolved.name, beside)
            )
        if resolved not in read_once:
            read_once[resolved] = read(file.parent / choice.list)
        found[name] = read_once[resolved]
        _check(document, place, name, choice, found[name])
    return found


def _check(
    document: Document, place: Place, task: str, choice: ListChoice, lists: TestLists
) -> None:
    if choice.context is not None and choice.context not in lists.contexts:
        raise UnknownNameError(
            document.at(*place, "context"),
            f"no list {choice.context!r} in {choice.list}",
            suggest(choice.context, lists.contexts),
        )
    for part, keys in (("conditions", choice.conditions or ()), ("values", choice.values)):
        for key in keys:
            if key not in lists.keys:
                raise UnknownNameError(
                    document.key(*place, part, key),
                    f"no block of {choice.list} asks for {key!r}, so that it decides nothing",
                    suggest(key, lists.keys),
                )
            if part == "values" and key in (choice.conditions or ()):
                raise InvalidValueError(
                    document.key(*place, part, key),
                    f"{key!r} of task {task!r} is in `conditions:` and in `values:`",
                    "Keep one of them.",
                )


def query_of(
    document: Document,
    task: str,
    choice: ListChoice,
    vocabulary: Vocabulary,
    axes: Mapping[str, str],
) -> dict[str, str]:
    """Return what a list is asked for a cell with these axes; UnknownNameError for a wrong name."""
    wanted = choice.conditions
    if wanted is None:
        names = vocabulary.names()
        wanted = {
            name.removeprefix(DIMENSION): name
            for name in sorted(names, key=lambda name: not name.startswith(DIMENSION))
            if name.removeprefix(DIMENSION) not in choice.values
        }
    for key, name in wanted.items():
        if vocabulary.values(name) is None:
            raise UnknownNameError(
                document.at("tasks", task, "tests", "conditions", key),
                f"{name!r} is neither an axis nor a dimension of a platform",
                suggest(name, vocabulary.names()),
            )
    asked = {key: vocabulary.reader(name)(axes) or ABSENT for key, name in wanted.items()}
    return {**asked, **choice.values}


def entries_of(
    document: Document,
    task: str,
    choice: ListChoice,
    lists: TestLists,
    query: Mapping[str, str],
    limit_s: float,
) -> tuple[TestEntry, ...]:
    """Return what a cell runs of a list, each selection once.

    An entry that several blocks list has the longest of their limits, and is alone where one says
    so. Raises InvalidValueError for an empty selection, with the query, and for an entry that is
    waived in the list or whose limit exceeds `limit_s`, that of the whole attempt.
    """
    try:
        found = lists.select(query, choice.context)
    except EmptySelectionError as error:
        raise InvalidValueError(
            document.key("tasks", task, "tests"),
            f"task {task!r}: {error}",
            "Correct the conditions, or take the cell out of the matrix.",
        ) from error
    merged: dict[str, TestEntry] = {}
    for entry in found:
        _check_entry(entry, task, limit_s)
        first = merged.setdefault(entry.selector, entry)
        limits = [one.timeout_minutes for one in (first, entry) if one.timeout_minutes]
        merged[entry.selector] = replace(
            first,
            timeout_minutes=max(limits, default=None),
            isolation=first.isolation or entry.isolation,
        )
    return tuple(merged.values())


def _check_entry(entry: TestEntry, task: str, limit_s: float) -> None:
    if entry.waiver is not None:
        raise InvalidValueError(
            entry.source,
            f"{entry.test!r} is marked {entry.waiver!r}, and a list says only what runs",
            "Write a waiver (docs/formats/waivers.md), and take the mark out of the list.",
        )
    if (entry.timeout_minutes or 0) * 60 > limit_s:
        raise InvalidValueError(
            entry.source,
            f"TIMEOUT ({entry.timeout_minutes}) of {entry.test!r} is longer than the whole attempt "
            f"of task {task!r} ({limit_s:g} s)",
            "Raise run_s in its `timeouts:`.",
        )


def listed_test(entry: TestEntry) -> ListedTest:
    """Return an entry as the plan carries it."""
    minutes = entry.timeout_minutes
    return ListedTest(
        test=entry.test,
        keyword=entry.keyword,
        marker=entry.marker,
        timeout_s=None if minutes is None else minutes * 60.0,
        isolation=entry.isolation,
    )


def expected_tests(
    entries: Sequence[TestEntry], recorded: Sequence[str] | None
) -> tuple[str, ...] | None:
    """Return what is expected of a list: recorded tests that it still lists, and those it spells out.

    A test with parameters is one test, known before anything was run. None: nothing is known.
    """
    spelt = {
        str(pytest_test_id(entry.test))
        for entry in entries
        if entry.test.endswith("]") and "::" in entry.test and entry.selector == entry.test
    }
    kept = {test for test in recorded or () if _is_listed(TestId.parse(test), entries)}
    return None if recorded is None and not spelt else tuple(sorted(spelt | kept))


def _is_listed(test: TestId, entries: Sequence[TestEntry]) -> bool:
    """A recorded test of an entry; one that bears the name of an entry's file stood for its lack."""
    for entry in entries:
        path, separator, names = entry.test.partition("::")
        of = pytest_test_id(entry.test)
        if separator:
            found = test.module == of.module and is_of(f"::{names}", f"::{test.name}")
        elif path.endswith(".py"):
            found = test.module == of.module and test.name != entry.test
        else:
            found = test.module.startswith(f"{of.module}.") or path == "."
        if found:
            return True
    return test.scheme != "pytest"
