"""Corrected p-values against the paper's own example and R, and budgets by simulation."""

import random

import pytest

from hotfire_infra.analysis.accuracy.multiplicity import (
    alpha_per_check,
    benjamini_hochberg,
    false_failure_chance,
    holm,
)

# Benjamini & Hochberg (1995), section 4.1: Bonferroni keeps three of them at .05, theirs four.
PAPER = [0.0001, 0.0004, 0.0019, 0.0095, 0.0201, 0.0278, 0.0298, 0.0344, 0.0459, 0.3240, 0.4262,
         0.5719, 0.6528, 0.7590, 1.0]  # fmt: skip


def test_the_papers_example_keeps_four():
    assert [p <= 0.05 for p in benjamini_hochberg(PAPER)] == [True] * 4 + [False] * 11
    assert [p <= 0.05 for p in holm(PAPER)] == [True] * 3 + [False] * 12


def test_adjusted_values_are_those_of_r():
    # p.adjust(c(.01, .02, .03, .04, .05), "holm") and "BH"; c(.04, .001, .03) in its own order.
    five = [0.01, 0.02, 0.03, 0.04, 0.05]
    assert holm(five) == pytest.approx((0.05, 0.08, 0.09, 0.09, 0.09))
    assert benjamini_hochberg(five) == pytest.approx((0.05,) * 5)
    assert holm([0.04, 0.001, 0.03]) == pytest.approx((0.06, 0.003, 0.06))
    assert benjamini_hochberg([0.04, 0.001, 0.03]) == pytest.approx((0.04, 0.003, 0.04))


def test_no_checks_have_no_values():
    assert (holm([]), benjamini_hochberg([])) == ((), ())


def test_the_budget_of_a_run_is_divided():
    assert alpha_per_check(false_failures_per_run=0.01, checks=200) == pytest.approx(5e-5)
    assert false_failure_chance(alpha=0.05, checks=50) == pytest.approx(0.923, abs=5e-4)
    with pytest.raises(ValueError, match="no level for 0 checks"):
        alpha_per_check(false_failures_per_run=0.01, checks=0)


def test_corrections_keep_their_rates():
    """100 checks, 20 of them real: Holm's any-false rate and the other's false share."""
    draw = random.Random(8)
    any_false, shares = 0, []
    for _ in range(400):
        p_values = [draw.random() for _ in range(80)] + [draw.random() * 1e-4 for _ in range(20)]
        any_false += any(p <= 0.05 for p in holm(p_values)[:80])
        kept = [p <= 0.05 for p in benjamini_hochberg(p_values)]
        shares.append(sum(kept[:80]) / max(1, sum(kept)))
    assert any_false / 400 <= 0.08
    assert sum(shares) / 400 == pytest.approx(0.05 * 80 / 100, abs=0.01)
