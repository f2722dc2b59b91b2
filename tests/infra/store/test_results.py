"""Rows get into the store whole, however many there are and whatever of them is there already."""

from __future__ import annotations

import pytest
from sqlalchemy import select
from sqlalchemy.exc import IntegrityError

from hotfire_infra.store import results
from hotfire_infra.store.engine import driver_errors
from hotfire_infra.store.models import Blob

SIZES = (1, results.AT_ONCE - 1, results.AT_ONCE, results.AT_ONCE + 1, 2 * results.AT_ONCE + 7)


def blobs(numbers):
    return [(f"{number:064x}", number) for number in numbers]


def stored(store):
    with store.reading() as connection:
        return connection.execute(select(Blob.sha256, Blob.size).order_by(Blob.size)).all()


@pytest.mark.parametrize("count", SIZES)
def test_every_row_is_stored_with_its_own_values(any_store, count):
    rows = blobs(range(count))
    with any_store.writing() as connection:
        results.insert_rows(connection, results.BLOB, rows)
    assert [tuple(row) for row in stored(any_store)] == rows


@pytest.mark.parametrize("count", SIZES)
def test_of_rows_that_repeat_the_first_counts(any_store, count):
    with any_store.writing() as connection:
        results.insert_rows(connection, results.BLOB, blobs(range(0, count, 3)))
    again = [(digest, size + 1_000_000) for digest, size in blobs(range(count))]
    with any_store.writing() as connection:
        results.insert_rows(connection, results.BLOB, [*blobs(range(count)), *again])
    assert [tuple(row) for row in stored(any_store)] == blobs(range(count))


@pytest.mark.parametrize("count", SIZES)
def test_a_row_that_cannot_be_stored_takes_its_transaction_with_it(any_store, count):
    broken = [*blobs(range(count - 1)), ("f" * 64, None)]
    with pytest.raises((IntegrityError, *driver_errors())), any_store.writing() as connection:
        results.insert_rows(connection, results.BLOB, blobs([5_000]))
        results.insert_rows(connection, results.BLOB, broken)
    assert stored(any_store) == []


def test_no_statement_has_more_values_than_sqlite_takes():
    widest = max(
        len(one.columns) for one in vars(results).values() if isinstance(one, results.Insertion)
    )
    assert widest * results.AT_ONCE <= 32_766


@pytest.mark.parametrize("count", SIZES)
def test_values_that_all_rows_share_are_given_once(any_store, count):
    link = results.Insertion(
        table="verdict_of_test", columns=("a", "b", "c"), repeats=False,
        sqlite="INSERT OR FAIL INTO verdict_of_test (a, b, c) VALUES (?, ?, ?)",
        postgres="INSERT INTO verdict_of_test (a, b, c) VALUES (%s, %s, %s)",
    )  # fmt: skip
    with any_store.writing() as connection:
        connection.exec_driver_sql("CREATE TEMPORARY TABLE verdict_of_test (a INT, b INT, c INT)")
        results.insert_rows(connection, link, [(n, -n) for n in range(count)], (7,))
        found = connection.exec_driver_sql("SELECT a, b, c FROM verdict_of_test ORDER BY b")
        assert [tuple(row) for row in found] == [(7, n, -n) for n in range(count)]
