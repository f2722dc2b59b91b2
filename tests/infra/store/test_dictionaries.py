"""Tests are numbered once, whoever asks first and whatever was rolled back in between."""

from __future__ import annotations

import contextlib
import hashlib

import pytest
from sqlalchemy import delete, select

from hotfire_infra.store import dictionaries
from hotfire_infra.store.database import open_store
from hotfire_infra.store.dictionaries import (
    forget_keys_beyond,
    intern_messages,
    intern_tests,
    keys_of_tests,
)
from hotfire_infra.store.models import Message
from hotfire_infra.store.models import Test as StoredTest
from hotfire_infra.store.results import AT_ONCE


@pytest.fixture(params=[1, dictionaries.ADD_FROM])
def store(request, tmp_path, monkeypatch):
    # Few tests are enough to guess that all of them are new, or not.
    monkeypatch.setattr(dictionaries, "ADD_FROM", request.param)
    opened = open_store(tmp_path / "home")
    yield opened
    opened.close()


@pytest.fixture
def other(tmp_path, store):
    """The same database, opened by another process as it were: it remembers nothing of ours."""
    opened = open_store(tmp_path / "home")
    yield opened
    opened.close()


def intern(store, *names):
    with store.writing() as connection:
        return intern_tests(connection, names)


def stored(store):
    """Return the keys of all tests that are stored, each by its identifier."""
    with store.reading() as connection:
        rows = connection.execute(select(StoredTest)).all()
    return {f"{row.module}/{row.scheme}/{row.name}": row.id for row in rows}


def test_tests_that_are_all_new_are_added_at_once_in_their_order(store):
    assert intern(store, "m/s/b", "m/s/a", "m/s/c/d") == {"m/s/b": 1, "m/s/a": 2, "m/s/c/d": 3}
    assert stored(store) == {"m/s/b": 1, "m/s/a": 2, "m/s/c/d": 3}


@pytest.mark.parametrize(
    "order",
    [
        ("m/s/a", "m/s/new", "m/s/newer", "m/s/b"),
        ("m/s/a", "m/s/new", "m/s/b", "m/s/newer"),
        ("m/s/new", "m/s/a", "m/s/newer", "m/s/b"),
        # The ends look as if all were new.
        ("m/s/new", "m/s/a", "m/s/b", "m/s/newer"),
    ],
)
def test_tests_of_which_another_writer_added_some_have_its_keys(store, other, order):
    first = intern(other, "m/s/a", "m/s/b")
    found = intern(store, *order)
    assert {name: found[name] for name in first} == first
    assert found == stored(store)
    assert intern(other, *order) == found


def test_what_two_writers_add_in_turn_has_the_same_keys_for_both(store, other):
    names = [f"m/s/{number}" for number in range(12)]
    for end in range(1, 13):
        for writer in (store, other):
            assert intern(writer, *names[:end][::-1]) == stored(store)
        # One of them adds more, which the other finds among its own.
        assert intern(other, f"m/s/extra-{end}", "m/s/0")["m/s/0"] == 1
        names.insert(end // 2, f"m/s/extra-{end}")


@pytest.mark.parametrize("known", [(), ("m/s/known",)])
def test_keys_that_were_rolled_back_belong_to_whoever_comes_next(store, other, known):
    intern(other, "m/s/known")
    with contextlib.suppress(ZeroDivisionError), store.writing() as connection:
        keys = intern_tests(connection, [*known, "m/s/lost"])
        assert intern_tests(connection, ["m/s/lost"])["m/s/lost"] == keys["m/s/lost"]
        raise ZeroDivisionError
    intern(other, "m/s/first")
    found = intern(store, "m/s/lost", "m/s/first", "m/s/known")
    assert found == stored(store)
    # It was given away: remembered, it would lead to the wrong test.
    assert found["m/s/first"] == keys["m/s/lost"]


def test_no_more_keys_are_remembered_than_may_be(store, monkeypatch):
    monkeypatch.setattr(dictionaries, "KEYS_KEPT", 10)
    for begin in range(0, 40, 4):
        names = [f"m/s/{number}" for number in range(begin, begin + 4)]
        for _ in range(2):
            intern(store, *names)
        assert 0 < len(dictionaries._KEYS[store.write_engine].keys) <= 10


def test_keys_are_forgotten_when_the_table_does_not_reach_so_far(store):
    for _ in range(2):
        intern(store, "m/s/a", "m/s/b")
    kept = dictionaries._KEYS[store.write_engine]
    with store.writing() as connection:
        forget_keys_beyond(connection)
        assert kept.keys == {"m/s/a": 1, "m/s/b": 2}
        # As if an older database had been put in this one's place.
        connection.execute(delete(StoredTest).where(StoredTest.name == "b"))
        forget_keys_beyond(connection)
        assert kept.keys == {}
    assert intern(store, "m/s/c", "m/s/b") == {"m/s/c": 2, "m/s/b": 3}


def test_what_is_no_identifier_has_no_key_and_is_not_stored(store):
    wrong = ["m/s", "m/s/" + "x" * 1025, "\u00e9" * 900 + "/s/" + "\u00e9" * 900]
    with store.writing() as connection:
        assert keys_of_tests(connection, [*wrong, "m/s/right"]) == [None, None, None, 1]
    assert stored(store) == {"m/s/right": 1}


@pytest.mark.parametrize("length", [1, dictionaries.RECENT_SIGNS, dictionaries.RECENT_SIGNS + 1])
def test_a_message_is_stored_once_under_the_digest_of_its_text(store, length):
    texts = ["x" * length, "\u00e9" * length, "\ud800" * length]
    keys = []
    for _ in range(2):
        with store.writing() as connection:
            found = intern_messages(connection, [*texts, *texts])
            keys.append([found[text] for text in texts])
    assert keys == [[1, 2, 3], [1, 2, 3]]
    with store.reading() as connection:
        rows = connection.execute(select(Message.sha256, Message.text).order_by(Message.id)).all()
    contents = [text.encode("utf-8", "replace") for text in texts]
    assert [tuple(row) for row in rows] == [
        (hashlib.sha256(content).hexdigest(), content.decode()) for content in contents
    ]


def test_a_message_that_was_pruned_is_added_again(store):
    for _ in range(2):
        with store.writing() as connection:
            intern_messages(connection, ["a cause"])
            assert connection.execute(select(Message.text)).scalars().all() == ["a cause"]
            connection.execute(delete(Message))


def test_tests_that_are_new_only_to_a_guess_get_one_key_each(store, other):
    names = [f"m/s/{number}" for number in range(40)]
    # Those that the guess looks at are new; some of the others are there.
    intern(other, *[name for place, name in enumerate(names) if place % 6 != 0])
    found = intern(store, *names)
    assert found == stored(store)
    assert len(set(found.values())) == len(names)


@pytest.mark.parametrize("count", [AT_ONCE - 1, AT_ONCE, 2 * AT_ONCE + 3])
def test_many_tests_have_the_keys_that_are_stored(store, other, count):
    names = [f"m/s/{number}" for number in range(count)]
    # One in the middle is there, where no guess looks.
    intern(other, names[count // 2 + 1])
    found = intern(store, *names)
    assert found == stored(store)
    assert len(set(found.values())) == count
    assert intern(other, *names) == found
