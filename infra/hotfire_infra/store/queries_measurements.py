"""SELECTs on measurements, series and their comparisons, each named as the question it answers."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import (
    ColumnElement,
    Connection,
    Select,
    Text,
    cast,
    column,
    func,
    literal,
    select,
    true,
)
from sqlalchemy.dialects.postgresql import ARRAY

from hotfire_infra.store.keys import key_table
from hotfire_infra.store.mainline import IS_MAINLINE
from hotfire_infra.store.models import (
    Attempt,
    Cell,
    Comparison,
    Environment,
    Measurement,
    Run,
    SourceStamp,
    Task,
    Test,
    Variant,
)
from hotfire_infra.store.partitions import months_newest_first
from hotfire_infra.store.postgres import is_postgres


@dataclass(frozen=True, slots=True, kw_only=True)
class MeasurementRow:
    """One point of a series with the run, cell and machine it came from."""

    run_id: int
    run_number: int
    revision: str
    run_created_ns: int
    cell_key: str
    platform: str
    test_id: int
    test: str
    variant_id: int
    variant: Any
    metric: str
    version: int
    unit: str
    value: float
    replicates: tuple[float, ...]
    probe: float | None
    valid: bool
    reason: str
    environment_class: str
    machine: str
    series_key: str
    """Empty until the run is finalized: before, its environment class may not be known."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ComparisonRow:
    """What one run's comparison of one series came to."""

    run_id: int
    series_key: str
    outcome: str
    estimate: float | None
    low: float | None
    high: float | None
    baseline_points: int
    reason: str
    body: Any


def _measurements() -> Select[Any]:
    return (
        select(
            *Measurement.__table__.c,
            Test.module,
            Test.scheme,
            Test.name,
            Variant.axes,
            Environment.fields.label("environment"),
            Cell.key.label("cell_key"),
            Cell.platform,
            Run.id.label("run_id"),
            Run.number.label("run_number"),
            Run.created_ns.label("run_created_ns"),
            SourceStamp.revision,
        )
        .join(Test, Test.id == Measurement.test_id)
        .join(Variant, Variant.id == Measurement.variant_id)
        .join(Attempt, Attempt.id == Measurement.attempt_id)
        .join(Task, Task.id == Attempt.task_id)
        .join(Cell, Cell.id == Task.cell_id)
        .join(Run, Run.id == Cell.run_id)
        .join(SourceStamp, SourceStamp.id == Run.source_stamp_id)
        .outerjoin(Environment, Environment.id == Attempt.environment_id)
        # A rerun that asks about a device measures for nobody.
        .where(Attempt.purpose == "result")
    )


def _row(row: Any) -> MeasurementRow:
    return MeasurementRow(
        run_id=row.run_id,
        run_number=row.run_number,
        revision=row.revision,
        run_created_ns=row.run_created_ns,
        cell_key=row.cell_key,
        platform=row.platform,
        test_id=row.test_id,
        test=f"{row.module}/{row.scheme}/{row.name}",
        variant_id=row.variant_id,
        variant=row.axes,
        metric=row.metric,
        version=row.version,
        unit=row.unit,
        value=row.value,
        replicates=tuple(float(value) for value in row.replicates or ()),
        probe=row.probe_value,
        valid=row.valid,
        reason=row.reason,
        environment_class=row.environment_class,
        machine=_machine(row.environment),
        series_key=row.series_key or "",
    )


def _machine(environment: Any) -> str:
    """The machine's name if its environment has one; it is a factor of a point, never its key."""
    name = (environment or {}).get("hostname", "")
    return name if isinstance(name, str) else ""


def measurements_of_run(connection: Connection, run_id: int) -> tuple[MeasurementRow, ...]:
    """Return what a run measured, in the order of its cells; a retried attempt comes later."""
    query = (
        _measurements()
        .where(Run.id == run_id)
        .order_by(Cell.id, Measurement.attempt_id, Measurement.seq)
    )
    return tuple(_row(row) for row in connection.execute(query))


