"""Whoever follows the outbox keeps its own place: it gets every event, in order, at least once."""

from __future__ import annotations

import pytest

from hotfire_infra.store import queries
from hotfire_infra.store.queries_lists import last_event, outbox_after


@pytest.fixture
def run_id(store, make_stand, make_plan):
    return make_stand().run(make_plan({"kernels": ["m/s/one"]})).run.id


def ids_in_store(store, run_id):
    with store.reading() as connection:
        return [event.id for event in queries.events_after(connection, run_id, 0)]


def test_who_goes_on_from_its_place_gets_everything_in_order(store, run_id):
    seen, place = [], 0
    while True:
        with store.reading() as connection:
            events = outbox_after(connection, place, limit=3)
        if not events:
            break
        seen += events
        place = events[-1][1].id
    assert [event.id for run, event in seen if run == run_id] == ids_in_store(store, run_id)
    assert seen[0][1].topic == "run.planned"
    assert seen[-1][1].topic == "run.finalized"
    with store.reading() as connection:
        assert last_event(connection) == place


def test_who_died_before_it_noted_its_place_gets_the_same_again(store, run_id):
    with store.reading() as connection:
        first = outbox_after(connection, 0, limit=3)
        again = outbox_after(connection, 0, limit=3)
    assert first == again
    assert len(first) == 3


def test_a_watcher_of_a_run_goes_on_from_the_last_event_it_saw(store, run_id):
    everything = ids_in_store(store, run_id)
    with store.reading() as connection:
        rest = queries.events_after(connection, run_id, everything[3])
    assert [event.id for event in rest] == everything[4:]
