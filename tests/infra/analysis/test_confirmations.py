"""Suspect and parent run again: from the gate or a person's question to the answer."""

from __future__ import annotations

import dataclasses
import math
import random

import pytest
from sqlalchemy import select, update

from hotfire_infra.analysis.reporting import StoreReports
from hotfire_infra.errors import RequestRefusedError
from hotfire_infra.executors.fake import Script
from hotfire_infra.executors.protocol import DeviceReport
from hotfire_infra.orchestrator.confirming import Confirmer
from hotfire_infra.orchestrator.creation import create_run
from hotfire_infra.orchestrator.finalizing import ANALYSES
from hotfire_infra.store.confirmations import PURPOSE, open_confirmations
from hotfire_infra.store.models import Attempt, Device, Run, SourceStamp, Task
from hotfire_infra.store.queries import newest_runs, run_by_id
from hotfire_infra.store.series_changes import newest_changes
from hotfire_pipelines.plan import Policy

GATED = Policy(performance={"aestus.decode_rate": {"confirm": 30}})
UNASKED = Policy(performance={"aestus.decode_rate": {}})
MEASURED = {
    "metric": "aestus.decode_rate", "version": 1, "unit": "token/s", "estimator": "median",
    "test": "perf/pytest/t", "launches": [0], "inner": 1, "valid": True, "definition": "0" * 64,
}  # fmt: skip
LAUNCH_SECONDS = 60.0
CHANGE = "f" * 40


class Bench:
    """A branch on a stand whose speed depends on the commit, and on how often it was measured."""

    def __init__(self, branch, make_stand, speed_of, **terms):
        self.branch, self.speed_of = branch, speed_of
        self.lot = random.Random(5)
        self.noise = self.noise_of_reruns = 0.003
        self.invalid = 0
        self.measured: list[tuple[str, str]] = []
        self.scripts: dict[str, Script] = {}
        self.over: set[str] = set()
        self.stand = make_stand(self._script, **terms)
        self.stand.orchestrator.analyses = ANALYSES

    def _script(self, spec):
        """Return what an attempt measures; it is asked for more than once."""
        known = self.scripts.get(spec.attempt)
        if known is None:
            self.scripts[spec.attempt] = self._measure(spec)
        elif spec.attempt not in self.over:
            self.over.add(spec.attempt)
            self.branch.store.clock.advance(LAUNCH_SECONDS)
        return self.scripts[spec.attempt]

    def _measure(self, spec):
        store = self.branch.store
        with store.reading() as connection:
            query = (
                select(SourceStamp.revision, Run.purpose)
                .join(Run, Run.source_stamp_id == SourceStamp.id)
                .where(Run.ulid == spec.run)
            )
            revision, purpose = connection.execute(query).one()
        self.measured.append((revision, purpose))
        self.invalid -= purpose == PURPOSE
        noise = self.noise_of_reruns if purpose == PURPOSE else self.noise
        value = self.speed_of(revision, purpose) * math.exp(self.lot.gauss(0, noise))
        record = {**MEASURED, "value": value, "replicates": [value]}
        if purpose == PURPOSE and self.invalid >= 0:
            record |= {"valid": False, "reason": "foreign load"}
        return Script(records=(("measurement", record),))

    def run(self, commit, **terms):
        request = self.branch.request(commit, **{"policy": GATED, **terms})
        source = request.source
        archive = self.branch.store.blobs.put_bytes(source.revision.encode()).sha256
        source = dataclasses.replace(source, archive_sha256=archive)
        return self.stand.finish(
            create_run(self.branch.store, dataclasses.replace(request, source=source)), limit=900
        ).run

    def launches(self):
        """Return the letters of the launches so far, and their runs."""
        with self.branch.store.reading() as connection:
            query = select(Run.id, Run.options, Run.parent_run_id, Run.verdict)
            rows = connection.execute(query.where(Run.purpose == PURPOSE).order_by(Run.id)).all()
        return "".join(row.options[PURPOSE]["side"] for row in rows), rows

    def report(self, run):
        return StoreReports(self.branch.store).find(str(run.number))


def slow_change(revision, purpose):
    """The change is really slower."""
    return 90.0 if revision == CHANGE else 100.0


def slow_once(revision, purpose):
    """The change was unlucky in its own run."""
    return 90.0 if revision == CHANGE and purpose == "result" else 100.0


