"""Measurements of PostgreSQL lie in a partition per month, made ahead and filled from the default."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest
from sqlalchemy import inspect, text

from hotfire_infra.store.partitions import (
    drop_partition,
    ensure_partitions,
    month_of,
    name_of,
    next_month,
)

DECEMBER = int(datetime(2026, 12, 31, 23, 59, tzinfo=UTC).timestamp()) * 1_000_000_000


def test_after_december_comes_january():
    assert month_of(DECEMBER) == 202612
    assert next_month(202612) == 202701
    assert next_month(202611, 14) == 202801


@pytest.fixture
def dialect() -> str:
    return "postgresql"


@pytest.fixture
def shared(store, make_stand, make_plan):
    make_stand().run(make_plan({"kernels": ["m/s/one"]}))
    return store


def insert_point(connection, month: int, seq: int) -> None:
    connection.execute(
        text(
            "INSERT INTO measurement (month, attempt_id, seq, test_id, variant_id, metric, version,"
            ' unit, value, estimator, replicates, launches, "inner", valid, reason, definition)'
            " SELECT :month, attempt.id, :seq, test.id, variant.id, 'm', 1, 's', 1.0, 'median',"
            " '[]', '[]', 1, true, '', '' FROM attempt, test, variant"
        ),
        {"month": month, "seq": seq},
    )


def points_in(connection, table: str) -> int:
    return int(connection.exec_driver_sql(f"SELECT count(*) FROM {table}").scalar_one())


def test_months_ahead_have_a_partition_and_making_them_twice_adds_none(shared):
    with shared.writing() as connection:
        assert ensure_partitions(connection, DECEMBER) == [202612, 202701, 202702]
        assert ensure_partitions(connection, DECEMBER) == []


def test_points_that_came_before_their_partition_move_into_it(shared):
    with shared.writing() as connection:
        insert_point(connection, 202612, 1)
        insert_point(connection, 202001, 2)
        assert points_in(connection, "measurement_default") == 2
        assert ensure_partitions(connection, DECEMBER) == [202001, 202612, 202701, 202702]
        assert points_in(connection, "measurement_default") == 0
        assert points_in(connection, name_of(202612)) == 1
        assert points_in(connection, "measurement") == 2


def test_a_query_of_one_month_touches_one_partition_with_its_indexes(shared):
    with shared.writing() as connection:
        ensure_partitions(connection, DECEMBER)
        plan = "\n".join(
            connection.execute(
                text("EXPLAIN SELECT * FROM measurement WHERE series_key = 's' AND month = 202612")
            ).scalars()
        )
        indexes = inspect(connection).get_indexes(name_of(202612))
    assert name_of(202612) in plan
    assert name_of(202701) not in plan
    assert any(index["column_names"][:2] == ["series_key", "month"] for index in indexes)


def test_a_month_goes_at_once(shared):
    with shared.writing() as connection:
        insert_point(connection, 202001, 1)
        ensure_partitions(connection, DECEMBER)
        drop_partition(connection, 202001)
        assert points_in(connection, "measurement") == 0
