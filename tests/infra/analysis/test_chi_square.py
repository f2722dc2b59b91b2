"""Chi-square against the published table and against brute-force integration."""

import math

import pytest

from hotfire_infra.analysis.chi_square import beyond, quantile

# Pearson & Hartley (1954), table 8.
TABLE = [(0.95, 1, 3.84146), (0.975, 5, 12.8325), (0.025, 5, 0.831212), (0.995, 10, 25.1882),
         (0.025, 40, 24.4330), (0.025, 2, 0.0506356), (0.99, 30, 50.8922)]  # fmt: skip


@pytest.mark.parametrize(("probability", "degrees", "expected"), TABLE)
def test_quantile_is_the_figure_of_the_table(probability, degrees, expected):
    assert quantile(probability, degrees) == pytest.approx(expected, rel=1e-5)


@pytest.mark.parametrize("degrees", [2, 3, 4, 7, 40])
def test_tail_is_the_integral_of_the_density(degrees):
    end, steps = 1.3 * degrees, 20_000
    width = end / steps
    log_scale = degrees / 2 * math.log(2) + math.lgamma(degrees / 2)
    area = math.fsum(
        math.exp((degrees / 2 - 1) * math.log(x) - x / 2 - log_scale) * width
        for x in ((i + 0.5) * width for i in range(steps))
    )
    assert beyond(end, degrees) == pytest.approx(1 - area, abs=2e-6)


@pytest.mark.parametrize("probability", [0.025, 0.5, 0.975])
def test_beyond_many_degrees_the_quantile_is_that_of_the_series(probability):
    found = quantile(probability, 301)
    assert beyond(found, 301) == pytest.approx(1 - probability, abs=1e-5)


def test_many_degrees_overflow_nothing():
    assert beyond(5000.0, 5000) == pytest.approx(0.5, abs=0.01)


@pytest.mark.parametrize(("probability", "degrees"), [(0.0, 3), (1.0, 3), (0.5, 0)])
def test_nonsense_is_refused(probability, degrees):
    with pytest.raises(ValueError, match="no quantile"):
        quantile(probability, degrees)
