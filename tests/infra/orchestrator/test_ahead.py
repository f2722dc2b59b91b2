"""Attempts that are started ahead: they begin in the queue's order, and only when there is room."""

from __future__ import annotations

import json

import pytest

from hotfire_infra.errors import LockLostError
from hotfire_infra.executors.fake import Script
from hotfire_infra.orchestrator.attendance import CLAIM_SECONDS, LEASE_SECONDS
from hotfire_infra.orchestrator.crashpoints import CrashPoint
from hotfire_infra.orchestrator.creation import RunRequest, create_run
from hotfire_infra.orchestrator.dispatch import AHEAD_TIMEOUT_SECONDS
from hotfire_infra.orchestrator.requests import RequestBook
from hotfire_infra.orchestrator.run_order import RunOrder
from hotfire_infra.source.stamp import StoredSource
from hotfire_infra.states import Priority, RequestKind, TaskState
from hotfire_infra.store import queries
from hotfire_testframework.contract.ulid import Ulid

SOURCE = StoredSource(
    repository="here",
    revision="3f2a91c" + "0" * 33,
    patch_digest="",
    subject="First",
    archive_sha256=None,
)


@pytest.fixture
def dialect():
    return "sqlite"


@pytest.fixture
def finished():
    """Tasks that end as soon as they have begun; every other one goes on."""
    return {"a"}


@pytest.fixture
def silent():
    """Tasks whose runner gives no sign of life."""
    return set()


@pytest.fixture
def make_service(make_stand, finished, silent):
    """A service on one slot; all of them see the same attempts."""

    def director(spec):
        return Script(is_endless=spec.task not in finished, never_claims=spec.task in silent)

    def make():
        return make_stand(director, cpus=1)

    return make


@pytest.fixture
def stand(make_service):
    return make_service()


@pytest.fixture
def start(store, make_plan):
    def begin(names="abcd", *, priority=Priority.DEVELOPER, specs=None):
        plan = make_plan({name: [f"m/s/{name}"] for name in names}, specs=specs)
        order = RunOrder(priority=priority)
        return create_run(
            store, RunRequest(plan=plan, source=SOURCE, requested_by="ann", order=order)
        )

    return begin


def states(stand, run_id):
    return {task: state for task, _, state in stand.attempts(run_id)}


def spool_of(stand, run_id, task):
    with stand.store.reading() as connection:
        rows = queries.attempts_of(connection, run_id)
    return stand.executor.spool(Ulid(next(row.ulid for row in rows if row.task_key == task)))


def until_c_waits(stand, run_id):
    stand.rounds(8)
    assert states(stand, run_id) == {"a": "passed", "b": "started", "c": "leased"}


def test_the_next_runner_claims_and_waits_until_there_is_room(stand, start, finished):
    run_id = start()
    until_c_waits(stand, run_id)
    spool = spool_of(stand, run_id, "c")
    assert spool.claim_request() is not None
    assert spool.claim_answer() is None
    patience = json.loads((spool.root / "attempt.json").read_bytes())["claim_timeout_s"]
    assert patience == AHEAD_TIMEOUT_SECONDS

    finished.add("b")
    stand.rounds(3)
    assert states(stand, run_id) == {
        "a": "passed",
        "b": "passed",
        "c": "started",
        "d": "leased",
    }
    assert spool.claim_answer()["status"] == 200


def test_waiting_ahead_outlasts_the_lease_and_is_no_work(stand, start, clock):
    run_id = start()
    until_c_waits(stand, run_id)
    for _ in range(20):
        clock.advance(10)
        stand.orchestrator.round()
    assert states(stand, run_id)["c"] == "leased"
    assert not stand.orchestrator.round()


def test_a_slot_is_passed_on_once_and_before_what_ended_is_stored(stand, start, finished):
    run_id = start()
    until_c_waits(stand, run_id)
    (spool_of(stand, run_id, "b").root / "free").touch()
    stand.rounds(1)
    assert states(stand, run_id)["b"] == "started"
    assert states(stand, run_id)["c"] == "started"

    stand.rounds(5)
    assert states(stand, run_id).get("d", "leased") == "leased"

    finished |= {"b", "c", "d"}
    assert stand.finish(run_id).run.verdict == "passed"
    assert [number for _, number, _ in stand.attempts(run_id)] == [1, 1, 1, 1]


def test_a_more_urgent_task_goes_before_one_that_was_started_ahead(stand, start, finished):
    run_id = start()
    until_c_waits(stand, run_id)
    urgent = start("g", priority=Priority.GATE)
    stand.rounds(2)
    finished.add("b")
    stand.rounds(4)
    assert states(stand, urgent) == {"g": "started"}
    assert states(stand, run_id)["c"] == "leased"

    finished |= {"g", "c", "d"}
    assert stand.finish(run_id).run.verdict == "passed"
    assert stand.attempts(run_id)[2] == ("c", 1, "passed")


def test_an_urgent_task_that_has_just_come_is_not_overtaken_by_a_slot_passed_on(stand, start):
    run_id = start()
    until_c_waits(stand, run_id)
    (spool_of(stand, run_id, "b").root / "free").touch()
    start("g", priority=Priority.GATE)
    stand.rounds(3)
    assert states(stand, run_id)["c"] == "leased"