def with_history(bench, runs=6):
    for commit in range(1, runs + 1):
        assert bench.run(commit).verdict == "passed"
    return bench


@pytest.mark.parametrize("dialect", ["sqlite", "postgresql"])
def test_a_real_regression_is_confirmed_interleaved_before_the_gate_fails(branch, make_stand):
    bench = with_history(Bench(branch, make_stand, slow_change))
    red = bench.run(6, revision=CHANGE)
    assert red.verdict == "failed"
    (reason,) = red.reasons
    assert "reruns: decode of t -" in reason
    assert reason.endswith("confirmed by 4 blocks")
    letters, rows = bench.launches()
    assert letters == "ABBA" * 4
    assert {row.parent_run_id for row in rows} == {red.id}
    parent = next(revision for revision, purpose in bench.measured if purpose == PURPOSE)
    assert parent == f"{6:07x}" + "c" * 33, "the newest run that it was compared with"
    (shown,) = bench.report(red).confirmations
    assert (shown.answer, shown.suspect, shown.launches) == ("confirmed", CHANGE, 16)
    (one,) = shown.series
    assert one.interval[1] < one.interval[0] < one.interval[2] < 0
    assert one.interval[0] == pytest.approx(-0.105, abs=0.01)
    (point,) = bench.report(red).performance
    assert point.change == "regressed"


def test_what_reruns_refute_fails_no_gate_and_is_not_called_regressed(branch, make_stand):
    bench = with_history(Bench(branch, make_stand, slow_once))
    run = bench.run(6, revision=CHANGE)
    assert (run.verdict, run.reasons) == ("passed", ())
    report = bench.report(run)
    (point,) = report.performance
    assert (point.change, report.confirmations[0].answer) == ("inconclusive", "refuted")
    assert "refuted by" in point.change_reason


def test_without_the_option_one_run_is_enough(branch, make_stand):
    bench = with_history(Bench(branch, make_stand, slow_once))
    assert bench.run(6, revision=CHANGE, policy=UNASKED).verdict == "failed"
    assert bench.launches()[0] == ""


def test_a_spent_budget_leaves_the_gate_its_own_evidence(branch, make_stand):
    bench = with_history(Bench(branch, make_stand, slow_once))
    bench.noise_of_reruns = 0.2
    policy = Policy(performance={"*": {"confirm": 9}})
    run = bench.run(6, revision=CHANGE, policy=policy)
    (shown,) = bench.report(run).confirmations
    assert (shown.answer, shown.reason) == ("undecided", "the budget is spent")
    assert bench.launches()[0] == "ABBA" * 2
    assert shown.spent_seconds == pytest.approx(8 * LAUNCH_SECONDS)
    assert run.verdict == "failed", "a gate is not green because nobody could tell"
    assert "undecided by 2 blocks" in run.reasons[0]


def test_a_launch_that_was_disturbed_is_made_again(branch, make_stand):
    bench = with_history(Bench(branch, make_stand, slow_change))
    bench.invalid = 2
    assert bench.run(6, revision=CHANGE).verdict == "failed"
    assert bench.launches()[0] == "AAABBA" + "ABBA" * 3


def test_what_cannot_be_measured_ends_undecided_with_the_reason(branch, make_stand):
    bench = with_history(Bench(branch, make_stand, slow_change))
    bench.invalid = 1000
    run = bench.run(6, revision=CHANGE)
    (shown,) = bench.report(run).confirmations
    assert run.verdict == "failed"
    assert shown.answer == "undecided"
    assert shown.reason.startswith("could not be measured: run ")
    assert "foreign load" in shown.reason


def test_where_no_source_of_a_parent_is_here_the_run_says_so_and_the_gate_stands(
    branch, make_stand
):
    bench = with_history(Bench(branch, make_stand, slow_change))
    with branch.store.writing() as connection:
        connection.execute(update(SourceStamp).values(archive_sha256=None))
    run = bench.run(6, revision=CHANGE)
    assert run.verdict == "failed"
    notices = {one.kind: one.text for one in bench.report(run).notices}
    assert "no source of a parent of run 7 is here" in notices["confirmation-not-made"]


def test_a_branch_that_regressed_acquits_no_change(branch, make_stand):
    """Against the merge base nothing is slower; against what the gate compares with it is."""

    def since_seven(revision, purpose):
        return 90.0 if revision == CHANGE or int(revision[:7], 16) >= 7 else 100.0

    bench = with_history(Bench(branch, make_stand, since_seven))
    assert bench.run(7, policy=UNASKED).verdict == "failed"
    assert bench.run(7, revision=CHANGE).verdict == "failed"


