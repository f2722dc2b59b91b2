"""Attempts that wait outside, in a queue that is not ours: vouched for, explained, never lost for it."""

from __future__ import annotations

import pytest

from hotfire_infra.executors.demands import DEMAND
from hotfire_infra.executors.fake import Script
from hotfire_infra.executors.protocol import Capacity, Life, Observation, Refusal
from hotfire_infra.executors.spool import write_object
from hotfire_infra.orchestrator.attendance import CLAIM_SECONDS, LEASE_SECONDS
from hotfire_infra.states import AttemptState, RunVerdict
from hotfire_infra.store import queries, queries_lists
from hotfire_infra.store.postgres import PostgresClock
from hotfire_testframework.contract.evidence import Evidence, Witness

ONE = "m/s/one"
WHY = "Pending: couldn't assign flavors to pod set main: insufficient unused quota for cpu"


@pytest.fixture
def waiting() -> dict[str, str]:
    """Why attempts wait, by task; nothing: they go on."""
    return {}


@pytest.fixture
def outside(make_stand, waiting):
    """A stand whose executor queues by itself."""
    stand = make_stand(lambda spec: Script(waits=waiting.get(spec.task, ""), is_endless=True))
    stand.executor.capacity = Capacity(cpus=3, counts_attempts=True)
    stand.orchestrator._terms._counts_attempts = True
    return stand


def test_an_attempt_that_waits_outside_is_not_lost_however_long(outside, make_plan, waiting, clock):
    waiting["kernels"] = WHY
    run_id = outside.start(make_plan({"kernels": [ONE]}))
    outside.rounds(3)
    for _ in range(20):
        clock.advance(CLAIM_SECONDS * 0.9)
        outside.rounds(1)
    assert outside.attempts(run_id) == [("kernels", 1, "leased")]
    waiting.clear()
    outside.rounds(3)
    assert outside.attempts(run_id) == [("kernels", 1, "started")]


def test_once_nobody_vouches_any_more_the_claim_is_due(outside, make_plan, waiting, clock):
    waiting["kernels"] = WHY
    run_id = outside.start(make_plan({"kernels": [ONE]}))
    outside.rounds(3)
    outside.executor._director = lambda spec: Script(never_claims=True)
    clock.advance(CLAIM_SECONDS + 1)
    outside.rounds(2)
    assert outside.attempts(run_id)[0] == ("kernels", 1, "lost")


def test_the_lease_of_many_that_wait_is_written_seldom(outside, make_plan, waiting, clock, store):
    waiting.update({f"t{number}": WHY for number in range(3)})
    run_id = outside.start(make_plan({f"t{number}": [f"m/s/{number}"] for number in range(3)}))
    outside.rounds(4)

    def leases() -> set[int]:
        with store.reading() as connection:
            rows = queries.attempts_of(connection, run_id)
            return {row.lease_expires_mono_ns for row in rows}

    before = leases()
    clock.advance(CLAIM_SECONDS * 0.4)
    outside.rounds(2)
    assert leases() == before
    clock.advance(CLAIM_SECONDS * 0.2)
    outside.rounds(1)
    assert min(leases()) > max(before)


def test_why_it_waits_is_shown_verbatim_until_it_runs(outside, make_plan, waiting, clock, store):
    waiting["kernels"] = WHY
    run_id = outside.start(make_plan({"kernels": [ONE], "late": [ONE]}))
    outside.rounds(4)
    found = {cell.key: cell.pending for cell in outside.show(run_id).cells}
    assert found == {"kernels": WHY, "late": ""}
    with store.reading() as connection:
        (pending,) = queries_lists.pending_tasks(connection, run_id)
    assert (pending["key"], pending["pending"], pending["state"]) == ("kernels", WHY, "running")
    waiting["kernels"] = "Unschedulable: 0/3 nodes are available"
    clock.advance(1.5)
    outside.rounds(2)
    assert outside.show(run_id).tasks[0].pending == "Unschedulable: 0/3 nodes are available"
    waiting.clear()
    outside.rounds(3)
    assert outside.show(run_id).tasks[0].pending == ""
    with store.reading() as connection:
        assert not queries_lists.pending_tasks(connection, run_id)


