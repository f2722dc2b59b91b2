"""Sequential tests: fair bets by enumeration, false alarms exactly, and their mean number of pairs."""

import itertools
import math
import random
import statistics

import pytest

from hotfire_infra.analysis.accuracy.pairs import Pairs
from hotfire_infra.analysis.accuracy.sequential import (
    Answer,
    RatioTest,
    SequentialTest,
    confidence_sequence,
    evidence_against,
    evidence_of_drop,
)


@pytest.mark.parametrize(("better", "worse"), [(0, 0), (3, 9), (20, 41), (100, 70)])
def test_evidence_of_a_drop_is_the_mixture_of_bets(better, worse):
    steps = 20_000
    mixed = math.fsum(
        (2 * q) ** worse * (2 * (1 - q)) ** better
        for q in (0.5 + (i + 0.5) / steps / 2 for i in range(steps))
    ) / steps  # fmt: skip
    found = evidence_of_drop(Pairs(n=better + worse, better=better, worse=worse))
    assert found == pytest.approx(math.log(mixed), abs=1e-5)


@pytest.mark.parametrize("share", [0.5, 0.4, 0.1])
def test_a_bet_on_a_drop_gains_nothing_without_one(share):
    """The mean wealth over all sequences is 1 for a fair coin, and less for a better change."""
    mean = sum(
        math.comb(12, c) * share**c * (1 - share) ** (12 - c)
        * math.exp(evidence_of_drop(Pairs(n=12, better=12 - c, worse=c)))
        for c in range(13)
    )  # fmt: skip
    assert mean <= 1 + 1e-9
    assert (mean == pytest.approx(1)) == (share == 0.5)


@pytest.mark.parametrize(("drop", "true"), [(0.01, 0.01), (0.2, 0.2), (0.2, 0.4), (-0.1, -0.1)])
def test_a_bet_against_a_drop_gains_nothing_where_there_is_one(drop, true):
    better = 0.05 + max(0.0, -true)
    shares = {-1: better, 1: better + true}
    shares[0] = 1 - sum(shares.values())
    mean = 0.0
    for items in itertools.product(shares, repeat=7):
        chance = math.prod(shares[item] for item in items)
        pairs = Pairs(n=7, better=items.count(-1), worse=items.count(1))
        mean += chance * math.exp(evidence_against(pairs, drop))
    assert mean <= 1 + 1e-9
    assert (mean == pytest.approx(1)) == (drop == true)


def test_an_alarm_at_any_look_is_as_rare_as_stated():
    """The exact probability that 150 fair flips ever reach evidence of 20: at most 1 in 20."""
    alive, alarmed = {0: 1.0}, 0.0
    for flips in range(1, 151):
        following: dict[int, float] = {}
        for worse, chance in alive.items():
            for each in (worse, worse + 1):
                following[each] = following.get(each, 0.0) + chance / 2
        pairs = {c: Pairs(n=flips, better=flips - c, worse=c) for c in following}
        loud = {c for c in following if evidence_of_drop(pairs[c]) >= math.log(20)}
        alarmed += sum(following[c] for c in loud)
        alive = {c: chance for c, chance in following.items() if c not in loud}
    assert 0.01 < alarmed <= 0.05


def looked(test, draw, discordance, drop, every=20):
    """Run a sequential test on drawn pairs with a look every 20; return answer and pairs."""
    better = worse = n = 0
    while True:
        for _ in range(every):
            at = draw.random()
            worse += at < (discordance + drop) / 2
            better += (discordance + drop) / 2 <= at < discordance
        n += every
        answer = test.answer(Pairs(n=n, better=better, worse=worse))
        if answer is not Answer.OPEN:
            return answer, n


WATCH = SequentialTest(tolerance=0.01, alpha=2e-4)


@pytest.mark.parametrize("discordance", [0.005, 0.02])
def test_nothing_changed_is_known_within_two_thousand_pairs(discordance):
    draw = random.Random(1)
    ends = [looked(WATCH, draw, discordance, 0.0) for _ in range(120)]
    assert statistics.fmean(n for _, n in ends) <= 1900
    assert sum(answer is Answer.HELD for answer, _ in ends) >= 100
    assert not any(answer is Answer.DROPPED for answer, _ in ends)


def test_no_difference_at_all_is_known_within_five_hundred_pairs():
    assert WATCH.answer(Pairs(n=500, better=0, worse=0)) is Answer.HELD
    assert WATCH.answer(Pairs(n=100, better=0, worse=0)) is Answer.OPEN


def test_a_drop_of_the_tolerance_is_found_within_the_budget():
    draw = random.Random(2)
    ends = [looked(WATCH, draw, 0.02, 0.01) for _ in range(150)]
    assert sum(answer is Answer.DROPPED for answer, _ in ends) / 150 >= 0.72
    assert sum(answer is Answer.HELD for answer, _ in ends) / 150 <= 0.08


def test_a_spent_budget_is_no_pass():
    assert WATCH.answer(Pairs(n=4000, better=90, worse=110)) is Answer.UNDECIDED


def test_a_large_drop_stops_at_once():
    assert WATCH.answer(Pairs(n=60, better=0, worse=30)) is Answer.DROPPED


def test_the_confidence_sequence_narrows_round_the_drop():
    wide = confidence_sequence(Pairs(n=400, better=2, worse=6), 0.95)
    narrow = confidence_sequence(Pairs(n=40_000, better=200, worse=600), 0.95)
    assert wide[0] < narrow[0] < 0.01 < narrow[1] < wide[1]
    assert confidence_sequence(Pairs(n=0, better=0, worse=0), 0.95) == (-1.0, 1.0)


def test_the_confidence_sequence_covers_at_every_look():
    draw = random.Random(4)
    missed = 0
    for _ in range(60):
        better = worse = 0
        for n in range(50, 1001, 50):
            for _ in range(50):
                at = draw.random()
                worse += at < 0.03
                better += 0.03 <= at < 0.05
            low, high = confidence_sequence(Pairs(n=n, better=better, worse=worse), 0.9)
            if not low <= 0.01 <= high:
                missed += 1
                break
    assert missed <= 12


def test_walds_ratio_test_halves_the_pairs_of_the_fixed_one():
    test = RatioTest(drop=0.01, discordance=0.02, alpha=0.05, beta=0.2)
    draw = random.Random(6)
    pairs = [looked(test, draw, 0.02, 0.0, every=1)[1] for _ in range(400)]
    # Fixed: 1,234 pairs; overshoot makes the simulated mean a little longer than Wald's.
    assert 1.8 <= 1234 / statistics.fmean(pairs) <= 2.6
    assert statistics.fmean(pairs) == pytest.approx(test.expected_pairs(), rel=0.25)


def test_a_ratio_test_of_an_all_worse_drop_ends_at_the_first_better_pair():
    test = RatioTest(drop=0.02, discordance=0.02, alpha=0.05, beta=0.2)
    assert test.answer(Pairs(n=9, better=1, worse=0)) is Answer.HELD
    assert test.answer(Pairs(n=9, better=0, worse=1)) is Answer.OPEN
