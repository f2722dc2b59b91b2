"""Is the store whole? Revision, models, the database's own integrity, and the blobs of its rows."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from sqlalchemy import Connection, text

from hotfire_infra.errors import DatabaseUnusableError
from hotfire_infra.store import schema
from hotfire_infra.store.backup import digest_of, named_blobs
from hotfire_infra.store.blobs import BlobStore
from hotfire_infra.store.copying import described_tables
from hotfire_infra.store.database import DATABASE_FILE, engine_of
from hotfire_infra.store.engine import transaction

SHOWN = 20
"""Problems of one kind that are named; the others are counted."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CheckReport:
    """What was looked at and what was found."""

    revision: str
    blobs: int
    """Looked at."""
    is_deep: bool
    problems: tuple[str, ...]
    remedy: str
    """What to type next; empty where there is no problem."""


def check_store(home: Path, *, database: str | None = None, deep: bool = False) -> CheckReport:
    """Check the store without changing anything; `deep` reads every row and every blob.

    Raises SchemaVersionError for a database of a newer release, DatabaseDamagedError where it cannot
    be read at all.
    """
    if database is None and not (home / DATABASE_FILE).is_file():
        raise DatabaseUnusableError(f"{home} has no {DATABASE_FILE}; name the home in HOTFIRE_HOME")
    engine = engine_of(home, database, query_only=True)
    try:
        with transaction(engine) as connection:
            revision, problems, wanted = _check_database(connection, deep=deep)
    finally:
        engine.dispose()
    if problems:
        remedy = "hotfire serve db restore BACKUP"
    elif revision != schema.HEAD:
        problems = [f"the database has revision {revision}, this Hotfire works on {schema.HEAD}"]
        remedy = "hotfire serve db upgrade"
    else:
        problems = _check_blobs(BlobStore(home / "blobs"), wanted, deep=deep)
        remedy = "hotfire serve db restore BACKUP" if problems else ""
    return CheckReport(
        revision=revision,
        blobs=len(wanted),
        is_deep=deep,
        problems=tuple(problems),
        remedy=remedy,
    )


def problems_of(
    connection: Connection, blobs: BlobStore, *, known: Sequence[str] = ()
) -> tuple[str, ...]:
    """Check a store that is being made, whatever its revision; `known` blobs may be missing."""
    _, problems, wanted = _check_database(connection, deep=False)
    there = sorted(set(wanted) - set(known))
    return tuple(problems or _check_blobs(blobs, there, deep=False))


def _check_database(connection: Connection, *, deep: bool) -> tuple[str, list[str], list[str]]:
    revision = schema.stored_revision(connection)
    if revision is None:
        raise DatabaseUnusableError(
            "the database is empty; `hotfire serve db upgrade` makes its tables"
        )
    if revision > schema.HEAD:
        raise schema.newer(revision)
    if connection.dialect.name == "sqlite":
        problems = _check_sqlite(connection)
    else:
        problems = _check_postgres(connection, deep=deep)
    if problems:
        # What is damaged may not be readable any further.
        return revision, problems, []
    wanted = named_blobs(connection)
    if revision == schema.HEAD:
        found = schema.differences(connection)
        problems = [f"table differs from the models: {said}" for said in found]
    return revision, problems, wanted


def _check_sqlite(connection: Connection) -> list[str]:
    said = connection.exec_driver_sql(f"PRAGMA integrity_check({SHOWN})").scalars().all()
    if said != ["ok"]:
        return [f"integrity: {line}" for text_ in said for line in str(text_).splitlines()][:SHOWN]
    broken = connection.exec_driver_sql("PRAGMA foreign_key_check").fetchmany(SHOWN)
    return [
        f"row {row} of {table} points to a {to} that is not there" for table, row, to, _ in broken
    ]


def _check_postgres(connection: Connection, *, deep: bool) -> list[str]:
    problems = [
        f"index {name} is invalid; REINDEX it"
        for name in connection.execute(
            text("SELECT indexrelid::regclass::text FROM pg_index WHERE NOT indisvalid")
        ).scalars()
    ]
    problems += [
        f"constraint {name} of {table} was never checked"
        for table, name in connection.execute(
            text(
                "SELECT conrelid::regclass::text, conname FROM pg_constraint"
                " WHERE NOT convalidated AND connamespace = current_schema()::regnamespace"
            )
        )
    ]
    failures = connection.execute(
        text("SELECT checksum_failures FROM pg_stat_database WHERE datname = current_database()")
    ).scalar()
    if failures:
        problems.append(f"{failures} pages had a wrong checksum")
    if deep:
        for table in described_tables(connection):
            # Every value is taken out of its page; a damaged one is an error of the server.
            connection.execute(
                text(f'SELECT count(*), sum(length(whole::text)) FROM "{table.name}" AS whole')
            )
    return problems


def _check_blobs(blobs: BlobStore, wanted: list[str], *, deep: bool) -> list[str]:
    problems = []
    for sha256 in wanted:
        path = blobs.path(sha256)
        if not path.is_file():
            problems.append(f"blob {sha256} is named by a row and is not there")
        elif deep and digest_of(path) != sha256:
            problems.append(f"blob {sha256} has other content than its name says")
    hidden = len(problems) - SHOWN
    return problems[:SHOWN] + ([f"and {hidden} blobs more"] if hidden > 0 else [])
