"""A pipeline's gate on performance: what fails it, and what never does."""

from __future__ import annotations

import pytest
from sqlalchemy import select

from hotfire_infra.analysis.reporting import StoreReports
from hotfire_infra.executors.fake import Script
from hotfire_infra.orchestrator.creation import create_run
from hotfire_infra.orchestrator.finalizing import ANALYSES
from hotfire_infra.store.models import SeriesState
from hotfire_infra.store.queries_measurements import comparisons_of_run
from hotfire_pipelines.plan import Policy

GATED = Policy(performance={"aestus.decode_rate": {}})
EVEN = [100.0 + 0.2 * ((7 * i) % 5 - 2) for i in range(40)]


def change_of(branch, run_id):
    with branch.store.reading() as connection:
        (one,) = comparisons_of_run(connection, run_id)
    return one.outcome


def of_a_change(branch, value, **terms):
    """Return (run, sentences) of a change on top of the branch's last commit."""
    terms = {"revision": "f" * 40, "policy": GATED, "verdict": None, **terms}
    run_id = branch.measure(max(1, len(branch.runs)), {"decode": value}, **terms)
    return run_id, branch.finalize(run_id)


def pass_with(branch, values, begin=1, **terms):
    for commit, value in enumerate(values, start=begin):
        branch.run(commit, {"decode": value}, **terms)


def test_a_declared_gate_fails_on_a_regression_and_says_what_it_saw(any_branch):
    pass_with(any_branch, EVEN[:6])
    run_id, (line,) = of_a_change(any_branch, 90.0)
    assert line.startswith("performance regressed: aestus.decode_rate of decode on here -9.")
    assert line.endswith("the interval excludes no change")
    assert change_of(any_branch, run_id) == "regressed"


def test_without_a_gate_the_same_regression_is_said_and_does_not_block(branch):
    pass_with(branch, EVEN[:6])
    run_id, lines = of_a_change(branch, 90.0, policy=None)
    assert lines == ()
    assert change_of(branch, run_id) == "regressed"


@pytest.mark.parametrize(
    ("performance", "blocks"),
    [
        ({"*": {}}, True),
        ({"aestus.prefill_rate": {}}, False),
        ({"*": {}, "aestus.decode_rate": {"tolerance": 0.2}}, False),
        ({"aestus.decode_rate": {"tolerance": 0.05}}, True),
        ({"aestus.decode_rate": {"tolerance": 0.0001}}, True),
    ],
)
def test_a_gate_is_on_a_metric_or_on_all_and_tolerates_what_it_says(branch, performance, blocks):
    pass_with(branch, EVEN[:6])
    _, lines = of_a_change(branch, 90.0, policy=Policy(performance=performance))
    assert bool(lines) is blocks


def test_below_the_smallest_effect_that_matters_no_gate_fails(branch):
    pass_with(branch, [100.0, 100.01, 99.99, 100.0, 100.01])
    exact = Policy(performance={"*": {"tolerance": 0.001}})
    run_id, lines = of_a_change(branch, 98.9, policy=exact)
    assert (lines, change_of(branch, run_id)) == ((), "unchanged")


def test_an_improvement_fails_no_gate(branch):
    pass_with(branch, EVEN[:6])
    run_id, lines = of_a_change(branch, 110.0)
    assert (lines, change_of(branch, run_id)) == ((), "improved")


def test_runs_that_a_gate_failed_are_no_baseline_so_a_red_branch_stays_red(branch):
    pass_with(branch, EVEN[:6])
    pass_with(branch, [90.0 + one / 1000 for one in EVEN[:25]], begin=7, verdict="failed")
    _, lines = of_a_change(branch, 90.1)
    assert len(lines) == 1
    assert "-9." in lines[0]


def test_a_branch_that_regressed_while_its_runs_passed_still_fails_and_is_named(branch):
    pass_with(branch, EVEN[:30])
    pass_with(branch, [one * 0.9 for one in EVEN[:8]], begin=31)
    run_id, (line,) = of_a_change(branch, 90.1)
    assert change_of(branch, run_id) == "regressed"
    assert "the oldest of the last 20 that passed" in line
    assert "; the target branch has: decode -10.0 % of decode since " in line


def test_slow_creep_past_the_smallest_effect_fails_the_gate(branch):
    pass_with(branch, [one * 0.996**i for i, one in enumerate(EVEN[:20])])
    _, (line,) = of_a_change(branch, 100 * 0.996**20)
    assert "against runs 1 to 3, the oldest of the last 20 that passed" in line


def test_changes_and_uncommitted_trees_are_nobodys_baseline(branch):
    pass_with(branch, EVEN[:4])
    for commit in range(5, 12):
        branch.run(commit, {"decode": 50.0}, revision=f"{commit:07x}" + "e" * 33)
        branch.run(commit, {"decode": 50.0}, patch_digest="d" * 64)
    run_id, lines = of_a_change(branch, 50.0)
    assert len(lines) == 1
    assert change_of(branch, run_id) == "regressed"


def test_where_the_target_branch_was_hardly_measured_what_there_is_counts(branch):
    pass_with(branch, EVEN[:1])
    pass_with(branch, EVEN[1:6], begin=2, patch_digest="d" * 64)
    run_id, _ = of_a_change(branch, 90.0)
    assert change_of(branch, run_id) == "regressed"


def test_a_gate_that_has_nothing_to_compare_with_says_so(branch):
    run_id, lines = of_a_change(branch, 90.0)
    branch.finalize(run_id)
    (found,) = branch.findings()
    assert lines == ()
    assert (found.kind, found.run_id) == ("performance-gate", run_id)
    assert found.text == (
        "1 of 1 gated series could not be judged, for instance aestus.decode_rate: "
        "first run of this series"
    )


@pytest.mark.parametrize("dialect", ["sqlite", "postgresql"])
def test_from_the_runner_to_the_verdict_and_to_the_reference(branch, make_stand):
    measured = {
        "metric": "aestus.decode_rate", "version": 1, "unit": "token/s", "estimator": "median",
        "test": "perf/pytest/t", "launches": [0], "inner": 1, "valid": True,
        "definition": "0" * 64,
    }  # fmt: skip
    value = [100.0]
    stand = make_stand(
        lambda _: Script(
            records=(("measurement", {**measured, "value": value[0], "replicates": value}),)
        )
    )
    stand.orchestrator.analyses = ANALYSES

    def run(commit, measures, **terms):
        value[:] = [measures]
        request = branch.request(commit, policy=GATED, **terms)
        return stand.finish(create_run(branch.store, request)).run

    for commit, even in enumerate(EVEN[:5], start=1):
        assert run(commit, even).verdict == "passed"
    red = run(6, 90.0)
    assert red.verdict == "failed"
    (reason,) = red.reasons
    assert reason.startswith("performance regressed: aestus.decode_rate of t on here -10.0 %")
    # Red is no reference: what is as slow as the red run stays red, what is mended is green.
    assert run(7, 90.1).verdict == "failed"
    assert run(7, 100.0, revision="f" * 40).verdict == "passed"
    report = StoreReports(branch.store).report(str(red.number))
    (point,) = report.performance
    assert point.change == "regressed"
    assert report.reasons == red.reasons
    with branch.store.reading() as connection:
        assert connection.execute(select(SeriesState.points)).scalars().all() == [7]
