"""Tests of a list that a task is asked to run: entries as the plan freezes them, and what is of one."""

from __future__ import annotations

from dataclasses import dataclass

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
