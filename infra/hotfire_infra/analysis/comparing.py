"""Compare two runs as they are stored: one answer for command line, API and page."""

from __future__ import annotations

from functools import partial
from typing import Protocol

from sqlalchemy import Connection

from hotfire_infra.analysis.accuracy.tasks import TaskComparison
from hotfire_infra.analysis.noise import NOT_ENOUGH, NoiseReport, floors_of, noise_reports
from hotfire_infra.analysis.operators import operators_of_pair, parts_of, parts_words
from hotfire_infra.analysis.report import RunReport
from hotfire_infra.analysis.run_comparison import RunComparison, compare_runs
from hotfire_infra.errors import RunNotFoundError
from hotfire_infra.store.database import Store
from hotfire_infra.store.mainline import run_before_change
from hotfire_infra.store.queries import find_run, run_by_id
from hotfire_infra.store.queries_measurements import MeasurementRow, measurements_of_run


class RunReader(Protocol):
    """What a comparison reads of two runs beside their measurements."""

    def find(self, run: str) -> RunReport:
        """Return a run by any of its names, or raise what is wrong with the name."""

    def accuracy(self, before: int, after: int) -> tuple[TaskComparison, ...]:
        """Return the accuracy of run `after` against run `before`, by their numbers."""


MERGE_BASE = "merge-base"
"""Names the run that a change is compared with: of its pipeline, on what the change began from."""


def comparison_of(store: Store, reports: RunReader, before: str, after: str) -> RunComparison:
    """Compare two runs by any of their names, or raise what is wrong with a name."""
    later = reports.find(after)
    earlier = _before(store, reports, later) if before == MERGE_BASE else reports.find(before)
    accuracy = reports.accuracy(earlier.number, later.number)
    with store.reading() as connection:
        old, new = (
            measurements_of_run(connection, find_run(connection, one.ulid).id)
            for one in (earlier, later)
        )
        series = {
            row.series_key: (row.metric, row.environment_class) for row in new if row.series_key
        }
        floors = floors_of(connection, series)

        return compare_runs(
            earlier, later, old, new, accuracy, floors, partial(_operators, connection)
        )


def _before(store: Store, reports: RunReader, later: RunReport) -> RunReport:
    with store.reading() as connection:
        run_id = run_before_change(connection, find_run(connection, later.ulid).id)
        number = None if run_id is None else run_by_id(connection, run_id).number
    if number is None:
        raise RunNotFoundError(
            f"no run of {later.pipeline} is known on the merge base of run {later.number} or the "
            "commits before it; run or import one there, or name a run"
        )
    return reports.find(str(number))


def _operators(connection: Connection, old: MeasurementRow, new: MeasurementRow) -> str:
    """Return which operators explain a shift; empty where the metric has no parts."""
    if not parts_of(new.metric):
        return ""
    words = parts_words(operators_of_pair(connection, old, new))
    return words or f"operators: {NOT_ENOUGH} on them"


def known_noise(store: Store) -> tuple[NoiseReport, ...]:
    """Return the noise of each metric on each kind of device."""
    with store.reading() as connection:
        return noise_reports(connection)
