"""Write the two frozen dumps of a schema: `python tests/infra/store/make_dump.py REVISION`.

Takes the dumps of the revision before, upgrades them, puts one row into every table that is still
empty and writes what a database of that revision holds. Run it once, when a schema is released.
"""

from __future__ import annotations

import sqlite3
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

import sqlalchemy as sa
from benchmarks.postgres_server import binaries, serve

from hotfire_infra.store import schema
from hotfire_infra.store.engine import sqlite_engine, transaction
from hotfire_infra.store.models import Base
from hotfire_infra.store.postgres import parse_address, postgres_engine

DUMPS = Path(__file__).parent / "dumps"


def value_for(column: sa.Column[Any], known: dict[str, Any]) -> Any:
    """Return something that the column admits."""
    for key in column.foreign_keys:
        return known[key.column.table.name]
    if isinstance(column.type, sa.Enum):
        return column.type.enums[0]
    kinds: list[tuple[type[Any], Any]] = [
        (sa.JSON, {}), (sa.Boolean, False), (sa.Integer, 202601), (sa.Float, 1.5),
        (sa.LargeBinary, b"x"),
    ]  # fmt: skip
    for kind, value in kinds:
        if isinstance(column.type, kind):
            return value
    return column.name[: getattr(column.type, "length", None) or 40]


def fill(connection: sa.Connection) -> None:
    """Give every table at least one row."""
    present = set(sa.inspect(connection).get_table_names())
    reflected = sa.MetaData()
    reflected.reflect(connection, only=[name for name in present if name in Base.metadata.tables])
    known: dict[str, Any] = {}
    for model in Base.metadata.sorted_tables:
        if model.name not in present:
            continue
        table = reflected.tables[model.name]
        if connection.execute(sa.select(sa.func.count()).select_from(table)).scalar() == 0:
            names = [column.name for column in table.columns]
            row = {
                name: value_for(model.columns[name], known)
                for name in names
                if not (name == "id" and model.columns[name].autoincrement is not False)
                and not (model.columns[name].nullable and model.columns[name].foreign_keys)
            }
            connection.execute(table.insert().values(row))
        if "id" in table.columns:
            known[model.name] = connection.execute(sa.select(sa.func.min(table.c.id))).scalar()


def advance(engine: sa.Engine, revision: str) -> None:
    """Upgrade and fill."""
    schema.upgrade(engine, revision)
    with transaction(engine) as connection:
        fill(connection)
    engine.dispose()


def dump_sqlite(before: str, revision: str) -> None:
    """Write REVISION.sqlite.sql."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "hotfire.db"
        connection = sqlite3.connect(path)
        connection.executescript((DUMPS / f"{before}.sqlite.sql").read_text(encoding="utf-8"))
        connection.close()
        advance(sqlite_engine(path, query_only=False), revision)
        connection = sqlite3.connect(path)
        text = "\n".join(connection.iterdump())
        connection.close()
    (DUMPS / f"{revision}.sqlite.sql").write_text(text + "\n", encoding="utf-8")


def dump_postgres(before: str, revision: str) -> None:
    """Write REVISION.postgresql.sql; without what only names this server's version."""
    for server in serve():
        name = server.create_database()
        server.execute((DUMPS / f"{before}.postgresql.sql").read_text(encoding="utf-8"), name)
        address = server.address(name)
        advance(postgres_engine(parse_address(address), query_only=False), revision)
        made = subprocess.run(
            [
                binaries() / "pg_dump", "--inserts", "--no-owner", "--no-privileges",
                "--no-comments", address,
            ],
            check=True, capture_output=True, text=True,
        ).stdout  # fmt: skip
        kept = [
            line
            for line in made.splitlines()
            if line.strip() and not line.startswith(("--", "SET ", "\\"))
        ]
        (DUMPS / f"{revision}.postgresql.sql").write_text("\n".join(kept) + "\n", encoding="utf-8")


def main() -> None:
    """Write both."""
    revision = sys.argv[1]
    before = f"{int(revision) - 1:04}"
    dump_sqlite(before, revision)
    dump_postgres(before, revision)


if __name__ == "__main__":
    main()
