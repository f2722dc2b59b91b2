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
from hotfire_infra.analysis.changepoints.noise import HALF, TICK, Floats, clip, median

Places = NDArray[np.int64]

_CLIPPED = 9.0
_KNOTS = 10
SHORTEST_RAMP = 20
"""A slope over fewer observations than this looks like a step, and is called one."""
DRIFT_MARGIN = 1.5
"""Log-likelihood by which a ramp, which has a parameter more, must beat a step."""
_LIKELY = 2.0
"""Log-likelihood within which parameters are as good (about 95 %, after Wilks 1938)."""
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
    middle = median(z)
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


@compiled
def cost_of_steps(z: Floats, ends: Places) -> float:
    """Return what levels between ends cost, `z` beginning at the first of them."""
    cost = 0.0
    for k in range(ends.size - 1):
        cost += level_cost(z[ends[k] - ends[0] : ends[k + 1] - ends[0]])
    return cost


def best_ramp(z: Floats) -> Ramp | None:
    """Return the best ramp of at least `SHORTEST_RAMP` observations, least squares over a grid of knots.

    None where the series is too short for one.
    """
    if z.size < SHORTEST_RAMP + 4:
        return None
    best, low, high = _search_ramps(z)
    start, stop, before, rise, cost = best
    return Ramp(
        start=int(start), low=low, high=high, stop=int(stop), before=before, after=before + rise,
        cost=cost,
    )  # fmt: skip


@compiled
def _search_ramps(z: Floats) -> tuple[Floats, int, int]:
    """Return start, stop, level, rise and cost of the best ramp, and the range of likely starts.

    Two passes: the second leaves out what is farther than 3 scales from the best of the first.
    """
    count = z.size
    ends = np.empty(_KNOTS + 1, np.int64)
    for k in range(ends.size):
        ends[k] = k * (count - 1) // _KNOTS
    weights = np.ones(count)
    sums = np.empty((5, count + 1))
    best = np.zeros(5)
    costs = np.full((ends.size, ends.size), np.inf)
    for _ in range(2):
        _sum_up(z, weights, sums)
        best[4] = np.inf
        for a in range(ends.size):
            for b in range(a + 1, ends.size):
                if ends[b] - ends[a] < SHORTEST_RAMP:
                    continue
                before, rise = _fit_ramp(sums, ends[a], ends[b])
                # What costs more by so much is neither the best nor within its interval.
                cost = _ramp_cost(z, before, rise, ends[a], ends[b], best[4] + _LIKELY)
                costs[a, b] = cost
                if cost < best[4]:
                    best[0], best[1], best[2] = ends[a], ends[b], before
                    best[3], best[4] = rise, cost
        for i in range(count):
            share = min(max((i - best[0]) / (best[1] - best[0]), 0.0), 1.0)
            weights[i] = 1.0 if abs(z[i] - best[2] - best[3] * share) < 3.0 else 0.0
    low, high = count, 0
    for a in range(ends.size):
        if costs[a].min() <= best[4] + _LIKELY:
            low, high = min(low, ends[a]), max(high, ends[a])
    return best, low, high


@compiled
def _sum_up(z: Floats, weights: Floats, sums: Floats) -> None:
    """Fill in the sums of weights, of weighted z, places, products of both, and squared places."""
    sums[:, 0] = 0.0
    for i in range(z.size):
        w = weights[i]
        sums[0, i + 1] = sums[0, i] + w
        sums[1, i + 1] = sums[1, i] + w * z[i]
        sums[2, i + 1] = sums[2, i] + w * i
        sums[3, i + 1] = sums[3, i] + w * i * z[i]
        sums[4, i + 1] = sums[4, i] + w * i * i


@compiled
def _fit_ramp(sums: Floats, start: int, stop: int) -> tuple[float, float]:
    """Return level and rise of the least squares ramp with these knots, from sums in O(1)."""
    last, length = sums.shape[1] - 1, float(stop - start)
    w, wz, wi, wiz, wii = sums[:, stop] - sums[:, start]
    after, after_z = sums[0, last] - sums[0, stop], sums[1, last] - sums[1, stop]
    shares = (wi - start * w) / length + after
    squares = (wii - 2 * start * wi + start * start * w) / length**2 + after
    products = (wiz - start * wz) / length + after_z
    total = max(sums[0, last], 1.0)
    mean, middle = sums[1, last] / total, shares / total
    spread = squares - total * middle**2
    joint = products - total * middle * mean
    rise = joint / spread if spread > 0 else 0.0
    return mean - rise * middle, rise


@compiled
def _ramp_cost(z: Floats, before: float, rise: float, start: int, stop: int, most: float) -> float:
    """Return half the sum of clipped squares about a ramp, or infinity if it exceeds `most`."""
    cost, slope = 0.0, rise / (stop - start)
    for i in range(start):
        cost += min((z[i] - before) ** 2, _CLIPPED)
    if cost > 2 * most:
        return math.inf
    for i in range(start, stop):
        cost += min((z[i] - before - slope * (i - start)) ** 2, _CLIPPED)
    if cost > 2 * most:
        return math.inf
    for i in range(stop, z.size):
        cost += min((z[i] - before - rise) ** 2, _CLIPPED)
    return cost / 2


