"""Months of measurements on PostgreSQL: one partition each, made ahead, dropped whole.

A hundred million points stay usable because a query names its months and touches only those, and
because an old month goes by DROP TABLE. SQLite keeps one table with the month first in its key.
"""

from __future__ import annotations

from sqlalchemy import Connection, inspect, text

from hotfire_infra.store.postgres import is_postgres, serialise

AHEAD = 2
"""Months after the present one that have their partition already."""
DEFAULT = "measurement_default"


def month_of(ns: int) -> int:
    """Return the month of a point in time (nanoseconds since 1970, UTC) as yyyymm."""
    from datetime import UTC, datetime

    when = datetime.fromtimestamp(ns // 1_000_000_000, tz=UTC)
    return when.year * 100 + when.month


def next_month(month: int, count: int = 1) -> int:
    """Return the month `count` months after `month` (both yyyymm)."""
    months = (month // 100) * 12 + month % 100 - 1 + count
    return months // 12 * 100 + months % 12 + 1


def name_of(month: int) -> str:
    """Return the table of a month's measurements."""
    return f"measurement_{month:06d}"


def months_newest_first(connection: Connection) -> list[int]:
    """Return the months (yyyymm) that have a partition of their own on PostgreSQL."""
    names = connection.exec_driver_sql(
        "SELECT inhrelid::regclass::text FROM pg_inherits WHERE inhparent = 'measurement'::regclass"
    ).scalars()
    months = (name.rpartition("_")[2] for name in names if name != DEFAULT)
    return sorted((int(month) for month in months), reverse=True)


def ensure_partitions(connection: Connection, now_ns: int) -> list[int]:
    """Make the partitions of this month and the next ones; return the months that were added.

    What had come for such a month meanwhile lies in the default partition and moves.
    """
    if not is_postgres(connection):
        return []
    serialise(connection, "partitions")
    present = month_of(now_ns)
    wanted = [next_month(present, ahead) for ahead in range(AHEAD + 1)]
    stray = connection.execute(text(f"SELECT DISTINCT month FROM {DEFAULT}")).scalars()
    known = set(inspect(connection).get_table_names())
    added = [m for m in sorted({*wanted, *stray}) if name_of(m) not in known]
    for month in added:
        add_partition(connection, month)
    return added


def add_partition(connection: Connection, month: int) -> None:
    """Make the partition of a month (yyyymm), and move there what came before it."""
    name = name_of(month)
    run = connection.exec_driver_sql
    run(f"CREATE TABLE {name} (LIKE measurement INCLUDING DEFAULTS)")
    run(
        f"WITH moved AS (DELETE FROM {DEFAULT} WHERE month = {month:d} RETURNING *)"
        f" INSERT INTO {name} SELECT * FROM moved"
    )
    run(
        f"ALTER TABLE measurement ATTACH PARTITION {name}"
        f" FOR VALUES FROM ({month:d}) TO ({month + 1:d})"
    )


def drop_partition(connection: Connection, month: int) -> None:
    """Drop a month's measurements at once."""
    connection.exec_driver_sql(f"DROP TABLE IF EXISTS {name_of(month)}")
