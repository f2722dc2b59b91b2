"""Student's t against the published table and against brute-force integration."""

import math

import pytest

from hotfire_infra.analysis.student_t import cumulative, quantile

# Fisher & Yates (1963), table III; the same figures as scipy.stats.t.ppf.
TABLE = [(0.975, 1, 12.7062), (0.975, 2, 4.30265), (0.995, 2, 9.92484), (0.995, 3, 5.84091),
         (0.95, 7, 1.89458), (0.99, 10, 2.76377), (0.995, 30, 2.75000)]  # fmt: skip


@pytest.mark.parametrize(("probability", "degrees", "expected"), TABLE)
def test_quantile_is_the_figure_of_the_table(probability, degrees, expected):
    assert quantile(probability, degrees) == pytest.approx(expected, rel=1e-5)


@pytest.mark.parametrize("degrees", [1, 2, 3, 4, 5, 8, 11, 40])
def test_cumulative_is_the_integral_of_the_density(degrees):
    t, steps = 1.7, 20_000
    scale = math.gamma((degrees + 1) / 2) / (math.sqrt(degrees * math.pi) * math.gamma(degrees / 2))
    width = t / steps
    area = sum(
        (1 + ((i + 0.5) * width) ** 2 / degrees) ** (-(degrees + 1) / 2) for i in range(steps)
    )
    assert cumulative(t, degrees) == pytest.approx(0.5 + scale * area * width, abs=1e-8)


def test_distribution_is_symmetric():
    assert cumulative(-2.1, 5) + cumulative(2.1, 5) == pytest.approx(1, abs=1e-14)


def test_impossible_probability_is_refused():
    with pytest.raises(ValueError, match="no quantile"):
        quantile(1.0, 3)
