"""Equivalence: the two tests against their interval, a published example, and their level."""

import random

import pytest

from hotfire_infra.analysis import student_t
from hotfire_infra.analysis.accuracy.differences import mean_difference
from hotfire_infra.analysis.accuracy.equivalence import of_pairs, of_scores
from hotfire_infra.analysis.accuracy.pairs import Pairs


@pytest.mark.parametrize("counts", [(618, 28, 25), (2000, 8, 9), (2000, 30, 8), (300, 0, 0)])
@pytest.mark.parametrize("margin", [0.005, 0.01, 0.02, 0.05])
def test_pairs_are_equivalent_when_the_interval_lies_within_the_margin(counts, margin):
    pairs = Pairs(n=counts[0], better=counts[1], worse=counts[2])
    found = of_pairs(pairs, margin=margin, alpha=0.05)
    assert found.is_equivalent == (-margin <= found.low and found.high <= margin)
    assert found.is_not_inferior == (found.high <= margin)


def test_the_published_decision_of_r_is_reproduced():
    # PropCIs: (25, 28, 618) at 90 % is [-0.0148, 0.0247]: within 5 points, not within 2.
    pairs = Pairs(n=618, better=25, worse=28)
    assert of_pairs(pairs, margin=0.05, alpha=0.05).is_equivalent
    assert not of_pairs(pairs, margin=0.02, alpha=0.05).is_equivalent


def test_no_pairs_prove_nothing():
    found = of_pairs(Pairs(n=0, better=0, worse=0), margin=0.5, alpha=0.05)
    assert (found.p_value, found.is_equivalent, found.is_not_inferior) == (1.0, False, False)


def test_a_loss_at_the_margin_passes_as_rarely_as_stated():
    draw = random.Random(9)
    passed = 0
    for _ in range(1000):
        moves = [draw.random() for _ in range(600)]
        pairs = Pairs(
            n=600, worse=sum(at < 0.08 for at in moves), better=sum(0.08 <= at < 0.11 for at in moves)
        )  # fmt: skip
        passed += of_pairs(pairs, margin=0.05, alpha=0.05).is_not_inferior
    assert passed / 1000 <= 0.07


def test_scores_are_two_t_tests():
    values = [0.02, -0.01, 0.03, 0.00, 0.01, -0.02, 0.015, 0.005]
    difference = mean_difference(values)
    found = of_scores(difference, margin=0.03, alpha=0.05)
    t = (difference.mean + 0.03) / difference.standard_error
    assert found.p_not_worse == pytest.approx(1 - student_t.cumulative(t, 7))
    assert found.is_equivalent == (found.low >= -0.03 and found.high <= 0.03)
    assert found.is_equivalent
    assert not of_scores(difference, margin=0.005, alpha=0.05).is_equivalent


def test_scores_that_never_differ_are_equivalent():
    found = of_scores(mean_difference([0.0] * 4), margin=0.01, alpha=0.05)
    assert (found.p_value, found.is_equivalent) == (0.0, True)


def test_a_margin_or_level_that_is_none_is_refused():
    pairs = Pairs(n=5, better=0, worse=0)
    with pytest.raises(ValueError, match=r"margin of 0 at level 0\.05"):
        of_pairs(pairs, margin=0, alpha=0.05)
    with pytest.raises(ValueError, match=r"level 0\.6"):
        of_pairs(pairs, margin=0.1, alpha=0.6)
