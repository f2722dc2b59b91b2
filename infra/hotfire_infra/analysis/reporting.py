"""Answer what every door reads, from the store: runs, one run, one test, one series."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace

from sqlalchemy import Connection

from hotfire_infra.analysis.accuracy.recording import declared_gates
from hotfire_infra.analysis.accuracy.tasks import TaskComparison, compare_accuracy
from hotfire_infra.analysis.attempt_notes import attempt_notes
from hotfire_infra.analysis.change_reports import ChangeReport
from hotfire_infra.analysis.cluster_notes import with_clusters
from hotfire_infra.analysis.comparing import comparison_of, known_noise
from hotfire_infra.analysis.confirmations import reports_of_run, shown_changes
from hotfire_infra.analysis.coverage import coverage_of
from hotfire_infra.analysis.detector_quality import DetectorQuality, detector_quality
from hotfire_infra.analysis.exoneration import exonerated_counts, exonerations_of
from hotfire_infra.analysis.flake_notes import flake_notes, with_flakes
from hotfire_infra.analysis.history import (
    RunSummary,
    SeriesHistory,
    SeriesPoint,
    TestHistory,
    TestOccurrence,
)
from hotfire_infra.analysis.noise import NoiseReport, words_of_series
from hotfire_infra.analysis.notices import merge_base_of, notices_of, with_excuses
from hotfire_infra.analysis.numerics.history import ErrorHistory, error_histories
from hotfire_infra.analysis.performance import latest_points
from hotfire_infra.analysis.quantities import NANOSECONDS, iso_utc
from hotfire_infra.analysis.quarantining import standings_of_test
from hotfire_infra.analysis.questions import (
    QuestionRun,
    Subject,
    runs_of_question,
    subject_of_series,
    subject_of_test,
)
from hotfire_infra.analysis.report import (
    CellReport,
    FailedTest,
    HoldReport,
    PerformancePoint,
    RunReport,
    Source,
)
from hotfire_infra.analysis.run_comparison import RunComparison
from hotfire_infra.analysis.summaries import cell_summary
from hotfire_infra.errors import AmbiguousRunError, RunNotFoundError
from hotfire_infra.states import RUN_TERMINAL, RunVerdict
from hotfire_infra.store.database import Store
from hotfire_infra.store.queries import find_run, newest_runs, snapshot, verdicts_of
from hotfire_infra.store.queries_cells import cells_by_verdict
from hotfire_infra.store.queries_holds import HoldRow, active_holds, holds_of_run
from hotfire_infra.store.queries_measurements import (
    ComparisonRow,
    MeasurementRow,
    comparisons_of_run,
    comparisons_of_series,
    measurements_of_run,
    points_of_series,
    series_called,
    series_of_test,
)
from hotfire_infra.store.queries_numerics import case_errors
from hotfire_infra.store.queries_pages import history_page
from hotfire_infra.store.queries_pending import pending_of_runs, said_by, superseded_by
from hotfire_infra.store.queries_tests import (
    CellFigures,
    ResultRow,
    coverage_bitmaps_of_run,
    figures_of_cells,
    similar_tests,
    test_key,
)
from hotfire_infra.store.rows import CellRow, RunRow, RunSnapshot, SourceRow, TestRow
from hotfire_infra.store.series_changes import changes_of_run, changes_of_series
from hotfire_testframework.contract.metrics import METRICS

MOST_RESULTS = 300
"""Of a test, the newest first."""
NOT_GREEN = ("failed", "errored", "flaky")
MOST_MISSING = 20
"""Missing tests listed by name; a cell that lost more has one cause, and its count says it."""
DEFAULT_URL = "http://127.0.0.1:8321"


class StoreReports:
    """`Reports` over an embedded store; `base_url` is where its pages are or would be served."""

    def __init__(self, store: Store, base_url: str = DEFAULT_URL) -> None:
        self._store = store
        self._base_url = base_url

    def runs(self, limit: int) -> tuple[RunSummary, ...]:
        """Return the newest runs first."""
        with self._store.reading() as connection:
            return _summaries(connection, newest_runs(connection, limit=limit))

    def runs_before(self, limit: int, number: int) -> tuple[RunSummary, ...]:
        """Return runs older than the one with this number, newest first."""
        with self._store.reading() as connection:
            return _summaries(connection, newest_runs(connection, limit=limit, before=number))

    def report(self, run: str) -> RunReport | None:
        """Return a run by any of its names; None when there is none or several."""
        try:
            return self.find(run)
        except (RunNotFoundError, AmbiguousRunError):
            return None

    def find(self, run: str) -> RunReport:
        """Return a run by any of its names, or raise what is wrong with the name."""
        with self._store.reading() as connection:
            row = find_run(connection, run)
            whole = snapshot(connection, row.id)
            report = _report(connection, whole, self._base_url)
            return replace(report, holds=self._holds(connection, row.id))

    def holds(self) -> tuple[HoldReport, ...]:
        """Return all machines that are kept now."""
        with self._store.reading() as connection:
            return tuple(self._hold(row) for row in active_holds(connection))

    def _holds(self, connection: Connection, run_id: int) -> tuple[HoldReport, ...]:
        return tuple(
            self._hold(row)
            for row in holds_of_run(connection, run_id)
            if row.released_ns is None or row.is_refused
        )

    def _hold(self, row: HoldRow) -> HoldReport:
        left = row.until_mono_ns - self._store.clock.mono_ns()
        return HoldReport(
            id=row.ulid,
            run=row.run_number,
            cell=row.cell_key,
            attempt=row.attempt_ulid,
            attempt_number=row.attempt_number,
            held_by=row.held_by,
            until=iso_utc(row.until_ns) or "",
            seconds_left=0 if row.is_refused else max(0, left // NANOSECONDS),
            directory=str(self._store.attempts / row.attempt_ulid / "work"),
            refusal=row.reason if row.is_refused else "",
        )

    def measured(self, number: int) -> tuple[MeasurementRow, ...]:
        """Return the measurements of a run by its number."""
        with self._store.reading() as connection:
            return measurements_of_run(connection, find_run(connection, str(number)).id)

    def accuracy(self, before: int, after: int) -> tuple[TaskComparison, ...]:
        """Return the accuracy of a run against an earlier one, by the gates of the later."""
        with self._store.reading() as connection:
            earlier, later = (find_run(connection, str(number)).id for number in (before, after))
            gates = declared_gates(self._store, connection, later)
            return compare_accuracy(connection, earlier, later, gates)

    def comparison(self, before: str, after: str) -> RunComparison:
        """Compare two runs by any of their names, or raise what is wrong with a name."""
        return comparison_of(self._store, self, before, after)

    def noise(self) -> tuple[NoiseReport, ...]:
        """Return the noise of each metric on each kind of device."""
        return known_noise(self._store)

    def kernel_errors(self, kernel: str) -> tuple[ErrorHistory, ...]:
        """Return the numeric errors of a kernel's cases, by group, over its last runs."""
        with self._store.reading() as connection:
            return error_histories(case_errors(connection, kernel))

    def detector(self, limit: int) -> DetectorQuality:
        """Return how good the change detector is on this store, by its last checks."""
        with self._store.reading() as connection:
            return detector_quality(connection, limit=limit)

    def subject(self, test: str, variant: Mapping[str, str], series: str) -> Subject:
        """Return what a bisection of a test, or of a series (its key), is about."""
        with self._store.reading() as connection:
            if series:
                return subject_of_series(connection, series)
            return subject_of_test(connection, test, variant)

    def question_runs(self, key: str, test: str) -> tuple[QuestionRun, ...]:
        """Return the runs of a bisection's question, oldest first, with what they said."""
        with self._store.reading() as connection:
            return runs_of_question(connection, key, test)

    def similar_tests(self, text: str) -> tuple[str, ...]:
        """Return recorded identifiers that a mistyped one may have meant."""
        with self._store.reading() as connection:
            return similar_tests(connection, text)

    def test(self, identifier: str) -> TestHistory | None:
        """Return the history of a test; None for an identifier without a result."""
        with self._store.reading() as connection:
            key = test_key(connection, identifier)
            page = history_page(connection, key, limit=MOST_RESULTS) if key is not None else None
            if key is None or page is None or not page.items:
                return None
            series = series_of_test(connection, key)
            flakes = flake_notes(connection, key)
            rows = changes_of_series(connection, [one for one, _, _ in series])
            changes = shown_changes(connection, rows)
            now = self._store.clock.wall_ns()
            standing = tuple(one.words for one in standings_of_test(connection, key, now))
        return TestHistory(
            test=identifier,
            occurrences=tuple(_occurrence(row) for row in page.items),
            series=tuple((key, f"{metric} · {machine}") for key, metric, machine in series),
            flakes=flakes,
            changes=changes,
            quarantines=standing,
        )

    def series(self, key: str) -> SeriesHistory | None:
        """Return a series by its key or an unambiguous prefix of at least eight signs."""
        if len(key) < 8:
            return None
        with self._store.reading() as connection:
            found = series_called(connection, key)
            if len(found) != 1:
                return None
            points = points_of_series(connection, found)
            judged = {row.run_id: row for row in comparisons_of_series(connection, found[0])}
            changes = shown_changes(connection, changes_of_series(connection, found))
            if not points:
                return None  # Only reruns measured it.
            noise = words_of_series(connection, points[-1])
        return replace(_series(points, judged, changes), noise=noise)


