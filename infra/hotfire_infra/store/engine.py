"""Two engines on one SQLite file: a writer that begins IMMEDIATE and readers that cannot write.

A deferred transaction that reads and then writes is thrown out by SQLite whenever another writer
came between (busy_timeout does not help); `BEGIN IMMEDIATE` waits its turn instead.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from sqlalchemy import Connection, Engine, create_engine, event
from sqlalchemy.exc import OperationalError

from hotfire_infra.errors import StorageFullError

BUSY_TIMEOUT_MS = 30_000
CACHE_KIB = 32 * 1024


def _pragmas(connection: Any, *, query_only: bool) -> None:
    # The driver must not begin transactions on its own; our `begin` event does.
    connection.isolation_level = None
    cursor = connection.cursor()
    cursor.execute(f"PRAGMA busy_timeout = {BUSY_TIMEOUT_MS}")
    if query_only:
        cursor.execute("PRAGMA query_only = 1")
    else:
        cursor.execute("PRAGMA journal_mode = WAL")
    # With WAL, NORMAL loses nothing committed when a process is killed, only when power fails.
    cursor.execute("PRAGMA synchronous = NORMAL")
    cursor.execute("PRAGMA foreign_keys = 1")
    cursor.execute(f"PRAGMA cache_size = -{CACHE_KIB}")
    cursor.close()


def sqlite_engine(path: Path, *, query_only: bool) -> Engine:
    """Return an engine on the SQLite file at `path`, for reading only or for writing."""
    engine = create_engine(f"sqlite:///{path}", connect_args={"timeout": BUSY_TIMEOUT_MS / 1000})

    @event.listens_for(engine, "connect")
    def on_connect(connection: Any, _record: Any) -> None:
        _pragmas(connection, query_only=query_only)

    @event.listens_for(engine, "begin")
    def on_begin(connection: Connection) -> None:
        connection.exec_driver_sql("BEGIN" if query_only else "BEGIN IMMEDIATE")

    return engine


@contextmanager
def transaction(engine: Engine) -> Iterator[Connection]:
    """Run a block in one transaction, committed at its end; a full disk gets its own error."""
    try:
        with engine.begin() as connection:
            yield connection
    except OperationalError as error:
        if "disk is full" in str(error) or "disk I/O error" in str(error):
            raise StorageFullError(
                f"the database could not be written: {error.orig}; "
                "free space on its disk, then `hotfire run --resume`"
            ) from error
        raise