def test_cancelling_ends_what_waits_without_an_answer(stand, start, store, finished):
    run_id = start()
    until_c_waits(stand, run_id)
    RequestBook(store).ask(RequestKind.CANCEL, run_id, payload={}, requested_by="ann")
    shown = stand.finish(run_id)
    assert states(stand, run_id)["c"] == "cancelled"
    assert spool_of(stand, run_id, "c").claim_answer() is None
    assert {task.state for task in shown.tasks if task.key != "a"} == {TaskState.CANCELLED}


def test_a_service_that_comes_back_leaves_those_ahead_waiting(stand, start, finished):
    run_id = start()
    until_c_waits(stand, run_id)
    stand.orchestrator.book.forget()
    stand.orchestrator.queue.line.forget()
    stand.rounds(4)
    assert states(stand, run_id)["c"] == "leased"

    finished |= {"b", "c", "d"}
    assert stand.finish(run_id).run.verdict == "passed"


HAND_OVER = (CrashPoint.HANDED_OVER, CrashPoint.COMMITTED, CrashPoint.ANSWERED)


@pytest.mark.parametrize("point", HAND_OVER)
def test_a_death_while_a_slot_is_passed_on_starts_nothing_twice(
    stand, start, finished, make_service, point
):
    run_id = start()
    until_c_waits(stand, run_id)
    (spool_of(stand, run_id, "b").root / "free").touch()

    def die(passed):
        if passed is point:
            raise KeyboardInterrupt

    stand.orchestrator.at = die
    with pytest.raises(KeyboardInterrupt):
        stand.orchestrator.round()
    is_granted = point is not CrashPoint.HANDED_OVER
    assert states(stand, run_id)["c"] == ("started" if is_granted else "leased")
    assert (spool_of(stand, run_id, "c").claim_answer() is None) == (point in HAND_OVER[:2])

    successor = make_service()
    finished |= {"b", "c", "d"}
    assert successor.finish(run_id).run.verdict == "passed"
    assert [number for _, number, _ in successor.attempts(run_id)] == [1, 1, 1, 1]


def kill(stand, run_id, task):
    (spool_of(stand, run_id, task).root / "ended").touch()


def test_a_runner_that_is_killed_while_it_waits_is_lost_and_its_task_tried_again(
    stand, start, finished, make_spec
):
    run_id = start(specs={name: make_spec(retries=1) for name in "abcd"})
    until_c_waits(stand, run_id)
    kill(stand, run_id, "c")
    stand.rounds(3)
    assert states(stand, run_id)["b"] == "started"
    assert ("c", 1, "lost") in stand.attempts(run_id)

    finished |= {"b", "c", "d"}
    assert stand.finish(run_id).run.verdict == "passed"
    assert ("c", 2, "passed") in stand.attempts(run_id)


def test_a_slot_passed_on_to_a_runner_that_has_just_died_is_given_to_the_next(
    stand, start, finished, make_spec
):
    run_id = start(specs={name: make_spec(retries=1) for name in "abcd"})
    until_c_waits(stand, run_id)
    (spool_of(stand, run_id, "b").root / "free").touch()
    kill(stand, run_id, "c")
    stand.rounds(1)
    assert ("c", 1, "lost") in stand.attempts(run_id)

    finished |= {"b", "c", "d"}
    assert stand.finish(run_id).run.verdict == "passed"
    assert ("c", 2, "passed") in stand.attempts(run_id)


def test_the_lease_of_one_that_was_handed_a_slot_runs_out_as_any_other(
    stand, start, finished, silent, make_spec, clock
):
    run_id = start(specs={name: make_spec(retries=1) for name in "abcd"})
    until_c_waits(stand, run_id)
    clock.advance(10 * CLAIM_SECONDS)  # Waiting is not silence.
    (spool_of(stand, run_id, "b").root / "free").touch()
    stand.rounds(1)
    assert states(stand, run_id)["c"] == "started"
    finished.add("b")
    silent.add("c")
    clock.advance(LEASE_SECONDS + 1)
    stand.rounds(1)
    assert states(stand, run_id)["b"] == "passed"
    assert ("c", 1, "lost") in stand.attempts(run_id)

    silent.clear()
    finished |= {"c", "d"}
    assert stand.finish(run_id).run.verdict == "passed"


def test_a_leader_that_was_deposed_passes_no_slot_on(stand, start, make_service):
    run_id = start()
    until_c_waits(stand, run_id)
    make_service()
    (spool_of(stand, run_id, "b").root / "free").touch()
    with pytest.raises(LockLostError):
        stand.orchestrator.round()
    assert states(stand, run_id)["c"] == "leased"
    assert spool_of(stand, run_id, "c").claim_answer() is None


def test_an_exclusive_task_is_not_started_ahead(stand, start, make_spec):
    specs = {"c": make_spec(exclusive=True), "b": make_spec()}
    run_id = start("abc", specs=specs)
    stand.rounds(8)
    assert states(stand, run_id) == {"a": "passed", "b": "started"}


def test_nothing_is_started_ahead_beside_long_attempts(stand, start, clock, finished):
    finished.clear()
    run_id = start()
    stand.rounds(4)
    for _ in range(6):
        clock.advance(10)
        stand.orchestrator.round()
    finished.add("a")
    stand.rounds(5)
    assert states(stand, run_id) == {"a": "passed", "b": "started"}
