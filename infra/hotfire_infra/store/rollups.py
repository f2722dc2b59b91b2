"""Sums and quantiles of closed months, made before their rows go; making them twice changes nothing.

A month is closed when it is over and none of its runs is open. What is counted are results of runs
and attempts that were asked for them, without invalidated ones. A rollup that saw more rows than are
there today stands: some were pruned since. An invalidation does not change how many are there, so
the rollups that it touches are made again.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Sequence
from datetime import UTC, datetime
from itertools import groupby, islice
from typing import Any

from sqlalchemy import Connection, and_, func, select, text

from hotfire_infra.states import RUN_LIVE
from hotfire_infra.store.database import Store
from hotfire_infra.store.models import (
    Attempt,
    Measurement,
    Result,
    ResultMonth,
    Run,
    Task,
)
from hotfire_infra.store.partitions import month_of, next_month

QUANTILES = (0.05, 0.25, 0.75, 0.95)
BATCH = 1000
ASKED_FOR = and_(Attempt.purpose == "result", Run.purpose == "result")
"""Neither a rerun that judges a device nor an old commit, executed again for the gate."""
COUNTS = Attempt.invalidation_id.is_(None)

_MEASUREMENT = text(
    "INSERT INTO measurement_month"
    " (series_key, month, points, invalid, lowest, highest, median, quantiles, seen)"
    " VALUES"
    " (:series_key, :month, :points, :invalid, :lowest, :highest, :median, :quantiles, :seen)"
    " ON CONFLICT (series_key, month) DO UPDATE SET points = excluded.points,"
    " invalid = excluded.invalid, lowest = excluded.lowest, highest = excluded.highest,"
    " median = excluded.median, quantiles = excluded.quantiles, seen = excluded.seen"
    " WHERE excluded.seen >= measurement_month.seen"
)
_RESULT = text(
    "INSERT INTO result_month"
    " (test_id, variant_id, month, passed, failed, other, duration_ns, seen)"
    " VALUES (:test_id, :variant_id, :month, :passed, :failed, :other, :duration_ns, :seen)"
    " ON CONFLICT (test_id, variant_id, month) DO UPDATE SET passed = excluded.passed,"
    " failed = excluded.failed, other = excluded.other, duration_ns = excluded.duration_ns,"
    " seen = excluded.seen WHERE excluded.seen >= result_month.seen"
)


def begin_ns(month: int) -> int:
    """Return when a month (yyyymm, UTC) begins, in nanoseconds since 1970."""
    begin = datetime(month // 100, month % 100, 1, tzinfo=UTC)
    return int(begin.timestamp()) * 1_000_000_000


def closed_months(connection: Connection, now_ns: int) -> list[int]:
    """Return the months with runs that are over and have no open run, oldest first."""
    months: list[int] = []
    begin, present = 0, month_of(now_ns)
    while True:
        # From run to run: a month without any needs no rollup.
        earliest = select(func.min(Run.created_ns)).where(Run.created_ns >= begin)
        first = connection.execute(earliest).scalar()
        if first is None or month_of(first) >= present:
            return months
        month = month_of(first)
        begin = begin_ns(next_month(month))
        of_month = Run.created_ns.between(begin_ns(month), begin - 1)
        is_open = select(Run.id).where(of_month, Run.state.in_(RUN_LIVE)).limit(1)
        if connection.execute(is_open).scalar() is None:
            months.append(month)


def months_to_roll_up(connection: Connection, now_ns: int, runs: Sequence[int] = ()) -> list[int]:
    """Return the closed months that have no rollup yet, the last one, and those of `runs`."""
    closed = closed_months(connection, now_ns)
    made = set(connection.execute(select(ResultMonth.month).distinct()).scalars())
    created = select(Run.created_ns).where(Run.id.in_(runs))
    of_runs = {month_of(ns) for ns in connection.execute(created).scalars()}
    return [
        month for month in closed if month not in made or month in of_runs or month == closed[-1]
    ]


def roll_up(store: Store, now_ns: int, months: Sequence[int] | None = None) -> list[int]:
    """Make the rollups of closed months, of `months` only if given; return the months made."""
    with store.reading() as connection:
        closed = closed_months(connection, now_ns)
    wanted = [month for month in closed if months is None or month in months]
    for month in wanted:
        _write(store, _MEASUREMENT, _measurements_of(store, month))
        _write(store, _RESULT, _results_of(store, month))
    return wanted


def made_months_of(connection: Connection, attempts: Sequence[int]) -> list[int]:
    """Return the months of some attempts' runs that have a rollup."""
    made = set(connection.execute(select(ResultMonth.month).distinct()).scalars())
    months: set[int] = set()
    for start in range(0, len(attempts), BATCH):
        query = (
            select(Run.created_ns)
            .join(Task, Task.run_id == Run.id)
            .join(Attempt, Attempt.task_id == Task.id)
            .where(Attempt.id.in_(attempts[start : start + BATCH]))
            .distinct()
        )
        months.update(month_of(ns) for ns in connection.execute(query).scalars())
    return sorted(months & made)


