"""Read and write watched series: the detector's state, the points it took, the changes it found."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from functools import cache
from typing import Any

from sqlalchemy import Connection, Select, delete, insert, or_, select, update
from sqlalchemy.orm import aliased

from hotfire_infra.store.models import (
    Measurement,
    Run,
    SeriesChange,
    SeriesPoint,
    SeriesState,
    SourceStamp,
    Test,
    Variant,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class StateRow:
    """Where the detector of a series stands."""

    series_key: str
    version: int
    run_id: int
    points: int
    state: Any


@dataclass(frozen=True, slots=True, kw_only=True)
class PointRow:
    """What became of one run's point of a series."""

    series_key: str
    run_id: int
    position: int | None
    reason: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class ChangeRow:
    """A recorded change with the runs and commits of its interval."""

    id: int
    ulid: str
    series_key: str
    test: str
    variant: Any
    metric: str
    kind: str
    position: int | None
    run_id: int
    run_number: int
    after_run_id: int | None
    after_run_number: int | None
    after_revision: str | None
    until_run_id: int
    until_run_number: int
    until_revision: str
    before: float
    after: float
    confidence: float
    effect: float | None
    direction: str
    state: str
    reason: str
    cause: str | None
    noticed_run_id: int
    noticed_run_number: int
    withdrawn_run_id: int | None
    withdrawn_run_number: int | None
    label: str | None
    labelled_by: str | None
    operators: str | None = None


def states_of(connection: Connection, keys: Sequence[str]) -> Mapping[str, StateRow]:
    """Return the states that there are, by series."""
    query = select(*SeriesState.__table__.c).where(SeriesState.series_key.in_(keys))
    return {row.series_key: StateRow(**row._mapping) for row in connection.execute(query)}


def write_states(connection: Connection, rows: Sequence[StateRow]) -> None:
    """Replace the states of some series."""
    if rows:
        keys = [row.series_key for row in rows]
        connection.execute(delete(SeriesState).where(SeriesState.series_key.in_(keys)))
        connection.execute(insert(SeriesState), [asdict(row) for row in rows])


def forget_states_of_attempts(connection: Connection, attempts: Sequence[int]) -> None:
    """Let the states of all series with points of some attempts be made again when next needed."""
    keys = select(Measurement.series_key).where(
        Measurement.attempt_id.in_(attempts), Measurement.series_key.is_not(None)
    )
    connection.execute(delete(SeriesState).where(SeriesState.series_key.in_(keys)))


def series_of_run(connection: Connection, run_id: int, keys: Sequence[str]) -> frozenset[str]:
    """Return those of some series whose detector was shown a run's point before."""
    query = select(SeriesPoint.series_key).where(
        SeriesPoint.run_id == run_id, SeriesPoint.series_key.in_(keys)
    )
    return frozenset(connection.execute(query).scalars())


def add_points(connection: Connection, points: Sequence[PointRow]) -> None:
    """Record what became of points; a second row of a run in a series is an IntegrityError."""
    if points:
        connection.execute(insert(SeriesPoint), [asdict(one) for one in points])


def forget_points(connection: Connection, series_key: str) -> None:
    """Forget which points of a series were taken: it is read anew."""
    connection.execute(delete(SeriesPoint).where(SeriesPoint.series_key == series_key))


def runs_at(connection: Connection, series_key: str, positions: Sequence[int]) -> Mapping[int, int]:
    """Return the run at each of some positions of a series."""
    query = select(SeriesPoint.position, SeriesPoint.run_id).where(
        SeriesPoint.series_key == series_key, SeriesPoint.position.in_(positions)
    )
    return {row.position: row.run_id for row in connection.execute(query)}


def positions_of(
    connection: Connection, series_key: str, first: int, last: int
) -> Mapping[int, int]:
    """Return the positions from `first` to `last` of a series, by run."""
    query = select(SeriesPoint.run_id, SeriesPoint.position).where(
        SeriesPoint.series_key == series_key, SeriesPoint.position.between(first, last)
    )
    return {row.run_id: row.position for row in connection.execute(query)}


def skipped_points(connection: Connection, series_key: str) -> Mapping[int, str]:
    """Return why the points of some runs were not taken, by run."""
    query = select(SeriesPoint.run_id, SeriesPoint.reason).where(
        SeriesPoint.series_key == series_key, SeriesPoint.position.is_(None)
    )
    return {row.run_id: row.reason for row in connection.execute(query)}


