"""Graded scores and log-probabilities: differences on the same items, after - before.

Differences of paired scores spread less than the scores: a factor 1/(1 - ρ) fewer items at
correlation ρ. Items that share a passage, or one item decoded with several seeds, are not
independent; their differences are summed per cluster before anything is estimated.
"""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Hashable, Sequence
from dataclasses import dataclass
from statistics import NormalDist

from hotfire_infra.analysis import student_t

EXACT_RANKS = 60
"""Differences up to which the signed-rank distribution is enumerated; beyond, it is normal to 1e-3."""


@dataclass(frozen=True, slots=True, kw_only=True)
class MeanDifference:
    """The mean of n differences, its standard error, and the degrees of freedom of that."""

    n: int
    clusters: int
    mean: float
    standard_error: float

    @property
    def degrees(self) -> int:
        """Degrees of freedom: clusters - 1 (without clusters, n - 1)."""
        return self.clusters - 1

    @property
    def p_worse(self) -> float:
        """One-sided p of a mean below 0; without any spread 0 or 1."""
        if self.standard_error == 0:
            return 0.0 if self.mean < 0 else 1.0
        return student_t.cumulative(self.mean / self.standard_error, self.degrees)

    @property
    def p_changed(self) -> float:
        """Two-sided p of a mean other than 0."""
        if self.standard_error == 0:
            return 0.0 if self.mean else 1.0
        return 2 * student_t.cumulative(-abs(self.mean) / self.standard_error, self.degrees)

    def interval(self, confidence: float) -> tuple[float, float]:
        """Two-sided interval of Student's t."""
        half = student_t.quantile((1 + confidence) / 2, self.degrees) * self.standard_error
        return self.mean - half, self.mean + half


def mean_difference(
    differences: Sequence[float], clusters: Sequence[Hashable] | None = None
) -> MeanDifference:
    """Estimate the mean difference; `clusters` names the cluster of each (default: each its own).

    Var(x̄) = G/(G - 1) · Σ_g (Σ_{i∈g} (x_i - x̄))² / n² over G clusters: Miller (2024), arXiv
    2411.00640, eq. 4 (Σ over all pairs within a cluster of (x_i - x̄)(x_j - x̄), over n²), with the
    factor that makes it s²/n where every cluster has one item. ValueError below two clusters.
    """
    names = range(len(differences)) if clusters is None else clusters
    if len(names) != len(differences):
        raise ValueError(f"{len(names)} clusters for {len(differences)} differences")
    n = len(differences)
    mean = math.fsum(differences) / n if n else 0.0
    residuals: dict[Hashable, list[float]] = defaultdict(list)
    for name, value in zip(names, differences, strict=True):
        residuals[name].append(value - mean)
    count = len(residuals)
    if count < 2:
        raise ValueError(f"{count} clusters have no spread: two are needed")
    total = math.fsum(math.fsum(parts) ** 2 for parts in residuals.values())
    return MeanDifference(
        n=n, clusters=count, mean=mean,
        standard_error=math.sqrt(count / (count - 1) * total) / n,
    )  # fmt: skip


@dataclass(frozen=True, slots=True, kw_only=True)
class SignedRanks:
    """Wilcoxon's signed-rank test: T is the sum of ranks of the positive differences."""

    n: int
    """Differences that are not 0."""
    statistic: float
    p_worse: float
    p_changed: float
    is_exact: bool


def signed_ranks(differences: Sequence[float]) -> SignedRanks:
    """Test that differences lie symmetrically about 0, against all of them being lower.

    Wilcoxon (1945), Biometrics Bulletin 1, 80. Zeros are left out, ties share their mean rank. Up to
    `EXACT_RANKS` differences the distribution of T over all 2ⁿ signs is enumerated, ties included;
    beyond, T is normal with mean Σr/2 and variance Σr²/4 and a correction for continuity (Hollander
    & Wolfe 1999, 3.1). Independent items only: cluster means where items share something.
    """
    kept = [value for value in differences if value != 0]
    doubled = _doubled_ranks([abs(value) for value in kept])
    statistic = sum(rank for rank, value in zip(doubled, kept, strict=True) if value > 0)
    exact = len(kept) <= EXACT_RANKS
    lower, upper = (_enumerated if exact else _approximated)(doubled, statistic)
    return SignedRanks(
        n=len(kept), statistic=statistic / 2, p_worse=lower,
        p_changed=min(1.0, 2 * min(lower, upper)), is_exact=exact,
    )  # fmt: skip


def _doubled_ranks(sizes: Sequence[float]) -> list[int]:
    """Twice the mean ranks: whole numbers, ties or not."""
    order = sorted(range(len(sizes)), key=sizes.__getitem__)
    ranks = [0] * len(sizes)
    start = 0
    while start < len(order):
        stop = start
        while stop < len(order) and sizes[order[stop]] == sizes[order[start]]:
            stop += 1
        for place in range(start, stop):
            ranks[order[place]] = start + 1 + stop
        start = stop
    return ranks


def _enumerated(doubled: Sequence[int], statistic: int) -> tuple[float, float]:
    """P(T ≤ t) and P(T ≥ t): the counts of Π(1 + x^rank), whole numbers."""
    ways = [1] + [0] * sum(doubled)
    reach = 0
    for rank in doubled:
        reach += rank
        for total in range(reach, rank - 1, -1):
            ways[total] += ways[total - rank]
    signs = 1 << len(doubled)
    return sum(ways[: statistic + 1]) / signs, sum(ways[statistic:]) / signs


def _approximated(doubled: Sequence[int], statistic: int) -> tuple[float, float]:
    centre = sum(doubled) / 4
    spread = math.sqrt(sum(rank * rank for rank in doubled) / 16)
    normal = NormalDist()
    distance = statistic / 2 - centre
    return normal.cdf((distance + 0.5) / spread), normal.cdf((0.5 - distance) / spread)
