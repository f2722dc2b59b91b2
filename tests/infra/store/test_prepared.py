"""A prepared statement does on every database what SQLAlchemy would do with it."""

from __future__ import annotations

import pytest
from sqlalchemy import JSON, bindparam, delete, literal_column, select, update

from hotfire_infra.errors import DatabaseDamagedError
from hotfire_infra.states import AttemptState
from hotfire_infra.store.database import open_store
from hotfire_infra.store.models import Attempt
from hotfire_infra.store.prepared import prepare

ONE = select(Attempt.ulid, Attempt.state, Attempt.in_flight, Attempt.exit_code).where(
    Attempt.id == bindparam("the_id")
)
CHANGE = (
    update(Attempt.__table__)
    .where(Attempt.id == bindparam("the_id"))
    .values({name: bindparam(name) for name in ("in_flight", "state", "exit_code")})
)


@pytest.fixture
def attempt(make_stand, make_plan, store):
    stand = make_stand()
    stand.run(make_plan({"a": ["m/s/x"]}))
    with store.reading() as connection:
        return connection.execute(select(Attempt.id)).scalar()


def test_values_come_back_as_they_were_given(store, attempt):
    values = {"in_flight": ["m/s/é", "m/s/\"'"], "state": AttemptState.LOST, "exit_code": None}
    with store.writing() as connection:
        prepare(CHANGE).run(connection, the_id=attempt, **values)
        row = prepare(ONE).row(connection, the_id=attempt)
        expected = connection.execute(ONE, {"the_id": attempt}).one()
    assert row == tuple(expected)
    assert (row[1], row[2], row[3]) == (AttemptState.LOST, values["in_flight"], None)
    assert type(row[1]) is AttemptState


def test_what_is_not_there_is_none(store, attempt):
    with store.writing() as connection:
        assert prepare(ONE).row(connection, the_id=attempt + 1000) is None


def test_all_rows_come_and_values_in_the_statement_stay(store, attempt):
    text = select(Attempt.id, Attempt.state).where(Attempt.executor == "fake").order_by(Attempt.id)
    with store.writing() as connection:
        assert prepare(text).rows(connection) == [(attempt, AttemptState.PASSED)]
        assert prepare(text.limit(1)).row(connection) == (attempt, AttemptState.PASSED)
        assert prepare(text.where(Attempt.id < 0)).rows(connection) == []


def test_it_says_to_how_many_rows_something_was_done(store, attempt):
    gone = prepare(delete(Attempt).where(Attempt.id == bindparam("the_id")))
    guarded = prepare(
        update(Attempt.__table__)
        .where(Attempt.id == bindparam("the_id"), Attempt.fence == bindparam("the_fence"))
        .values(holder=bindparam("holder"))
    )
    with store.writing() as connection:
        fence = connection.execute(select(Attempt.fence)).scalar()
        assert guarded.run(connection, the_id=attempt, the_fence=fence, holder="x") == 1
        assert guarded.run(connection, the_id=attempt, the_fence=fence + 1, holder="y") == 0
        assert gone.run(connection, the_id=attempt + 1000) == 0
        assert connection.execute(select(Attempt.holder)).scalar() == "x"


def test_a_value_that_cannot_be_read_is_damage(tmp_path):
    # PostgreSQL takes no JSON that is none.
    store = open_store(tmp_path / "damaged")
    broken = prepare(select(literal_column("'{'", JSON())))
    with pytest.raises(DatabaseDamagedError), store.writing() as connection:
        broken.row(connection)
    store.close()
