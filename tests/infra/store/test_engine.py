"""What each connection to a SQLite file is told before its first transaction."""

from __future__ import annotations

import sqlite3

import pytest
from sqlalchemy import func, select

from hotfire_infra.store import results
from hotfire_infra.store.database import DATABASE_FILE, open_store
from hotfire_infra.store.engine import LOG_PAGES
from hotfire_infra.store.models import Blob


def test_the_log_of_a_writer_grows_before_it_is_brought_into_the_database(tmp_path):
    store = open_store(tmp_path)
    log = tmp_path / f"{DATABASE_FILE}-wal"
    with store.writing() as connection:
        connection.exec_driver_sql("CREATE TABLE filler (content BLOB)")
    sizes = []
    # Each transaction writes a hundred pages; SQLite's own limit is a thousand.
    for _ in range(30):
        with store.writing() as connection:
            connection.exec_driver_sql("INSERT INTO filler VALUES (zeroblob(400000))")
        sizes.append(log.stat().st_size)
    store.close()
    assert sizes == sorted(sizes)
    assert 2_000 * 4096 < sizes[-1] < LOG_PAGES * 4096


def test_the_log_is_brought_into_the_database_once_it_is_large(tmp_path, monkeypatch):
    monkeypatch.setattr("hotfire_infra.store.engine.LOG_PAGES", 200)
    store = open_store(tmp_path)
    with store.writing() as connection:
        connection.exec_driver_sql("CREATE TABLE filler (content BLOB)")
    for _ in range(30):
        with store.writing() as connection:
            connection.exec_driver_sql("INSERT INTO filler VALUES (zeroblob(400000))")
    size = (tmp_path / f"{DATABASE_FILE}-wal").stat().st_size
    store.close()
    assert size < 1_000 * 4096


def test_a_statement_that_fails_at_a_late_row_takes_its_transaction_with_it(tmp_path):
    store = open_store(tmp_path)
    rows = [(f"{number:064x}", number) for number in range(results.AT_ONCE)]
    broken = [(f"{number:064x}", number) for number in range(1000, 999 + results.AT_ONCE)]
    with store.writing() as connection:
        results.insert_rows(connection, results.BLOB, rows[:1])
    # SQLite itself takes back nothing of such a statement: the end of the transaction does.
    with pytest.raises(sqlite3.IntegrityError), store.writing() as connection:
        results.insert_rows(connection, results.BLOB, rows[1:])
        results.insert_rows(connection, results.BLOB, [*broken, ("f" * 64, None)])
    with store.reading() as connection:
        assert connection.execute(select(func.count()).select_from(Blob)).scalar() == 1
    store.close()


def test_a_writer_sorts_in_files(tmp_path):
    store = open_store(tmp_path)
    with store.writing() as connection:
        assert connection.exec_driver_sql("PRAGMA temp_store").scalar() == 0
    store.close()
