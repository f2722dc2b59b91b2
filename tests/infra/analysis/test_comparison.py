"""Comparison: the interval against independent figures, the answers against planted changes."""

import math
import random
import statistics

import pytest

from hotfire_infra.analysis.comparison import (
    CONFIDENCE,
    Change,
    Interval,
    Judgement,
    Point,
    between_runs_interval,
    compare,
    control_false_discoveries,
    creep_interval,
    shift_p_value,
    with_reference,
    within_runs_interval,
)  # fmt: skip
from hotfire_testframework.contract.metrics import Direction, Scale

RATE = Judgement(direction=Direction.LARGER, smallest_effect=0.03)
TIME = Judgement(direction=Direction.SMALLER, smallest_effect=0.03)


def runs(*levels, probe=None):
    return [
        Point(run=i, replicates=(v * 0.99, v, v * 1.01), probe=probe) for i, v in enumerate(levels)
    ]


def test_between_runs_interval_is_scipys_two_sample_t_with_one_new_value():
    # scipy.stats.ttest_ind([5.02], [4.9, 5.0, 5.1, 4.95], equal_var=True)
    #   .confidence_interval(0.99), scipy 1.17.1
    got = between_runs_interval(5.02, [4.9, 5.0, 5.1, 4.95], 0.99)
    assert got.estimate == pytest.approx(0.0325, abs=1e-12)
    assert (got.low, got.high) == pytest.approx((-0.525133521651, 0.590133521651), abs=1e-9)


def test_between_runs_interval_covers_no_change_as_often_as_it_says():
    draw, trials = random.Random(7), 2000
    covered = 0
    for _ in range(trials):
        new, *earlier = (draw.gauss(3, 0.05) for _ in range(6))
        one = between_runs_interval(new, earlier, CONFIDENCE)
        covered += one.low <= 0 <= one.high
    assert 0.982 < covered / trials < 0.997  # 0.99 ± 3.5 binomial deviations


def test_bootstrap_interval_is_that_of_all_resamples():
    new, earlier = (10.0, 11.0, 13.0), (9.0, 10.0, 12.0)
    exact = sorted(
        math.log(statistics.median((a, b, c)) / statistics.median((x, y, z)))
        for a in new for b in new for c in new for x in earlier for y in earlier for z in earlier
    )  # fmt: skip
    got = within_runs_interval(RATE.levels(new), RATE.levels(earlier), 0.9)
    assert got.low == pytest.approx(exact[int(0.05 * len(exact))], abs=1e-9)
    assert got.high == pytest.approx(exact[-1 - int(0.05 * len(exact))], abs=1e-9)


def test_a_halved_rate_is_regressed_and_a_doubled_one_improved():
    earlier = runs(100, 101, 99, 100.5)
    assert compare(runs(50)[0], earlier, RATE).change is Change.REGRESSED
    assert compare(runs(200)[0], earlier, RATE).change is Change.IMPROVED


def test_a_doubled_time_is_regressed():
    assert compare(runs(2.0)[0], runs(1, 1.01, 0.99, 1.0), TIME).change is Change.REGRESSED


def test_the_same_level_in_a_quiet_series_is_unchanged():
    earlier = runs(100, 100.1, 99.9, 100.05, 99.95)
    assert compare(runs(100.02)[0], earlier, RATE).change is Change.UNCHANGED


def test_the_same_level_in_a_noisy_series_is_inconclusive_not_unchanged():
    got = compare(runs(100)[0], runs(80, 120, 100), RATE)
    assert got.change is Change.INCONCLUSIVE
    assert got.interval.high > math.log(1.5)


def test_two_earlier_runs_are_too_few_but_show_their_interval():
    got = compare(runs(50)[0], runs(100, 101), RATE)
    assert got.change is Change.TOO_FEW
    assert got.interval.high < 0
    assert "2 earlier runs of 3 needed" in got.reason


def test_a_first_run_says_so():
    assert compare(runs(50)[0], [], RATE).reason == "first run of this series"


def test_a_slower_machine_is_no_regression():
    earlier = runs(100, 101, 99, 100.5, probe=40e9)
    slow = Point(run=9, replicates=(49.0, 50.0, 51.0), probe=20e9)
    got = compare(slow, earlier, RATE)
    assert got.change is Change.INCONCLUSIVE
    assert got.reason == "the machine's own probe moved with it"
    steady = Point(run=9, replicates=(49.0, 50.0, 51.0), probe=40e9)
    assert compare(steady, earlier, RATE).change is Change.REGRESSED


def test_an_exact_count_on_a_linear_scale_is_judged_by_its_difference():
    registers = Judgement(direction=Direction.SMALLER, smallest_effect=1.0, scale=Scale.LINEAR)
    earlier = [Point(run=i, replicates=(40.0,)) for i in range(3)]
    assert compare(Point(run=4, replicates=(40.0,)), earlier, registers).change is Change.UNCHANGED
    assert compare(Point(run=4, replicates=(44.0,)), earlier, registers).change is Change.REGRESSED


