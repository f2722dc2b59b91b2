"""A consistent copy of a database while others write, and back into an empty one.

SQLite: its online backup, one file. PostgreSQL: each table by COPY in one snapshot, so that no
program of the server's version is needed.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence
from contextlib import closing
from pathlib import Path
from typing import Any

from sqlalchemy import Connection, Engine, Table, inspect, text

from hotfire_infra.errors import BackupRefusedError, DatabaseDamagedError
from hotfire_infra.store import schema
from hotfire_infra.store.engine import transaction

SQLITE_FILE = "hotfire.db"
TABLES = "tables"


def described_tables(connection: Connection) -> list[Table]:
    """Return the tables of the database at hand, whatever its revision, without partitions."""
    from sqlalchemy import MetaData

    metadata = MetaData()
    names = [
        name
        for name in inspect(connection).get_table_names()
        if not schema.is_partition(name) and name != "alembic_version"
    ]
    metadata.reflect(connection, only=names)
    return sorted(metadata.tables.values(), key=lambda table: table.name)


def copy_sqlite(path: Path, target: Path) -> None:
    """Copy the database at one moment; writers go on meanwhile."""
    try:
        with (
            closing(sqlite3.connect(f"file:{path}?mode=ro", uri=True)) as source,
            closing(sqlite3.connect(target)) as copy,
        ):
            # In one step: page by page it would begin anew at every commit of another process.
            source.backup(copy, pages=-1)
            # One file, without a log beside it.
            copy.execute("PRAGMA journal_mode = DELETE")
            check_sqlite(copy, path)
    except sqlite3.DatabaseError as error:
        raise DatabaseDamagedError(
            f"{path} is damaged: {error}; put a backup in its place with `hotfire serve db restore`"
        ) from error


def check_sqlite(connection: sqlite3.Connection, path: Path) -> None:
    """Raise DatabaseDamagedError unless SQLite's own check finds the file whole."""
    (said,) = connection.execute("PRAGMA integrity_check(1)").fetchone()
    if said != "ok":
        raise DatabaseDamagedError(
            f"{path} is damaged: {said}; put a backup in its place with `hotfire serve db restore`"
        )


def copy_postgres(engine: Engine, folder: Path) -> dict[str, int]:
    """Write each table to a file of COPY's text format; return the rows of each."""
    folder.mkdir()
    rows: dict[str, int] = {}
    # A reading engine: one snapshot (REPEATABLE READ) for all tables.
    with transaction(engine) as connection:
        tables = described_tables(connection)
        driver: Any = connection.connection.driver_connection
        for table in tables:
            source = f"COPY (SELECT {_columns(table)} FROM {_quoted(table.name)}) TO STDOUT"
            with (
                (folder / f"{table.name}.copy").open("wb") as file,
                driver.cursor() as cursor,
            ):
                with cursor.copy(source) as copy:
                    for piece in copy:
                        file.write(piece)
                rows[table.name] = int(cursor.rowcount)
    return rows


def restore_postgres(connection: Connection, folder: Path, revision: str) -> None:
    """Fill an empty database with the files of `copy_postgres`, in the caller's transaction."""
    if names := inspect(connection).get_table_names():
        raise BackupRefusedError(
            f"the database is not empty, it has {len(names)} tables; make a new one with "
            "CREATE DATABASE and name it in HOTFIRE_DATABASE"
        )
    schema.upgrade_within(connection, revision)
    tables = described_tables(connection)
    # Rows point to each other in circles: the references come back when all rows are there.
    references = _references(connection)
    for table, name, _ in references:
        connection.exec_driver_sql(f"ALTER TABLE {table} DROP CONSTRAINT {_quoted(name)}")
    for described in tables:
        _fill(connection, described, folder / f"{described.name}.copy")
    for table, name, definition in references:
        connection.exec_driver_sql(
            f"ALTER TABLE {table} ADD CONSTRAINT {_quoted(name)} {definition}"
        )


def _references(connection: Connection) -> Sequence[tuple[str, str, str]]:
    # Of a partition only what its parent does not have itself.
    query = text(
        "SELECT conrelid::regclass::text, conname, pg_get_constraintdef(oid) FROM pg_constraint"
        " WHERE contype = 'f' AND conparentid = 0 AND connamespace = current_schema()::regnamespace"
        " ORDER BY conname"
    )
    return [(table, name, said) for table, name, said in connection.execute(query)]


def _fill(connection: Connection, table: Table, source: Path) -> None:
    if not source.is_file():
        raise BackupRefusedError(f"the backup lacks {source.name}; use another one")
    driver: Any = connection.connection.driver_connection
    with source.open("rb") as file, driver.cursor() as cursor:
        target = f"COPY {_quoted(table.name)} ({_columns(table)}) FROM STDIN"
        with cursor.copy(target) as copy:
            while piece := file.read(1 << 20):
                copy.write(piece)
    if "id" in table.c:
        connection.execute(
            text(
                f"SELECT setval(pg_get_serial_sequence(:name, 'id'), max(id)) FROM {_quoted(table.name)}"
                " HAVING max(id) IS NOT NULL"
            ),
            {"name": table.name},
        )


def _columns(table: Table) -> str:
    return ", ".join(_quoted(column.name) for column in table.columns)


def _quoted(name: str) -> str:
    return f'"{name}"'
