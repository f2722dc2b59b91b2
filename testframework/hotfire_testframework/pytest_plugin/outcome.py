"""Fold pytest's reports of one try into one outcome, for every try that did not simply pass."""

from __future__ import annotations

from typing import Any

import pytest

DETAIL_LIMIT = 64 << 10
MESSAGE_LIMIT = 2000
# How bad an outcome is: a worse report of a later phase replaces a better one.
_RANK = {"passed": 0, "skipped": 1, "errored": 2, "failed": 3}


class TestState:
    """What the reports of one try have said so far."""

    __test__ = False
    __slots__ = ("_details", "_failure_class", "_message", "_outcome", "metrics")

    def __init__(self) -> None:
        self._outcome = "passed"
        self._failure_class: str | None = None
        self._message = ""
        self._details: list[str] = []
        self.metrics: dict[str, Any] = {}

    def add(self, report: pytest.TestReport) -> None:
        """Add a report of setup, call, teardown or a sub-test."""
        if hasattr(report, "context"):
            self._add_subtest(report)
        if hasattr(report, "wasxfail"):
            self._add_expected_failure(report)
        elif report.outcome == "skipped":
            self._raise_to("skipped", None, skip_reason(report))
        elif report.outcome != "passed":
            self._add_failure(report)

    def fold(self) -> dict[str, Any]:
        """Return the fields of the result."""
        body: dict[str, Any] = {"outcome": self._outcome}
        if self._failure_class:
            body["failure_class"] = self._failure_class
        if self._message:
            body["message"] = self._message[:MESSAGE_LIMIT]
        if self._details:
            body["detail"] = _shorten("\n".join(self._details))
        if self.metrics:
            body["metrics"] = self.metrics
        return body

    def _add_failure(self, report: pytest.TestReport) -> None:
        # The test says no in its call; a fixture that breaks means we could not ask.
        is_call = report.when in ("call", None)
        outcome, failure_class = ("failed", "product") if is_call else ("errored", "test")
        message = crash_message(report)
        if not is_call:
            message = f"{report.when}: {message}"
        self._raise_to(outcome, failure_class, message)
        text = report.longreprtext
        if text:
            self._details.append(text)

    def _add_expected_failure(self, report: pytest.TestReport) -> None:
        reason = str(getattr(report, "wasxfail", "")).removeprefix("reason: ")
        if report.outcome == "skipped":
            self._raise_to("skipped", None, f"expected failure: {reason}".rstrip(": "))
            self.metrics["xfail"] = True
        elif report.outcome == "passed":
            self._message = self._message or f"unexpectedly passed: {reason}".rstrip(": ")
            self.metrics["xpass"] = True
        else:
            self._add_failure(report)

    def _add_subtest(self, report: pytest.TestReport) -> None:
        self.metrics["subtests"] = self.metrics.get("subtests", 0) + 1
        if report.outcome == "failed":
            self.metrics["subtests_failed"] = self.metrics.get("subtests_failed", 0) + 1
            self._details.append(f"-- sub-test {subtest_name(report)}")

    def _raise_to(self, outcome: str, failure_class: str | None, message: str) -> None:
        if _RANK[outcome] > _RANK[self._outcome]:
            self._outcome, self._failure_class, self._message = outcome, failure_class, message


def crash_message(report: pytest.TestReport) -> str:
    """Return the first line that says what went wrong."""
    crash = getattr(report.longrepr, "reprcrash", None)
    text = crash.message if crash is not None else report.longreprtext
    lines = str(text).strip().splitlines()
    return lines[0] if lines else report.outcome


def skip_reason(report: pytest.TestReport) -> str:
    """Return the reason of a skip."""
    if isinstance(report.longrepr, tuple):
        return str(report.longrepr[2]).removeprefix("Skipped: ")
    return report.longreprtext


def subtest_name(report: pytest.TestReport) -> str:
    """Return message and parameters of a sub-test."""
    context = getattr(report, "context", None)
    parts = [str(part) for part in (getattr(context, "msg", None),) if part]
    parts.extend(
        f"{key}={value}" for key, value in dict(getattr(context, "kwargs", {}) or {}).items()
    )
    return " ".join(parts) or "(unnamed)"


def _shorten(text: str) -> str:
    if len(text) <= DETAIL_LIMIT:
        return text
    half = DETAIL_LIMIT // 2
    return f"{text[:half]}\n… {len(text) - 2 * half} characters left out …\n{text[-half:]}"
