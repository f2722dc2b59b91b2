"""The store of one home directory: database, blobs and clock in one handle."""

from __future__ import annotations

from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path

from sqlalchemy import Connection, Engine

from hotfire_infra.clock import Clock, SystemClock
from hotfire_infra.store.blobs import BlobStore
from hotfire_infra.store.engine import sqlite_engine, transaction
from hotfire_infra.store.schema import ensure_schema


@dataclass(frozen=True, slots=True, kw_only=True)
class Store:
    """Open with `open_store`; `writing()` and `reading()` are one transaction each."""

    home: Path
    blobs: BlobStore
    clock: Clock
    write_engine: Engine
    read_engine: Engine

    @property
    def attempts(self) -> Path:
        """Directory of the attempts' spools."""
        return self.home / "attempts"

    def writing(self) -> AbstractContextManager[Connection]:
        """Begin the one write transaction that can be open on this store at a time."""
        return transaction(self.write_engine)

    def reading(self) -> AbstractContextManager[Connection]:
        """Begin a consistent view that never blocks a writer and cannot write."""
        return transaction(self.read_engine)

    def close(self) -> None:
        """Close the pooled connections."""
        self.write_engine.dispose()
        self.read_engine.dispose()


def open_store(home: Path, *, clock: Clock | None = None) -> Store:
    """Open the store under `home`, creating what is missing."""
    home.mkdir(parents=True, exist_ok=True)
    path = home / "hotfire.db"
    writer = sqlite_engine(path, query_only=False)
    ensure_schema(writer)
    return Store(
        home=home,
        blobs=BlobStore(home / "blobs"),
        clock=clock or SystemClock(),
        write_engine=writer,
        read_engine=sqlite_engine(path, query_only=True),
    )