def test_every_launch_has_the_device_of_the_first(branch, make_stand):
    devices = [
        DeviceReport(identity=name, kind="GPU", facts={}) for name in ("GPU-a", "GPU-b", "GPU-c")
    ]
    bench = with_history(Bench(branch, make_stand, slow_change, devices=devices))
    red = bench.run(6, revision=CHANGE)
    with branch.store.reading() as connection:
        query = (
            select(Device.identity)
            .join(Attempt, Attempt.device_id == Device.id)
            .join(Task, Task.id == Attempt.task_id)
            .join(Run, Run.id == Task.run_id)
            .where(Run.purpose == PURPOSE)
        )
        used = connection.execute(query).scalars().all()
    assert len(used) == 16
    assert len(set(used)) == 1
    assert bench.report(red).confirmations[0].devices == tuple(set(used))


def test_another_process_goes_on_and_starts_nothing_twice(branch, make_stand):
    bench = with_history(Bench(branch, make_stand, slow_change))
    confirmer = Confirmer(branch.store)
    red = bench.run(6, revision=CHANGE, policy=Policy())
    with branch.store.reading() as connection:
        row = run_by_id(connection, red.id)
    asked = confirmer.of_run(row, budget_seconds=3600, by="tester")
    assert confirmer.of_run(row, budget_seconds=3600, by="somebody else").ulid == asked.ulid
    stale = asked
    confirmer.advance_one(asked)
    confirmer.advance_one(stale)
    assert bench.launches()[0] == "A"
    for _ in range(400):
        bench.stand.orchestrator.round()
        bench.stand.orchestrator.book.forget()
    assert bench.launches()[0] == "ABBA" * 4
    with branch.store.reading() as connection:
        assert open_confirmations(connection) == ()
        # None of it is anybody's latest run, or a point of a series.
        assert len(newest_runs(connection, limit=50)) == 7
    (key,) = {key for key, _ in StoreReports(branch.store).test("perf/pytest/t").series}
    assert len(StoreReports(branch.store).series(key).points) == 7


def test_a_change_of_the_branch_is_confirmed_and_says_so(branch, make_stand):
    def since_twenty(revision, purpose):
        return 90.0 if int(revision[:7], 16) >= 20 else 100.0

    bench = Bench(branch, make_stand, since_twenty)
    for commit in range(1, 28):
        bench.run(commit, policy=Policy())
    with branch.store.reading() as connection:
        (change,) = newest_changes(connection, limit=5)
    Confirmer(branch.store).of_change(change, budget_seconds=3600, by="tester")
    for _ in range(400):
        bench.stand.orchestrator.round()
    (shown,) = StoreReports(branch.store).series(change.series_key).changes
    assert shown.confirmation.startswith("confirmed: decode of t -")
    first = [revision for revision, purpose in bench.measured if purpose == PURPOSE][:2]
    # The ends of the interval, each of them a run that was made.
    assert int(first[0][:7], 16) < 20 <= int(first[1][:7], 16)
    assert first == [shown.after_revision, shown.until_revision]


def test_what_was_removed_meanwhile_ends_it_and_stops_nobody(branch, make_stand):
    bench = with_history(Bench(branch, make_stand, slow_change))
    red = bench.run(6, revision=CHANGE, policy=Policy())
    with branch.store.reading() as connection:
        row = run_by_id(connection, red.id)
    asked = Confirmer(branch.store).of_run(row, budget_seconds=3600, by="tester")
    branch.store.blobs.path(row.plan_sha256).unlink()
    bench.stand.rounds(3)
    (shown,) = bench.report(red).confirmations
    assert (shown.id, shown.answer) == (asked.ulid, "undecided")
    assert shown.reason.startswith("could not be run again: ")
    assert bench.launches()[0] == ""


def test_a_run_in_which_nothing_regressed_has_nothing_to_confirm(branch, make_stand):
    bench = with_history(Bench(branch, make_stand, slow_change))
    fine = bench.run(7)
    with branch.store.reading() as connection:
        row = run_by_id(connection, fine.id)
    with pytest.raises(RequestRefusedError, match="nothing of run 7 has regressed"):
        Confirmer(branch.store).of_run(row, budget_seconds=60, by="tester")
