"""Equivalence: that a change, a kernel or a quantisation, costs less than a stated margin.

A test that finds no drop says nothing; one that excludes a drop of the margin does. Schuirmann's
two one-sided tests (1987), J. Pharmacokinet. Biopharm. 15, 657: equivalent at level α when both
"the loss is at least the margin" and "the gain is at least the margin" are rejected, which is
when the 1 - 2α interval lies within ± margin.
"""

from __future__ import annotations

from dataclasses import dataclass
from statistics import NormalDist

from hotfire_infra.analysis import student_t
from hotfire_infra.analysis.accuracy.differences import MeanDifference
from hotfire_infra.analysis.accuracy.pairs import Pairs, interval, score


@dataclass(frozen=True, slots=True, kw_only=True)
class Equivalence:
    """What the two one-sided tests say of a drop (pairs) or a difference (scores)."""

    margin: float
    estimate: float
    low: float
    high: float
    """Interval of level 1 - 2α."""
    p_not_worse: float
    """Of "worse by the margin or more": small where that is excluded."""
    p_not_better: float
    """Of "better by the margin or more"."""
    alpha: float

    @property
    def p_value(self) -> float:
        """Of both tests together: the larger one."""
        return max(self.p_not_worse, self.p_not_better)

    @property
    def is_equivalent(self) -> bool:
        """Whether both are excluded."""
        return self.p_value <= self.alpha

    @property
    def is_not_inferior(self) -> bool:
        """Whether a loss of the margin is excluded; a gain is nobody's worry."""
        return self.p_not_worse <= self.alpha


def of_pairs(pairs: Pairs, *, margin: float, alpha: float) -> Equivalence:
    """Test right-or-wrong pairs by Tango's score (1998): the margin is a share of the items.

    Nam (1997), Biometrics 53, 1422, and Liu et al. (2002), Statistics in Medicine 21, 231.
    """
    _check(margin, alpha)
    low, high = interval(pairs, 1 - 2 * alpha)
    normal = NormalDist()
    return Equivalence(
        margin=margin,
        estimate=pairs.drop,
        low=low,
        high=high,
        p_not_worse=normal.cdf(score(pairs, margin)) if pairs.n else 1.0,
        p_not_better=normal.cdf(-score(pairs, -margin)) if pairs.n else 1.0,
        alpha=alpha,
    )


def of_scores(difference: MeanDifference, *, margin: float, alpha: float) -> Equivalence:
    """Test graded scores by Student's t: the margin is in the unit of the scores.

    `estimate` and the interval are of after - before, so a loss is negative.
    """
    _check(margin, alpha)
    low, high = difference.interval(1 - 2 * alpha)
    return Equivalence(
        margin=margin,
        estimate=difference.mean,
        low=low,
        high=high,
        p_not_worse=_upper(difference.mean + margin, difference),
        p_not_better=_upper(margin - difference.mean, difference),
        alpha=alpha,
    )


def _upper(distance: float, difference: MeanDifference) -> float:
    if difference.standard_error == 0:
        return 0.0 if distance > 0 else 1.0
    return 1 - student_t.cumulative(distance / difference.standard_error, difference.degrees)


def _check(margin: float, alpha: float) -> None:
    if not 0 < margin < 1 << 30 or not 0 < alpha < 0.5:
        raise ValueError(f"no equivalence for a margin of {margin!r} at level {alpha!r}")
