"""PostgreSQL by psycopg 3: engines for writing and reading, and the clock of the server.

Writers run in READ COMMITTED: every step is a guarded UPDATE, so the loser of a race changes nothing.
Where a value is read and then written (the next number of a run), `serialise` makes a queue of it.
"""

from __future__ import annotations

import threading
import time
import zlib
from collections.abc import Callable
from typing import Any

from sqlalchemy import URL, Connection, Engine, create_engine, event, make_url, text
from sqlalchemy.exc import ArgumentError

from hotfire_infra.errors import DatabaseUnusableError, StoreError
from hotfire_infra.store.engine import transaction

CONNECT_TIMEOUT_S = 10
IDLE_IN_TRANSACTION_S = 300
"""A stopped process must not hold its locks for ever."""
RESYNC_NS = 10_000_000_000
"""The server's clock is asked again after so long; between, this machine's monotonic clock counts."""

# The keys of a page are joined with the nine tables of its rows: eight is the server's default, and
# beyond it tables are joined as written, the big ones whole before the keys choose among them.
_OPTIONS = (
    f"-c idle_in_transaction_session_timeout={IDLE_IN_TRANSACTION_S}s"
    " -c client_min_messages=warning -c timezone=UTC"
    " -c join_collapse_limit=11 -c from_collapse_limit=11"
)


def parse_address(address: str) -> URL:
    """Read `postgresql://…`; the error names the remedy and never the address, it has a password."""
    try:
        url = make_url(address)
    except (ArgumentError, ValueError):
        url = None
    if url is None or url.get_backend_name() not in {"postgresql", "postgres"}:
        raise DatabaseUnusableError(
            "HOTFIRE_DATABASE is not the address of a PostgreSQL; "
            "write postgresql://user@host:5432/database"
        ) from None
    return url.set(drivername="postgresql+psycopg")


def postgres_engine(url: URL, *, query_only: bool) -> Engine:
    """Return an engine on a PostgreSQL, for reading only (one snapshot) or for writing."""
    try:
        import psycopg
    except ImportError as error:
        raise DatabaseUnusableError(
            "the driver of PostgreSQL is not installed; pip install 'hotfire[postgresql]'"
        ) from error
    engine = create_engine(
        url,
        connect_args={
            "application_name": "hotfire-read" if query_only else "hotfire",
            "connect_timeout": CONNECT_TIMEOUT_S,
            "options": _OPTIONS,
            "keepalives_idle": 30,
            "keepalives_interval": 10,
            "keepalives_count": 3,
        },
        # A restarted server leaves dead connections in the pool; they are replaced, not reported.
        pool_pre_ping=True,
        pool_size=5,
        max_overflow=20,
        hide_parameters=True,
    )

    @event.listens_for(engine, "connect")
    def on_connect(connection: Any, _record: Any) -> None:
        if query_only:
            connection.read_only = True
            connection.isolation_level = psycopg.IsolationLevel.REPEATABLE_READ
        else:
            connection.isolation_level = psycopg.IsolationLevel.READ_COMMITTED

    return engine


def is_postgres(connection: Connection) -> bool:
    """Say whether the connection leads to a PostgreSQL."""
    return connection.dialect.name == "postgresql"


def serialise(connection: Connection, name: str) -> None:
    """Let one transaction at a time go on from here to its end; on SQLite that is so anyway."""
    if is_postgres(connection):
        key = zlib.crc32(f"hotfire:{name}".encode())
        connection.execute(text("SELECT pg_advisory_xact_lock(:key)"), {"key": key})


class PostgresClock:
    """The clock of the database server, which all its clients share.

    A reading is the server's time at the last synchronisation plus what passed here since then. It
    never goes backwards in a process; when the server does not answer, this machine goes on
    counting until it does.
    """

    boot_id = "postgresql"
    """One for the database: its clock counts from 1970 and survives restarts."""

    def __init__(self, url: URL, *, local_ns: Callable[[], int] = time.monotonic_ns) -> None:
        # Its own connection: it is read inside transactions, and must not wait for the pool.
        self._engine = postgres_engine(url, query_only=True)
        self._local_ns = local_ns
        self._guard = threading.Lock()
        self._offset: int | None = None
        self._synchronised_ns = 0
        self._latest = 0

    def mono_ns(self) -> int:
        """Return the server's time in nanoseconds since 1970, never less than before."""
        with self._guard:
            self._latest = max(self._latest, self._now())
            return self._latest

    def wall_ns(self) -> int:
        """Return the server's time, so that all machines write one time."""
        with self._guard:
            return self._now()

    def close(self) -> None:
        """Close the connection."""
        self._engine.dispose()

    def _now(self) -> int:
        local = self._local_ns()
        if self._offset is None or local - self._synchronised_ns >= RESYNC_NS:
            self._synchronise()
            local = self._local_ns()
        assert self._offset is not None
        return local + self._offset

    def _synchronise(self) -> None:
        before = self._local_ns()
        try:
            server = self._ask()
        except StoreError:
            if self._offset is None:
                raise
            # Not at once again: each question may wait for its timeout.
            self._synchronised_ns = self._local_ns()
            return
        after = self._local_ns()
        self._offset = server - (before + after) // 2
        self._synchronised_ns = after

    def _ask(self) -> int:
        query = text("SELECT (extract(epoch FROM clock_timestamp()) * 1000000)::bigint")
        with transaction(self._engine) as connection:
            return int(connection.execute(query).scalar_one()) * 1000
