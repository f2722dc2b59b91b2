"""How many items a test of accuracy needs, and what it can see with those it has.

Shares throughout: a drop of 0.01 is one point, a discordance of 0.02 means that two of a hundred
items change their outcome. One-sided tests: α is the probability of a false alarm.
"""

from __future__ import annotations

import math
from statistics import NormalDist

from hotfire_infra.analysis.accuracy.binomial import fair_critical, log_mass, tail

_NORMAL = NormalDist()
EXACT_UP_TO = 500.0
"""Expected discordant pairs up to which power is summed exactly; beyond, the normal form is as good."""


def pairs_needed(*, drop: float, discordance: float, alpha: float, power: float) -> float:
    """Pairs to see a drop by McNemar's test: n = [z₁₋α√δ + z_power√(δ - θ²)]² / θ².

    Connor (1987), Biometrics 43, 207; Miettinen (1968), Biometrics 24, 339. A drop of θ needs at
    least θ of discordance: ValueError where δ < θ. Not rounded.
    """
    if not 0 < drop <= discordance:
        raise ValueError(f"a drop of {drop!r} cannot come with a discordance of {discordance!r}")
    spread = _z(alpha) * math.sqrt(discordance)
    spread += _z(1 - power) * math.sqrt(discordance - drop**2)
    return spread**2 / drop**2


def unpaired_needed(*, drop: float, share: float, alpha: float, power: float) -> float:
    """Items per run to see a drop between independent runs: n = 2p(1 - p)(z₁₋α + z_power)² / θ².

    Fleiss, Levin & Paik (2003), Statistical Methods for Rates and Proportions, 4.2, with one
    variance for both. Not rounded.
    """
    return 2 * share * (1 - share) * (_z(alpha) + _z(1 - power)) ** 2 / drop**2


def unpaired_detectable(*, n: int, sigma: float, alpha: float, power: float) -> float:
    """Return θ = (z₁₋α + z_power)·√(2σ²/n), in the unit of σ: what two runs of n items can see."""
    return (_z(alpha) + _z(1 - power)) * math.sqrt(2 * sigma**2 / n)


def power_of_pairs(*, n: int, drop: float, discordance: float, alpha: float) -> float:
    """Probability that the exact one-sided McNemar test of n pairs rejects at level alpha.

    Σ_D P(Bin(n, δ) = D) · P(Bin(D, (1 + θ/δ)/2) ≥ k_α(D)), with k_α(D) the smallest count that
    rejects (Duffy 1984, Biometrics 40, 1005). The discordance is at least the drop. Exact up to
    `EXACT_UP_TO` expected discordant pairs, else Connor's normal form.
    """
    delta = max(discordance, abs(drop))
    if delta == 0 or n == 0:
        return 0.0
    if n * delta > EXACT_UP_TO:
        return _normal_power(n, drop, delta, alpha)
    share = (1 + drop / delta) / 2
    centre, reach = n * delta, 9 * math.sqrt(n * delta * (1 - delta)) + 20
    total = 0.0
    for count in range(max(0, int(centre - reach)), min(n, int(centre + reach)) + 1):
        weight = log_mass(count, n, delta)
        if weight > -45:
            critical = fair_critical(count, alpha)
            total += math.exp(weight) * tail(critical, count, share)
    return min(1.0, total)


def _normal_power(n: int, drop: float, delta: float, alpha: float) -> float:
    spread = math.sqrt(max(delta - drop**2, 1e-300))
    return _NORMAL.cdf((drop * math.sqrt(n) - _z(alpha) * math.sqrt(delta)) / spread)


def detectable(*, n: int, discordance: float, alpha: float, power: float) -> float:
    """Return the smallest drop that n pairs show with this power; infinite where none does.

    The discordance is that of a run in which nothing changed; a larger drop brings its own.
    """

    def seen(drop: float) -> bool:
        return power_of_pairs(n=n, drop=drop, discordance=discordance, alpha=alpha) >= power

    if not seen(1.0):
        return math.inf
    low, high = 0.0, 1.0
    while high - low > 1e-3 * high:
        middle = (low + high) / 2
        low, high = (low, middle) if seen(middle) else (middle, high)
    return high


def pairs_needed_exactly(*, drop: float, discordance: float, alpha: float, power: float) -> int:
    """Pairs after which the exact test has this power, where `pairs_needed` approximates.

    Power rises in small saws; this is where it is first reached in steps of half a percent.
    """
    delta = max(discordance, drop)
    n = math.ceil(pairs_needed(drop=drop, discordance=delta, alpha=alpha, power=power) * 0.9)
    while power_of_pairs(n=n, drop=drop, discordance=delta, alpha=alpha) < power:
        n += max(1, n // 200)
    return n


def _z(upper: float) -> float:
    """The quantile with `upper` of a normal distribution above it."""
    return -_NORMAL.inv_cdf(upper)
