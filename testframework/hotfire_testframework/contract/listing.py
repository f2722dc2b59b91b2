"""Tests of a list that a task is asked to run: entries as the plan freezes them, and what is of one."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from hotfire_testframework.contract.identifiers import TestId, pytest_test_id
from hotfire_testframework.errors import DecodeError


@dataclass(frozen=True, slots=True, kw_only=True)
class ListedTest:
    """One entry: a folder, a file, a class, a test with all its parameters, or one test."""

    test: str
    """From the list's root, with `/`: `unit/test_a.py::TestB::test_c[1]`."""
    keyword: str | None = None
    """pytest's `-k`, for this entry alone."""
    marker: str | None = None
    """pytest's `-m`, for this entry alone."""
    timeout_s: float | None = None
    """Limit of each of its tests, instead of the task's; silence is allowed as long."""
    isolation: bool = False
    """Runs in a process of its own, after the others."""

    def __post_init__(self) -> None:
        path = self.test.partition("::")[0]
        if not path or path[0] in "/\\-" or ".." in path.split("/"):
            raise DecodeError("test", self.test, "a path below the list's root, or a node id")
        if self.timeout_s is not None and not self.timeout_s > 0:
            raise DecodeError("timeout_s", self.timeout_s, "more than 0 seconds")

    def lists(self, node: str) -> bool:
        """Say whether a node id, its path from the list's root, is of this entry; -k and -m apart."""
        return is_of(self.test, node)


def is_of(entry: str, node: str) -> bool:
    """Say whether a node id is of an entry, both with their paths from one root."""
    if node == entry:
        return True
    path, separator, names = entry.partition("::")
    if not separator:
        if path.rstrip("/") == ".":
            return True
        return node.startswith((f"{path.rstrip('/')}/", f"{path}::"))
    if "[" in names:
        return node.startswith(f"{entry}::")
    return node.startswith((f"{entry}::", f"{entry}["))


class Homes:
    """Of some entries, those that no other one holds: where an entry, and a test, belongs.

    Told by paths and names alone: what `-k` and `-m` leave out of an entry is of it all the same.
    """

    def __init__(self, entries: Iterable[str]) -> None:
        named = list(dict.fromkeys(entries))
        known = {_plain(entry): entry for entry in reversed(named)}
        self._homes = {
            entry: next(known[name] for name in _holders(entry) if name in known) for entry in named
        }
        self._tests: dict[str, str] = {}
        for home in dict.fromkeys(self._homes.values()):
            path, separator, _ = home.partition("::")
            of = pytest_test_id(home)
            if _plain(home) == ".":
                self._tests[""] = home
            elif separator or path.endswith(".py"):
                # A test that bears the name of its file stood for what was not there.
                self._tests[f"{of.module}/{of.name if separator else ''}"] = home
            else:
                self._tests[f"{of.module}."] = home

    def of_entry(self, entry: str) -> str:
        """Return the entry that holds this one of them: itself, or the widest."""
        return self._homes[entry]

    def of_test(self, identifier: str) -> str | None:
        """Return the entry that a test identifier of pytest is of; None: none of them."""
        test = TestId.parse(identifier)
        if test.scheme != "pytest":
            return None
        folders = test.module.split(".")
        places = ["", *(f"{'.'.join(folders[:end])}." for end in range(1, len(folders)))]
        if not test.name.endswith(".py"):
            places += [f"{test.module}/{name}" for name in ("", *_outer_names(test.name))]
        return next((self._tests[place] for place in places if place in self._tests), None)


def _plain(entry: str) -> str:
    return entry if "::" in entry else entry.rstrip("/")


def _holders(entry: str) -> Iterator[str]:
    """Yield the names of whatever could hold an entry, the widest first, itself last."""
    path, separator, names = _plain(entry).partition("::")
    yield "."
    parts = path.split("/")
    for end in range(1, len(parts) + 1):
        yield "/".join(parts[:end])
    if separator:
        for name in _outer_names(names):
            yield f"{path}::{name}"


def _outer_names(names: str) -> Iterator[str]:
    """Yield classes around a test, then the test without its parameters, then with them."""
    head, bracket, _ = names.partition("[")
    parts = head.split("::")
    for end in range(1, len(parts) + 1):
        yield "::".join(parts[:end])
    if bracket:
        yield names
