"""Series of the target branch are watched: what is noticed, told once, and taken back."""

from __future__ import annotations

import re
import sys

import pytest
from sqlalchemy import delete, select, update

from hotfire_infra.analysis import watching
from hotfire_infra.analysis.changepoints import Detector
from hotfire_infra.analysis.watching import watch_series
from hotfire_infra.orchestrator.series import name_series
from hotfire_infra.store.invalidations import Predicate, invalidate
from hotfire_infra.store.models import Attempt, SeriesChange, SeriesPoint, SeriesState, Task
from hotfire_infra.store.queries_measurements import points_of_series
from hotfire_infra.store.series_changes import skipped_points

BIG = {41: 0.95}


def revision(number):
    return f"{number:07x}" + "c" * 33


def rows_of(branch, model):
    with branch.store.reading() as connection:
        return list(connection.execute(select(*model.__table__.c)))


def everything(branch):
    """All that watching wrote."""
    return (
        [row._mapping for row in branch.changes()],
        [row._mapping for row in rows_of(branch, SeriesPoint)],
        [row._mapping for row in rows_of(branch, SeriesState)],
        [(row.run_id, row.kind, row.text) for row in branch.findings()],
    )


def test_a_planted_step_of_three_series_is_one_alert_with_its_commits(any_branch):
    any_branch.history(BIG, runs=50, tests=("short", "long", "batch"))
    changes = any_branch.changes()
    assert [(one.state, one.kind, one.direction) for one in changes] == [
        ("alert", "step", "worse")
    ] * 3
    assert len({one.cause for one in changes}) == 1
    first = any_branch.runs[40]
    assert all(one.after_run_id < first <= one.until_run_id for one in changes)
    (found,) = any_branch.findings()
    assert found.kind == "change"
    said = re.fullmatch(
        r"decode -(\d\.\d) % \(3 series\) since ([0-9a-f]{7})\.\.([0-9a-f]{7}), "
        r"95 % sure of the interval",
        found.text,
    )
    assert said is not None, found.text
    assert 4 < float(said[1]) < 6
    assert int(said[2], 16) < 41 <= int(said[3], 16)


def test_without_a_step_nobody_is_told_anything(branch):
    branch.history({}, runs=45, tests=("short", "long", "batch"))
    assert branch.changes() == []
    assert branch.findings() == []
    assert [row.points for row in rows_of(branch, SeriesState)] == [45] * 3


def test_a_run_finalized_twice_changes_nothing(any_branch):
    any_branch.history(BIG, runs=46)
    before = everything(any_branch)
    assert before[0]
    for run in (*any_branch.runs[-3:], any_branch.runs[10]):
        any_branch.finalize(run)
    assert everything(any_branch) == before


def test_the_state_is_made_again_from_the_points_when_it_is_missing_or_old(branch):
    branch.history(BIG, runs=46)
    kept = [row.ulid for row in branch.changes()]
    with branch.store.writing() as connection:
        connection.execute(delete(SeriesState))
    branch.history(BIG, runs=1, begin=47, seed=5)
    with branch.store.writing() as connection:
        connection.execute(update(SeriesState).values(version=0))
    branch.history(BIG, runs=1, begin=48, seed=6)
    with branch.store.writing() as connection:
        connection.execute(update(SeriesState).values(state={"v": "of a later release"}))
    branch.history(BIG, runs=1, begin=49, seed=7)
    (state,) = rows_of(branch, SeriesState)
    assert state.points == 49
    straight = Detector()
    for value, machine in points_taken(branch):
        straight.append(value, machine)
    assert state.state == straight.state()
    assert [row.ulid for row in branch.changes()] == kept
    assert len(branch.findings()) == 1


def points_taken(branch):
    (state,) = rows_of(branch, SeriesState)
    with branch.store.reading() as connection:
        rows = points_of_series(connection, [state.series_key], is_mainline=True)
    return [(row.value, row.machine) for row in rows]


@pytest.mark.parametrize(
    "terms",
    [
        {"patch_digest": "d" * 64},
        {"revision": "f" * 40},
        {"is_trusted": False},
        {"merge_base": None},
        {"purpose": "bisect"},
    ],
    ids=["uncommitted", "of a branch", "untrusted", "of no known branch", "of a question"],
)
def test_what_does_not_lie_on_the_target_branch_is_no_point_of_its_series(branch, terms):
    branch.history({}, runs=3)
    branch.history({1: 2.0}, runs=3, begin=4, **terms)
    (state,) = rows_of(branch, SeriesState)
    assert (state.points, state.run_id) == (3, branch.runs[2])
    assert len(rows_of(branch, SeriesPoint)) == 3


def test_an_invalid_point_is_skipped_with_its_reason(branch):
    branch.history({}, runs=3)
    throttled = branch.run(4, {"decode": "the processor was throttled"})
    branch.history({}, runs=1, begin=5)
    (state,) = rows_of(branch, SeriesState)
    assert state.points == 4
    with branch.store.reading() as connection:
        skipped = skipped_points(connection, state.series_key)
    assert skipped == {throttled: "the processor was throttled"}


