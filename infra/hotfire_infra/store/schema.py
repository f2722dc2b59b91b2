"""The schema's version: upgrade, downgrade, compare with the models (Alembic, imported late)."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sqlalchemy import Connection, Engine, inspect, text

from hotfire_infra.errors import DatabaseDamagedError, SchemaVersionError
from hotfire_infra.store.engine import transaction
from hotfire_infra.store.postgres import serialise

if TYPE_CHECKING:
    from alembic.config import Config

HEAD = "0004"
"""The revision that this code reads and writes; a test compares it with the migrations."""

MIGRATIONS = Path(__file__).parent / "migrations"
_PARTITION = re.compile(r"measurement_(\d{6}|default)")


def _config(connection: Connection) -> Config:
    from alembic.config import Config  # 150 ms that `hotfire ps` must not pay

    config = Config()
    config.set_main_option("script_location", str(MIGRATIONS))
    config.set_main_option("path_separator", "os")
    config.attributes["connection"] = connection
    return config


def stored_revision(connection: Connection) -> str | None:
    """Return the revision of the database at hand, none for an empty one."""
    if not inspect(connection).has_table("alembic_version"):
        return None
    return connection.execute(text("SELECT version_num FROM alembic_version")).scalar()


def newer(revision: str | None) -> SchemaVersionError:
    """Return the error about a database of a release that came after this one."""
    return SchemaVersionError(
        f"the database has revision {revision!r}, which this Hotfire (schema {HEAD!r}) does not "
        "know; use the Hotfire that wrote it, or a newer one"
    )


def ensure_schema(engine: Engine) -> None:
    """Bring the database to `HEAD`; refuse one that a newer Hotfire wrote."""
    with transaction(engine) as connection:
        if stored_revision(connection) == HEAD:
            return
    upgrade(engine)


def upgrade(engine: Engine, revision: str = "head") -> None:
    """Run the migrations up to `revision`, all or nothing."""
    with migrating(engine) as connection:
        upgrade_within(connection, revision)


def upgrade_within(connection: Connection, revision: str) -> None:
    """Run the migrations up to `revision` in the transaction of `migrating`."""
    from alembic import command
    from alembic.util import CommandError

    try:
        command.upgrade(_config(connection), revision)
    except CommandError as error:
        raise newer(stored_revision(connection)) from error


def downgrade(engine: Engine, revision: str) -> None:
    """Run the migrations down to `revision` (`base` for an empty database)."""
    from alembic import command

    with migrating(engine) as connection:
        command.downgrade(_config(connection), revision)


@contextmanager
def migrating(engine: Engine) -> Iterator[Connection]:
    """Begin the one transaction of a migration, one migration at a time.

    SQLite alters a table by copying it, and dropping the old copy would delete or refuse what points
    to it. Foreign keys cannot be switched off inside a transaction: so before, and checked at its
    end. A connection of its own, since the pool's keep them switched on.
    """
    if engine.dialect.name != "sqlite":
        with transaction(engine) as connection:
            serialise(connection, "migration")
            yield connection
        return
    with transaction(engine, before="PRAGMA foreign_keys = 0") as connection:
        yield connection
        broken = connection.exec_driver_sql("PRAGMA foreign_key_check").fetchmany(3)
        if broken:
            raise DatabaseDamagedError(
                f"rows point to rows that do not exist (table, row, to, key): {broken}; nothing "
                "was changed. Put a backup in its place with `hotfire serve db restore`"
            )


def is_partition(name: str | None) -> bool:
    """Say whether a table of PostgreSQL is a partition, which no model describes."""
    return name is not None and _PARTITION.fullmatch(name) is not None


def differences(connection: Connection) -> list[Any]:
    """Return what `alembic check` would report: empty when models and database agree."""
    from alembic.autogenerate import compare_metadata
    from alembic.migration import MigrationContext

    from hotfire_infra.store.models import Base

    def is_described(name: str | None, kind: str, _parents: Any) -> bool:
        return not (kind == "table" and is_partition(name))

    context = MigrationContext.configure(
        connection,
        opts={
            "render_as_batch": True,
            "include_name": is_described,
            "target_metadata": Base.metadata,
            "compare_type": True,
        },
    )
    return list(compare_metadata(context, Base.metadata))
