"""Stream one pytest process: a test's start is on disk before it runs, its result before the next one starts.

One write per test: the result of a test goes out together with the start of the next. Anything that did
not pass goes out at once. A crash can therefore lose nothing but the test it was in.
"""

from __future__ import annotations

import json
from typing import Any

import pytest

from hotfire_testframework.contract.identifiers import TestId, pytest_test_id
from hotfire_testframework.contract.outcomes import UNCOLLECTED
from hotfire_testframework.errors import IdentifierError
from hotfire_testframework.pytest_plugin.event_file import EventFile, encode_event
from hotfire_testframework.pytest_plugin.outcome import TestState


class EventStream:
    """Hooks of one process in which tests run one after the other."""

    def __init__(self, file: EventFile, worker: str | None, finished: frozenset[str]) -> None:
        self._file = file
        self._worker = worker
        self._finished = finished
        self._start_end = f',"worker":"{worker}"}}\n' if worker else "}\n"
        self._quoted: dict[str, str] = {}
        self._tries: dict[str, int] = {}
        self._pending = ""
        self._count = 0
        self._state = TestState()
        # The hot path: these are looked up three times per test.
        self._duration = 0.0
        self._is_plain = True
        self._repeats = False
        self._head = ""

    # -- collection -----------------------------------------------------------------------------

    @pytest.hookimpl(trylast=True)
    def pytest_collection_modifyitems(
        self, config: pytest.Config, items: list[pytest.Item]
    ) -> None:
        """Give every test its identifier; leave out those that have a result from an earlier process."""
        owners: dict[str, str] = {}
        kept: list[pytest.Item] = []
        dropped: list[pytest.Item] = []
        for item in items:
            identifier = identify(item)
            node_id = item.nodeid
            if owners.setdefault(identifier, node_id) != node_id:
                raise pytest.UsageError(
                    f"two tests have the identifier {identifier!r}: {owners[identifier]} and {node_id}"
                )
            self._quoted[node_id] = json.dumps(identifier)
            (dropped if identifier in self._finished else kept).append(item)
        if dropped:
            items[:] = kept
            config.hook.pytest_deselected(items=dropped)

    def pytest_collection_finish(self, session: pytest.Session) -> None:
        """Say what will run before the first test does."""
        quoted = self._quoted
        tests = ",".join(
            quoted.get(item.nodeid) or self._quote(item.nodeid) for item in session.items
        )
        self._file.write(f'{{"kind":"collected","harness":"pytest","tests":[{tests}]}}\n')

    def pytest_collectreport(self, report: pytest.CollectReport) -> None:
        """A module that cannot be imported is a result of its own: errored, in the test's code."""
        if report.outcome != "failed" or self._worker not in (None, "gw0"):
            return
        body = {
            "test": str(pytest_test_id(report.nodeid or "collection")),
            "try": 1,
            "outcome": "errored",
            "failure_class": "test",
            "duration_ns": 0,
            "message": UNCOLLECTED,
            "detail": str(report.longrepr),
        }
        self._file.write(encode_event("test_attempt", body))

    # -- tests ----------------------------------------------------------------------------------

    @pytest.hookimpl(tryfirst=True)
    def pytest_runtest_logstart(self, nodeid: str) -> None:
        """Write the last result and this start in one call."""
        if not self._is_plain:
            self._end_special()  # A try that is repeated and whose teardown was not reported.
        quoted = self._quoted.get(nodeid) or self._quote(nodeid)
        number = self._tries.get(nodeid, 0) + 1
        self._tries[nodeid] = number
        self._duration = 0.0
        self._repeats = False
        self._head = f'"test":{quoted},"try":{number}'
        self._file.write(f'{self._pending}{{"kind":"test_start",{self._head}{self._start_end}')
        self._pending = ""

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """Fold the reports of setup, call and teardown into one result."""
        if self._repeats and report.when == "setup":
            # A repetition that rerunfailures did not announce by logstart (versions before 16.7).
            self.pytest_runtest_logstart(report.nodeid)
        self._duration += report.duration
        if report.outcome != "passed" or hasattr(report, "wasxfail") or hasattr(report, "context"):
            self._is_plain = False
            self._state.add(report)
            self._repeats = self._repeats or str(report.outcome) == "rerun"
        if report.when == "teardown":
            if self._is_plain:
                nanoseconds = int(self._duration * 1e9)
                self._pending = (
                    f'{{"kind":"test_attempt",{self._head},'
                    f'"outcome":"passed","duration_ns":{nanoseconds}}}\n'
                )
                self._count += 1
            else:
                self._end_special()

    def pytest_sessionfinish(self, exitstatus: int) -> None:
        """Write the last result; only a process that is no worker says that the list is done."""
        self._flush()
        if self._worker is None:
            body = {"count": self._count, "exit_status": int(exitstatus)}
            self._file.write(encode_event("finish", body))

    def pytest_unconfigure(self) -> None:
        """Close the file."""
        self._flush()
        self._file.close()

    # -- for the fixture ------------------------------------------------------------------------

    def identifier_of(self, node_id: str) -> str:
        """Return the identifier under which a node is recorded."""
        return str(json.loads(self._quoted.get(node_id) or self._quote(node_id)))

    def emit(self, kind: str, body: dict[str, Any]) -> None:
        """Write an event of the running test."""
        self._file.write(encode_event(kind, body))

    def add_metrics(self, metrics: dict[str, Any]) -> None:
        """Keep metrics for the result of the running test."""
        self._is_plain = False
        self._state.metrics.update(metrics)

    # -------------------------------------------------------------------------------------------

    def _end_special(self) -> None:
        state, self._state = self._state, TestState()
        self._is_plain = True
        text = json.dumps(state.fold(), ensure_ascii=True, separators=(",", ":"), default=str)
        nanoseconds = int(self._duration * 1e9)
        self._pending = (
            f'{{"kind":"test_attempt",{self._head},"duration_ns":{nanoseconds},{text[1:]}\n'
        )
        self._count += 1
        self._flush()

    def _flush(self) -> None:
        if self._pending:
            self._file.write(self._pending)
            self._pending = ""

    def _quote(self, node_id: str) -> str:
        quoted = json.dumps(str(pytest_test_id(node_id)))
        self._quoted[node_id] = quoted
        return quoted


def identify(item: pytest.Item) -> str:
    """Return the identifier of an item: its marker's, else the one its node id gives."""
    marker = item.get_closest_marker("hotfire_id")
    if marker is None:
        return str(pytest_test_id(item.nodeid))
    try:
        return str(TestId.parse(*marker.args))
    except (IdentifierError, TypeError, AttributeError) as error:
        raise pytest.UsageError(
            f"{item.nodeid}: the marker hotfire_id is wrong: {error}"
        ) from error
