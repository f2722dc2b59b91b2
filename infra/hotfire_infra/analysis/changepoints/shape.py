"""What kind of change it is, where it lies, and how sure that is.

Everything here takes standardised observations: level about 0, scale 1. Squares are clipped at 3
scales, so that outliers weigh as little as in the search.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from hotfire_infra.analysis.changepoints.compiled import compiled
from hotfire_infra.analysis.changepoints.noise import HALF, TICK, Floats

Places = NDArray[np.int64]

_CLIPPED = 9.0
_KNOTS = 10
_SHORTEST_RAMP = 20
"""A slope over fewer observations than this looks like a step, and is called one."""
DRIFT_MARGIN = 1.5
"""Log-likelihood by which a ramp, which has a parameter more, must beat a step."""
_CONFIDENCE = 0.95


@dataclass(frozen=True, slots=True, kw_only=True)
class Ramp:
    """Level, then a slope, then level again; `cost` is half the sum of clipped squares."""

    start: int
    low: int
    high: int
    """Between these lie all starts that cost at most 2 more (about 95 %, after Wilks 1938)."""
    stop: int
    before: float
    after: float
    cost: float


def level_cost(z: Floats) -> float:
    """Return half the sum of clipped squares about the best level."""
    if z.size == 0:
        return 0.0
    return float(np.minimum((z - _centre(z)) ** 2, _CLIPPED).sum() / 2)


def _centre(z: Floats) -> float:
    middle = float(np.median(z))
    near = z[np.abs(z - middle) < 3.0]
    return float(near.mean()) if near.size else middle


def best_ramp(z: Floats) -> Ramp | None:
    """Return the best ramp of at least `_SHORTEST_RAMP` observations, least squares over a grid of knots.

    None where the series is too short for one.
    """
    if z.size < _SHORTEST_RAMP + 4:
        return None
    ends = np.unique(np.linspace(0, z.size - 1, _KNOTS + 1).astype(np.int64))
    best, low, high = _search_ramps(z, ends)
    start, stop, before, rise, cost = best
    return Ramp(
        start=int(start), low=low, high=high, stop=int(stop), before=before, after=before + rise,
        cost=cost,
    )  # fmt: skip


@compiled
def _search_ramps(z: Floats, ends: Places) -> tuple[Floats, int, int]:
    """Return start, stop, level, rise and cost of the best ramp, and the range of likely starts.

    Two passes: the second leaves out what is farther than 3 scales from the best of the first.
    """
    count = z.size
    weights = np.ones(count)
    shares = np.empty(count)
    best = np.zeros(5)
    costs = np.full((ends.size, ends.size), np.inf)
    for _ in range(2):
        best[4] = np.inf
        for a in range(ends.size):
            for b in range(a + 1, ends.size):
                if ends[b] - ends[a] < _SHORTEST_RAMP:
                    continue
                before, rise, cost = _fit_ramp(z, weights, ends[a], ends[b], shares)
                costs[a, b] = cost
                if cost < best[4]:
                    best[0], best[1], best[2] = ends[a], ends[b], before
                    best[3], best[4] = rise, cost
        for i in range(count):
            share = min(max((i - best[0]) / (best[1] - best[0]), 0.0), 1.0)
            weights[i] = 1.0 if abs(z[i] - best[2] - best[3] * share) < 3.0 else 0.0
    low, high = count, 0
    for a in range(ends.size):
        if costs[a].min() <= best[4] + 2.0:
            low, high = min(low, ends[a]), max(high, ends[a])
    return best, low, high


@compiled
def _fit_ramp(
    z: Floats, weights: Floats, start: int, stop: int, shares: Floats
) -> tuple[float, float, float]:
    total = mean = middle = 0.0
    for i in range(z.size):
        shares[i] = min(max((i - start) / (stop - start), 0.0), 1.0)
        total += weights[i]
        mean += weights[i] * z[i]
        middle += weights[i] * shares[i]
    total = max(total, 1.0)
    mean, middle = mean / total, middle / total
    spread = joint = 0.0
    for i in range(z.size):
        aside = weights[i] * (shares[i] - middle)
        spread += aside * (shares[i] - middle)
        joint += aside * (z[i] - mean)
    rise = joint / spread if spread > 0 else 0.0
    before = mean - rise * middle
    cost = 0.0
    for i in range(z.size):
        cost += min((z[i] - before - rise * shares[i]) ** 2, _CLIPPED) / 2
    return before, rise, cost


def position_interval(
    z: Floats, before: float, after: float, table: Floats, growth: float
) -> tuple[int, int, int]:
    """Return the likeliest position of a step and its interval, as offsets into `z`.

    `table` is the loss of the noise, `growth` its inflation by autocorrelation. The interval holds
    the shortest run of positions around the likeliest whose likelihoods, as a posterior under a flat
    prior, add up to 95 %.
    """
    difference = _loss(z - before, table) - _loss(z - after, table)
    # Up to position k the level is `before`: its cost there, the other's from there on.
    costs = np.concatenate(([0.0], np.cumsum(difference)))[1:-1] / growth
    likelihood = np.exp(costs.min() - costs)
    likelihood /= likelihood.sum()
    low = high = best = int(np.argmax(likelihood))
    mass = likelihood[best]
    while mass < _CONFIDENCE and (low > 0 or high < likelihood.size - 1):
        left = likelihood[low - 1] if low > 0 else -1.0
        right = likelihood[high + 1] if high < likelihood.size - 1 else -1.0
        if left >= right:
            low -= 1
            mass += left
        else:
            high += 1
            mass += right
    return best + 1, low + 1, high + 1


def _loss(z: Floats, table: Floats) -> Floats:
    places = np.clip(np.rint(z / TICK), -HALF, HALF).astype(np.int64) + HALF
    return np.asarray(table[places])


@dataclass(frozen=True, slots=True, kw_only=True)
class Mixture:
    """Two modes that both sides of a change share, and what share of each side lies in the higher."""

    before: float
    after: float


_MODES_APART = 4.0
_MODES_SHARE = 0.15


def mixture(before: Floats, after: Floats) -> Mixture | None:
    """Return how the shares of two modes changed, or None: it is the level that did.

    The modes are those of both sides together (two means, after Lloyd). A change of mixture leaves
    them where they are and has both of them on one side at least; a step has one on each.
    """
    both = np.concatenate([before, after])
    low, high = np.quantile(both, 0.1), np.quantile(both, 0.9)
    for _ in range(20):
        upper = both > (low + high) / 2
        if upper.all() or not upper.any():
            return None
        low, high = float(np.median(both[~upper])), float(np.median(both[upper]))
    cut = (low + high) / 2
    upper = both > cut
    within = np.concatenate([both[upper] - high, both[~upper] - low])
    width = 1.4826 * float(np.median(np.abs(within)))
    if high - low < _MODES_APART * max(width, 1e-12):
        return None
    shares = float((before > cut).mean()), float((after > cut).mean())
    if not any(_MODES_SHARE <= share <= 1 - _MODES_SHARE for share in shares):
        return None
    # The modes themselves must not have moved: medians of each, before against after.
    for mode, side in ((low, False), (high, True)):
        parts = [part[(part > cut) == side] for part in (before, after)]
        for part in parts:
            if part.size >= 5 and abs(float(np.median(part)) - mode) > width * (
                1.0 + 2.5 / math.sqrt(part.size)
            ):
                return None
    return Mixture(before=shares[0], after=shares[1])


def confidence(gain: float, count: int, growth: float) -> float:
    """Return 1 - the chance of such a gain in log-likelihood in noise of `count` observations.

    exp(-gain) bounds the chance at one position (a likelihood ratio, Wald 1945), doubled for two
    sides; there are at most `count` positions.
    """
    return float(max(0.0, 1.0 - min(1.0, 2.0 * count * math.exp(-max(gain, 0.0) / growth))))


def is_positive(values: NDArray[np.float64]) -> bool:
    """Return whether a series is kept as logarithms: all of it is positive."""
    return bool((values > 0).all())
