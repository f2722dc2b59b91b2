"""Accepted shifts: gates compare with what was measured since, and creep from there is still found."""

from __future__ import annotations

from hotfire_infra.client.changes_desk import StoreDesk
from hotfire_infra.store.queries_measurements import comparisons_of_run
from hotfire_pipelines.plan import Policy

GATED = Policy(performance={"aestus.decode_rate": {}})
STEP = 31


def outcome(branch, run_id):
    with branch.store.reading() as connection:
        (one,) = comparisons_of_run(connection, run_id)
    return one.outcome


def slower(branch, runs=40):
    """A branch that lost a tenth at commit 31 and is red since; returns the change's id."""
    branch.history({}, runs=STEP - 1, noise=0.002)
    draw = (0.1, -0.2, 0.15, -0.1, 0.05, -0.15, 0.2, -0.05, 0.12, -0.08)
    for commit in range(STEP, runs + 1):
        branch.run(commit, {"decode": 90.0 + draw[commit % 10]}, policy=GATED, verdict="failed")
    (change,) = StoreDesk(branch.store, "ada").changes(limit=5, state="alert")
    return change.id


def of_a_change(branch, value, commit=40):
    run_id = branch.measure(
        commit, {"decode": value}, revision="f" * 40, policy=GATED, verdict=None
    )
    return run_id, branch.finalize(run_id)


def test_what_was_accepted_blocks_nobody_and_what_is_worse_still_does(any_branch):
    change = slower(any_branch)
    _, (line,) = of_a_change(any_branch, 90.0)
    assert "the target branch has: decode -10" in line
    desk = StoreDesk(any_branch.store, "ada")
    desk.accept(change, "the price of exact sums")
    run_id, lines = of_a_change(any_branch, 90.1)
    assert (lines, outcome(any_branch, run_id)) == ((), "unchanged")
    run_id, (line,) = of_a_change(any_branch, 85.0)
    assert line.startswith("performance regressed: aestus.decode_rate of decode on here -5.")
    assert "the target branch has" not in line
    desk.withdraw(change)
    assert len(of_a_change(any_branch, 90.0)[1]) == 1


def test_creep_from_the_accepted_level_is_found_however_slow(branch):
    StoreDesk(branch.store, "ada").accept(slower(branch), "the price of exact sums")
    level = 90.0
    # A twentieth of a percent a run: no window of twenty runs holds the two percent that matter.
    for commit in range(41, 100):
        level *= 0.9995
        branch.run(commit, {"decode": level + 0.05 * (-1) ** commit}, policy=GATED)
    run_id, (line,) = of_a_change(branch, level * 0.9995, commit=99)
    assert outcome(branch, run_id) == "regressed"
    assert "against runs 31 to 33" in line