def insert_change(connection: Connection, values: Mapping[str, Any]) -> int:
    """Write a new change; return its surrogate."""
    row = insert(SeriesChange).values(**values)
    return int(connection.execute(row.returning(SeriesChange.id)).scalar_one())


def update_change(connection: Connection, change_id: int, values: Mapping[str, Any]) -> None:
    """Change what is known of a change."""
    connection.execute(update(SeriesChange).where(SeriesChange.id == change_id).values(**values))


def changes_of_series(connection: Connection, keys: Sequence[str]) -> tuple[ChangeRow, ...]:
    """Return all changes of some series, oldest first, withdrawn ones included."""
    query = _changes().where(SeriesChange.series_key.in_(keys))
    return _rows(connection, query.order_by(SeriesChange.run_id, SeriesChange.id))


def changes_of_run(connection: Connection, run_id: int) -> tuple[ChangeRow, ...]:
    """Return the changes that a run's points revealed or disproved."""
    query = _changes().where(
        or_(SeriesChange.noticed_run_id == run_id, SeriesChange.withdrawn_run_id == run_id)
    )
    return _rows(connection, query.order_by(SeriesChange.id))


def changes_of_causes(connection: Connection, causes: Sequence[str]) -> tuple[ChangeRow, ...]:
    """Return the changes of some alerts."""
    query = _changes().where(SeriesChange.cause.in_(causes))
    return _rows(connection, query.order_by(SeriesChange.id))


def changes_called(connection: Connection, ref: str) -> tuple[ChangeRow, ...]:
    """Return at most two changes whose id begins with `ref`: two mean it is ambiguous."""
    query = _changes().where(SeriesChange.ulid.startswith(ref.upper(), autoescape=True))
    return _rows(connection, query.order_by(SeriesChange.id).limit(2))


def newest_changes(
    connection: Connection, *, limit: int, before: int | None = None, states: Sequence[str] = ()
) -> tuple[ChangeRow, ...]:
    """Return the changes noticed last, newest first, older than a surrogate if one is given."""
    query = _changes().order_by(SeriesChange.id.desc()).limit(limit)
    if before is not None:
        query = query.where(SeriesChange.id < before)
    if states:
        query = query.where(SeriesChange.state.in_(states))
    return _rows(connection, query)


@cache
def _changes() -> Select[Any]:
    """The SELECT of all changes; made once, since that costs more than to execute it."""
    run, after, until = aliased(Run), aliased(Run), aliased(Run)
    noticed, withdrawn = aliased(Run), aliased(Run)
    after_stamp, until_stamp = aliased(SourceStamp), aliased(SourceStamp)
    return (
        select(
            *(column for column in SeriesChange.__table__.c if column.name != "labelled_ns"),
            Test.module,
            Test.scheme,
            Test.name.label("test_name"),
            Variant.axes,
            run.number.label("run_number"),
            after.number.label("after_run_number"),
            after_stamp.revision.label("after_revision"),
            until.number.label("until_run_number"),
            until_stamp.revision.label("until_revision"),
            noticed.number.label("noticed_run_number"),
            withdrawn.number.label("withdrawn_run_number"),
        )
        .join(Test, Test.id == SeriesChange.test_id)
        .join(Variant, Variant.id == SeriesChange.variant_id)
        .join(run, run.id == SeriesChange.run_id)
        .outerjoin(after, after.id == SeriesChange.after_run_id)
        .outerjoin(after_stamp, after_stamp.id == after.source_stamp_id)
        .join(until, until.id == SeriesChange.until_run_id)
        .join(until_stamp, until_stamp.id == until.source_stamp_id)
        .join(noticed, noticed.id == SeriesChange.noticed_run_id)
        .outerjoin(withdrawn, withdrawn.id == SeriesChange.withdrawn_run_id)
    )


_PLACED = frozenset({"test_id", "variant_id"})
_NAMED = frozenset({"module", "scheme", "test_name", "axes"})


def _rows(connection: Connection, query: Select[Any]) -> tuple[ChangeRow, ...]:
    return tuple(
        ChangeRow(
            test=f"{row.module}/{row.scheme}/{row.test_name}",
            variant=row.axes,
            **{
                name: value
                for name, value in row._mapping.items()
                if name not in _PLACED and name not in _NAMED
            },
        )
        for row in connection.execute(query)
    )