def _summaries(connection: Connection, rows: tuple[RunRow, ...]) -> tuple[RunSummary, ...]:
    verdicts = cells_by_verdict(connection, [run.id for run in rows])
    unfinished = [run.id for run in rows if run.state not in RUN_TERMINAL]
    pending = pending_of_runs(connection, unfinished)
    exonerated = exonerated_counts(connection, [run.id for run in rows])
    notes = {run_id: f"{n} exonerated" for run_id, n in exonerated.items()} | pending
    return tuple(_summary(run, verdicts.get(run.id, {}), notes.get(run.id, "")) for run in rows)


def _summary(run: RunRow, verdicts: Mapping[str | None, int], note: str) -> RunSummary:
    totals = {verdict: n for verdict, n in verdicts.items() if verdict is not None}
    undecided = verdicts.get(None, 0)
    if undecided:
        totals["undecided"] = undecided
    return RunSummary(
        number=run.number,
        ulid=run.ulid,
        pipeline=run.pipeline,
        source=_source(run.source),
        state=run.state,
        verdict=run.verdict,
        headline=run.headline,
        created_ns=run.created_ns,
        duration_ns=run.finalized_ns - run.created_ns if run.finalized_ns else None,
        totals=totals,
        priority=run.priority.value,
        team=run.team,
        note=_superseded(run) or note,
    )