def _write(store: Store, statement: Any, rows: Iterable[dict[str, Any]]) -> None:
    left = iter(rows)
    # In portions: the one writer of SQLite is not kept waiting for a whole month.
    while portion := list(islice(left, BATCH)):
        with store.writing() as connection:
            connection.execute(statement, portion)


def _measurements_of(store: Store, month: int) -> Iterator[dict[str, Any]]:
    query = (
        select(Measurement.series_key, Measurement.valid, Measurement.value, COUNTS.label("counts"))
        .join(Attempt, Attempt.id == Measurement.attempt_id)
        .join(Task, Task.id == Attempt.task_id)
        .join(Run, Run.id == Task.run_id)
        .where(Measurement.month == month, Measurement.series_key.is_not(None), ASKED_FOR)
        .order_by(Measurement.series_key, Measurement.value)
    )
    with store.reading() as connection:
        rows = connection.execution_options(yield_per=10_000).execute(query)
        for series_key, points in groupby(rows, key=lambda row: row.series_key):
            everything = list(points)
            counted = [row for row in everything if row.counts]
            values = [row.value for row in counted if row.valid]
            yield {
                "series_key": series_key,
                "month": month,
                "points": len(values),
                "invalid": len(counted) - len(values),
                "lowest": values[0] if values else None,
                "highest": values[-1] if values else None,
                "median": quantile(values, 0.5) if values else None,
                "quantiles": json.dumps([quantile(values, q) for q in QUANTILES] if values else []),
                "seen": len(everything),
            }


def quantile(ordered: Sequence[float], at: float) -> float:
    """Return a quantile of ordered values, between two of them linearly."""
    place = at * (len(ordered) - 1)
    below = int(place)
    above = min(below + 1, len(ordered) - 1)
    return ordered[below] + (ordered[above] - ordered[below]) * (place - below)


def _results_of(store: Store, month: int) -> Iterator[dict[str, Any]]:
    def times(*outcomes: str) -> Any:
        return func.count().filter(Result.outcome.in_(outcomes), COUNTS)

    query = (
        select(
            Result.test_id,
            Result.variant_id,
            func.count(),
            func.count().filter(COUNTS),
            times("passed"),
            times("failed"),
            func.sum(Result.duration_ns).filter(COUNTS),
        )
        .join(Attempt, Attempt.id == Result.attempt_id)
        .join(Task, Task.id == Attempt.task_id)
        .join(Run, Run.id == Task.run_id)
        .where(
            Run.created_ns.between(begin_ns(month), begin_ns(next_month(month)) - 1),
            ASKED_FOR,
        )
        .group_by(Result.test_id, Result.variant_id)
    )
    with store.reading() as connection:
        rows = connection.execution_options(yield_per=10_000).execute(query)
        for test_id, variant_id, seen, count, passed, failed, duration_ns in rows:
            yield {
                "test_id": test_id,
                "variant_id": variant_id,
                "month": month,
                "passed": passed,
                "failed": failed,
                "other": count - passed - failed,
                "duration_ns": int(duration_ns or 0),
                "seen": seen,
            }
