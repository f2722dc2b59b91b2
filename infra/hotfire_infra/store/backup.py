"""Backup of database and blobs: the database first, then every blob its rows name.

Blobs never change, so a copy of the database and the blobs copied after it belong together although
work goes on. `maintenance` keeps `prune` from taking a blob away meanwhile.
"""

from __future__ import annotations

import fcntl
import hashlib
import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from sqlalchemy import Connection, text

from hotfire_infra.errors import BackupRefusedError, RequestRefusedError
from hotfire_infra.store import archive, copying, schema
from hotfire_infra.store.blobs import COPY_BYTES, BlobStore
from hotfire_infra.store.database import DATABASE_FILE, engine_of
from hotfire_infra.store.engine import sqlite_engine, transaction

FORMAT = "hotfire.dev/backup/1"
MANIFEST = "backup.json"
BLOB_QUERY = text(
    "SELECT sha256 FROM blob UNION SELECT plan_sha256 FROM run UNION SELECT sha256 FROM inventory"
    " UNION SELECT archive_sha256 FROM source_stamp WHERE archive_sha256 IS NOT NULL"
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Manifest:
    """What a backup holds; the last file that is written into it."""

    format: str
    dialect: str
    revision: str
    blobs: int
    bytes: int
    """Of the blobs."""
    missing: tuple[str, ...]
    """Blobs that rows name and that were lost, or damaged, before the backup."""
    files: dict[str, str]
    """sha256 of the database's files."""


@contextmanager
def maintenance(home: Path) -> Iterator[None]:
    """Hold the home for a backup or a prune; another process that does so is refused."""
    home.mkdir(parents=True, exist_ok=True)
    with (home / "maintenance.lock").open("a") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise RequestRefusedError(
                f"a backup or a prune of {home} is under way; repeat this when it has ended"
            ) from None
        yield


def named_blobs(connection: Connection) -> list[str]:
    """Return the digests of all blobs that rows name, in order."""
    return sorted(connection.execute(BLOB_QUERY).scalars())


def digest_of(path: Path) -> str:
    """Return the sha256 of a file."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def write_backup(home: Path, target: Path, *, database: str | None = None) -> Manifest:
    """Write a backup of a home (and its PostgreSQL) to a `.tar` file or a new folder.

    Raises BackupRefusedError where the target exists, DatabaseDamagedError and the like where the
    database cannot be read. Lost blobs do not stop it; they are named in the manifest.
    """
    _require_database(home, database)
    blobs = BlobStore(home / "blobs")
    with maintenance(home), archive.writing(target) as (sink, work):
        files, revision, wanted = _copy_database(home, database, work)
        for name, path in files.items():
            sink.add(path, name)
        missing, size = [], 0
        for sha256 in wanted:
            copied = _copy_blob(blobs, sha256, work / "blob")
            if copied is None:
                missing.append(sha256)
                continue
            sink.add(copied, f"blobs/sha256/{sha256[:2]}/{sha256}")
            size += copied.stat().st_size
        manifest = Manifest(
            format=FORMAT,
            dialect="postgresql" if database else "sqlite",
            revision=revision,
            blobs=len(wanted) - len(missing),
            bytes=size,
            missing=tuple(missing),
            files={name: digest_of(path) for name, path in files.items()},
        )
        note = work / MANIFEST
        note.write_text(json.dumps(asdict(manifest), indent=1) + "\n", encoding="utf-8")
        sink.add(note, MANIFEST)
    return manifest


def _require_database(home: Path, database: str | None) -> None:
    if database is None and not (home / DATABASE_FILE).is_file():
        raise BackupRefusedError(f"{home} has no {DATABASE_FILE}; name the home in HOTFIRE_HOME")


def _copy_database(
    home: Path, database: str | None, work: Path
) -> tuple[dict[str, Path], str, list[str]]:
    """Return the files of the copy, its revision and the blobs that its rows name."""
    if database is None:
        copy = work / copying.SQLITE_FILE
        copying.copy_sqlite(home / DATABASE_FILE, copy)
        engine = sqlite_engine(copy, query_only=True)
        files = {copying.SQLITE_FILE: copy}
    else:
        engine = engine_of(home, database, query_only=True)
        files = {}
    try:
        if database is not None:
            # The blobs are listed after the copy: those of later rows are copied too, which is harmless.
            rows = copying.copy_postgres(engine, work / copying.TABLES)
            files = {
                f"{copying.TABLES}/{name}.copy": work / copying.TABLES / f"{name}.copy"
                for name in rows
            }
        with transaction(engine) as connection:
            revision = schema.stored_revision(connection)
            wanted = named_blobs(connection) if revision else []
    finally:
        engine.dispose()
    if revision is None:
        raise BackupRefusedError(f"the database of {home} is empty; there is nothing to back up")
    return files, revision, wanted


def _copy_blob(blobs: BlobStore, sha256: str, target: Path) -> Path | None:
    """Copy a blob aside while its digest is taken; None: it is lost or damaged."""
    digest = hashlib.sha256()
    try:
        with blobs.path(sha256).open("rb") as source, target.open("wb") as copy:
            while piece := source.read(COPY_BYTES):
                digest.update(piece)
                copy.write(piece)
    except FileNotFoundError:
        return None
    return target if digest.hexdigest() == sha256 else None


def read_manifest(folder: Path) -> Manifest:
    """Read and check what a backup says of itself; BackupRefusedError if it is not whole."""
    try:
        said: dict[str, Any] = json.loads((folder / MANIFEST).read_text(encoding="utf-8"))
        manifest = Manifest(**{**said, "missing": tuple(said["missing"])})
    except (OSError, ValueError, TypeError, KeyError) as error:
        raise BackupRefusedError(f"this is no whole backup of Hotfire: {error}") from error
    if manifest.format != FORMAT:
        raise BackupRefusedError(
            f"the backup has format {manifest.format!r}, this Hotfire reads {FORMAT!r}; "
            "use the Hotfire that wrote it"
        )
    for name, expected in manifest.files.items():
        path = folder / name
        if not path.is_file() or digest_of(path) != expected:
            raise BackupRefusedError(f"{name} of the backup is missing or damaged; use another one")
    return manifest
