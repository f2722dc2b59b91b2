"""Two engines on one SQLite file: a writer that begins IMMEDIATE and readers that cannot write.

A deferred transaction that reads and then writes is thrown out by SQLite whenever another writer
came between (busy_timeout does not help); `BEGIN IMMEDIATE` waits its turn instead.
PostgreSQL's engines are in `store.postgres`; `transaction` serves both.
"""

from __future__ import annotations

import sqlite3
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from sqlalchemy import Connection, Engine, create_engine, event
from sqlalchemy.exc import DatabaseError, InterfaceError

from hotfire_infra.store.trouble import explain, unreadable

BUSY_TIMEOUT_MS = 30_000
CACHE_KIB = 32 * 1024
LOG_PAGES = 8_000
"""Of the write-ahead log, from which a commit also brings them into the database: 32 MB.

Pages that are written again until then are brought once, and there are fewer waits for the disk.
"""


def _pragmas(connection: Any, *, query_only: bool, checks_references: bool) -> None:
    # The driver must not begin transactions on its own; our `begin` event does.
    connection.isolation_level = None
    cursor = connection.cursor()
    cursor.execute(f"PRAGMA busy_timeout = {BUSY_TIMEOUT_MS}")
    if query_only:
        cursor.execute("PRAGMA query_only = 1")
    else:
        cursor.execute("PRAGMA journal_mode = WAL")
        cursor.execute(f"PRAGMA wal_autocheckpoint = {LOG_PAGES}")
    # With WAL, NORMAL loses nothing committed when a process is killed, only when power fails.
    cursor.execute("PRAGMA synchronous = NORMAL")
    cursor.execute(f"PRAGMA foreign_keys = {checks_references:d}")
    cursor.execute(f"PRAGMA cache_size = -{CACHE_KIB}")
    cursor.close()


def sqlite_engine(path: Path, *, query_only: bool, checks_references: bool = True) -> Engine:
    """Return an engine on the SQLite file at `path`, for reading only or for writing.

    Without `checks_references` whoever writes has to know that what rows point to is there.
    """
    engine = create_engine(
        f"sqlite:///{path}",
        connect_args={"timeout": BUSY_TIMEOUT_MS / 1000},
        # An error's text goes into logs; values of a statement may be anything.
        hide_parameters=True,
    )

    @event.listens_for(engine, "connect")
    def on_connect(connection: Any, _record: Any) -> None:
        _pragmas(connection, query_only=query_only, checks_references=checks_references)

    @event.listens_for(engine, "begin")
    def on_begin(connection: Connection) -> None:
        if query_only:
            connection.exec_driver_sql("BEGIN")
            return
        if not checks_references:
            # Its statements keep nothing aside.
            connection.exec_driver_sql("BEGIN IMMEDIATE")
            return
        driver: Any = connection.connection.dbapi_connection
        # A statement of many rows keeps the pages it changes, to take itself back if a row is
        # wrong: in memory, for a temporary file of them cost more than the statement saved. Where
        # it keeps them is decided as the transaction begins; what sorts goes to files as ever.
        driver.execute("PRAGMA temp_store = MEMORY")
        connection.exec_driver_sql("BEGIN IMMEDIATE")
        driver.execute("PRAGMA temp_store = DEFAULT")

    return engine


def driver_errors() -> tuple[type[Exception], ...]:
    """Return what SQLAlchemy raises, and what the raw driver may raise past it (COPY, dictionaries)."""
    psycopg = sys.modules.get("psycopg")
    wrapped: tuple[type[Exception], ...] = (DatabaseError, InterfaceError, sqlite3.Error)
    return wrapped if psycopg is None else (*wrapped, psycopg.Error)


@contextmanager
def transaction(engine: Engine, *, before: str | None = None) -> Iterator[Connection]:
    """Run a block in one transaction, committed at its end; trouble of the database has its errors.

    `before` is a PRAGMA that SQLite takes only outside a transaction; the connection is closed
    afterwards, not returned to the pool. Raises the children of StoreError in
    `hotfire_infra.errors`; what is about a statement is raised as it is.
    """
    try:
        with engine.connect() as connection:
            if before is not None:
                _prepare(connection, before)
            with connection.begin():
                yield connection
    except driver_errors() as error:
        trouble = explain(error, engine.url)
        if trouble is None:
            raise
        raise trouble from error
    except (ValueError, LookupError) as error:
        # A page that was overwritten may still be a page: only its values make no sense.
        if not _is_of_a_value_read(error):
            raise
        raise unreadable(engine.url, str(error)) from error


def _is_of_a_value_read(error: Exception) -> bool:
    """Say whether SQLAlchemy raised it while it read a row: text, JSON or a closed set."""
    frame = error.__traceback__
    while frame is not None:
        if str(frame.tb_frame.f_globals.get("__name__", "")).startswith("sqlalchemy."):
            return True
        frame = frame.tb_next
    return False


def _prepare(connection: Connection, pragma: str) -> None:
    # Past SQLAlchemy, which would begin a transaction first.
    driver: Any = connection.connection.driver_connection
    driver.execute(pragma)
    connection.detach()
