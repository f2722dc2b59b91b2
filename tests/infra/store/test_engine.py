"""What each connection to a SQLite file is told before its first transaction."""

from __future__ import annotations

from hotfire_infra.store.database import DATABASE_FILE, open_store
from hotfire_infra.store.engine import LOG_PAGES


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