def test_zero_replicates_are_not_comparable():
    point = Point(run=1, replicates=(0.0, 1.0))
    assert compare(point, runs(1, 1, 1), RATE).change is Change.NOT_COMPARABLE


def test_interval_is_deterministic():
    first, second = (within_runs_interval((1.0, 2.0, 3.0), (1.0, 2.0), 0.99) for _ in range(2))
    assert isinstance(first, Interval)
    assert first == second


def test_p_value_is_scipys():
    # scipy.stats.ttest_ind([5.02], [4.9, 5.0, 5.1, 4.95], equal_var=True).pvalue
    assert shift_p_value(5.02, [4.9, 5.0, 5.1, 4.95]) == pytest.approx(0.7559838474941737, rel=1e-9)


def test_one_lucky_series_among_many_is_taken_back():
    quiet = [compare(runs(100)[0], runs(99, 100.5, 101, 99.5), RATE) for _ in range(40)]
    lucky = compare(runs(106.5)[0], runs(99, 100.5, 101, 99.5, 100), RATE)
    assert lucky.change is Change.IMPROVED
    assert control_false_discoveries([lucky])[0].change is Change.IMPROVED
    assert control_false_discoveries([lucky, *quiet])[0].change is Change.INCONCLUSIVE


def test_an_exact_change_survives_any_number_of_series():
    quiet = [compare(runs(100)[0], runs(99, 100.5, 101, 99.5), RATE) for _ in range(40)]
    exact = compare(runs(50)[0], runs(100, 100, 100), RATE)
    assert control_false_discoveries([exact, *quiet])[0].change is Change.REGRESSED


def noise(draw, count, rho=0.0):
    """Levels with a spread of 1 % that last from run to run by `rho`."""
    found, last = [], draw.gauss(0, 1)
    for _ in range(count):
        last = rho * last + math.sqrt(1 - rho**2) * draw.gauss(0, 1)
        found.append(0.01 * last)
    return found


@pytest.mark.parametrize(("rho", "most"), [(0.0, 0.016), (0.4, 0.03)])
def test_the_pinned_reference_cries_wolf_as_rarely_as_it_says(rho, most):
    draw = random.Random(11)
    outside = 0
    for _ in range(1500):
        *earlier, new = noise(draw, 21, rho)
        one, p = creep_interval(new, earlier, CONFIDENCE)
        assert (p <= 1 - CONFIDENCE) == (one.high <= 0 or one.low >= 0)
        outside += not one.low <= 0 <= one.high
    assert outside / 1500 < most


def points_of(levels):
    return [Point(run=i, replicates=(100 * math.exp(v),)) for i, v in enumerate(levels, start=1)]


def judged_by_both(levels, judgement=RATE):
    *earlier, new = points_of(levels)
    return with_reference(compare(new, earlier, judgement), new, earlier, judgement)


def test_small_steps_add_up_where_each_run_equals_the_one_before():
    draw = random.Random(5)
    creep = [-0.005 * i + 0.2 * one for i, one in enumerate(noise(draw, 21))]
    *earlier, new = points_of(creep)
    assert compare(new, earlier, RATE).change is not Change.REGRESSED
    found = judged_by_both(creep)
    assert found.change is Change.REGRESSED
    assert found.reason == "against runs 1 to 3, the oldest of the last 20 that passed"
    assert found.interval.estimate == pytest.approx(-0.095, abs=0.01)


def test_a_creep_below_what_matters_is_no_regression():
    creep = [-0.001 * i for i in range(21)]
    assert judged_by_both(creep).change is Change.UNCHANGED


def test_a_branch_that_regressed_on_the_way_disarms_nothing():
    draw = random.Random(6)
    levels = [one - (0.08 if i > 10 else 0) for i, one in enumerate(noise(draw, 21))]
    *earlier, new = points_of(levels)
    assert compare(new, earlier, RATE).change is not Change.REGRESSED
    assert judged_by_both(levels).change is Change.REGRESSED


def test_slow_improvement_and_short_history_are_no_regression():
    assert judged_by_both([0.005 * i for i in range(21)]).change is not Change.REGRESSED
    assert judged_by_both([-0.02 * i for i in range(7)]).change is not Change.REGRESSED


def test_a_creep_that_the_probe_shares_is_the_machines():
    levels = [-0.005 * i for i in range(21)]
    points = [
        Point(run=i, replicates=(100 * math.exp(v),), probe=50 * math.exp(v) * (1 + i % 2 * 1e-3))
        for i, v in enumerate(levels)
    ]
    *earlier, new = points
    found = compare(new, earlier, RATE)
    assert with_reference(found, new, earlier, RATE) == found
