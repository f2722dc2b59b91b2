"""The culprit search against brute-force Bayes, full dynamic programming and simulated cases."""

import copy
import math
import random
from functools import cache
from itertools import pairwise

import numpy as np
import pytest

from hotfire_infra.analysis.culprit import (
    PRICE,
    Search,
    ValueSearch,
    best_guess,
    capacity,
    gaussian_capacity,
)


def simulate(cases, *, commits=64, false_fail=0.05, false_pass=0.0, without=0.25, told=None):
    """Return the share of right answers and the mean number of runs."""
    lot = random.Random(7)
    told = told or {"false_fail": false_fail, "false_pass": false_pass, "null_prior": without}
    right = runs = 0
    for _ in range(cases):
        culprit = commits if lot.random() < without else lot.randrange(commits)
        search = Search(commits, **told)
        while (index := search.next()) is not None:
            search.observe(
                index, lot.random() < (1 - false_pass if index >= culprit else false_fail)
            )
            runs += 1
        right += search.answer == ("none" if culprit == commits else culprit)
    return right / cases, runs / cases


def test_posterior_is_the_product_of_likelihoods_and_prior():
    seen = [(3, True), (1, False), (1, True), (4, True), (2, False)]
    search = Search(5, false_fail=0.1, false_pass=0.2, null_prior=0.3)
    for index, failed in seen:
        search.observe(index, failed)
    expected = []
    for culprit in range(6):
        prior = 0.3 if culprit == 5 else 0.7 / 5
        chance = [0.8 if index >= culprit else 0.1 for index, _ in seen]
        likelihood = math.prod(
            c if failed else 1 - c for c, (_, failed) in zip(chance, seen, strict=True)
        )
        expected.append(prior * likelihood)
    total = sum(expected)
    assert search.posterior == pytest.approx([value / total for value in expected], rel=1e-12)
    assert search.runs == 5


def test_before_any_run_the_posterior_is_the_prior():
    posterior = Search(4, false_fail=0.05, false_pass=0.0).posterior
    assert posterior == pytest.approx([0.1875] * 4 + [0.25])


# Exact means are .9959 / 6.98 and about .996 / 7.65 without false passes, about .996 / 10.7 with them; the
# bounds leave these few cases four standard errors.
@pytest.mark.parametrize(
    ("false_pass", "without", "runs"), [(0.0, 0.25, 7.35), (0.0, 0.0, 8.0), (0.05, 0.0, 11.3)]
)
def test_finds_the_culprit_among_64_commits_in_few_runs(false_pass, without, runs):
    right, mean = simulate(1000, false_pass=false_pass, without=without)
    assert right >= 0.99
    assert mean <= runs


def exact(*, without, eps=1e-6):
    """Return the exact share of right answers and mean runs with the default prior, over all outcomes."""
    fails = np.where(np.arange(64)[:, None] >= np.arange(65), 1.0, 0.05)
    right, runs = np.zeros(65), np.zeros(65)
    open_ones = [(Search(64, false_fail=0.05, false_pass=0.0), np.ones(65))]
    while open_ones:
        search, chance = open_ones.pop()
        index = search.next()
        if index is None:
            place = 64 if search.answer == "none" else search.answer
            right[place] += chance[place]
            continue
        runs += chance
        for failed in (True, False):
            rest = chance * (fails[index] if failed else 1 - fails[index])
            if rest.max() >= eps:
                onward = copy.copy(search)
                onward.observe(index, failed)
                open_ones.append((onward, rest))
    share = np.append(np.full(64, (1 - without) / 64), without)
    return float(share @ right), float(share @ runs)


@pytest.mark.scale
@pytest.mark.parametrize(("without", "most"), [(0.25, 7.0), (0.0, 7.8)])
def test_the_goals_are_met_exactly_with_the_default_prior(without, most):
    right, runs = exact(without=without)
    assert right >= 0.995
    assert runs <= most


def test_a_rate_told_three_times_too_low_costs_little_truth():
    told = {"false_fail": 0.05 / 3, "false_pass": 0.0, "null_prior": 0.25}
    right, runs = simulate(600, told=told)
    assert right >= 0.98
    assert runs <= 7.2


