"""The schema goes up, down and up again, and says what the models say."""

from pathlib import Path

import pytest
from alembic.config import Config
from alembic.script import ScriptDirectory
from sqlalchemy import inspect, text
from sqlalchemy.exc import DatabaseError

from hotfire_infra.errors import SchemaVersionError
from hotfire_infra.store import schema
from hotfire_infra.store.engine import sqlite_engine, transaction
from hotfire_infra.store.postgres import parse_address, postgres_engine


@pytest.fixture(params=["sqlite", "postgresql"])
def engine(request: pytest.FixtureRequest, tmp_path: Path):
    if request.param == "sqlite":
        made = sqlite_engine(tmp_path / "hotfire.db", query_only=False)
    else:
        server = request.getfixturevalue("postgres")
        made = postgres_engine(
            parse_address(server.address(server.create_database())), query_only=False
        )
    yield made
    made.dispose()


def table_names(engine) -> set[str]:
    with transaction(engine) as connection:
        return set(inspect(connection).get_table_names())


def test_upgrade_downgrade_upgrade_ends_where_it_began(engine):
    schema.upgrade(engine)
    first = table_names(engine)
    schema.downgrade(engine, "base")
    assert table_names(engine) == {"alembic_version"}
    schema.upgrade(engine)
    assert table_names(engine) == first
    assert "attempt" in first


def test_migrations_and_models_agree(engine):
    schema.upgrade(engine)
    with transaction(engine) as connection:
        assert schema.differences(connection) == []


def test_a_changed_database_is_noticed(engine):
    schema.upgrade(engine)
    with transaction(engine) as connection:
        connection.execute(text("ALTER TABLE run ADD COLUMN surplus INTEGER"))
        assert schema.differences(connection) != []


def test_head_in_code_is_the_head_of_the_migrations():
    config = Config()
    config.set_main_option("script_location", str(schema.MIGRATIONS))
    config.set_main_option("path_separator", "os")
    assert ScriptDirectory.from_config(config).get_current_head() == schema.HEAD


def test_a_database_of_a_newer_release_is_refused_with_a_remedy(engine):
    schema.ensure_schema(engine)
    with transaction(engine) as connection:
        connection.execute(text("UPDATE alembic_version SET version_num = '9999'"))
    with pytest.raises(SchemaVersionError, match="9999"):
        schema.ensure_schema(engine)


def test_the_read_engine_cannot_write(any_store):
    with pytest.raises(DatabaseError, match="read-?only"), any_store.reading() as connection:
        connection.execute(text("DELETE FROM run"))


def test_the_database_refuses_a_state_outside_the_table(engine):
    schema.ensure_schema(engine)
    insert = text(
        "INSERT INTO request (ulid, kind, payload, state, reason, requested_by, created_ns)"
        " VALUES ('u', 'run', '{}', 'dancing', '', 'me', 0)"
    )
    with pytest.raises(Exception, match="ck_request_state"), transaction(engine) as connection:
        connection.execute(insert)
