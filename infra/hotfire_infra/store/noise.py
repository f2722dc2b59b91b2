"""Read and write the noise of series, and read what it is computed from: code that ran twice."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from sqlalchemy import Connection, Select, delete, func, insert, select, true, update
from sqlalchemy.orm import aliased

from hotfire_infra.states import RUN_TERMINAL
from hotfire_infra.store.models import Attempt, Measurement, Run, SeriesNoise, Task

WINDOW = 200
"""Newest points of a series that its noise is computed from: an old machine is forgotten."""
BATCH = 500
"""Series named in one statement."""


@dataclass(frozen=True, slots=True, kw_only=True)
class NoiseRow:
    """Sums of squares of one series, or of all of a metric on one kind of device."""

    metric: str
    environment_class: str
    updated_ns: int
    attempts: int
    codes: int
    within_squares: float
    process_squares: float
    run_squares: float
    build_squares: float
    process_size: float
    build_size: float
    within_freedom: int
    process_freedom: int
    run_freedom: int
    build_freedom: int
    series: int = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class RepeatedPoint:
    """A valid point of a series with what was executed."""

    source_stamp_id: int
    action_digest: str | None
    beside: str
    """What its task left out: a benchmark that runs alone is compared with itself running alone."""
    replicates: tuple[float, ...]
    launches: tuple[int, ...]


_SUMMED = (
    "attempts", "codes", "within_squares", "process_squares", "run_squares", "build_squares",
    "process_size", "build_size", "within_freedom", "process_freedom", "run_freedom",
    "build_freedom",
)  # fmt: skip


def _counted() -> tuple[Any, ...]:
    """Return what a point must be to say something about noise; of a join to attempt and run."""
    parent = aliased(Run)
    is_open = select(parent.id).where(
        parent.id == Run.parent_run_id, parent.state.not_in(RUN_TERMINAL)
    )
    return (
        # Noisy reruns about a run that is not judged yet must not acquit it.
        ~is_open.exists(),
        Measurement.valid == true(),
        Measurement.series_key.is_not(None),
        Attempt.purpose == "result",
        Attempt.invalidation_id.is_(None),
        # Whoever sends a change must not say how large a change is noise.
        Run.is_trusted == true(),
    )


def _points(*columns: Any) -> Select[Any]:
    return (
        select(*columns)
        .join(Attempt, Attempt.id == Measurement.attempt_id)
        .join(Task, Task.id == Attempt.task_id)
        .join(Run, Run.id == Task.run_id)
    )


def repeated_series(connection: Connection, run_id: int) -> tuple[str, ...]:
    """Return the series of a run whose code was measured by more attempts than one."""
    stamp = select(Run.source_stamp_id).where(Run.id == run_id).scalar_subquery()
    mine = _points(Measurement.series_key).where(Run.id == run_id, *_counted())
    query = (
        _points(Measurement.series_key)
        .where(Run.source_stamp_id == stamp, *_counted(), Measurement.series_key.in_(mine))
        .group_by(Measurement.series_key)
        .having(func.count(Measurement.attempt_id.distinct()) > 1)
    )
    return tuple(connection.execute(query).scalars())


def stale_series(connection: Connection, run_id: int) -> tuple[str, ...]:
    """Return the series of a run whose noise is to be computed anew."""
    mine = _points(Measurement.series_key).where(Run.id == run_id, *_counted())
    query = select(SeriesNoise.series_key).where(
        SeriesNoise.is_stale == true(), SeriesNoise.series_key.in_(mine)
    )
    return tuple(connection.execute(query).scalars())


def repeated_points(
    connection: Connection, series_key: str
) -> tuple[tuple[str, str], tuple[RepeatedPoint, ...]]:
    """Return (metric, environment class) of a series and its newest points, whoever asked for them."""
    query = (
        _points(
            Measurement.attempt_id, Measurement.metric, Measurement.environment_class,
            Measurement.replicates, Measurement.launches, Measurement.value,
            Run.source_stamp_id, Task.action_digest, Task.spec,
        )
        .where(Measurement.series_key == series_key, *_counted())
        .order_by(Measurement.month.desc(), Measurement.attempt_id.desc(), Measurement.seq.desc())
        .limit(WINDOW)
    )  # fmt: skip
    rows = connection.execute(query).all()
    # A test that was tried again in one attempt: the last value counts.
    newest = {row.attempt_id: row for row in reversed(rows)}
    points = tuple(
        RepeatedPoint(
            source_stamp_id=row.source_stamp_id,
            action_digest=row.action_digest,
            beside=json.dumps(row.spec.get("leave_out", ())),
            replicates=tuple(float(one) for one in row.replicates or (row.value,)),
            launches=tuple(int(one) for one in row.launches or ()),
        )
        for row in newest.values()
    )
    name = (rows[0].metric, rows[0].environment_class) if rows else ("", "")
    return name, points


def write_noise(connection: Connection, series_key: str, run_id: int, row: NoiseRow) -> None:
    """Replace what is known of one series."""
    connection.execute(delete(SeriesNoise).where(SeriesNoise.series_key == series_key))
    values = {name: value for name, value in asdict(row).items() if name != "series"}
    connection.execute(
        insert(SeriesNoise).values(**values, series_key=series_key, run_id=run_id, is_stale=False)
    )


def forget_noise(connection: Connection, series_key: str) -> None:
    """Know nothing of a series any more."""
    connection.execute(delete(SeriesNoise).where(SeriesNoise.series_key == series_key))


def doubt_noise_of_attempts(connection: Connection, attempts: Sequence[int]) -> None:
    """Let the noise of all series with points of some attempts be computed anew before it counts."""
    keys = select(Measurement.series_key).where(
        Measurement.attempt_id.in_(attempts), Measurement.series_key.is_not(None)
    )
    connection.execute(
        update(SeriesNoise).where(SeriesNoise.series_key.in_(keys)).values(is_stale=True)
    )


def noise_of_series(connection: Connection, keys: Sequence[str]) -> Mapping[str, NoiseRow]:
    """Return what is known of some series, by key."""
    names = sorted(set(NoiseRow.__dataclass_fields__) - {"series"})
    found = {}
    for start in range(0, len(keys), BATCH):
        query = select(*SeriesNoise.__table__.c).where(
            SeriesNoise.series_key.in_(keys[start : start + BATCH]), SeriesNoise.is_stale.is_(False)
        )
        for row in connection.execute(query):
            found[row.series_key] = NoiseRow(**{name: row._mapping[name] for name in names})
    return found


def noise_of_kinds(
    connection: Connection, metrics: Sequence[str] | None = None
) -> tuple[NoiseRow, ...]:
    """Return what is known of each metric, or some, on each kind of device, over all its series."""
    sums = [func.sum(getattr(SeriesNoise, name)).label(name) for name in _SUMMED]
    query = (
        select(
            SeriesNoise.metric,
            SeriesNoise.environment_class,
            func.max(SeriesNoise.updated_ns).label("updated_ns"),
            func.count().label("series"),
            *sums,
        )
        .where(SeriesNoise.is_stale.is_(False))
        .group_by(SeriesNoise.metric, SeriesNoise.environment_class)
        .order_by(SeriesNoise.metric, SeriesNoise.environment_class)
    )
    if metrics is not None:
        query = query.where(SeriesNoise.metric.in_(metrics))
    return tuple(_kind(row) for row in connection.execute(query))


def _kind(row: Any) -> NoiseRow:
    values: dict[str, Any] = dict(row._mapping)
    # PostgreSQL sums whole numbers to decimal ones.
    for name in values:
        if name.endswith("_freedom") or name in {"attempts", "codes"}:
            values[name] = int(values[name])
    return NoiseRow(**values)
