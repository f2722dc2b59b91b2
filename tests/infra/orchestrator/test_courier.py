"""Events reach a consumer at least once and in order; watchers go on from an id."""

from __future__ import annotations

import pytest

from hotfire_infra.errors import LockLostError
from hotfire_infra.orchestrator import courier as couriers
from hotfire_infra.orchestrator.courier import Courier, last_delivered
from hotfire_infra.orchestrator.lock import acquire
from hotfire_infra.store import queries

ONE = "m/s/one"


@pytest.fixture
def finished(make_stand, make_plan):
    stand = make_stand()
    done = stand.run(make_plan({"kernels": [ONE]}))
    return stand, done.run.id


def ids_in_store(store, run_id):
    with store.reading() as connection:
        return [event.id for event in queries.events_after(connection, run_id, 0)]


def test_events_are_delivered_once_and_in_order_when_nothing_goes_wrong(finished, store):
    stand, run_id = finished
    seen = []
    courier = Courier(store, stand.orchestrator.lock, lambda events: seen.extend(events))
    assert courier.deliver() == len(seen)
    assert courier.deliver() == 0
    assert [event.id for event in seen] == ids_in_store(store, run_id)
    assert seen[0].topic == "run.planned"
    assert seen[-1].topic == "run.finalized"


def test_what_a_consumer_did_not_take_comes_again(finished, store, monkeypatch):
    monkeypatch.setattr(couriers, "BATCH_EVENTS", 3)
    stand, run_id = finished
    seen, calls = [], []

    def consumer(events):
        seen.extend(event.id for event in events)
        calls.append(len(events))
        if len(calls) == 2:
            raise ConnectionError

    courier = Courier(store, stand.orchestrator.lock, consumer)
    with pytest.raises(ConnectionError):
        courier.deliver()
    courier.deliver()
    assert seen != sorted(set(seen))
    assert list(dict.fromkeys(seen)) == ids_in_store(store, run_id)


def test_a_courier_that_does_not_lead_any_more_notes_nothing(finished, store):
    stand, _ = finished
    lock = stand.orchestrator.lock
    lock.release()
    assert acquire(store, label="second") is not None
    with pytest.raises(LockLostError):
        Courier(store, lock, lambda events: None).deliver()
    with store.reading() as connection:
        assert last_delivered(connection) == 0


def test_a_watcher_goes_on_from_the_last_event_it_saw(finished, store):
    _, run_id = finished
    everything = ids_in_store(store, run_id)
    with store.reading() as connection:
        rest = queries.events_after(connection, run_id, everything[3])
    assert [event.id for event in rest] == everything[4:]
