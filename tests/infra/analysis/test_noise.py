"""The A/A noise floor: what runs it comes from, how it is kept up to date, what gates do with it."""

from __future__ import annotations

import math
import statistics

import pytest
from sqlalchemy import select, update

from hotfire_infra.analysis.comparison import Change
from hotfire_infra.analysis.noise import NOT_ENOUGH, floors_of, noise_reports, watch_noise
from hotfire_infra.analysis.reporting import StoreReports
from hotfire_infra.store.invalidations import Predicate, invalidate, withdraw
from hotfire_infra.store.models import Attempt, Measurement, Run, SeriesNoise, Task
from hotfire_infra.store.queries import run_by_id
from hotfire_infra.store.queries_measurements import comparisons_of_run
from hotfire_pipelines.plan import Policy

GATED = Policy(performance={"aestus.decode_rate": {}})
PAIRS = [(100.0, 101.0), (99.0, 100.5), (100.2, 99.1), (100.9, 100.1), (99.5, 100.0), (99.9, 101.0)]


def measure_twice(branch, pairs=PAIRS, **terms):
    """Measure each commit twice: every pair is one of A/A."""
    for commit, values in enumerate(pairs, start=1):
        for value in values:
            branch.run(commit, {"decode": value}, **terms)


def reports(branch):
    with branch.store.reading() as connection:
        return noise_reports(connection)


def test_runs_of_the_same_code_are_the_noise_of_their_metric_and_device(any_branch):
    measure_twice(any_branch)
    (found,) = reports(any_branch)
    assert (found.metric, found.series, found.attempts, found.codes) == (
        "aestus.decode_rate", 1, 12, 6,
    )  # fmt: skip
    # Brute force: half of the mean squared log-ratio of the pairs.
    squared = statistics.fmean(math.log(a / b) ** 2 / 2 for a, b in PAIRS)
    assert found.runs.sd == pytest.approx(math.sqrt(squared))
    assert found.runs.freedom == 6
    assert found.runs.low < found.runs.sd < found.runs.high
    assert found.builds is None
    # Student's t of 6 degrees of freedom, 99.5 %: Fisher & Yates (1963), table III.
    assert found.floor == pytest.approx(3.70743 * math.sqrt(2 * squared), rel=1e-5)
    assert found.words.startswith("A/A noise ±4.")
    assert "(12 attempts of 6 sources, rebuilds not in it, 20" in found.words


def test_another_build_of_the_same_code_is_told_from_another_run(branch):
    measure_twice(branch)
    with branch.store.writing() as connection:
        mine = select(Task.id).join(Attempt, Attempt.task_id == Task.id)
        for place, task in enumerate(connection.execute(mine.order_by(Task.id)).scalars().all()):
            digest = f"{place // 2}{place % 2 if place < 8 else 0}"
            connection.execute(update(Task).where(Task.id == task).values(action_digest=digest))
    watch_noise(branch.store, branch.runs[-1])
    (found,) = reports(branch)
    assert (found.runs.freedom, found.builds.freedom) == (2, 4)
    assert "rebuilds not in it" not in found.words


def test_too_few_pairs_are_said_to_be_too_few(branch):
    measure_twice(branch, PAIRS[:3])
    (found,) = reports(branch)
    assert (found.floor, found.words) == (None, NOT_ENOUGH)


def test_what_strangers_and_disturbed_machines_measure_says_nothing(branch):
    measure_twice(branch)
    before = reports(branch)
    branch.run(1, {"decode": 50.0}, is_trusted=False)
    branch.run(1, {"decode": "foreign load"})
    assert reports(branch)[0].attempts == before[0].attempts


def test_reruns_of_any_purpose_count(branch):
    branch.run(1, {"decode": 100.0})
    for value in (100.4, 99.8, 100.1, 99.7, 100.2):
        branch.run(1, {"decode": value}, purpose="confirm")
    (found,) = reports(branch)
    assert (found.attempts, found.codes, found.runs.freedom) == (6, 1, 5)
    assert found.floor is not None


