"""Holds: a failed machine is kept for a stated time, and its room with it."""

from __future__ import annotations

import pytest

from hotfire_infra.analysis.reporting import StoreReports
from hotfire_infra.configuration import Configuration
from hotfire_infra.errors import RequestRefusedError
from hotfire_infra.executors.fake import Script
from hotfire_infra.orchestrator.creation import RunRequest, create_run
from hotfire_infra.orchestrator.holds import HoldKeeper
from hotfire_infra.orchestrator.requests import RequestBook
from hotfire_infra.orchestrator.run_order import RunOrder
from hotfire_infra.sections.holds import HoldsSection
from hotfire_infra.source.stamp import StoredSource
from hotfire_infra.states import RequestKind, RunVerdict, TaskState
from hotfire_infra.store.queries_holds import active_holds, held_attempts

on_both = pytest.mark.parametrize("dialect", ["sqlite", "postgresql"])
SOURCE = StoredSource(
    repository="here",
    revision="3f2a91c" + "0" * 33,
    patch_digest="",
    subject="First",
    archive_sha256=None,
)


@pytest.fixture
def dialect():
    """SQLite; what is marked `on_both` goes through PostgreSQL too."""
    return "sqlite"


ONE, TWO = "m/s/one", "m/s/two"
HALF_HOUR = 1800


@pytest.fixture
def stand(make_stand):
    return make_stand(lambda spec: Script(outcomes={ONE: "failed"}), cpus=2)


@pytest.fixture
def start(store, make_plan, make_spec):
    def begin(tasks, *, hold=HALF_HOUR, **specs):
        plan = make_plan(tasks, specs={key: make_spec(**spec) for key, spec in specs.items()})
        order = RunOrder(hold_seconds=hold)
        return create_run(
            store, RunRequest(plan=plan, source=SOURCE, requested_by="ann", order=order)
        )

    return begin


@pytest.fixture
def holds(store):
    def read():
        with store.reading() as connection:
            return active_holds(connection)

    return read


def workspace(store, row):
    return store.attempts / row.attempt_ulid


def released(stand, monkeypatch):
    found = []
    real = stand.executor.release
    monkeypatch.setattr(
        stand.executor, "release", lambda ulid: (found.append(str(ulid)), real(ulid))
    )
    return found


@on_both
def test_a_failed_attempt_is_not_released_while_it_is_held(stand, start, holds, clock, monkeypatch):
    freed = released(stand, monkeypatch)
    done = stand.finish(start({"bad": [ONE]}))
    assert done.run.verdict is RunVerdict.FAILED
    (row,) = holds()
    assert (row.cell_key, row.held_by, row.cpus) == ("bad", "ann", 1)
    assert freed == []
    clock.advance(HALF_HOUR - 1)
    stand.rounds(3)
    assert freed == []
    assert len(holds()) == 1
    clock.advance(2)
    stand.rounds(3)
    assert (holds(), freed) == ((), [row.attempt_ulid])


def test_what_passed_and_runs_without_the_wish_hold_nothing(stand, start, holds):
    stand.finish(start({"good": [TWO]}))
    stand.finish(start({"bad": [ONE]}, hold=0))
    assert holds() == ()


def test_a_hold_takes_its_slot_and_is_named_as_the_reason(stand, start):
    stand.finish(start({"bad": [ONE]}))
    wide = start({"wide": [TWO], "alone": [TWO]}, wide={"cpus": 2}, alone={"exclusive": True})
    stand.rounds(4)
    pending = {task.key: task.pending for task in stand.show(wide).tasks}
    assert pending == {
        "wide": "waits for 2 slots: 1 of 2 in use by a hold of run 1",
        "alone": "exclusive task waits for an idle machine: in use by a hold of run 1",
    }


