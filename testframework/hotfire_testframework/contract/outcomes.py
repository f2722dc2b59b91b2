"""Closed sets of words for one attempt of a test, one verdict, one phase, one harness."""

from __future__ import annotations

from enum import Enum

UNCOLLECTED = "could not be collected"
"""Message of the result that a module has whose tests could not be collected."""


class Outcome(str, Enum):
    """What one attempt of one test says. failed: the test says no; errored: we could not ask."""

    PASSED = "passed"
    FAILED = "failed"
    SKIPPED = "skipped"
    ERRORED = "errored"
    PRECLUDED = "precluded"

    __str__ = str.__str__


class Verdict(str, Enum):
    """Fold over all results of one test × variant in one run."""

    PASSED = "passed"
    FAILED = "failed"
    FLAKY = "flaky"
    SKIPPED = "skipped"
    ERRORED = "errored"
    PRECLUDED = "precluded"
    MISSING = "missing"
    NOT_EXECUTABLE = "not_executable"

    __str__ = str.__str__


class Phase(str, Enum):
    """The three phases of an attempt, in their order."""

    SETUP = "setup"
    RUN = "run"
    TEARDOWN = "teardown"

    __str__ = str.__str__


class ReportFormat(str, Enum):
    """What other tools write and ingest reads."""

    JUNIT = "junit"
    GTEST_JSON = "gtest-json"
    TAP = "tap"
    REPORTLOG = "reportlog"
    GOOGLE_BENCHMARK = "google-benchmark"
    PYTEST_BENCHMARK = "pytest-benchmark"
    ASV = "asv"

    __str__ = str.__str__


class Harness(str, Enum):
    """How the runner drives the tests of a task."""

    COMMAND = "command"
    CASES = "cases"
    GTEST = "gtest"
    PYTEST = "pytest"

    __str__ = str.__str__