def test_a_pool_that_counts_attempts_takes_large_and_exclusive_tasks_side_by_side(
    outside, make_plan, make_spec
):
    specs = {
        "big": make_spec(cpus=64), "alone": make_spec(exclusive=True), "small": make_spec(),
        "fourth": make_spec(),
    }  # fmt: skip
    run_id = outside.start(make_plan({name: [ONE] for name in specs}, specs=specs))
    outside.rounds(4)
    assert len(outside.attempts(run_id)) == 3


def test_a_cell_is_asked_about_with_what_its_tasks_take(make_stand, make_plan, make_spec):
    stand = make_stand()
    asked = []

    def refuse(requires):
        asked.append(requires[DEMAND])
        return Refusal(reason="no node holds 64 cpus") if requires[DEMAND]["cpus"] == 64 else None

    stand.executor.can_execute = refuse
    plan = make_plan({"big": [ONE], "small": [ONE]}, specs={"big": make_spec(cpus=64)})
    done = stand.run(plan)
    cells = {cell.key: cell for cell in done.cells}
    assert cells["big"].verdict == "not_executable"
    assert cells["big"].reason == "no node holds 64 cpus"
    assert stand.attempts(done.run.id) == [("small", 1, "passed")]
    assert done.run.verdict is RunVerdict.INCOMPLETE
    assert {one["platform"] for one in asked} == {"here"}


def test_an_attempt_whose_place_was_taken_is_preempted_and_tried_again(make_stand, make_plan):
    stand = make_stand(lambda spec: Script(never_claims=True))
    run_id = stand.start(make_plan({"kernels": [ONE]}))
    stand.rounds(3)
    item = Evidence.of(Witness.EVICTED, "kueue", "Evicted by Kueue: Preempted: for a gate")
    whole = Observation(life=Life.ENDED, detail=item.detail, evidence=(item,))
    attach = stand.executor.attach
    (name,) = stand.executor.submitted
    stand.executor.attach = lambda attempt: whole if attempt == name else attach(attempt)
    stand.rounds(2)
    with stand.store.reading() as connection:
        first = queries.attempts_of(connection, run_id)[0]
    assert first.state is AttemptState.PREEMPTED
    assert first.failure_class == "preempted"
    assert first.reason == "Evicted by Kueue: Preempted: for a gate"
    assert stand.attempts(run_id)[1:] in ([], [("kernels", 2, "leased")])


def test_a_node_that_died_under_a_silent_runner_is_named_in_the_end_of_its_lease(
    make_stand, make_plan, clock
):
    stand = make_stand(lambda spec: Script(is_endless=True))
    run_id = stand.start(make_plan({"kernels": [ONE]}))
    stand.rounds(4)
    item = Evidence.of(Witness.NODE_LOST, "kubernetes", "DeletionByTaintManager on node node-7")
    stand.executor.attach = lambda attempt: Observation(life=Life.RUNNING, evidence=(item,))
    clock.advance(60)
    stand.rounds(1)
    with stand.store.reading() as connection:
        first = queries.attempts_of(connection, run_id)[0]
    assert first.state is AttemptState.LOST
    assert "node-7" in first.reason
    assert first.failure_class == "infra-node"


def test_heartbeats_that_came_by_the_ingest_routes_renew_the_lease(
    make_stand, make_plan, clock, store, monkeypatch
):
    # Theirs is the store's clock, which on PostgreSQL is not this machine's.
    monkeypatch.setattr(store.clock, "boot_id", PostgresClock.boot_id)
    stand = make_stand(lambda spec: Script(is_endless=True))
    run_id = stand.start(make_plan({"kernels": [ONE]}))
    stand.rounds(4)
    (name,) = stand.executor.submitted
    spool = stand.executor.spool(name)
    stand.executor._beat = lambda spool, answer: None
    for _ in range(4):
        clock.advance(LEASE_SECONDS * 0.9)
        now = store.clock
        beat = {"mono_ns": now.mono_ns(), "boot_id": now.boot_id, "fence": 1}
        write_object(spool.root / "heartbeat", beat)
        stand.rounds(1)
    assert stand.attempts(run_id) == [("kernels", 1, "started")]
