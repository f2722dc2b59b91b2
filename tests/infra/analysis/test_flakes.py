"""Beta-binomial rates against closed forms, sums of the binomial and numerical integration."""

import math

import pytest

from hotfire_infra.analysis.accuracy.binomial import tail
from hotfire_infra.analysis.flakes import (
    FlakeRate,
    beta_quantile,
    incomplete_beta,
    passes_needed,
)


@pytest.mark.parametrize("x", [1e-6, 0.01, 0.3, 0.9, 1 - 1e-9])
def test_incomplete_beta_is_the_closed_form_where_there_is_one(x):
    assert incomplete_beta(x, 1.0, 7.5) == pytest.approx(
        -math.expm1(7.5 * math.log1p(-x)), rel=1e-12
    )
    assert incomplete_beta(x, 0.24, 1.0) == pytest.approx(x**0.24, rel=1e-12)
    arcsine = 2 / math.pi * math.asin(math.sqrt(x))
    assert incomplete_beta(x, 0.5, 0.5) == pytest.approx(arcsine, rel=1e-10)


@pytest.mark.parametrize(("k", "n", "p"), [(1, 10, 0.05), (7, 1204, 0.007), (40, 60, 0.5)])
def test_incomplete_beta_is_the_tail_of_the_binomial(k, n, p):
    assert incomplete_beta(p, k, n - k + 1) == pytest.approx(tail(k, n, p), rel=1e-10)


def test_quantile_inverts_it_down_to_tiny_rates():
    for probability in (1e-3, 0.025, 0.5, 0.975):
        rate = beta_quantile(probability, 0.24, 1.89)
        assert incomplete_beta(rate, 0.24, 1.89) == pytest.approx(probability, rel=1e-9)


def test_interval_of_a_uniform_prior_is_that_of_the_textbook():
    # 0 of 8, uniform prior: the upper 95 % bound is 1 − 0.05^(1/9); 1 of 1: from 0.025^(1/2).
    uniform = FlakeRate(alpha=1.0, beta=1.0)
    assert uniform.after(passed=8).interval() == (0.0, pytest.approx(1 - 0.05 ** (1 / 9)))
    assert uniform.after(failed=1).interval()[0] == pytest.approx(math.sqrt(0.025))


def test_mean_and_counts_add_up():
    rate = FlakeRate(failed=8, passed=1196)
    assert rate.runs == 1204
    assert rate.mean == pytest.approx(8.24 / 1206.13)
    low, high = rate.interval()
    assert low < rate.mean < high
    assert rate.below(high) - rate.below(low) == pytest.approx(0.95)


def test_the_prior_alone_gives_the_failures_that_follow_one_another():
    # After one failure of a test nobody knows: the chance that 1 rerun passes is β ÷ (α + β + 1).
    assert FlakeRate().after(failed=1).next_fails(0, 1) == pytest.approx(1.89 / 3.13)


def test_predictions_are_a_distribution_with_the_mean_of_the_rate():
    rate = FlakeRate(failed=3, passed=40)
    chances = [rate.next_fails(k, 12) for k in range(13)]
    assert sum(chances) == pytest.approx(1)
    assert sum(k * chance for k, chance in enumerate(chances)) == pytest.approx(12 * rate.mean)


@pytest.mark.parametrize(
    ("limit", "confidence", "passes"), [(0.01, 0.95, 299), (0.001, 0.95, 2995), (0.5, 0.5, 1)]
)
def test_passes_needed_are_the_smallest_that_prove_it(limit, confidence, passes):
    assert passes_needed(limit, confidence) == passes
    assert (1 - limit) ** passes <= 1 - confidence + 1e-12
    assert (1 - limit) ** (passes - 1) > 1 - confidence


@pytest.mark.parametrize("wrong", [{"limit": 0.0}, {"limit": 0.1, "confidence": 1.0}])
def test_proof_of_the_impossible_is_refused(wrong):
    with pytest.raises(ValueError, match="shares of 1"):
        passes_needed(**wrong)


def test_quantile_of_nothing_is_refused():
    with pytest.raises(ValueError, match="no quantile"):
        beta_quantile(1.0, 1, 1)