@on_both
def test_beyond_the_share_nothing_is_held_and_the_run_says_so(stand, start, holds, store):
    done = stand.finish(start({"bad": [ONE], "worse": [ONE]}))
    assert len(holds()) == 1
    report = StoreReports(store).find(str(done.run.number))
    kept, refused = sorted(report.holds, key=lambda hold: hold.refusal)
    assert kept.seconds_left == HALF_HOUR
    assert kept.directory.endswith("/work")
    assert refused.refusal.startswith("not held: 2 of 2 slots would be held, and holds.share")


def test_a_hold_survives_a_restarted_service(stand, start, holds, make_stand, clock, monkeypatch):
    stand.finish(start({"bad": [ONE]}))
    (row,) = holds()
    stand.orchestrator.lock.release()
    again = make_stand(lambda spec: Script(), cpus=2, label="again")
    freed = released(again, monkeypatch)
    again.orchestrator.sweep()
    again.rounds(3)
    assert (freed, len(holds())) == ([], 1)
    clock.advance(HALF_HOUR)
    again.rounds(3)
    assert (freed, holds()) == ([row.attempt_ulid], ())


def test_a_hold_ended_by_a_service_that_died_is_freed_by_the_sweep(
    stand, start, holds, store, make_stand, monkeypatch
):
    stand.finish(start({"bad": [ONE]}))
    (row,) = holds()
    with store.writing() as connection:
        assert HoldKeeper(store, HoldsSection()).release(connection, row)
        assert not HoldKeeper(store, HoldsSection()).release(connection, row)
        assert held_attempts(connection) == frozenset()
    stand.orchestrator.lock.release()
    (workspace(store, row) / "work").mkdir(exist_ok=True)
    again = make_stand(cpus=2, label="again")
    freed = released(again, monkeypatch)
    again.orchestrator.sweep()
    assert freed == [row.attempt_ulid]


def test_a_hold_is_over_after_the_machine_was_started_anew(stand, start, holds, clock):
    stand.finish(start({"bad": [ONE]}))
    (row,) = holds()
    clock.boot_id = "boot-2"
    assert HoldKeeper(stand.store, HoldsSection()).is_due(row)


@on_both
def test_a_request_ends_a_hold_and_frees_its_room(stand, start, holds, store, monkeypatch):
    freed = released(stand, monkeypatch)
    run_id = start({"bad": [ONE]})
    stand.finish(run_id)
    (row,) = holds()
    payload = {"hold": row.ulid}
    RequestBook(store).ask(RequestKind.RELEASE, run_id, payload=payload, requested_by="bob")
    wide = start({"wide": [TWO]}, wide={"cpus": 2})
    stand.rounds(4)
    assert (holds(), freed[0]) == ((), row.attempt_ulid)
    assert stand.show(wide).tasks[0].state is not TaskState.QUEUED


@on_both
def test_a_hold_is_extended_from_now_on_up_to_the_longest(stand, start, holds, store, clock):
    stand.finish(start({"bad": [ONE]}))
    (row,) = holds()
    keeper = HoldKeeper(store, HoldsSection(longest_hours=2))
    clock.advance(HALF_HOUR - 10)
    keeper.extend(row.ulid[:8], 3600)
    clock.advance(3599)
    stand.rounds(3)
    assert len(holds()) == 1
    with pytest.raises(RequestRefusedError, match="up to 2 h"):
        keeper.extend(row.ulid, 3 * 3600)
    with pytest.raises(RequestRefusedError, match="no hold is called 'NOPE'"):
        keeper.extend("NOPE", 60)
    clock.advance(1)
    with pytest.raises(RequestRefusedError, match="is over"):
        keeper.extend(row.ulid, 60)


def test_a_hold_is_no_longer_than_the_operator_allows(make_stand, start, holds, clock):
    section = HoldsSection(longest_hours=0.25)
    configuration = Configuration(holds=section)
    stand = make_stand(lambda spec: Script(outcomes={ONE: "failed"}), configuration=configuration)
    stand.finish(start({"bad": [ONE]}, hold=10 * 3600))
    (row,) = holds()
    assert row.until_mono_ns - clock.mono_ns() <= 900 * 10**9
