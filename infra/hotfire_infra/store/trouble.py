"""What a database said, in words for people: each kind of trouble is an error of its own."""

from __future__ import annotations

import os
import shlex
from pathlib import Path

from sqlalchemy import URL
from sqlalchemy.exc import DBAPIError, InterfaceError, OperationalError

from hotfire_infra.errors import (
    DatabaseBusyError,
    DatabaseDamagedError,
    DatabaseUnreachableError,
    DatabaseUnusableError,
    StorageFullError,
    StoreError,
)

FULL = {"53100"}
BUSY = {"40001", "40P01", "55P03"}
"""Serialisation failure, deadlock, lock not available: the same transaction may succeed later."""
DAMAGED = {"XX001", "XX002"}
GONE = {"57P01", "57P02", "57P03", "53300"}
"""Shut down, crashed, starting up, out of connections; class 08 beside them."""
UNUSABLE_CLASSES = ("28", "3D", "42501")
_REFUSED = ("authentication failed", "does not exist", "no pg_hba.conf entry", "no password")


def address_of(url: URL) -> str:
    """Return where a database is, without user, password and options."""
    if url.get_backend_name() == "sqlite":
        return url.database or ""
    host = url.host or str(url.query.get("host", "the local socket"))
    return f"{host}:{url.port or 5432}/{url.database or ''}"


def explain(error: Exception, url: URL) -> StoreError | None:
    """Return the store's own error for what the driver raised; None: it is about a statement."""
    if url.get_backend_name() == "sqlite":
        said = str(error.orig) if isinstance(error, DBAPIError) else str(error)
        return _explain_sqlite(said, Path(url.database or ""))
    return _explain_postgres(error, address_of(url))


def _explain_sqlite(said: str, path: Path) -> StoreError | None:
    if "disk is full" in said or "disk I/O error" in said:
        return StorageFullError(
            f"the database could not be written: {said}; "
            "free space on its disk, then `hotfire run --resume`"
        )
    if "database is locked" in said or "table is locked" in said:
        return DatabaseBusyError(f"{path} is being written by another process for long: {said}")
    if any(word in said for word in ("malformed", "not a database", "Could not decode")):
        return _damaged(path, said.partition(" with text")[0])
    # A reading engine of ours says "readonly" too, of a file that could be written: our defect.
    is_closed = "readonly database" in said and not os.access(path, os.W_OK)
    if (is_closed or "unable to open" in said) and is_read_only(path.parent):
        return DatabaseUnusableError(
            f"{path} cannot be opened for writing: {READ_ONLY}, or name another folder in HOTFIRE_HOME"
        )
    if is_closed or "unable to open" in said:
        return DatabaseUnusableError(
            f"{path} cannot be opened for writing: {said}; make its folder writable, "
            "or name another one in HOTFIRE_HOME"
        )
    return None


READ_ONLY = "its file system is mounted read-only; mount it for writing"


def is_read_only(folder: Path) -> bool:
    """Say whether a folder lies on a file system that nobody can write to."""
    try:
        return bool(os.statvfs(folder).f_flag & os.ST_RDONLY)
    except OSError:
        return False


def _damaged(path: Path, said: str) -> DatabaseDamagedError:
    # The whole home: a write-ahead log that stays behind would be read into a new database.
    home = shlex.quote(str(path.parent))
    return DatabaseDamagedError(
        f"{path} is damaged: {said}; put a backup in its place, or begin anew with "
        f"`mv {home} {home}.damaged`"
    )


def unreadable(url: URL, said: str) -> DatabaseDamagedError:
    """Return the error about a row whose values cannot be what was written."""
    if url.get_backend_name() == "sqlite":
        return _damaged(Path(url.database or ""), f"a row cannot be read ({said})")
    return DatabaseDamagedError(
        f"the database {address_of(url)} holds a row that cannot be read: {said}; restore a backup "
        "into an empty database with `hotfire serve db restore`"
    )


def _explain_postgres(error: Exception, address: str) -> StoreError | None:
    orig = error.orig if isinstance(error, DBAPIError) else error
    state = getattr(orig, "sqlstate", None) or ""
    # The first line says what happened; the rest are hints and the statement.
    said = (str(orig).strip().splitlines() or ["no reason given"])[0]
    if state in FULL or "No space left on device" in said:
        return StorageFullError(
            f"the PostgreSQL at {address} has no room left: {said}; "
            "free space on its disk, then `hotfire run --resume`"
        )
    if state in BUSY:
        return DatabaseBusyError(f"the PostgreSQL at {address} threw a transaction out: {said}")
    if state in DAMAGED:
        return DatabaseDamagedError(
            f"the database {address} is damaged: {said}; restore a backup into an empty database "
            "with `hotfire serve db restore`"
        )
    if state.startswith(UNUSABLE_CLASSES) or (not state and any(word in said for word in _REFUSED)):
        return DatabaseUnusableError(
            f"the PostgreSQL at {address} refuses us: {said}; "
            "correct HOTFIRE_DATABASE or the rights of its user"
        )
    if state == "25006" and "recovery" in said:
        return DatabaseUnusableError(
            f"the PostgreSQL at {address} is a standby: {said}; name the primary in HOTFIRE_DATABASE"
        )
    is_lost = not state and _is_connection_trouble(error)
    if state in GONE or state.startswith("08") or is_lost:
        return DatabaseUnreachableError(
            f"the PostgreSQL at {address} does not answer: {said}; "
            "start it or correct HOTFIRE_DATABASE, then repeat the command"
        )
    return None


def _is_connection_trouble(error: Exception) -> bool:
    if isinstance(error, DBAPIError):
        return error.connection_invalidated or isinstance(error, OperationalError | InterfaceError)
    return type(error).__name__ in {"OperationalError", "InterfaceError"}