def test_points_stand_in_the_order_of_commits_whatever_the_order_of_runs(branch):
    for commit in (1, 2, 3, 7, 5, 4, 8, 6, 5):
        branch.run(commit, {"decode": 100.0 + commit})
    taken = sorted(rows_of(branch, SeriesPoint), key=lambda row: row.position)
    assert [branch.runs.index(row.run_id) + 1 for row in taken] == [1, 2, 3, 6, 5, 9, 8, 4, 7]


def test_a_run_that_ends_after_a_newer_one_takes_its_place_before_it(branch):
    early = branch.measure(1, {"decode": 101.0})
    late = branch.measure(2, {"decode": 102.0})
    branch.finalize(late)
    branch.finalize(early)
    taken = sorted(rows_of(branch, SeriesPoint), key=lambda row: row.position)
    assert [row.run_id for row in taken] == [early, late]
    (state,) = rows_of(branch, SeriesState)
    assert (state.run_id, state.points) == (late, 2)


def test_the_machine_is_a_factor_and_no_change(branch):
    for commit in range(1, 60):
        slow = commit % 3 == 0
        noise = 1 + 0.004 * ((commit * 7919) % 11 - 5) / 5
        machine = "stand-2" if slow else "stand-1"
        branch.run(commit, {"decode": (80.0 if slow else 100.0) * noise}, machine=machine)
    assert branch.findings() == []


def test_a_change_below_the_smallest_effect_that_matters_is_recorded_and_not_told(branch):
    branch.history({41: 0.985}, runs=60, noise=0.002)
    (change,) = branch.changes()
    assert change.state == "recorded"
    assert change.reason == "below 2 %, the smallest effect that matters"
    assert change.effect == pytest.approx(-0.015, abs=0.002)
    assert branch.findings() == []


def test_a_disproved_alert_is_withdrawn_where_it_was_told_and_where_it_fell(branch):
    branch.history({41: 0.90, 46: 1 / 0.90}, runs=44)
    told = [row.text for row in branch.findings()]
    assert len(told) == 1
    attempts = run_attempts(branch, branch.runs[40:44])
    # The machine was at fault: what it measured does not count, and the series is read anew.
    with branch.store.writing() as connection:
        connection.execute(
            update(Attempt).where(Attempt.id.in_(attempts)).values(pool="the hot room")
        )
    predicate = Predicate(pools=("the hot room",))
    invalidate(branch.store, predicate, reason="no cooling", requested_by="ada")
    branch.history({}, runs=1, begin=45)
    (change,) = branch.changes()
    assert (change.state, change.withdrawn_run_id) == ("withdrawn", branch.runs[44])
    first, second = branch.findings()
    assert first.text == f"withdrawn by run 45, later points disprove it: {told[0]}"
    assert (second.kind, second.run_id) == ("change-withdrawn", branch.runs[44])
    assert first.text in second.text


def run_attempts(branch, runs):
    with branch.store.reading() as connection:
        query = select(Attempt.id).join(Task, Task.id == Attempt.task_id)
        return list(connection.execute(query.where(Task.run_id.in_(runs))).scalars())


def test_a_change_among_thousands_of_series_must_stand_out(branch, monkeypatch):
    monkeypatch.setattr(watching, "stands_out", lambda values, series: (False,) * len(values))
    branch.history(BIG, runs=46)
    (change,) = branch.changes()
    assert (change.state, change.reason) == ("recorded", "does not stand out among 1 series")
    assert branch.findings() == []


def test_history_that_was_there_before_is_read_without_crying_wolf(branch):
    for commit in range(1, 60):
        branch.measure(commit, {"decode": (100.0 if commit < 30 else 90.0) + commit % 3})
    for run in branch.runs[:-1]:
        name_series(branch.store, run)
    branch.finalize(branch.runs[-1])
    (change,) = branch.changes()
    assert (change.state, change.position) == ("recorded", 29)
    assert change.reason == "found when the series was read anew: nobody was told"
    assert branch.findings() == []


def test_without_the_numerics_extra_it_is_said_and_caught_up_later(branch, monkeypatch, caplog):
    with monkeypatch.context() as patched:
        patched.setitem(sys.modules, "hotfire_infra.analysis.changepoints", None)
        branch.history({}, runs=2)
    assert "install hotfire[numerics]" in caplog.text
    assert rows_of(branch, SeriesState) == []
    branch.history({}, runs=1, begin=3)
    (state,) = rows_of(branch, SeriesState)
    assert state.points == 3


def test_a_run_that_measured_nothing_is_fine(branch):
    assert watch_series(branch.store, branch.measure(1, {})) == ()
    assert rows_of(branch, SeriesChange) == []