@compiled
def position_interval(
    z: Floats, before: float, after: float, table: Floats, growth: float
) -> tuple[int, int, int]:
    """Return the likeliest position of a step and its interval, as offsets into `z`.

    `table` is the loss of the noise, `growth` its inflation by autocorrelation. The interval holds
    the shortest run of positions around the likeliest whose likelihoods, as a posterior under a flat
    prior, add up to 95 %.
    """
    # Up to position k the level is `before`: its cost there, the other's from there on.
    likelihood = np.empty(z.size - 1)
    cost = 0.0
    for i in range(likelihood.size):
        cost += (_loss(z[i] - before, table) - _loss(z[i] - after, table)) / growth
        likelihood[i] = -cost
    likelihood = np.exp(likelihood - likelihood.max())
    wanted = _CONFIDENCE * likelihood.sum()
    low = high = best = int(np.argmax(likelihood))
    mass = likelihood[best]
    while mass < wanted and (low > 0 or high < likelihood.size - 1):
        left = likelihood[low - 1] if low > 0 else -1.0
        right = likelihood[high + 1] if high < likelihood.size - 1 else -1.0
        if left >= right:
            low -= 1
            mass += left
        else:
            high += 1
            mass += right
    return best + 1, low + 1, high + 1


@compiled
def _loss(z: float, table: Floats) -> float:
    return float(table[int(np.rint(clip(z / TICK, HALF))) + HALF])


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
    count = before.size + after.size
    both = np.empty(count)
    both[: before.size] = before
    both[before.size :] = after
    both.sort()
    low, high = both[count // 10], both[count - 1 - count // 10]
    split = 0
    for _ in range(20):
        # Sorted: the modes' members are a head and a tail, and medians lie in their middles.
        place = int(np.searchsorted(both, (low + high) / 2))
        if place in (0, count):
            return no
        low, high = both[place // 2], both[(place + count) // 2]
        if place == split:
            break
        split = place
    cut = (low + high) / 2
    distances = np.empty(count)
    for i in range(count):
        distances[i] = abs(both[i] - (high if both[i] > cut else low))
    # Of few distinct values, more than half may be equal.
    width = max(1.4826 * median(distances), 1.2533 * distances.mean())
    if high - low < _MODES_APART * max(width, 1e-12):
        return no
    old, new = _share_above(before, cut), _share_above(after, cut)
    if not (_MODES_SHARE <= old <= 1 - _MODES_SHARE or _MODES_SHARE <= new <= 1 - _MODES_SHARE):
        return no
    # The modes themselves must not have moved: medians of each side against those of both.
    for part in (before, after):
        upper, lower = part[part > cut], part[part <= cut]
        for side, mode in ((upper, high), (lower, low)):
            if side.size >= 2 and abs(median(side) - mode) > width * (
                1.0 + 2.5 / math.sqrt(side.size)
            ):
                return no
    return True, old, new


@compiled
def step_between(
    values: Floats, split: int, scale: float, growth: float, table: Floats
) -> tuple[int, int, int, float, bool, float, float]:
    """Return of a step near `split` place, interval, gain; whether it is a mixture's, and both sides.

    These are levels in the unit of the values, or the shares of the higher mode.
    """
    z = (values - median(values[:split])) / scale
    best, low, high = position_interval(z, 0.0, median(z[split:]), table, growth)
    gain = level_cost(z) - level_cost(z[:split]) - level_cost(z[split:])
    is_mix, old, new = _mixture(z[:best], z[best:])
    if not is_mix:
        old, new = median(values[:best]), median(values[best:])
    return best, low, high, gain, is_mix, old, new


@compiled
def _share_above(values: Floats, cut: float) -> float:
    count = 0
    for one in values:
        count += 1 if one > cut else 0
    return count / values.size


def confidence(gain: float, count: int, growth: float) -> float:
    """Return 1 - the chance of such a gain in log-likelihood in noise of `count` observations.

    exp(-gain) bounds the chance at one position (a likelihood ratio, Wald 1945), doubled for two
    sides; there are at most `count` positions.
    """
    return float(max(0.0, 1.0 - min(1.0, 2.0 * count * math.exp(-max(gain, 0.0) / growth))))


def is_positive(values: NDArray[np.float64]) -> bool:
    """Return whether a series is kept as logarithms: all of it is positive."""
    return bool((values > 0).all())


def origin_near(value: float) -> float:
    """Return the origin of logarithms for a positive series that has this value.

    Logarithms are about 1 then, and as exact as the values; from an origin of 1, those of 1e12 have
    twenty-eight times the rounding. Not about 0, so that rounding is in proportion to the level.
    """
    return max(value / math.e, 5e-324)
