"""The store of one home directory: database, blobs and clock in one handle."""

from __future__ import annotations

import time
from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

from sqlalchemy import Connection, Engine

from hotfire_infra.clock import Clock, SystemClock
from hotfire_infra.errors import DatabaseBusyError
from hotfire_infra.store.blobs import BlobStore
from hotfire_infra.store.engine import sqlite_engine, transaction
from hotfire_infra.store.schema import ensure_schema

DATABASE_FILE = "hotfire.db"
BUSY_TRIES = 5
BUSY_PAUSE_S = 0.02
"""Doubled after each try."""

T = TypeVar("T")


@dataclass(frozen=True, slots=True, kw_only=True)
class Store:
    """Open with `open_store`; `writing()` and `reading()` are one transaction each."""

    home: Path
    blobs: BlobStore
    clock: Clock
    write_engine: Engine
    read_engine: Engine
    ingest_engine: Engine
    """On PostgreSQL it is `write_engine`."""

    @property
    def attempts(self) -> Path:
        """Directory of the attempts' spools."""
        return self.home / "attempts"

    @property
    def is_shared(self) -> bool:
        """Whether processes of several machines may work on it: it is on PostgreSQL."""
        return self.write_engine.dialect.name == "postgresql"

    def writing(self) -> AbstractContextManager[Connection]:
        """Begin a write transaction: the only one on SQLite, one of several on PostgreSQL.

        On PostgreSQL (READ COMMITTED) a value that was read may have changed when it is written:
        guard the UPDATE, read `with_for_update()`, or queue by `store.postgres.serialise`.
        """
        return transaction(self.write_engine)

    def ingesting(self) -> AbstractContextManager[Connection]:
        """Begin a write transaction for a batch of records, whose rows name what it has looked up.

        On SQLite the foreign keys of its rows are not looked up again: attempt, variant, messages
        and environment were read under the same lock, and `ingest` holds the keys of tests, which
        it remembers, against the table. Nothing may be removed or re-pointed in it.
        """
        return transaction(self.ingest_engine)

    def reading(self) -> AbstractContextManager[Connection]:
        """Begin a consistent view that never blocks a writer and cannot write."""
        return transaction(self.read_engine)

    def write(self, work: Callable[[Connection], T]) -> T:
        """Do `work` in a write transaction, anew if the database threw it out (deadlock).

        `work` must not have effects outside the connection. Raises DatabaseBusyError after
        `BUSY_TRIES`; a lost connection is not repeated, for the commit may have arrived.
        """
        pause = BUSY_PAUSE_S
        for _ in range(BUSY_TRIES - 1):
            try:
                with self.writing() as connection:
                    return work(connection)
            except DatabaseBusyError:
                time.sleep(pause)
                pause *= 2
        with self.writing() as connection:
            return work(connection)

    def close(self) -> None:
        """Close the pooled connections."""
        self.write_engine.dispose()
        self.ingest_engine.dispose()
        self.read_engine.dispose()
        close = getattr(self.clock, "close", None)
        if close is not None:
            close()


def open_store(home: Path, *, database: str | None = None, clock: Clock | None = None) -> Store:
    """Open the store under `home`, creating what is missing.

    `database` is the address of a PostgreSQL (`postgresql://…`); without one the database is a
    SQLite file in `home`. Blobs and spools are in `home` either way.
    """
    home.mkdir(parents=True, exist_ok=True)
    if database is not None:
        return _open_postgres(home, database, clock)
    path = home / DATABASE_FILE
    writer = sqlite_engine(path, query_only=False)
    ensure_schema(writer)
    return Store(
        home=home,
        blobs=BlobStore(home / "blobs"),
        clock=clock or SystemClock(),
        write_engine=writer,
        read_engine=sqlite_engine(path, query_only=True),
        ingest_engine=sqlite_engine(path, query_only=False, checks_references=False),
    )


def engine_of(home: Path, database: str | None, *, query_only: bool) -> Engine:
    """Return an engine on a store's database as it is, whatever its revision; the caller disposes."""
    if database is None:
        return sqlite_engine(home / DATABASE_FILE, query_only=query_only)
    from hotfire_infra.store.postgres import parse_address, postgres_engine

    return postgres_engine(parse_address(database), query_only=query_only)


def _open_postgres(home: Path, database: str, clock: Clock | None) -> Store:
    # Imported late: the embedded store must not pay for a driver that it does not use.
    from hotfire_infra.store.postgres import PostgresClock, parse_address, postgres_engine

    url = parse_address(database)
    writer = postgres_engine(url, query_only=False)
    ensure_schema(writer)
    return Store(
        home=home,
        blobs=BlobStore(home / "blobs"),
        clock=clock or PostgresClock(url),
        write_engine=writer,
        read_engine=postgres_engine(url, query_only=True),
        ingest_engine=writer,
    )
