"""The history of a test and of a series: values that pages, CLI and API print alike."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Protocol

from hotfire_infra.analysis.accuracy.tasks import TaskComparison
from hotfire_infra.analysis.change_reports import ChangeReport
from hotfire_infra.analysis.detector_quality import DetectorQuality
from hotfire_infra.analysis.noise import NoiseReport
from hotfire_infra.analysis.numerics.history import ErrorHistory
from hotfire_infra.analysis.questions import QuestionRun, Subject
from hotfire_infra.analysis.report import HoldReport, RunReport, Source
from hotfire_infra.analysis.run_comparison import RunComparison
from hotfire_infra.store.queries_measurements import MeasurementRow


@dataclass(frozen=True, slots=True, kw_only=True)
class RunSummary:
    """One line of the list of runs."""

    number: int
    ulid: str
    pipeline: str
    source: Source
    state: str
    verdict: str | None
    headline: str
    created_ns: int | None
    duration_ns: int | None
    totals: Mapping[str, int]
    priority: str = "developer"
    team: str = "default"
    note: str = ""
    """Why nothing of it runs yet, which newer run it was ended for, or what does not block."""

    @property
    def word(self) -> str:
        """The verdict once there is one, else the state."""
        return self.verdict or self.state


@dataclass(frozen=True, slots=True, kw_only=True)
class TestOccurrence:
    """One result of a test: where, in which run, what it said."""

    run: int
    revision: str
    created_ns: int | None
    platform: str
    cell: str
    variant: Mapping[str, str]
    attempt: str
    attempt_number: int
    outcome: str
    failure_class: str | None
    duration_ns: int | None
    message: str
    evidence: Mapping[str, object] = field(default_factory=dict)
    environment: Mapping[str, object] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class FlakeNote:
    """What the tries of a test in one variant say: a flake, a new failure, how often it fails."""

    variant: Mapping[str, str]
    kind: str
    """`new failure`, `known flake`, `first flake`, `undecided` or `no failure` (at present)."""
    words: str
    """All of it as one line."""
    broken: float
    """Posterior probability that the newest source is broken."""
    rate: float
    """Of false failures: posterior mean, and its 95 % interval from `low` to `high`."""
    low: float
    high: float
    runs: int
    """Passed and failed tries; what errored, was lost or preempted does not count."""
    failures: int


@dataclass(frozen=True, slots=True, kw_only=True)
class TestHistory:
    """All recorded results of one test identifier, newest run first."""

    test: str
    occurrences: tuple[TestOccurrence, ...]
    series: tuple[tuple[str, str], ...] = ()
    """(series key, words for it) of the measurements this test makes."""
    flakes: tuple[FlakeNote, ...] = ()
    """One for each variant in which it ever failed."""
    changes: tuple[ChangeReport, ...] = ()
    """Of its series, oldest first."""
    quarantines: tuple[str, ...] = ()
    """Each as one line, the newest first."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SeriesPoint:
    """One run's value in a series."""

    run: int
    revision: str
    created_ns: int | None
    value: float
    replicates: tuple[float, ...]
    probe: float | None
    valid: bool
    invalid_reason: str | None
    machine: str
    change: str
    change_reason: str
    interval: tuple[float, float, float] | None


@dataclass(frozen=True, slots=True, kw_only=True)
class SeriesHistory:
    """One metric's history for one test, variant and environment class, oldest first."""

    key: str
    test: str
    metric: str
    unit: str
    direction: str
    platform: str
    variant: Mapping[str, str]
    environment: str
    points: tuple[SeriesPoint, ...]
    changes: tuple[ChangeReport, ...] = ()
    """Oldest first, withdrawn ones included."""
    noise: str = ""
    """How far runs of the same code differ here, or that nobody knows."""


class Reports(Protocol):
    """What every door reads; the store answers it, tests answer it from literals."""

    def runs(self, limit: int) -> tuple[RunSummary, ...]:
        """Return the newest runs first."""
        ...

    def report(self, run: str) -> RunReport | None:
        """Return a run by number, id, unambiguous prefix or `latest`; None when there is none."""
        ...

    def test(self, identifier: str) -> TestHistory | None:
        """Return the history of a test; None for an identifier nobody recorded."""
        ...

    def series(self, key: str) -> SeriesHistory | None:
        """Return a series by its key or an unambiguous prefix of it."""
        ...

    def comparison(self, before: str, after: str) -> RunComparison:
        """Compare two runs by any of their names, or raise what is wrong with a name."""
        ...

    def noise(self) -> tuple[NoiseReport, ...]:
        """Return the noise of each metric on each kind of device."""
        ...

    def detector(self, limit: int) -> DetectorQuality:
        """Return how good the change detector is on this store, by its last checks."""
        ...


class CommandReports(Reports, Protocol):
    """What the command line reads beyond that, from the store beside it or from a service."""

    def find(self, run: str) -> RunReport:
        """Return a run by any of its names, or raise what is wrong with the name."""
        ...

    def measured(self, number: int) -> tuple[MeasurementRow, ...]:
        """Return the measurements of a run by its number."""
        ...

    def accuracy(self, before: int, after: int) -> tuple[TaskComparison, ...]:
        """Return the accuracy of run `after` against run `before`, by their numbers."""
        ...

    def kernel_errors(self, kernel: str) -> tuple[ErrorHistory, ...]:
        """Return the numeric errors of a kernel's cases over its last runs; none for no kernel."""
        ...

    def holds(self) -> tuple[HoldReport, ...]:
        """Return the machines that are kept for people now."""
        ...

    def subject(self, test: str, variant: Mapping[str, str], series: str) -> Subject:
        """Return what a bisection of a test, or of a series (its key), is about."""
        ...

    def question_runs(self, key: str, test: str) -> tuple[QuestionRun, ...]:
        """Return the runs of a bisection's question, oldest first, with what they said."""
        ...

    def similar_tests(self, text: str) -> tuple[str, ...]:
        """Return recorded identifiers that a mistyped one may have meant."""
        ...