def points_of_series(
    connection: Connection,
    keys: Sequence[str],
    *,
    before_run: int | None = None,
    is_mainline: bool = False,
) -> tuple[MeasurementRow, ...]:
    """Return all points of some series, oldest run first, perhaps only those of earlier runs.

    `is_mainline`: only those of runs of the target branch itself.
    """
    query = (
        _measurements()
        .where(
            Measurement.series_key.in_(keys),
            Attempt.invalidation_id.is_(None),
            # An old commit, executed again for a question of the gate, is no point of a series.
            Run.purpose == "result",
        )
        .order_by(Run.id, Measurement.attempt_id, Measurement.seq)
    )
    if before_run is not None:
        query = query.where(Run.id < before_run)
    if is_mainline:
        query = query.where(IS_MAINLINE)
    return tuple(_row(row) for row in connection.execute(query))


def points_with_keys(
    connection: Connection, keys: Sequence[tuple[int, ...]]
) -> tuple[MeasurementRow, ...]:
    """Return the points with these (month, attempt, seq) that count, newest first."""
    if not keys:
        return ()
    key = (Measurement.month, Measurement.attempt_id, Measurement.seq)
    wanted = key_table(connection, keys, "month", "attempt_id", "seq")
    query = (
        _measurements()
        .join(
            wanted,
            (Measurement.month == wanted.c.month)
            & (Measurement.attempt_id == wanted.c.attempt_id)
            & (Measurement.seq == wanted.c.seq),
        )
        .where(Attempt.invalidation_id.is_(None), Run.purpose == "result")
        .order_by(*(column.desc() for column in key))
    )
    if is_postgres(connection):
        # Joined keys exclude no partition before it is read: each key would look into every month,
        # and that is dear enough for a plan that reads whole tables instead.
        query = query.where(Measurement.month.in_(sorted({month for month, *_ in keys})))
    return tuple(_row(row) for row in connection.execute(query))


def measured_beside(
    connection: Connection, whole: MeasurementRow, metrics: Sequence[str], runs: Sequence[int]
) -> tuple[MeasurementRow, ...]:
    """Return what the test of a point measured of other metrics, in the same variant and some runs.

    Only points that compare with the newest of their metric: same environment class and definition.
    """
    query = (
        _measurements()
        .where(
            Measurement.test_id == whole.test_id,
            Measurement.variant_id == whole.variant_id,
            Measurement.metric.in_(metrics),
            Measurement.environment_class == whole.environment_class,
            Measurement.series_key.is_not(None),
            Attempt.invalidation_id.is_(None),
            Run.id.in_(runs),
        )
        .order_by(Run.id, Measurement.attempt_id, Measurement.seq)
    )
    rows = tuple(_row(row) for row in connection.execute(query))
    newest = {row.metric: row.series_key for row in rows}
    return tuple(row for row in rows if row.series_key == newest[row.metric])


def measured_in_runs(
    connection: Connection, metrics: Sequence[str], environment_class: str, runs: Sequence[int]
) -> tuple[MeasurementRow, ...]:
    """Return what some runs measured of some metrics on one kind of device, oldest run first."""
    query = (
        _measurements()
        .where(
            Run.id.in_(runs),
            Measurement.metric.in_(metrics),
            Measurement.environment_class == environment_class,
            Measurement.series_key.is_not(None),
            Attempt.invalidation_id.is_(None),
        )
        .order_by(Run.id, Measurement.attempt_id, Measurement.seq)
    )
    return tuple(_row(row) for row in connection.execute(query))


