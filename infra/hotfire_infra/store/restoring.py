"""Restore a backup into an empty store: made beside, checked there, and moved in only when whole.

What was in the home before stays as it was: a database is refused, blobs have their content for a name.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from sqlalchemy import Connection, text

from hotfire_infra.errors import BackupRefusedError, BlobCorruptError
from hotfire_infra.store import archive, copying, schema
from hotfire_infra.store.backup import Manifest, maintenance, read_manifest
from hotfire_infra.store.blobs import BlobStore
from hotfire_infra.store.checking import problems_of
from hotfire_infra.store.database import DATABASE_FILE, engine_of
from hotfire_infra.store.engine import driver_errors, sqlite_engine, transaction

BESIDE = ".restoring"
"""Folder of the home in which a restore is made; a restore that was killed leaves it behind."""


def restore_backup(source: Path, home: Path, *, database: str | None = None) -> Manifest:
    """Restore into an empty home (and an empty PostgreSQL); refuse any other.

    Raises BackupRefusedError where the backup is not whole or fails the check; then nothing of it
    is in the home or the database. The database appears last, so a restore that was cut off can be
    repeated.
    """
    _require_no_database(home)
    with archive.reading(source) as folder:
        manifest = read_manifest(folder)
        dialect = "postgresql" if database else "sqlite"
        if manifest.dialect != dialect:
            raise BackupRefusedError(
                f"the backup is of {manifest.dialect}, the target is {dialect}; "
                f"{'unset' if database else 'set'} HOTFIRE_DATABASE"
            )
        if manifest.revision > schema.HEAD:
            raise schema.newer(manifest.revision)
        with maintenance(home), _beside(home) as beside:
            _copy_blobs(folder, BlobStore(beside / "blobs"))
            if database is None:
                _restore_sqlite(folder, beside, home, manifest)
            else:
                _restore_postgres(folder, beside, home, manifest, database)
    return manifest


def _require_no_database(home: Path) -> None:
    if (home / DATABASE_FILE).exists():
        raise BackupRefusedError(
            f"{home} has a database already; restore into an empty folder (HOTFIRE_HOME), or move "
            f"this one away with `mv {home} {home}.before`"
        )


@contextmanager
def _beside(home: Path) -> Iterator[Path]:
    beside = home / BESIDE
    shutil.rmtree(beside, ignore_errors=True)
    beside.mkdir()
    try:
        yield beside
    finally:
        shutil.rmtree(beside, ignore_errors=True)


def _copy_blobs(folder: Path, blobs: BlobStore) -> None:
    for path in sorted((folder / "blobs").rglob("*")):
        if not path.is_file():
            continue
        try:
            blobs.put_file(path, expected=path.name)
        except BlobCorruptError as error:
            raise BackupRefusedError(
                f"blob {path.name} of the backup is damaged ({error}); use another one"
            ) from error


def _restore_sqlite(folder: Path, beside: Path, home: Path, manifest: Manifest) -> None:
    copy = beside / DATABASE_FILE
    shutil.copyfile(folder / copying.SQLITE_FILE, copy)
    engine = sqlite_engine(copy, query_only=False)
    try:
        with transaction(engine) as connection:
            _require_whole(connection, beside, manifest)
            _free_lock(connection)
    finally:
        engine.dispose()
    _move_blobs(beside, home)
    with copy.open("rb") as file:
        os.fsync(file.fileno())
    try:
        # A rename would replace the database of whoever has started here meanwhile.
        (home / DATABASE_FILE).hardlink_to(copy)
    except FileExistsError:
        _require_no_database(home)
        raise
    _sync(home)


def _restore_postgres(
    folder: Path, beside: Path, home: Path, manifest: Manifest, database: str
) -> None:
    engine = engine_of(home, database, query_only=False)
    try:
        # One transaction from the first table to the check: what fails leaves an empty database.
        with schema.migrating(engine) as connection:
            copying.restore_postgres(connection, folder / copying.TABLES, manifest.revision)
            _require_whole(connection, beside, manifest)
            _free_lock(connection)
            _move_blobs(beside, home)
    except driver_errors() as error:
        # What is the server's own trouble has another name by now.
        raise BackupRefusedError(
            f"the rows of the backup do not fit together: {str(error).splitlines()[0]}; nothing of "
            "them was put into the database, use another backup"
        ) from error
    finally:
        engine.dispose()


def _require_whole(connection: Connection, beside: Path, manifest: Manifest) -> None:
    problems = problems_of(connection, BlobStore(beside / "blobs"), known=manifest.missing)
    if problems:
        raise BackupRefusedError(
            f"the backup fails the check after its restore, {len(problems)} problems, the first: "
            f"{problems[0]}; nothing of it was put into the store, use another backup"
        )


def _free_lock(connection: Connection) -> None:
    """Let anybody execute the copy; the fence goes on counting.

    Who executes the original may be alive on this machine: it would keep the copy from ever
    being executed, and knows nothing of it.
    """
    connection.execute(text("UPDATE lock SET holder = ''"))


def _move_blobs(beside: Path, home: Path) -> None:
    """Move the checked blobs in; one that is there under its name has the same content, or is damaged."""
    source, target = BlobStore(beside / "blobs"), BlobStore(home / "blobs")
    folders = set()
    for path in sorted((source.root / "sha256").rglob("*")):
        if path.is_file():
            place = target.path(path.name)
            place.parent.mkdir(parents=True, exist_ok=True)
            path.replace(place)
            folders.add(place.parent)
    for folder in sorted(folders):
        _sync(folder)


def _sync(folder: Path) -> None:
    """Make renames into a folder survive a power failure."""
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