def cost_of(search_of, commits, false_fail, price):
    """Exact expected runs + price × chance to be wrong of a search, over its whole tree."""

    def walk(seen, weights):
        mass = sum(weights)
        search = search_of()
        for step in seen:
            search.observe(*step)
        index = search.next()
        if index is None or mass < 1e-6:
            return price * (mass - max(weights))
        failed = [w if c <= index else w * false_fail for c, w in enumerate(weights)]
        passed = [0.0 if c <= index else w * (1 - false_fail) for c, w in enumerate(weights)]
        cost = mass + walk((*seen, (index, True)), failed)
        return cost + (walk((*seen, (index, False)), passed) if sum(passed) else 0.0)

    return walk((), [1 / commits] * commits)


def least_cost(commits, false_fail, price):
    """The same for the best of all strategies, by dynamic programming.

    Without false passes a state is how many commits are left with 0, 1, … runs against them.
    """
    levels = 6

    @cache
    def value(state):
        weights = [false_fail**e for e, n in enumerate(state) for _ in range(n)]
        best = price * (sum(weights) - weights[0])
        if len(weights) == 1:
            return 0.0
        level_of = [e for e, n in enumerate(state) for _ in range(n)]
        for index in range(len(weights)):
            failed = level_of[: index + 1] + [e + 1 for e in level_of[index + 1 :]]
            passed = level_of[index + 1 :]
            if failed == level_of:
                continue
            cost = sum(weights) + at(failed) + (1 - false_fail) * at(passed)
            best = min(best, cost)
        return best

    def at(level_of):
        kept = [e for e in level_of if e < levels]
        if not kept:
            return 0.0
        low = kept[0]
        counts = [0] * levels
        for e in kept:
            counts[e - low] += 1
        return false_fail**low * value(tuple(counts))

    return at([0] * commits) / commits


@pytest.mark.parametrize("commits", [4, 7])
def test_runs_and_errors_together_are_within_two_per_cent_of_the_best_strategy(commits):
    price = PRICE / capacity(0.05, 0.0)
    ours = cost_of(
        lambda: Search(commits, false_fail=0.05, false_pass=0.0, null_prior=0.0),
        commits,
        0.05,
        price,
    )
    best = least_cost(commits, 0.05, price)
    assert best - 1e-4 <= ours <= 1.02 * best


@pytest.mark.parametrize(("f", "p"), [(0.05, 0.0), (0.05, 0.05), (0.3, 0.1)])
def test_capacity_is_the_largest_mutual_information(f, p):
    def h(x):
        return 0.0 if x in (0, 1) else -x * math.log2(x) - (1 - x) * math.log2(1 - x)

    def information(share):
        fails = share * (1 - p) + (1 - share) * f
        return h(fails) - share * h(p) - (1 - share) * h(f)

    assert capacity(f, p) == pytest.approx(
        max(information(i / 2000) for i in range(2001)), abs=1e-6
    )


@pytest.mark.parametrize("distance", [0.3, 1.5, 4.0])
def test_gaussian_capacity_is_the_mutual_information_of_sampled_values(distance):
    lot = random.Random(1)
    lost = 0.0
    for _ in range(40_000):
        value = lot.gauss(distance, 1.0)
        odds = math.exp(-0.5 * value**2 + 0.5 * (value - distance) ** 2)
        lost += math.log2(1 + odds)
    assert gaussian_capacity(distance) == pytest.approx(1 - lost / 40_000, abs=0.01)


def test_next_asks_the_same_until_something_is_observed():
    search = Search(64, false_fail=0.05, false_pass=0.0)
    assert search.next() == search.next()
    assert search.answer is None


def test_repeating_the_observations_resumes_the_search():
    first = Search(30, false_fail=0.05, false_pass=0.02)
    seen = []
    for failed in (True, False, True, False):
        seen.append((first.next(), failed))
        first.observe(*seen[-1])
    again = Search(30, false_fail=0.05, false_pass=0.02)
    for step in seen:
        again.observe(*step)
    assert (again.next(), again.posterior) == (first.next(), first.posterior)


def test_passes_at_the_last_commit_end_it_with_none():
    search = Search(8, false_fail=0.05, false_pass=0.0)
    search.observe(7, False)
    assert (search.next(), search.answer) == (None, "none")


