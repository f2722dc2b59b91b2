"""What the command line prints, read from a service: the same values that the store gives."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from urllib.parse import quote

from hotfire_infra.analysis.accuracy.tasks import TaskComparison
from hotfire_infra.analysis.detector_quality import DetectorQuality
from hotfire_infra.analysis.history import RunSummary, SeriesHistory, TestHistory
from hotfire_infra.analysis.noise import NoiseReport
from hotfire_infra.analysis.numerics.history import ErrorHistory
from hotfire_infra.analysis.questions import QuestionRun, Subject
from hotfire_infra.analysis.report import HoldReport, RunReport
from hotfire_infra.analysis.run_comparison import RunComparison
from hotfire_infra.analysis.transport import decode
from hotfire_infra.client.connection import Connection
from hotfire_infra.client.http import run_name
from hotfire_infra.errors import AmbiguousRunError, RunNotFoundError
from hotfire_infra.store.queries_measurements import MeasurementRow


@dataclass(frozen=True, slots=True)
class HttpReports:
    """`CommandReports` of a service."""

    connection: Connection

    def runs(self, limit: int) -> tuple[RunSummary, ...]:
        """Return the newest runs first."""
        answer = self.connection.request("GET", "/runs/summaries", query={"limit": limit})
        found: tuple[RunSummary, ...] = decode(tuple[RunSummary, ...], answer.content)
        return found

    def report(self, run: str) -> RunReport | None:
        """Return a run by any of its names; None when there is none or several."""
        try:
            return self.find(run)
        except (RunNotFoundError, AmbiguousRunError):
            return None

    def find(self, run: str) -> RunReport:
        """Return a run by any of its names, or raise what is wrong with the name."""
        answer = self.connection.request("GET", f"/runs/{run_name(run)}/report")
        found: RunReport = decode(RunReport, answer.content)
        return found

    def measured(self, number: int) -> tuple[MeasurementRow, ...]:
        """Return the measurements of a run by its number."""
        answer = self.connection.request("GET", f"/runs/{number}/measurements")
        found: tuple[MeasurementRow, ...] = decode(tuple[MeasurementRow, ...], answer.content)
        return found

    def accuracy(self, before: int, after: int) -> tuple[TaskComparison, ...]:
        """Return the accuracy of a run against an earlier one, by their numbers."""
        query = {"against": str(before)}
        answer = self.connection.request("GET", f"/runs/{after}/accuracy", query=query)
        found: tuple[TaskComparison, ...] = decode(tuple[TaskComparison, ...], answer.content)
        return found

    def comparison(self, before: str, after: str) -> RunComparison:
        """Compare two runs by any of their names, or raise what is wrong with a name."""
        path = f"/runs/{run_name(after)}/comparison"
        answer = self.connection.request("GET", path, query={"against": before})
        found: RunComparison = decode(RunComparison, answer.content)
        return found

    def noise(self) -> tuple[NoiseReport, ...]:
        """Return the noise of each metric on each kind of device."""
        answer = self.connection.request("GET", "/noise")
        found: tuple[NoiseReport, ...] = decode(tuple[NoiseReport, ...], answer.content)
        return found

    def kernel_errors(self, kernel: str) -> tuple[ErrorHistory, ...]:
        """Return the numeric errors of a kernel's cases, by group, over its last runs."""
        query = {"kernel": kernel}
        answer = self.connection.request("GET", "/kernels/errors", query=query)
        found: tuple[ErrorHistory, ...] = decode(tuple[ErrorHistory, ...], answer.content)
        return found

    def detector(self, limit: int) -> DetectorQuality:
        """Return how good the change detector is on the service's store."""
        answer = self.connection.request("GET", "/detector/quality", query={"limit": limit})
        found: DetectorQuality = decode(DetectorQuality, answer.content)
        return found

    def holds(self) -> tuple[HoldReport, ...]:
        """Return the machines that are kept for people now."""
        answer = self.connection.request("GET", "/holds/active")
        found: tuple[HoldReport, ...] = decode(tuple[HoldReport, ...], answer.content)
        return found

    def subject(self, test: str, variant: Mapping[str, str], series: str) -> Subject:
        """Return what a bisection of a test, or of a series (its key), is about."""
        axes = [f"{key}={value}" for key, value in sorted(variant.items())]
        query = {"test": test, "axis": axes, "series": series}
        answer = self.connection.request("GET", "/bisections/subject", query=query)
        found: Subject = decode(Subject, answer.content)
        return found

    def question_runs(self, key: str, test: str) -> tuple[QuestionRun, ...]:
        """Return the runs of a bisection's question, oldest first, with what they said."""
        answer = self.connection.request("GET", f"/bisections/{key}/runs", query={"test": test})
        found: tuple[QuestionRun, ...] = decode(tuple[QuestionRun, ...], answer.content)
        return found

    def similar_tests(self, text: str) -> tuple[str, ...]:
        """Return recorded identifiers that a mistyped one may have meant."""
        return tuple(self.connection.get("/tests/similar", text=text)["items"])

    def test(self, identifier: str) -> TestHistory | None:
        """Return the history of a test; None for an identifier without a result."""
        answer = self.connection.request(
            "GET", "/tests/history", query={"test": identifier}, accepted=(404,)
        )
        if answer.status_code == 404:
            return None
        found: TestHistory = decode(TestHistory, answer.content)
        return found

    def series(self, key: str) -> SeriesHistory | None:
        """Return a series by its key or an unambiguous prefix of it."""
        answer = self.connection.request(
            "GET", f"/series/{quote(key, safe='')}", accepted=(404, 422)
        )
        if not answer.is_success:
            return None
        found: SeriesHistory = decode(SeriesHistory, answer.content)
        return found
