"""On the controller of xdist: name the test in which a worker died, and say when all is done.

Workers write their own events, since a start must be on disk before the test runs, and the controller
hears of it only afterwards.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from hotfire_testframework.contract.identifiers import pytest_test_id
from hotfire_testframework.pytest_plugin.event_file import EventFile, encode_event


class CrashWatch:
    """Hooks of the controller."""

    def __init__(self, file: EventFile, path: Path) -> None:
        self._file = file
        self._path = path

    @pytest.hookimpl(optionalhook=True)
    def pytest_handlecrashitem(self, crashitem: str, report: pytest.TestReport) -> None:
        """Record the result of the test in which a worker died."""
        node: Any = getattr(report, "node", None)
        worker = str(getattr(getattr(node, "gateway", None), "id", ""))
        found = self._last_start(worker)
        test, number = found or (str(pytest_test_id(crashitem)), 1)
        body = {
            "test": test,
            "try": number,
            "outcome": "failed",
            "failure_class": "product",
            "message": f"the worker {worker} crashed in this test",
            "detail": str(report.longrepr),
        }
        self._file.write(encode_event("test_attempt", body))

    def pytest_sessionfinish(self, exitstatus: int) -> None:
        """Say that the list is done."""
        self._file.write(encode_event("finish", {"exit_status": int(exitstatus)}))

    def pytest_unconfigure(self) -> None:
        """Close the file."""
        self._file.close()

    def _last_start(self, worker: str) -> tuple[str, int] | None:
        """Return what the worker started last; the marker hotfire_id is known only there."""
        found: tuple[str, int] | None = None
        for line in self._path.read_bytes().splitlines():
            if b'"test_start"' not in line:
                continue
            event = json.loads(line)
            if event.get("worker") == worker:
                found = (event["test"], event["try"])
        return found
