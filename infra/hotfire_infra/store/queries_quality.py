"""Read and write what is known of the change detector itself: labels of its alerts, checks of its recall."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, func, insert, or_, select

from hotfire_infra.store.models import DetectorCheck, SeriesChange, SeriesState


@dataclass(frozen=True, slots=True, kw_only=True)
class CheckRow:
    """One recorded check, its figures as they were written."""

    ulid: str
    checked_ns: int
    seed: int
    series: int
    body: Any


def label_counts(connection: Connection) -> Mapping[str, int]:
    """Return how many alerts triage gave each label; alerts withdrawn since count."""
    query = (
        select(SeriesChange.label, func.count())
        .where(
            SeriesChange.label.is_not(None),
            # Somebody was told: what was only recorded was never an alert.
            or_(SeriesChange.state == "alert", SeriesChange.cause.is_not(None)),
        )
        .group_by(SeriesChange.label)
    )
    return {str(label): int(number) for label, number in connection.execute(query)}


def watched_keys(connection: Connection, *, points: int, limit: int) -> tuple[str, ...]:
    """Return the series with at least so many points, those with most first."""
    query = (
        select(SeriesState.series_key)
        .where(SeriesState.points >= points)
        .order_by(SeriesState.points.desc(), SeriesState.series_key)
        .limit(limit)
    )
    return tuple(connection.execute(query).scalars())


def add_check(connection: Connection, row: CheckRow) -> None:
    """Record a check."""
    values = {name: getattr(row, name) for name in CheckRow.__slots__}
    connection.execute(insert(DetectorCheck).values(**values))


def newest_checks(connection: Connection, *, limit: int) -> tuple[CheckRow, ...]:
    """Return the checks made last, newest first."""
    columns = [getattr(DetectorCheck, name) for name in CheckRow.__slots__]
    query = select(*columns).order_by(DetectorCheck.id.desc()).limit(limit)
    return tuple(CheckRow(**row._mapping) for row in connection.execute(query))