def test_reruns_about_a_run_that_is_not_judged_yet_do_not_count_before_it_is(branch):
    branch.run(1, {"decode": 100.0})
    open_run = branch.measure(1, {"decode": 100.2}, verdict=None)
    branch.finalize(open_run)
    for value in (90.0, 120.0, 80.0, 110.0):
        branch.run(1, {"decode": value}, purpose="confirm", parent_run_id=open_run)
    assert reports(branch)[0].attempts == 2
    with branch.store.writing() as connection:
        over = {"state": "finalized", "verdict": "passed"}
        connection.execute(update(Run).where(Run.id == open_run).values(**over))
    branch.run(1, {"decode": 100.1})
    assert reports(branch)[0].attempts == 7


def test_invalidated_attempts_leave_the_floor_and_come_back(branch):
    measure_twice(branch)
    now = branch.store.clock.wall_ns()
    one = invalidate(
        branch.store, Predicate(environment={"hostname": "stand-1"}, until_ns=now + 1),
        reason="bad driver", requested_by="ada",
    )  # fmt: skip
    assert reports(branch) == ()
    branch.run(7, {"decode": 100.0})
    with branch.store.reading() as connection:
        assert connection.execute(select(SeriesNoise.series_key)).all() == []
    withdraw(branch.store, one.ulid, reason="good after all", requested_by="ada")
    branch.run(7, {"decode": 100.5})
    assert reports(branch)[0].codes == 7


def gated_change(branch, value):
    run_id = branch.measure(6, {"decode": value}, revision="f" * 40, policy=GATED, verdict=None)
    lines = branch.finalize(run_id)
    with branch.store.reading() as connection:
        (one,) = comparisons_of_run(connection, run_id)
    return run_id, lines, one


def test_what_runs_of_one_code_do_as_well_fails_no_gate_and_is_said_so(any_branch):
    # Earlier runs agree by chance; the same code measured again differs by more.
    wide = [(a * a / 100, b * b / 100) for a, b in PAIRS]
    measure_twice(any_branch, wide, purpose="confirm")
    for commit in range(1, 7):
        any_branch.run(commit, {"decode": 100.0 + commit / 100})
    run_id, lines, found = gated_change(any_branch, 97.4)
    assert (lines, found.outcome) == ((), Change.INCONCLUSIVE)
    assert found.reason.startswith("inside the A/A noise ±")
    (notice,) = [one.text for one in any_branch.findings() if one.kind == "performance-gate"]
    assert "could not be judged, for instance aestus.decode_rate: inside the A/A noise" in notice
    (point,) = StoreReports(any_branch.store).find(str(run_number(any_branch, run_id))).performance
    assert point.noise.startswith("A/A noise ±")
    _, (line,), _ = gated_change(any_branch, 90.0)
    assert ", A/A noise ±" in line
    # The very code that is judged was measured again, too.
    assert "attempts of 7 sources" in line


def run_number(branch, run_id):
    with branch.store.reading() as connection:
        return run_by_id(connection, run_id).number


def test_without_data_the_gate_stands_on_earlier_runs_and_says_what_it_lacks(branch):
    for commit in range(1, 7):
        branch.run(commit, {"decode": 100.0 + commit / 100})
    _, (line,), _ = gated_change(branch, 90.0)
    assert f", {NOT_ENOUGH}, the interval excludes no change" in line


def test_a_series_without_pairs_has_the_floor_of_its_metric_on_its_device(branch):
    measure_twice(branch)
    branch.run(1, {"prefill": 50.0})
    with branch.store.reading() as connection:
        rows = connection.execute(
            select(
                Measurement.series_key, Measurement.metric, Measurement.environment_class
            ).distinct()
        ).all()
        floors = floors_of(connection, {key: (metric, kind) for key, metric, kind in rows})
    assert sorted(one.is_own for one in floors.values()) == [False, True]
    (shared,) = (one for one in floors.values() if not one.is_own)
    assert "all series of the metric" in shared.words()


def test_the_step_can_be_repeated(branch):
    measure_twice(branch)
    before = reports(branch)
    watch_noise(branch.store, branch.runs[-1])
    assert reports(branch)[0].runs == before[0].runs


def test_the_noise_of_other_series_acquits_no_calm_one(branch):
    wide = [(a**3 / 1e4, b**3 / 1e4) for a, b in PAIRS]
    for commit, values in enumerate(wide, start=1):
        for value in values:
            branch.run(commit, {"noisy": value}, purpose="noise")
    for commit in range(1, 7):
        branch.run(commit, {"decode": 100.0 + commit / 100})
    _, (line,), found = gated_change(branch, 96.5)
    assert found.outcome == Change.REGRESSED
    assert ", all series of the metric" in line