def _superseded(run: RunRow) -> str:
    number = run.superseded_by_number
    return "" if number is None else f"superseded by run {number}"


def _source(row: SourceRow) -> Source:
    return Source(
        repository=row.repository,
        revision=row.revision,
        patch_digest=row.patch_digest or None,
        subject=row.subject,
    )


def _report(connection: Connection, whole: RunSnapshot, base_url: str) -> RunReport:
    run = whole.run
    measured = latest_points(measurements_of_run(connection, run.id))
    tests = _open_tests(connection, whole)
    figures = figures_of_cells(connection, run.id)
    expected = [cell.expected for cell in whole.cells]
    notes = attempt_notes(connection, whole.run.id)
    cells = [
        replace(_cell(cell, tests, measured, figures), notes=notes.get(cell.id, ()))
        for cell in whole.cells
    ]
    cells = with_flakes(connection, run.id, cells, [cell.id for cell in whole.cells])
    cells = with_clusters(connection, run.id, cells)
    exonerations = exonerations_of(connection, run.id)
    notices = notices_of(connection, run.id)
    return RunReport(
        number=run.number,
        ulid=run.ulid,
        pipeline=run.pipeline,
        source=_source(run.source),
        plan_digest=run.plan_digest,
        state=run.state,
        verdict=run.verdict,
        reasons=_reasons(run),
        url=f"{base_url}/r/{run.number}",
        cells=with_excuses(cells, exonerations, notices),
        tasks=len(whole.tasks),
        tests_expected=sum(n for n in expected if n) if any(n for n in expected) else None,
        estimate_seconds=None,
        created_ns=run.created_ns,
        finalized_ns=run.finalized_ns,
        coverage=coverage_of(coverage_bitmaps_of_run(connection, run.id)),
        performance=_performance(connection, run.id, measured),
        parent_number=run.parent_number,
        requested_by=run.requested_by,
        requested_for=said_by(connection, run.id),
        priority=run.priority.value,
        team=run.team,
        change=run.change,
        superseded_by=run.superseded_by_number,
        supersedes=superseded_by(connection, run.id),
        notices=notices,
        exonerations=exonerations,
        merge_base=merge_base_of(connection, run.id),
        changes=shown_changes(connection, changes_of_run(connection, run.id)),
        confirmations=reports_of_run(connection, run.id),
    )


def _reasons(run: RunRow) -> tuple[str, ...]:
    """Return the run's reasons; why it was ended says more than that it was."""
    superseded = _superseded(run)
    if superseded and run.verdict is RunVerdict.CANCELLED:
        return (superseded,)
    return run.reasons


def _open_tests(connection: Connection, whole: RunSnapshot) -> tuple[TestRow, ...]:
    run_id = whole.run.id
    missing = [
        row
        for cell in whole.cells
        if 0 < cell.tests.get("missing", 0) <= MOST_MISSING
        for row in verdicts_of(connection, run_id, verdicts=("missing",), cell_key=cell.key)
    ]
    return (*verdicts_of(connection, run_id, verdicts=NOT_GREEN), *missing)


