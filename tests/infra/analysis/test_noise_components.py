"""Components of noise against a textbook's analysis of variance, brute force and simulation."""

from __future__ import annotations

import itertools
import math
import random
import statistics

import pytest

from hotfire_infra.analysis import student_t
from hotfire_infra.analysis.noise_components import (
    Measured,
    NoiseSums,
    OneWay,
    Spread,
    between_component,
    component,
    noise_sums,
    one_way,
    spread_of,
    within_component,
)

# Snedecor & Cochran (1989), 13.3: calcium in four turnip leaves, four determinations of each.
LEAVES = [
    [3.28, 3.09, 3.03, 3.03],
    [3.52, 3.48, 3.38, 3.38],
    [2.88, 2.80, 2.81, 2.76],
    [3.34, 3.38, 3.23, 3.26],
]


def test_the_textbook_s_figures_come_out():
    sums = one_way(LEAVES)
    assert (sums.between_freedom, sums.within_freedom) == (3, 12)
    assert sums.between_squares == pytest.approx(0.8884, abs=5e-5)
    assert sums.within_squares == pytest.approx(0.0792, abs=5e-5)
    assert sums.within == pytest.approx(0.0066, abs=5e-5)
    assert sums.between == pytest.approx(0.0724, abs=5e-5)


def test_squares_are_those_of_all_pairs():
    # Brute force: the squares around a mean are the squared differences of all pairs ÷ n.
    classes = [[1.0, 4.0, 2.5], [7.0], [3.0, 3.5]]
    sums = one_way(classes)
    inside = sum(
        (a - b) ** 2 / len(one) for one in classes for a, b in itertools.combinations(one, 2)
    )
    everything = [value for one in classes for value in one]
    total = sum((a - b) ** 2 for a, b in itertools.combinations(everything, 2)) / len(everything)
    assert sums.within_squares == pytest.approx(inside)
    assert sums.within_squares + sums.between_squares == pytest.approx(total)
    assert sums.size / sums.between_freedom == pytest.approx((6 - (9 + 1 + 4) / 6) / 2)


def test_estimates_are_unbiased_where_classes_differ_in_size():
    # Before the cut at zero: E[MSE] = σ²_e and E[(MSB - MSE)/n₀] = σ²_b; 4,000 draws, 4 standard errors.
    draw = random.Random(3)
    inside, between = [], []
    for _ in range(4000):
        classes = []
        for size in (1, 2, 5):
            shift = draw.gauss(0, 2)
            classes.append([shift + draw.gauss(0, 1) for _ in range(size)])
        sums = one_way(classes)
        inside.append(sums.within_squares / sums.within_freedom)
        mean_square = sums.between_squares / sums.between_freedom
        between.append((mean_square - inside[-1]) * sums.between_freedom / sums.size)
    for found, true in ((inside, 1.0), (between, 4.0)):
        error = statistics.stdev(found) / math.sqrt(len(found))
        assert abs(statistics.fmean(found) - true) < 4 * error


def test_sums_of_two_series_add_up():
    both = one_way(LEAVES[:2]) + one_way(LEAVES[2:])
    assert both.within_squares == pytest.approx(one_way(LEAVES).within_squares)
    assert (both.between_freedom, both.within_freedom) == (2, 12)
    assert one_way([]) == one_way([[], []]) == OneWay()


def test_the_interval_of_a_noise_holds_it_as_often_as_stated():
    draw = random.Random(5)
    held = 0
    for _ in range(2000):
        sample = [draw.gauss(0, 3) for _ in range(6)]
        found = component(statistics.variance(sample), 5)
        held += found.low <= 3 <= found.high
    # 95 % of 2,000 is 1,900 with a standard deviation of 9.7.
    assert abs(held - 1900) < 4 * 9.7


def attempt(code, build, *values):
    return Measured(code=code, build=build, processes=tuple((value,) for value in values))


def test_only_code_that_was_measured_twice_counts():
    sums = noise_sums([attempt("a", "1", 1.0), attempt("b", "2", 5.0), attempt("b", "2", 7.0)])
    assert (sums.attempts, sums.codes) == (2, 1)
    assert sums.builds == one_way([[5.0, 7.0]])
    assert noise_sums([attempt("a", "1", 1.0)]) == NoiseSums()


def test_the_level_of_an_attempt_is_the_median_that_comparisons_take():
    assert attempt("a", "1", 1.0, 9.0, 2.0).level == 2.0


def test_processes_are_told_from_their_replicates():
    one = Measured(code="a", build="1", processes=((1.0, 1.2), (2.0, 2.2)))
    sums = noise_sums([one, one]).processes
    assert within_component(sums).sd == pytest.approx(math.sqrt(0.02))
    assert between_component(sums).sd == pytest.approx(math.sqrt((1.0 - 0.02) / 2))
    assert between_component(sums).low is None


def test_with_one_replicate_a_process_both_noises_are_one():
    sums = noise_sums([attempt("a", "1", 1.0, 3.0), attempt("a", "1", 2.0, 4.0)]).processes
    assert within_component(sums) is None
    assert between_component(sums).sd == pytest.approx(math.sqrt(2.0))
    assert between_component(sums).low < between_component(sums).sd


def test_too_few_pairs_give_no_floor():
    pairs = [attempt(str(code), "1", value) for code in range(4) for value in (1.0, 1.1)]
    assert spread_of(noise_sums(pairs)) is None
    more = [*pairs, attempt("9", "1", 1.0), attempt("9", "1", 1.1)]
    found = spread_of(noise_sums(more))
    assert (found.freedom, found.has_builds) == (5, False)
    assert found.sd == pytest.approx(0.1 / math.sqrt(2))
    assert found.limit() == pytest.approx(student_t.quantile(0.995, 5) * 0.1)


@pytest.mark.parametrize(("sd_of_builds", "rebuilt"), [(0.0, False), (0.0, True), (0.02, True)])
def test_of_two_runs_of_one_code_one_in_a_hundred_is_beyond_the_floor(sd_of_builds, rebuilt):
    draw = random.Random(7)
    beyond = 0
    for _ in range(3000):
        known = []
        for code in range(8):
            for build in range(2 if rebuilt else 1):
                shift = draw.gauss(0, sd_of_builds)
                known += [
                    attempt(str(code), f"{code}{build}", 5.0 + shift + draw.gauss(0, 0.01))
                    for _ in range(2)
                ]
        found = spread_of(noise_sums(known))
        sides = [draw.gauss(0, sd_of_builds) + draw.gauss(0, 0.01) for _ in range(2)]
        beyond += abs(sides[0] - sides[1]) > found.limit()
    # 30 of 3,000 expected, standard deviation 5.5; Satterthwaite's approximation is a little wide.
    assert 10 <= beyond <= 52


def test_builds_of_which_each_ran_once_give_the_whole_spread():
    known = [attempt("a", str(build), 1.0 + 0.1 * build) for build in range(7)]
    found = spread_of(noise_sums(known))
    assert (found.freedom, found.has_builds) == (6, True)
    assert found.sd == pytest.approx(statistics.stdev(0.1 * build for build in range(7)))


def test_a_floor_from_a_million_runs_takes_no_longer_than_one_from_hundreds():
    from_many = Spread(sd=0.01, freedom=10**6, has_builds=True).limit()
    assert from_many == Spread(sd=0.01, freedom=300, has_builds=True).limit()
    # The normal quantile of 99.5 %, in every table.
    assert from_many == pytest.approx(2.57583 * 0.01 * math.sqrt(2), rel=0.01)
    assert component(4.0, 10**6).low == pytest.approx(2.0, rel=0.01)
