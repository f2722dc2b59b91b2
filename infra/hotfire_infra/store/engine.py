"""Two engines on one SQLite file: a writer that begins IMMEDIATE and readers that cannot write.

A deferred transaction that reads and then writes is thrown out by SQLite whenever another writer
came between (busy_timeout does not help); `BEGIN IMMEDIATE` waits its turn instead.
"""

from __future__ import annotations

import os
import shlex
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from sqlalchemy import Connection, Engine, create_engine, event
from sqlalchemy.exc import DatabaseError

from hotfire_infra.errors import (
    DatabaseDamagedError,
    DatabaseUnusableError,
    StorageFullError,
    StoreError,
)

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
    """Run a block in one transaction, committed at its end; trouble of the file has its own errors."""
    try:
        with engine.begin() as connection:
            yield connection
    except DatabaseError as error:
        trouble = _trouble(str(error.orig), Path(engine.url.database or ""))
        if trouble is None:
            raise
        raise trouble from error


def _trouble(said: str, path: Path) -> StoreError | None:
    """Return what SQLite said about the file in words for people; None: it is about a statement."""
    if "disk is full" in said or "disk I/O error" in said:
        return StorageFullError(
            f"the database could not be written: {said}; "
            "free space on its disk, then `hotfire run --resume`"
        )
    if "malformed" in said or "not a database" in said:
        # The whole home: a write-ahead log that stays behind would be read into a new database.
        home = shlex.quote(str(path.parent))
        return DatabaseDamagedError(
            f"{path} is damaged: {said}; put a backup in its place, or begin anew with "
            f"`mv {home} {home}.damaged`"
        )
    # A reading engine of ours says "readonly" too, of a file that could be written: our defect.
    is_closed = "readonly database" in said and not os.access(path, os.W_OK)
    if is_closed or "unable to open" in said:
        return DatabaseUnusableError(
            f"{path} cannot be opened for writing: {said}; make its folder writable, "
            "or name another one in HOTFIRE_HOME"
        )
    return None
