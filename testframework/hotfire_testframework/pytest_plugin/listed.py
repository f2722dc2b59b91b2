"""Keep the tests that a list names, and say which of its entries name nothing.

pytest is given files and folders, not the entries: it would refuse to run at all for one node that is
not there. An entry without any test is an errored result, under the identifier that the entry has.
"""

from __future__ import annotations

import json
from pathlib import Path, PurePosixPath

import pytest

from hotfire_testframework.contract.identifiers import pytest_test_id
from hotfire_testframework.contract.listing import is_of
from hotfire_testframework.pytest_plugin.event_file import EventFile, encode_event


class Listed:
    """Hooks of one process that runs a part of a list."""

    def __init__(
        self, file: EventFile, worker: str | None, finished: frozenset[str], path: str
    ) -> None:
        asked = json.loads(Path(path).read_text(encoding="utf-8"))
        self._file = file
        self._speaks = worker in (None, "gw0")
        self._finished = finished
        self._root = Path(asked["root"])
        self._tests: list[str] = asked["tests"]

    @pytest.hookimpl(trylast=True)
    def pytest_collection_modifyitems(
        self, config: pytest.Config, items: list[pytest.Item]
    ) -> None:
        """Leave out what no entry names; last, so that `-k`, `-m` and conftest files have chosen."""
        by_path: dict[str, list[str]] = {}
        for test in self._tests:
            by_path.setdefault(test.partition("::")[0].rstrip("/"), []).append(test)
        named: set[str] = set()
        kept: list[pytest.Item] = []
        dropped: list[pytest.Item] = []
        for item in items:
            node = self._node(item)
            path = PurePosixPath(node.partition("::")[0])
            candidates = [t for part in (path, *path.parents) for t in by_path.get(str(part), ())]
            found = [test for test in candidates if is_of(test, node)]
            named.update(found)
            (kept if found else dropped).append(item)
        if dropped:
            items[:] = kept
            config.hook.pytest_deselected(items=dropped)
        if self._speaks:
            self._name_the_lost([test for test in self._tests if test not in named])

    def _node(self, item: pytest.Item) -> str:
        """Return the node id with its path from the root of the list."""
        names = item.nodeid.partition("::")[2]
        try:
            path = item.path.relative_to(self._root).as_posix()
        except ValueError:
            path = item.path.resolve().relative_to(self._root.resolve()).as_posix()
        return f"{path}::{names}"

    def _name_the_lost(self, tests: list[str]) -> None:
        for test in tests:
            identifier = str(pytest_test_id(test))
            if identifier in self._finished:
                continue
            there = (self._root / test.partition("::")[0]).exists()
            missing = "no test in it fits" if there else "the file is not there"
            body = {
                "test": identifier,
                "try": 1,
                "outcome": "errored",
                "failure_class": "test",
                "duration_ns": 0,
                "message": f"the test list names {test}, and {missing}",
            }
            self._file.write(encode_event("test_attempt", body))
