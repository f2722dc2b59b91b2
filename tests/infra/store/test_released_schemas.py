"""Every schema that was ever released goes to the newest and back without losing a row.

The dumps are frozen: what a database of that release held, byte for byte. A new release adds its own
(`make_dump.py`); whoever edits a released migration in place finds its dump against it.
"""

from __future__ import annotations

import sqlite3
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Engine, MetaData, inspect, select

from hotfire_infra.errors import DatabaseDamagedError
from hotfire_infra.store import queries, schema
from hotfire_infra.store.database import open_store
from hotfire_infra.store.engine import sqlite_engine, transaction
from hotfire_infra.store.postgres import parse_address, postgres_engine

DUMPS = sorted((Path(__file__).parent / "dumps").glob("*.sql"))


def load(dump: Path, home: Path, request: pytest.FixtureRequest) -> str | None:
    """Make the database of a dump; return its address, none for the file in `home`."""
    text = dump.read_text(encoding="utf-8")
    if dump.stem.endswith(".sqlite"):
        connection = sqlite3.connect(home / "hotfire.db")
        connection.executescript(text)
        connection.close()
        return None
    server = request.getfixturevalue("postgres")
    name = server.create_database()
    server.execute(text, name)
    return str(server.address(name))


@pytest.fixture(params=DUMPS, ids=lambda dump: dump.stem)
def released(request: pytest.FixtureRequest, tmp_path: Path):
    address = load(request.param, tmp_path, request)
    if address is None:
        engine = sqlite_engine(tmp_path / "hotfire.db", query_only=False)
    else:
        engine = postgres_engine(parse_address(address), query_only=False)
    yield request.param.stem.partition(".")[0], engine, address
    engine.dispose()


def columns_of(engine: Engine) -> dict[str, list[str]]:
    found = inspect(engine)
    return {
        table: [column["name"] for column in found.get_columns(table)]
        for table in sorted(found.get_table_names())
        if table != "alembic_version" and not schema.is_partition(table)
    }


def rows_of(engine: Engine, columns: dict[str, list[str]]) -> dict[str, list[Any]]:
    metadata = MetaData()
    with transaction(engine) as connection:
        metadata.reflect(connection, only=list(columns))
        return {
            table: sorted(
                map(repr, connection.execute(select(*(metadata.tables[table].c[c] for c in names))))
            )
            for table, names in columns.items()
        }


def test_upgrade_and_downgrade_keep_every_row(released):
    revision, engine, _ = released
    columns = columns_of(engine)
    before = rows_of(engine, columns)
    assert all(before.values()), "a table of the dump is empty"
    schema.upgrade(engine)
    with transaction(engine) as connection:
        assert schema.differences(connection) == []
    assert rows_of(engine, columns) == before
    schema.downgrade(engine, revision)
    assert columns_of(engine) == columns
    assert rows_of(engine, columns) == before
    schema.upgrade(engine)
    assert rows_of(engine, columns) == before


def test_a_released_database_is_opened_and_read(released, tmp_path):
    _, _, address = released
    store = open_store(tmp_path, database=address)
    with store.reading() as connection:
        run = queries.find_run(connection, "1")
        shown = queries.snapshot(connection, run.id)
    store.close()
    assert run.verdict is not None
    assert {task.key for task in shown.tasks} >= {"unit", "kernels"}


def test_every_revision_before_the_newest_has_its_dumps():
    released = [f"{number:04}" for number in range(1, int(schema.HEAD))]
    assert {dump.name for dump in DUMPS} >= {
        f"{revision}.{kind}.sql" for revision in released for kind in ("sqlite", "postgresql")
    }


def test_an_upgrade_of_rows_that_point_nowhere_is_refused_and_changes_nothing(tmp_path):
    (dump,) = [dump for dump in DUMPS if dump.name == "0001.sqlite.sql"]
    connection = sqlite3.connect(tmp_path / "hotfire.db")
    connection.executescript(dump.read_text(encoding="utf-8"))
    connection.execute("DELETE FROM variant WHERE id = 1")
    connection.commit()
    connection.close()
    with pytest.raises(DatabaseDamagedError, match="do not exist"):
        open_store(tmp_path)
    engine = sqlite_engine(tmp_path / "hotfire.db", query_only=True)
    with transaction(engine) as reading:
        assert schema.stored_revision(reading) == "0001"
    engine.dispose()


def test_a_main_that_made_the_tables_of_0003_under_the_name_0002_is_taken(tmp_path):
    connection = sqlite3.connect(tmp_path / "hotfire.db")
    for dump in ("0002.sqlite.sql", "early/0002.sqlite.sql"):
        path = Path(__file__).parent / "dumps" / dump
        connection.executescript(path.read_text(encoding="utf-8"))
    connection.close()
    engine = sqlite_engine(tmp_path / "hotfire.db", query_only=False)
    schema.upgrade(engine)
    with transaction(engine) as reading:
        assert schema.stored_revision(reading) == schema.HEAD
        assert schema.differences(reading) == []
    engine.dispose()
