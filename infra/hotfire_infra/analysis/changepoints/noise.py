"""What a series' noise is like: level, scale, autocorrelation, density; all robust.

Units: observations come as they are kept (logarithms where the series is positive); what is
`standardised` has the level subtracted and is divided by the scale.
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from hotfire_infra.analysis.changepoints.compiled import compiled

Floats = NDArray[np.float64]

TICK = 0.04
"""Resolution of the loss table, in scales."""
HALF = 450
"""Ticks of the loss table to either side of 0: 18 scales."""
CENTRE, SCALE, RHO, OUTLIERS, UNREST = 0, 1, 2, 3, 4
"""Places in the array `fit` that describes a noise."""

_CLIP = 2.5
_CLIPPED_SQUARE = 0.9757
"""E[min(z², 2.5²)] for z ~ N(0, 1)."""
_HUBER = 2.0
_HUBER_SLOPE = 0.9545
"""P(|z| < 2) for z ~ N(0, 1): the derivative of the mean of z clipped at 2."""
_OUTLYING, _FAR, _FAR_SHARE = 4.0, 3.0, 0.005
"""Scales; of normal noise 0.27 % lies beyond 3."""
_BANDWIDTH = 0.4
_PRIOR = 200.0
"""Observations that the normal density weighs as much as."""
_FLOOR_PRIOR = 50.0
_FLOOR_WIDTH = 40.0
"""The uniform part of the density spreads over so many scales."""
_NEAREST, _FARTHEST = 3, 10
"""Lags over which squares are compared: beyond what autocorrelation does, below a spell of unrest."""
_SURE, _SURER = 1.5, 0.9
"""Standard errors of the correlation that are added to it, and more of them per unit of it."""
_CHANCE = 1.4
"""Standard deviations of that in white noise which are not counted."""
_FAR_SIDE, _CHANCE_OF_LEAN = 1.5, 2.0
"""Scales from which a value counts for one side, and standard deviations of chance."""
_LEANING, _MOST_LEANING = 0.35, 0.04
"""What skewness weighs as unrest, and the most that it may."""
_SMALLEST = 4e-15
"""Of the level, about twenty times what rounding does: smaller noise is none."""
_EMPTY = 1e-9
"""Of the floor: a density that changes its logarithm by less than 1e-7."""
_NORMAL = np.exp(-0.5 * (np.arange(-HALF, HALF + 1) * TICK) ** 2) / math.sqrt(2 * math.pi)


@compiled
def clip(value: float, limit: float) -> float:
    """Return the value, at most `limit` from 0."""
    return max(-limit, min(limit, value))


@compiled
def median(values: Floats) -> float:
    """Return the median of at least one value, by selection (Hoare 1961); O(n)."""
    some = values.copy()
    upper = _select(some, some.size // 2)
    if some.size % 2:
        return upper
    lower = some[0]
    for i in range(1, some.size // 2):
        lower = max(lower, some[i])
    return float(0.5 * (lower + upper))


@compiled
def _select(some: Floats, place: int) -> float:
    """Return the value that sorting would put at a place; smaller ones end up before it."""
    low, high = 0, some.size - 1
    while low < high:
        pivot = some[(low + high) // 2]
        i, j = low, high
        while i <= j:
            while some[i] < pivot:
                i += 1
            while some[j] > pivot:
                j -= 1
            if i <= j:
                some[i], some[j] = some[j], some[i]
                i += 1
                j -= 1
        if place <= j:
            high = j
        elif place >= i:
            low = i
        else:
            break
    return float(some[place])


@compiled
def spread(residuals: Floats) -> float:
    """Return the standard deviation, squares clipped at 2.5 of 1.4826 MAD, one step (Huber)."""
    scale = 1.4826 * median(np.abs(residuals))
    if scale <= 0.0:
        return 0.0
    squares = 0.0
    for one in residuals:
        squares += clip(one / scale, _CLIP) ** 2
    return float(scale * math.sqrt(squares / residuals.size / _CLIPPED_SQUARE))


@compiled
def fit_noise(values: Floats, carried: Floats, fit: Floats) -> None:
    """Fit level, scale and lag-1 autocorrelation.

    `values` belong to one level; `carried` are residuals of earlier levels (mean about 0), which
    inform about scale and correlation alone. Scale: MAD, then two steps of a winsorised standard
    deviation (Huber's proposal 2); level: the same with Huber's clip at 2. Correlation: of residuals
    clipped at 2.5, its bias of -(1 + 3 rho) / n added back (Kendall 1954).
    """
    own, old = values.size, carried.size
    count = own + old
    level = median(values)
    distances = np.empty(count)
    for i in range(own):
        distances[i] = abs(values[i] - level)
    for i in range(old):
        distances[own + i] = abs(carried[i])
    scale = 1.4826 * median(distances)
    smallest = _SMALLEST * max(abs(level), _SMALLEST)
    if scale <= smallest:
        # More than half are equal: a counter, or a clock that ticks coarsely.
        scale = max(1.25 * float(distances.mean()), smallest)
    for _ in range(2):
        squares, pull = 0.0, 0.0
        for i in range(own):
            z = (values[i] - level) / scale
            squares += clip(z, _CLIP) ** 2
            pull += clip(z, _HUBER)
        for i in range(old):
            squares += clip(carried[i] / scale, _CLIP) ** 2
        width = math.sqrt(squares / max(1, count - 1) / _CLIPPED_SQUARE)
        level += scale * pull / own / _HUBER_SLOPE
        scale = max(scale * width, smallest)
    products, squares, before, outliers, far = 0.0, 0.0, 0.0, 0.0, 0
    for i in range(count):
        z = carried[i] / scale if i < old else (values[i - old] - level) / scale
        outliers += 1.0 if abs(z) > _OUTLYING else 0.0
        far += abs(z) > _FAR
        z = clip(z, _CLIP)
        if i not in (0, old):
            products += z * before
        squares += z * z
        before = z
    rho = products / squares if squares > 0 else 0.0
    fit[CENTRE], fit[SCALE] = level, scale
    fit[RHO] = rho + (1 + 3 * rho) / count
    if far > 2 + _FAR_SHARE * count:
        # Heavy tails: what lies far away comes in twos without being an outlier.
        outliers += 0.5
    fit[OUTLIERS] = outliers
    unrest = _unrest(values, carried, level, scale)
    fit[UNREST] = max(unrest, min(_LEANING * _lean(values, carried, level, scale), _MOST_LEANING))


@compiled
def _lean(values: Floats, carried: Floats, level: float, scale: float) -> float:
    """Return by how much more of the noise lies far on one side, beyond chance: it is skewed.

    The normal density that stands for what was not seen yet has no such tail, and where it is long a
    few of its values in a row look like another level. In normal noise the difference of the two
    shares has the standard deviation √(number of both) / n.
    """
    own, old = values.size, carried.size
    high, low = 0, 0
    for i in range(own + old):
        z = carried[i] / scale if i < old else (values[i - old] - level) / scale
        high += z > _FAR_SIDE
        low += z < -_FAR_SIDE
    chance = _CHANCE_OF_LEAN * math.sqrt(high + low)
    return max(0.0, (abs(high - low) - chance) / (own + old))


@compiled
def _unrest(values: Floats, carried: Floats, level: float, scale: float) -> float:
    """Return by how much squares are correlated beyond chance: noise whose spread comes and goes.

    The mean autocorrelation of clipped squares over some lags (McLeod & Li 1983), less what chance
    does in white noise, where its standard deviation is 1 / √(lags · n).
    """
    own, old = values.size, carried.size
    squares = np.empty(own + old)
    for i in range(old):
        squares[i] = clip(carried[i] / scale, _CLIP) ** 2
    for i in range(own):
        squares[old + i] = clip((values[i] - level) / scale, _CLIP) ** 2
    mean = 0.0
    for one in squares:
        mean += one
    mean /= squares.size
    variance = 0.0
    for i in range(squares.size):
        squares[i] -= mean
        variance += squares[i] ** 2
    joint, window, lags = 0.0, 0.0, 1 + _FARTHEST - _NEAREST
    for i in range(_NEAREST, squares.size):
        # The sum of those that lie so many places before: one product for all lags.
        window += squares[i - _NEAREST]
        window -= squares[i - _FARTHEST - 1] if i > _FARTHEST else 0.0
        joint += squares[i] * window
    chance = _CHANCE / math.sqrt(lags * squares.size)
    return max(0.0, joint / lags / variance - chance) if variance > 0 else 0.0


@compiled
def fit_loss(values: Floats, carried: Floats, fit: Floats, table: Floats) -> None:
    """Fill `table[HALF + k]` with the loss of an observation k ticks from its level.

    The loss is the negative logarithm of the density of the residuals, 0 at the best place: a kernel
    estimate shrunk towards the normal density, as though that had been seen `_PRIOR` times, above a
    floor that grows with the share of outliers. So the loss is bounded, and one observation, however
    far away, never pays for a change.
    """
    own, old = values.size, carried.size
    count = own + old
    size = 2 * HALF + 1
    reach = int(3 * _BANDWIDTH / TICK)
    kernel = np.empty(2 * reach + 1)
    for i in range(kernel.size):
        kernel[i] = math.exp(-0.5 * ((i - reach) * TICK / _BANDWIDTH) ** 2)
    kernel /= kernel.sum() * TICK
    seen = np.zeros(size)
    for i in range(count):
        z = carried[i] if i < old else values[i - old] - fit[CENTRE]
        seen[int(clip(np.rint(z / fit[SCALE] / TICK), HALF)) + HALF] += 1.0
    # With room for the kernel beyond both ends, so that nothing is checked in the inner loop.
    density = np.zeros(size + 2 * reach)
    for k in range(size):
        if seen[k] > 0:
            near, weight = density[k : k + kernel.size], seen[k]
            for j in range(kernel.size):
                near[j] += weight * kernel[j]
    density = density[reach : reach + size]
    floor = (1.0 + fit[OUTLIERS]) / (count + _FLOOR_PRIOR)
    empty = -math.log(floor / _FLOOR_WIDTH)
    least = math.inf
    for k in range(size):
        mixed = (density[k] + _PRIOR * _NORMAL[k]) / (count + _PRIOR)
        # Most of the table is empty, and logarithms are what takes time here.
        is_empty = mixed < _EMPTY * floor
        table[k] = empty if is_empty else -math.log((1 - floor) * mixed + floor / _FLOOR_WIDTH)
        least = min(least, table[k])
    table -= least


def normal_loss(*, outliers: float, count: int) -> Floats:
    """Return the loss table of noise of which nothing but the scale is known: normal, above a floor."""
    floor = (1.0 + outliers) / (count + _FLOOR_PRIOR)
    table = -np.log((1 - floor) * _NORMAL + floor / _FLOOR_WIDTH)
    return np.asarray(table - table.min())


@compiled
def inflation(rho: float, count: int) -> float:
    """Return by what a threshold grows for autocorrelated noise whose rho is only estimated.

    The long-run variance of AR(1) noise is (1 + rho) / (1 - rho) times that of white noise. The
    power, below 1 because changes are decided within few observations, and the allowance for the
    error of the estimate are fitted to simulations (`benchmarks.detectors` checks that).
    """
    doubt = 1 / math.sqrt(count)
    # Correlation costs more where there is some: its estimate is shrunk by outliers, too.
    sure = _SURE + _SURER * min(max(rho, 0.0), 0.4)
    bound = min(max(rho + sure * doubt, 0.0), 0.8)
    return float(((1 + bound) / (1 - bound)) ** (0.825 + 1.611 * doubt))
