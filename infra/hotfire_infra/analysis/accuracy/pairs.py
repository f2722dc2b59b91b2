"""Pairs of right and wrong: exact McNemar tests, and an interval for the drop.

An item answered before and after gives a pair. `worse` pairs went from right to wrong, `better`
ones from wrong to right; the drop is (worse - better) / n, a share of the items (0.01 is one
point). Discordant pairs alone say whether there is a drop; all of them say how large it can be.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from statistics import NormalDist

from hotfire_infra.analysis.accuracy.binomial import fair_mass, fair_tail


@dataclass(frozen=True, slots=True, kw_only=True)
class Pairs:
    """Counts of n items that were answered twice."""

    n: int
    better: int
    worse: int

    def __post_init__(self) -> None:
        """Refuse counts that no table has."""
        if self.better < 0 or self.worse < 0 or self.n < self.better + self.worse:
            raise ValueError(
                f"{self.better} better and {self.worse} worse of {self.n} pairs: not a table"
            )

    @property
    def discordant(self) -> int:
        """Pairs whose two outcomes differ."""
        return self.better + self.worse

    @property
    def discordance(self) -> float:
        """Share of discordant pairs, δ; 0 without pairs."""
        return self.discordant / self.n if self.n else 0.0

    @property
    def drop(self) -> float:
        """Share of items lost, net of those gained; 0 without pairs."""
        return (self.worse - self.better) / self.n if self.n else 0.0


def p_worse(pairs: Pairs) -> float:
    """One-sided exact McNemar: p = P(Bin(b + c, ½) ≥ c) with c worse, b better.

    Under "no drop" each discordant pair falls to either side like a fair coin. Keeps its level
    for every n and every discordance. McNemar (1947), Psychometrika 12, 153; the exact form in
    Agresti (2013), Categorical Data Analysis, 11.1.
    """
    return fair_tail(pairs.worse, pairs.discordant)


def p_changed(pairs: Pairs) -> float:
    """Two-sided exact McNemar: twice the smaller tail, at most 1."""
    return min(1.0, 2 * fair_tail(max(pairs.better, pairs.worse), pairs.discordant))


def mid_p_worse(pairs: Pairs) -> float:
    """One-sided mid-p: `p_worse` less half the probability of the table itself.

    Less conservative with few discordant pairs; may exceed its level a little, so it informs and
    never gates. Fagerland, Lydersen & Laake (2013), BMC Med. Res. Methodol. 13, 91.
    """
    return p_worse(pairs) - 0.5 * fair_mass(pairs.worse, pairs.discordant)


def mid_p_changed(pairs: Pairs) -> float:
    """Two-sided mid-p: `p_changed` less the probability of the table; 1 where both sides agree."""
    if pairs.better == pairs.worse:
        return 1 - 0.5 * fair_mass(pairs.worse, pairs.discordant)
    return p_changed(pairs) - fair_mass(pairs.worse, pairs.discordant)


def score(pairs: Pairs, drop: float) -> float:
    """Return z of H₀: "the drop is `drop`" (-1 < drop < 1); above 0 where more was lost.

    Tango (1998), Statistics in Medicine 17, 891: with Δ the drop, b better, c worse, and q̂ the
    maximum-likelihood share of `better` under H₀,
      z = (c - b - nΔ) / √(n(2q̂ + Δ(1 - Δ))),  q̂ = (√(W² + 8nbΔ(1 - Δ)) - W) / 4n,
      W = -(b + c) + (2n - c + b)Δ.
    At Δ = 0 this is McNemar's (c - b)/√(b + c). Without anything to divide by, z is 0.
    """
    if drop < 0:
        return -score(Pairs(n=pairs.n, better=pairs.worse, worse=pairs.better), -drop)
    n, b, c = pairs.n, pairs.better, pairs.worse
    w = -(b + c) + (2 * n - c + b) * drop
    root = math.sqrt(w * w + 8 * n * b * drop * (1 - drop))
    # The smaller root of the quadratic without cancellation where W is positive.
    q = 2 * b * drop * (1 - drop) / (root + w) if w > 0 else (root - w) / (4 * n) if n else 0.0
    variance = n * (2 * q + drop * (1 - drop))
    return (c - b - n * drop) / math.sqrt(variance) if variance > 0 else 0.0


def interval(pairs: Pairs, confidence: float) -> tuple[float, float]:
    """Two-sided interval for the drop: all drops that `score` does not reject.

    Behaves where b or c is 0 and never leaves [-1, 1], unlike Wald's. Its coverage is near nominal
    from about ten pairs on (Tango 1998; Newcombe 1998, Statistics in Medicine 17, 2635).
    """
    if pairs.n == 0:
        return -1.0, 1.0
    z = NormalDist().inv_cdf((1 + confidence) / 2)
    low = _crossing(lambda drop: score(pairs, drop) - z, -1.0, pairs.drop)
    high = _crossing(lambda drop: score(pairs, drop) + z, pairs.drop, 1.0)
    return low, high


def _crossing(falling: Callable[[float], float], low: float, high: float) -> float:
    """Where a falling function passes 0, to 1e-13; the end where it does not."""
    for _ in range(60):
        middle = (low + high) / 2
        if falling(middle) > 0:
            low = middle
        else:
            high = middle
    return (low + high) / 2
