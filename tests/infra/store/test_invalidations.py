"""Results that do not count any more: which, what they leave, and how they come back."""

from __future__ import annotations

import pytest
from sqlalchemy import select

from hotfire_infra.analysis.reporting import StoreReports
from hotfire_infra.cli.verbs.results import moment
from hotfire_infra.errors import RequestRefusedError
from hotfire_infra.executors.fake import ENVIRONMENT, Script
from hotfire_infra.orchestrator.creation import RunRequest, create_run
from hotfire_infra.source.stamp import StoredSource
from hotfire_infra.states import RunVerdict, TaskState
from hotfire_infra.store.invalidations import (
    Predicate,
    invalidate,
    invalidations,
    invalidations_of_run,
    withdraw,
)
from hotfire_infra.store.models import Audit

ONE = "m/s/one"
BAD = {
    **ENVIRONMENT,
    "nvidia_driver": "NVRM version: NVIDIA UNIX x86_64 Kernel Module  570.124.06  Wed",
}
GOOD = {**BAD, "nvidia_driver": BAD["nvidia_driver"].replace("570.124.06", "570.133.20")}


def decide(store, predicate, **how):
    return invalidate(
        store, predicate, **{"reason": "wrong sums", "requested_by": "operator", **how}
    )


@pytest.fixture
def night(make_stand, make_plan, clock):
    """Four runs, an hour apart: good driver, bad driver twice, good driver."""
    stand = make_stand()
    for environment in (GOOD, BAD, BAD, GOOD):
        stand.executor.environments = (environment,)
        assert stand.run(make_plan({"kernels": [ONE]})).run.verdict is RunVerdict.PASSED
        clock.advance(3600)
    return stand


def test_a_driver_takes_its_results_with_it_and_leaves_the_others(night, store):
    found = decide(store, Predicate(drivers=("570.124.06",)))
    assert (found.attempts, found.runs) == (2, (3, 2))
    history = StoreReports(store).test(ONE)
    assert [one.run for one in history.occurrences] == [4, 1]


def test_a_version_is_meant_whole(night, store):
    assert decide(store, Predicate(drivers=("570.124",)), dry_run=True).attempts == 0
    assert decide(store, Predicate(drivers=("570.1",)), dry_run=True).attempts == 0


def test_a_dry_run_counts_and_changes_nothing(night, store):
    found = decide(store, Predicate(drivers=("570.124.06",)), dry_run=True)
    assert (found.ulid, found.attempts) == ("", 2)
    with store.reading() as connection:
        assert invalidations(connection) == ()
    assert len(StoreReports(store).test(ONE).occurrences) == 4


def test_all_conditions_must_agree(night, store, clock):
    last_hours = Predicate(pools=("fake",), since_ns=clock.wall_ns() - 2.5 * 3600 * 10**9)
    assert decide(store, last_hours, dry_run=True).runs == (4, 3)
    both = Predicate(
        pools=("fake",),
        drivers=("570.124.06",),
        environment={"machine": "fake"},
        since_ns=last_hours.since_ns,
    )
    assert decide(store, both, dry_run=True).runs == (3,)
    assert decide(store, Predicate(devices=("GPU-1",)), dry_run=True).attempts == 0


@pytest.mark.parametrize("predicate", [Predicate(), Predicate(since_ns=0)])
def test_everything_of_a_time_is_never_meant(night, store, predicate):
    with pytest.raises(RequestRefusedError, match="say which results"):
        decide(store, predicate)


def test_a_decision_needs_a_reason(night, store):
    with pytest.raises(RequestRefusedError, match="reason"):
        decide(store, Predicate(pools=("fake",)), reason="  ")


def test_a_finished_run_is_not_reopened_and_says_what_happened(night, store):
    found = decide(store, Predicate(drivers=("570.124.06",)))
    report = StoreReports(store).find("2")
    assert (report.verdict, report.state) == ("passed", "finalized")
    (notice,) = report.notices
    assert notice.kind == "invalidated"
    assert notice.text.startswith("results of 1 attempt were invalidated on ")
    assert notice.text.endswith("by operator: wrong sums")
    withdraw(store, found.ulid[:8], reason="it was the probe", requested_by="operator")
    assert StoreReports(store).find("2").notices == ()
    assert len(StoreReports(store).test(ONE).occurrences) == 4


def test_a_run_that_is_not_over_ends_errored_and_not_green(make_stand, make_plan, store):
    endless = {"two"}
    stand = make_stand(lambda spec: Script(is_endless=spec.task in endless))
    run_id = stand.start(make_plan({"one": [ONE], "two": ["m/s/two"]}))
    stand.rounds(6)
    found = decide(store, Predicate(pools=("fake",)))
    assert (found.attempts, found.still_running) == (1, 1)
    endless.clear()
    done = stand.finish(run_id)
    assert done.run.verdict is RunVerdict.ERRORED
    assert done.run.reasons == ("one errored: its results were invalidated: wrong sums",)


def test_a_result_that_was_reused_is_invalidated_with_its_origin(make_stand, make_plan, store):
    stand, plan = make_stand(), make_plan({"kernels": [ONE]})
    first = stand.run(plan)
    source = StoredSource(
        repository=first.run.source.repository,
        revision=first.run.source.revision,
        patch_digest="",
        subject="",
        archive_sha256=None,
    )
    request = RunRequest(plan=plan, source=source, requested_by="tester", options={"reuse": "any"})
    reused = stand.finish(create_run(store, request))
    assert reused.cells[0].state is TaskState.REUSED
    assert decide(store, Predicate(pools=("fake",))).runs == (2, 1)
    with store.reading() as connection:
        (seen,) = invalidations_of_run(connection, reused.run.id)
    assert (seen.attempts, seen.reason) == (1, "wrong sums")


def test_both_decisions_stand_in_the_audit_log(night, store):
    found = decide(store, Predicate(pools=("fake",)))
    withdraw(store, found.ulid, reason="cable", requested_by="operator")
    with pytest.raises(RequestRefusedError, match="withdrawn before"):
        withdraw(store, found.ulid, reason="again", requested_by="operator")
    with store.reading() as connection:
        rows = connection.execute(select(Audit.actor, Audit.action, Audit.reason)).all()
    assert [tuple(row) for row in rows] == [
        ("user:operator", "results invalidate", "wrong sums"),
        ("user:operator", "results withdraw", "cable"),
    ]


def test_a_wrong_id_is_said(store):
    with pytest.raises(RequestRefusedError, match="no invalidation begins"):
        withdraw(store, "01ABCDEF", reason="x", requested_by="operator")


def test_a_time_is_a_date_or_an_age():
    assert moment("1970-01-02T00:00Z", 0) == 86_400 * 10**9
    assert moment("1970-01-02", 0) == 86_400 * 10**9
    assert moment("2h", 7200 * 10**9) == 0
