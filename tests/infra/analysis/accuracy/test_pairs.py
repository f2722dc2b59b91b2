"""McNemar's tests and Tango's interval against enumeration, published examples and R."""

import itertools
import math

import pytest

from hotfire_infra.analysis.accuracy.binomial import fair_critical, fair_mass, fair_tail, tail
from hotfire_infra.analysis.accuracy.pairs import (
    Pairs,
    interval,
    mid_p_changed,
    mid_p_worse,
    p_changed,
    p_worse,
    score,
)


@pytest.mark.parametrize("n", range(1, 11))
def test_tails_of_a_fair_coin_are_those_of_all_sequences(n):
    heads = [sum(flips) for flips in itertools.product((0, 1), repeat=n)]
    for k in range(n + 2):
        assert fair_tail(k, n) == sum(count >= k for count in heads) / 2**n
        assert fair_mass(k, n) == heads.count(k) / 2**n


@pytest.mark.parametrize(("n", "p"), [(9, 0.3), (9, 0.85), (40, 0.02), (300, 0.4)])
def test_tails_of_any_coin_are_the_sum_of_their_terms(n, p):
    for k in range(n + 1):
        exact = math.fsum(math.comb(n, i) * p**i * (1 - p) ** (n - i) for i in range(k, n + 1))
        assert tail(k, n, p) == pytest.approx(exact, rel=1e-10)


@pytest.mark.parametrize("alpha", [0.05, 2e-4, 5e-5, 1e-9])
@pytest.mark.parametrize("n", [0, 1, 5, 13, 80, 999, 1000, 1500])
def test_the_critical_count_is_the_first_that_rejects(n, alpha):
    k = fair_critical(n, alpha)
    assert fair_tail(k, n) <= alpha
    assert fair_tail(k - 1, n) > alpha


def test_the_published_example_of_mcnemar_is_reproduced():
    # Fagerland, Lydersen & Laake (2013), table 1 and 2: 21 children, 1 better and 7 worse.
    pairs = Pairs(n=21, better=1, worse=7)
    assert p_changed(pairs) == pytest.approx(0.0703, abs=5e-5)
    assert mid_p_changed(pairs) == pytest.approx(0.0391, abs=5e-5)
    assert p_worse(pairs) == pytest.approx(0.0703 / 2, abs=5e-5)
    assert mid_p_worse(pairs) == pytest.approx(0.0391 / 2, abs=5e-5)


def test_without_discordant_pairs_nothing_is_shown():
    pairs = Pairs(n=500, better=0, worse=0)
    assert (p_worse(pairs), p_changed(pairs), score(pairs, 0.0)) == (1.0, 1.0, 0.0)
    assert mid_p_changed(pairs) == 0.5


@pytest.mark.parametrize(
    ("better", "worse", "n", "confidence", "low", "high"),
    [
        # PropCIs::scoreci.mp of R, as two projects publish it: (25, 28, 618) at 90 %, y - x.
        (25, 28, 618, 0.90, -0.0148, 0.0247),
        (28, 25, 618, 0.90, -0.0247, 0.0148),
    ],
)
def test_the_interval_is_that_of_r(better, worse, n, confidence, low, high):
    found = interval(Pairs(n=n, better=better, worse=worse), confidence)
    assert found == pytest.approx((low, high), abs=5e-5)


def likeliest_better(pairs, drop):
    """The share of `better` that maximises the likelihood under a drop, by golden section."""
    same = pairs.n - pairs.discordant

    def likelihood(q):
        total = 0.0
        for count, share in ((pairs.better, q), (pairs.worse, q + drop), (same, 1 - 2 * q - drop)):
            total += count * math.log(share) if count else 0.0
        return total

    low, high = max(0.0, -drop) + 1e-12, (1 - drop) / 2 - 1e-12
    ratio = (math.sqrt(5) - 1) / 2
    for _ in range(120):
        left, right = high - ratio * (high - low), low + ratio * (high - low)
        low, high = (left, high) if likelihood(left) < likelihood(right) else (low, right)
    return (low + high) / 2


@pytest.mark.parametrize("counts", [(30, 2, 5), (30, 5, 2), (200, 1, 9), (50, 0, 3), (44, 3, 0)])
@pytest.mark.parametrize("drop", [-0.2, -0.03, 0.01, 0.15])
def test_the_score_uses_the_likeliest_share_under_the_null(counts, drop):
    pairs = Pairs(n=counts[0], better=counts[1], worse=counts[2])
    q = likeliest_better(pairs, drop)
    variance = pairs.n * (2 * q + drop - drop**2)
    expected = (pairs.worse - pairs.better - pairs.n * drop) / math.sqrt(variance)
    assert score(pairs, drop) == pytest.approx(expected, rel=1e-5)


def test_the_score_at_no_drop_is_mcnemars():
    assert score(Pairs(n=90, better=4, worse=12), 0.0) == pytest.approx(8 / math.sqrt(16))


@pytest.mark.parametrize("counts", [(100, 0, 0), (60, 5, 0), (60, 0, 60), (1, 0, 1), (90, 40, 41)])
def test_the_interval_holds_the_estimate_and_stays_inside(counts):
    pairs = Pairs(n=counts[0], better=counts[1], worse=counts[2])
    low, high = interval(pairs, 0.99)
    assert -1 <= low <= pairs.drop <= high <= 1
    mirrored = interval(Pairs(n=pairs.n, better=pairs.worse, worse=pairs.better), 0.99)
    assert mirrored == pytest.approx((-high, -low), abs=1e-9)


def test_the_interval_covers_as_often_as_it_says():
    """Exact coverage over all tables of 60 pairs at a drop of 5 points and δ = 15 %."""
    n, worse, better = 60, 0.10, 0.05
    covered = 0.0
    for c in range(n + 1):
        for b in range(n + 1 - c):
            chance = math.exp(
                math.lgamma(n + 1) - math.lgamma(b + 1) - math.lgamma(c + 1)
                - math.lgamma(n - b - c + 1) + b * math.log(better) + c * math.log(worse)
                + (n - b - c) * math.log(1 - better - worse)
            )  # fmt: skip
            if chance > 1e-7:
                low, high = interval(Pairs(n=n, better=b, worse=c), 0.95)
                covered += chance * (low <= worse - better <= high)
    assert 0.94 <= covered <= 0.97


def test_counts_that_are_no_table_are_refused():
    with pytest.raises(ValueError, match="5 better and 6 worse of 10 pairs"):
        Pairs(n=10, better=5, worse=6)