def series_called(connection: Connection, prefix: str) -> tuple[str, ...]:
    """Return at most two series keys that begin with a prefix: two mean it is ambiguous."""
    found: list[str] = []
    # Keys are hexadecimal: `g` comes behind all that begin with the prefix. By bounds, since LIKE
    # reads the whole index.
    while len(found) < 2:
        begin = Measurement.series_key > found[0] if found else Measurement.series_key >= prefix
        query = select(func.min(Measurement.series_key)).where(
            begin, Measurement.series_key < prefix + "g"
        )
        following = connection.execute(query).scalar()
        if following is None:
            break
        found.append(str(following))
    return tuple(found)


def series_of_test(connection: Connection, test_id: int) -> tuple[tuple[str, str, str], ...]:
    """Return (series key, metric, environment class) of what a test measures."""
    found: dict[str, Any] = {}
    if is_postgres(connection):
        # No index stands above the partitions: the first row of a series is looked for in every
        # month. So the newest month that has the test tells its series; the others are asked
        # only for what lies between those, and read nothing where they hold the same.
        for month in months_newest_first(connection):
            found = _walk_series(connection, test_id, Measurement.month == month)
            if found:
                break
        while more := _series_between(connection, test_id, sorted(found)):
            found |= more
    else:
        found = _walk_series(connection, test_id)
    series = [
        (key, row.metric, row.environment_class)
        for key, row in found.items()
        if row.environment_class is not None
    ]
    return tuple(sorted(series, key=lambda one: (*one[1:], one[0])))


_OF_SERIES = (Measurement.series_key, Measurement.metric, Measurement.environment_class)


def _walk_series(
    connection: Connection, test_id: int, *where: ColumnElement[bool]
) -> dict[str, Any]:
    """Return one row of each series by its key, from one key to the next."""
    found: dict[str, Any] = {}
    key = ""
    while True:
        query = (
            select(*_OF_SERIES)
            .where(Measurement.test_id == test_id, Measurement.series_key > key, *where)
            .order_by(Measurement.series_key)
            .limit(1)
        )
        row = connection.execute(query).one_or_none()
        if row is None:
            return found
        key = str(row.series_key)
        found[key] = row


def _series_between(connection: Connection, test_id: int, keys: Sequence[str]) -> dict[str, Any]:
    """Return a row of the first series in each gap between keys that are known, on PostgreSQL."""
    # Keys are hexadecimal: `g` comes behind them all.
    bounds = [cast(literal(side, ARRAY(Text)), ARRAY(Text)) for side in (["", *keys], [*keys, "g"])]
    columns: list[Any] = [column(name, Text) for name in ("low", "high")]
    gap = func.unnest(*bounds).table_valued(*columns, name="gap").render_derived()
    first = (
        select(*_OF_SERIES)
        .where(
            Measurement.test_id == test_id,
            Measurement.series_key > gap.c.low,
            Measurement.series_key < gap.c.high,
        )
        .order_by(Measurement.series_key)
        .limit(1)
        .lateral("first")
    )
    rows = connection.execute(select(first).select_from(gap.join(first, true())))
    return {str(row.series_key): row for row in rows}


def comparisons_of_run(connection: Connection, run_id: int) -> tuple[ComparisonRow, ...]:
    """Return the recorded comparisons of a run."""
    return _comparisons(connection, select(Comparison).where(Comparison.run_id == run_id))


def comparisons_of_series(connection: Connection, series_key: str) -> tuple[ComparisonRow, ...]:
    """Return what each run's comparison of one series came to."""
    query = select(Comparison).where(Comparison.series_key == series_key)
    return _comparisons(connection, query)


def _comparisons(connection: Connection, query: Select[Any]) -> tuple[ComparisonRow, ...]:
    columns = query.with_only_columns(*Comparison.__table__.c)
    return tuple(
        ComparisonRow(
            run_id=row.run_id,
            series_key=row.series_key,
            outcome=row.outcome,
            estimate=row.estimate,
            low=row.low,
            high=row.high,
            baseline_points=row.baseline_points,
            reason=row.reason,
            body=row.body or {},
        )
        for row in connection.execute(columns)
    )