def test_a_contradiction_after_the_end_opens_it_again():
    search = Search(8, false_fail=0.05, false_pass=0.05)
    while (index := search.next()) is not None:
        search.observe(index, index >= 3)
    assert search.answer == 3
    search.observe(2, True)
    search.observe(2, True)
    assert search.answer != 3


def test_rates_of_zero_survive_a_contradiction():
    search = Search(4, false_fail=0.0, false_pass=0.0, null_prior=0.0)
    for _ in range(40):
        search.observe(1, True)
        search.observe(1, False)
    assert sum(search.posterior) == pytest.approx(1)


def test_one_commit_without_a_flake_is_known_at_once():
    assert Search(1, false_fail=0.05, false_pass=0.0, null_prior=0.0).answer == 0


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ({"commits": 0, "false_fail": 0.05, "false_pass": 0.0}, "at least 1 commit"),
        ({"commits": 4, "false_fail": 1.0, "false_pass": 0.0}, "false_fail"),
        ({"commits": 4, "false_fail": 0.6, "false_pass": 0.5}, "nothing to learn"),
        ({"commits": 4, "false_fail": 0.1, "false_pass": 0.0, "null_prior": 1.0}, "null_prior"),
    ],
)
def test_impossible_numbers_are_refused(arguments, words):
    with pytest.raises(ValueError, match=words):
        Search(**arguments)


def test_a_commit_outside_is_refused():
    with pytest.raises(IndexError, match="commit 4 of 0 … 3"):
        Search(4, false_fail=0.05, false_pass=0.0).observe(4, True)


def test_best_guess_names_the_likeliest():
    assert best_guess((0.1, 0.7, 0.2)) == (1, 0.7)
    assert best_guess((0.1, 0.2, 0.7)) == ("none", 0.7)


@pytest.mark.parametrize("effect", [1.5, 4.0])
def test_values_lead_to_the_commit_that_made_it_slower(effect):
    lot = random.Random(3)
    cases, commits = 150, 64
    right = runs = 0
    for _ in range(cases):
        culprit = commits if lot.random() < 0.25 else lot.randrange(commits)
        search = ValueSearch(commits, before=100.0, after=100.0 + effect, sigma=1.0)
        while (index := search.next()) is not None:
            search.observe(index, lot.gauss(100.0 + (effect if index >= culprit else 0.0), 1.0))
            runs += 1
        right += search.answer == ("none" if culprit == commits else culprit)
    assert right >= 0.97 * cases
    # 5.3 bits ÷ 0.32 and ÷ 0.91 bits per run, and log₂ 230 ÷ 1.6 and ÷ 11.5 bits to be sure.
    assert runs / cases <= (26 if effect == 1.5 else 8.5)


def test_one_outlier_does_not_convict():
    search = ValueSearch(16, before=100.0, after=103.0, sigma=1.0)
    search.observe(5, 160.0)
    assert max(search.posterior) < 0.3


def test_densities_are_those_of_the_mixture_it_states():
    search = ValueSearch(1, before=0.0, after=2.0, sigma=1.0, null_prior=0.5)
    search.observe(0, 1.5)
    from_culprit, before = (
        0.99 * math.exp(-0.5 * d * d) / math.sqrt(2 * math.pi) + 0.01 / 20 for d in (0.5, 1.5)
    )
    assert search.posterior[0] == pytest.approx(from_culprit / (from_culprit + before))


def test_more_failures_at_one_commit_move_the_weight_to_it_and_those_before():
    search = Search(10, false_fail=0.05, false_pass=0.0)
    shares = []
    for _ in range(4):
        search.observe(4, True)
        shares.append(sum(search.posterior[:5]))
    assert all(later > earlier for earlier, later in pairwise(shares))


@pytest.mark.parametrize("wrong", [{"sigma": 0.0}, {"after": 1.0}])
def test_a_change_of_nothing_or_without_noise_is_refused(wrong):
    with pytest.raises(ValueError, match=r"sigma|equal"):
        ValueSearch(4, **{"before": 1.0, "after": 2.0, "sigma": 1.0, **wrong})
