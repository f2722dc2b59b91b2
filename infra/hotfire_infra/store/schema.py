"""The schema's version: upgrade, downgrade, compare with the models (Alembic, imported late)."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from sqlalchemy import Connection, Engine, text
from sqlalchemy.exc import OperationalError

from hotfire_infra.errors import SchemaVersionError
from hotfire_infra.store.engine import transaction

if TYPE_CHECKING:
    from alembic.config import Config

HEAD = "0002"
"""The revision that this code reads and writes; a test compares it with the migrations."""

MIGRATIONS = Path(__file__).parent / "migrations"


def _config(connection: Connection) -> Config:
    from alembic.config import Config  # 150 ms that `hotfire ps` must not pay

    config = Config()
    config.set_main_option("script_location", str(MIGRATIONS))
    config.set_main_option("path_separator", "os")
    config.attributes["connection"] = connection
    return config


def stored_revision(connection: Connection) -> str | None:
    """Return the revision of the database at hand, none for an empty one."""
    try:
        return connection.execute(text("SELECT version_num FROM alembic_version")).scalar()
    except OperationalError:
        return None


def ensure_schema(engine: Engine) -> None:
    """Bring the database to `HEAD`; refuse one that a newer Hotfire wrote."""
    with transaction(engine) as connection:
        if stored_revision(connection) == HEAD:
            return
    upgrade(engine)


def upgrade(engine: Engine, revision: str = "head") -> None:
    """Run the migrations up to `revision`, all or nothing."""
    from alembic import command
    from alembic.util import CommandError

    with transaction(engine) as connection:
        try:
            command.upgrade(_config(connection), revision)
        except CommandError as error:
            raise SchemaVersionError(
                f"the database has revision {stored_revision(connection)!r}, which this Hotfire "
                f"(schema {HEAD!r}) does not know; use the Hotfire that wrote it, or a newer one"
            ) from error


def downgrade(engine: Engine, revision: str) -> None:
    """Run the migrations down to `revision` (`base` for an empty database)."""
    from alembic import command

    with transaction(engine) as connection:
        command.downgrade(_config(connection), revision)


def differences(engine: Engine) -> list[Any]:
    """Return what `alembic check` would report: empty when models and database agree."""
    from alembic.autogenerate import compare_metadata
    from alembic.migration import MigrationContext

    from hotfire_infra.store.models import Base

    with transaction(engine) as connection:
        context = MigrationContext.configure(connection, opts={"render_as_batch": True})
        return list(compare_metadata(context, Base.metadata))
