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


@compiled
def level_cost(z: Floats) -> float:
    """Return half the sum of clipped squares about the best level."""
    if z.size == 0:
        return 0.0
    middle = np.median(z)
    total, near = 0.0, 0
    for one in z:
        if abs(one - middle) < 3.0:
            total += one
            near += 1
    centre = total / near if near else middle
    cost = 0.0
    for one in z:
        cost += min((one - centre) ** 2, _CLIPPED) / 2
    return float(cost)


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

    The modes are those of both sides together (two medians, after Lloyd). A change of mixture leaves
    them where they are and has both of them on one side at least; a step has one on each.
    """
    is_one, old, new = _mixture(before, after)
    return Mixture(before=old, after=new) if is_one else None


@compiled
def _mixture(before: Floats, after: Floats) -> tuple[bool, float, float]:
    no = (False, 0.0, 0.0)
    both = np.sort(np.concatenate((before, after)))
    count = both.size
    low, high = both[count // 10], both[count - 1 - count // 10]
    split = 0
    for _ in range(20):
        # Sorted: the modes' members are a head and a tail, and medians lie in their middles.
        place = np.searchsorted(both, (low + high) / 2)
        if place in (0, count):
            return no
        low, high = both[place // 2], both[(place + count) // 2]
        if place == split:
            break
        split = place
    cut = (low + high) / 2
    width = 1.4826 * np.median(np.abs(both - np.where(both > cut, high, low)))
    if high - low < _MODES_APART * max(width, 1e-12):
        return no
    shares = ((before > cut).mean(), (after > cut).mean())
    mixed = [_MODES_SHARE <= share <= 1 - _MODES_SHARE for share in shares]
    if not (mixed[0] or mixed[1]):
        return no
    # The modes themselves must not have moved: medians of each side against those of both.
    for part in (before, after):
        for is_upper in (False, True):
            side = part[(part > cut) == is_upper]
            mode = high if is_upper else low
            if side.size >= 5 and abs(np.median(side) - mode) > width * (
                1.0 + 2.5 / math.sqrt(side.size)
            ):
                return no
    return True, shares[0], shares[1]


def confidence(gain: float, count: int, growth: float) -> float:
    """Return 1 - the chance of such a gain in log-likelihood in noise of `count` observations.

    exp(-gain) bounds the chance at one position (a likelihood ratio, Wald 1945), doubled for two
    sides; there are at most `count` positions.
    """
    return float(max(0.0, 1.0 - min(1.0, 2.0 * count * math.exp(-max(gain, 0.0) / growth))))


def is_positive(values: NDArray[np.float64]) -> bool:
    """Return whether a series is kept as logarithms: all of it is positive."""
    return bool((values > 0).all())
