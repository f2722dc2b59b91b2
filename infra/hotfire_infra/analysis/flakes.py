"""How often a test fails by chance: beta-binomial rates, their intervals, and proof that one is gone.

Only passed and failed tries count. What errored, was lost or preempted says nothing about the test.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

ALPHA, BETA = 0.24, 1.89
"""Beta prior of the rate: fitted to the 811 flaky of 22,244 tests that were run 10,000 times each
(the data of Alshammari et al., 2021, FlakeFlagger, ICSE)."""
LEVEL = 0.95
_TINY = 1e-300
_ROUNDS = 500


@dataclass(frozen=True, slots=True, kw_only=True)
class FlakeRate:
    """What `failed` of `failed + passed` tries say about the rate of false failures."""

    failed: float = 0.0
    passed: float = 0.0
    """Either may be an expected number, where a try counts in part."""
    alpha: float = ALPHA
    beta: float = BETA

    def after(self, *, failed: float = 0, passed: float = 0) -> FlakeRate:
        """Return the rate with more tries counted."""
        return replace(self, failed=self.failed + failed, passed=self.passed + passed)

    @property
    def runs(self) -> float:
        """Tries that count."""
        return self.failed + self.passed

    @property
    def mean(self) -> float:
        """The posterior mean (α + failed) ÷ (α + β + runs)."""
        return (self.alpha + self.failed) / (self.alpha + self.beta + self.runs)

    def below(self, rate: float) -> float:
        """Return the posterior probability that the rate is at most `rate`."""
        return incomplete_beta(rate, self.alpha + self.failed, self.beta + self.passed)

    def quantile(self, probability: float) -> float:
        """Return the rate that is not exceeded with `probability`."""
        return beta_quantile(probability, self.alpha + self.failed, self.beta + self.passed)

    def interval(self, level: float = LEVEL) -> tuple[float, float]:
        """Return the equal-tailed credible interval; from 0 where nothing failed."""
        tail = (1 - level) / 2
        if self.failed == 0:
            return 0.0, self.quantile(level)
        return self.quantile(tail), self.quantile(1 - tail)

    def next_fails(self, failures: int, tries: int) -> float:
        """Return the chance of exactly `failures` in the next `tries`: beta-binomial.

        C(n, k)·B(α + k, β + n − k) ÷ B(α, β) with the posterior's α and β.
        """
        a, b = self.alpha + self.failed, self.beta + self.passed
        return math.comb(tries, failures) * math.exp(
            log_beta(a + failures, b + tries - failures) - log_beta(a, b)
        )


def passes_needed(limit: float, confidence: float = LEVEL) -> int:
    """Return how many consecutive passes prove that a test fails in less than `limit` of its runs.

    The smallest k with (1 − limit)^k ≤ 1 − confidence: a test that still fails in `limit` of its
    runs gets through with a chance of at most 1 − confidence, whatever it did before.
    """
    if not (0 < limit < 1 and 0 < confidence < 1):
        raise ValueError(f"limit {limit!r} and confidence {confidence!r} are shares of 1")
    needed = math.log(1 - confidence) / math.log1p(-limit)
    # 1 − 0.5 is ½ exactly; rounding must not ask for one pass more.
    return max(1, math.ceil(needed - 1e-9))


def log_beta(a: float, b: float) -> float:
    """Return ln B(a, b)."""
    return math.lgamma(a) + math.lgamma(b) - math.lgamma(a + b)


def incomplete_beta(x: float, a: float, b: float) -> float:
    """Return the regularised incomplete beta function I_x(a, b), a and b > 0.

    The continued fraction of DLMF 8.17.22 by the modified Lentz method, on the side where it
    converges fast; relative error about 1e-13.
    """
    if x <= 0 or x >= 1:
        return float(x >= 1)
    front = math.exp(a * math.log(x) + b * math.log1p(-x) - log_beta(a, b))
    if x < (a + 1) / (a + b + 2):
        return front * _fraction(x, a, b) / a
    return 1 - front * _fraction(1 - x, b, a) / b


def _fraction(x: float, a: float, b: float) -> float:
    c, d = 1.0, 1 / _away_from_zero(1 - (a + b) * x / (a + 1))
    value = d
    for m in range(1, _ROUNDS):
        for term in (
            m * (b - m) * x / ((a + 2 * m - 1) * (a + 2 * m)),
            -(a + m) * (a + b + m) * x / ((a + 2 * m) * (a + 2 * m + 1)),
        ):
            d = 1 / _away_from_zero(1 + term * d)
            c = _away_from_zero(1 + term / c)
            value *= c * d
        if abs(c * d - 1) < 1e-15:
            break
    return value


def _away_from_zero(value: float) -> float:
    return value if abs(value) > _TINY else _TINY


def beta_quantile(probability: float, a: float, b: float) -> float:
    """Return x with I_x(a, b) = `probability`, by bisection of ln x: small rates keep their digits."""
    if not 0 < probability < 1:
        raise ValueError(f"no quantile for probability {probability!r}")
    low, high = -700.0, 0.0
    for _ in range(200):
        middle = (low + high) / 2
        if incomplete_beta(math.exp(middle), a, b) < probability:
            low = middle
        else:
            high = middle
        if high - low < 1e-13 * max(1.0, -low):
            break
    return math.exp((low + high) / 2)