def _cell(
    cell: CellRow,
    tests: Iterable[TestRow],
    measured: Iterable[MeasurementRow],
    figures: dict[int, CellFigures],
) -> CellReport:
    ended = cell.ended_ns if cell.verdict is not None else None
    span = ended - cell.started_ns if ended and cell.started_ns else None
    mine = tuple(row for row in measured if row.cell_key == cell.key)
    return CellReport(
        key=cell.key,
        task=cell.task,
        platform=cell.platform,
        variant=cell.variant,
        required=cell.required,
        state=cell.state,
        verdict=cell.verdict,
        reason=cell.reason,
        failure_class=cell.failure_class,
        attempts=cell.attempts,
        tests=cell.tests,
        duration_ns=span,
        summary=cell_summary(mine, figures.get(cell.id)),
        expected=cell.expected,
        failures=tuple(_failure(row) for row in tests if row.cell_id == cell.id),
        pending=cell.pending,
    )


WHY_MISSING = (
    "the plan expected it and nothing reported it; a test taken out on purpose is no longer "
    "expected by the next run"
)


def _failure(row: TestRow) -> FailedTest:
    said = "\n".join(text for text in (row.message, row.detail) if text)
    return FailedTest(
        test=row.test,
        outcome=row.verdict,
        failure_class=row.failure_class,
        message=said or (WHY_MISSING if row.verdict == "missing" else ""),
        cell=row.cell_key,
    )


def _triple(row: ComparisonRow | None) -> tuple[float, float, float] | None:
    if row is None or row.estimate is None or row.low is None or row.high is None:
        return None
    return (row.estimate, row.low, row.high)


def _performance(
    connection: Connection, run_id: int, measured: Iterable[MeasurementRow]
) -> tuple[PerformancePoint, ...]:
    judged = {row.series_key: row for row in comparisons_of_run(connection, run_id)}
    return tuple(_point(row, judged.get(row.series_key)) for row in measured)


def _point(row: MeasurementRow, judged: ComparisonRow | None) -> PerformancePoint:
    twin = judged.body.get("normalised") if judged else None
    return PerformancePoint(
        series=row.series_key,
        test=row.test,
        platform=row.platform,
        metric=row.metric,
        unit=row.unit,
        value=row.value,
        valid=row.valid,
        invalid_reason=row.reason or None,
        change=judged.outcome if judged else "too_few",
        change_reason=judged.reason if judged else "not compared yet",
        interval=_triple(judged),
        normalised=(twin[0], twin[1], twin[2]) if twin else None,
        earlier_runs=judged.baseline_points if judged else 0,
        replicates=len(row.replicates),
        noise=judged.body.get("noise", "") if judged else "",
    )


def _occurrence(row: ResultRow) -> TestOccurrence:
    return TestOccurrence(
        run=row.run_number,
        revision=row.revision,
        created_ns=row.run_created_ns,
        platform=row.platform,
        cell=row.cell_key,
        variant=row.variant,
        attempt=row.attempt,
        attempt_number=row.attempt_number,
        outcome=row.outcome,
        failure_class=row.failure_class,
        duration_ns=row.duration_ns,
        message=row.message,
        evidence=row.metrics,
        environment=row.environment,
    )


def _series(
    points: tuple[MeasurementRow, ...],
    judged: dict[int, ComparisonRow],
    changes: tuple[ChangeReport, ...],
) -> SeriesHistory:
    newest = points[-1]
    by_run = {row.run_id: row for row in points}
    return SeriesHistory(
        key=newest.series_key,
        test=newest.test,
        metric=newest.metric,
        unit=newest.unit,
        direction=METRICS.get(newest.metric).direction if newest.metric in METRICS else "",
        platform=newest.platform,
        variant=newest.variant,
        environment=newest.environment_class,
        points=tuple(_series_point(row, judged.get(row.run_id)) for row in by_run.values()),
        changes=changes,
    )


def _series_point(row: MeasurementRow, judged: ComparisonRow | None) -> SeriesPoint:
    return SeriesPoint(
        run=row.run_number,
        revision=row.revision,
        created_ns=row.run_created_ns,
        value=row.value,
        replicates=row.replicates,
        probe=row.probe,
        valid=row.valid,
        invalid_reason=row.reason or None,
        machine=row.machine,
        change=judged.outcome if judged else "too_few",
        change_reason=judged.reason if judged else "not compared",
        interval=_triple(judged),
    )
