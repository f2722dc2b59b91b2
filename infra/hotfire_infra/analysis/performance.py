"""Compare what a run measured with the earlier runs of the same series, and record it."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping

from sqlalchemy import Connection

from hotfire_infra.analysis.comparison import (
    Comparison,
    Judgement,
    Point,
    compare,
    control_false_discoveries,
)
from hotfire_infra.store.comparisons import NewComparison, record_comparisons
from hotfire_infra.store.database import Store
from hotfire_infra.store.queries_measurements import (
    MeasurementRow,
    measurements_of_run,
    points_of_series,
)
from hotfire_testframework.contract.metrics import METRICS

LONGEST_BASELINE = 20
"""Earlier runs a point is compared with: enough for a spread, few enough to follow a machine."""


def compare_run(connection: Connection, run_id: int) -> tuple[NewComparison, ...]:
    """Judge and record every valid measurement of a run; called once, when it is finalized."""
    points = latest_of_series(row for row in measurements_of_run(connection, run_id) if row.valid)
    earlier = _earlier_points(connection, tuple(points), run_id)
    rows = [row for row in points.values() if row.metric in METRICS]
    judged = control_false_discoveries(
        [
            compare(_point(row), earlier.get(row.series_key, ()), judgement_of(row.metric))
            for row in rows
        ]
    )
    comparisons = tuple(_record(row, one) for row, one in zip(rows, judged, strict=True))
    record_comparisons(connection, run_id, comparisons)
    return comparisons


def analyse_performance(store: Store, run_id: int) -> tuple[str, ...]:
    """Step of the finalizer: compare and record; no sentence that blocks.

    A regression is shown on page, CLI and API. It blocks once a pipeline can say for which series
    it should: on a shared machine a first comparison has no standing to stop a merge.
    """
    with store.writing() as connection:
        compare_run(connection, run_id)
    return ()


def latest_of_series(rows: Iterable[MeasurementRow]) -> Mapping[str, MeasurementRow]:
    """Keep one point per series: a retried attempt replaces the one before it."""
    return {row.series_key: row for row in rows if row.series_key}


def latest_points(rows: Iterable[MeasurementRow]) -> tuple[MeasurementRow, ...]:
    """Keep one point per series, and per cell, test and metric where no series is named yet."""
    latest = {
        (row.series_key, "" if row.series_key else f"{row.cell_key} {row.test} {row.metric}"): row
        for row in rows
    }
    return tuple(latest.values())


def judgement_of(metric: str) -> Judgement:
    """Return how a registered metric is judged."""
    entry = METRICS.get(metric)
    return Judgement(
        direction=entry.direction, smallest_effect=entry.smallest_effect, scale=entry.scale
    )


def _earlier_points(
    connection: Connection, keys: tuple[str, ...], run_id: int
) -> Mapping[str, tuple[Point, ...]]:
    by_series: dict[str, dict[int, Point]] = defaultdict(dict)
    if keys:
        for row in points_of_series(connection, keys, before_run=run_id):
            if row.valid:
                by_series[row.series_key][row.run_id] = _point(row)
    return {key: tuple(runs.values())[-LONGEST_BASELINE:] for key, runs in by_series.items()}


def _point(row: MeasurementRow) -> Point:
    return Point(run=row.run_number, replicates=row.replicates or (row.value,), probe=row.probe)


def _record(row: MeasurementRow, comparison: Comparison) -> NewComparison:
    interval, twin = comparison.interval, comparison.normalised
    return NewComparison(
        series_key=row.series_key,
        test_id=row.test_id,
        variant_id=row.variant_id,
        metric=row.metric,
        outcome=comparison.change,
        estimate=interval.estimate if interval else None,
        low=interval.low if interval else None,
        high=interval.high if interval else None,
        baseline_points=comparison.earlier_runs,
        reason=comparison.reason,
        body={
            "method": comparison.method,
            "replicates": comparison.replicates,
            "normalised": [twin.estimate, twin.low, twin.high] if twin else None,
        },
    )
