"""The recursion over observations: is there a change, and since when?

Two costs are kept on grids of levels: `steady`, of one level for the whole segment, and `changed`,
of the best level up to some observation and this level since. Both take each observation in time
proportional to the grid. The statistic is the difference of their minima: the logarithm of a
generalised likelihood ratio with unknown levels before and after, over all positions of the change
(functional pruning after Maidstone et al. 2017 on a grid, with a bounded loss after Fearnhead and
Rigaill 2019).
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from hotfire_infra.analysis.changepoints.compiled import compiled
from hotfire_infra.analysis.changepoints.noise import (
    CENTRE,
    HALF,
    OUTLIERS,
    RHO,
    SCALE,
    TICK,
    UNREST,
    Floats,
    clip,
    fit_loss,
    fit_noise,
    inflation,
    median,
)

Integers = NDArray[np.int64]

CAPACITY = 512
"""Observations of a segment that are kept; when full, the older half goes."""
CARRIED = 128
"""Residuals of earlier segments that are kept."""
STEADY = 61
"""Levels of the segment, a tick apart."""
CHANGED = 91
"""Levels after a change."""
STRIDE = 5
"""Ticks between these."""
FARTHEST = 9.0
"""Scales; what is farther away is as surprising as this."""
SUSPECTED, SHORTEST = 5.0, 3
"""Statistic, and observations on either side, from which a change counts when the noise is fitted."""
FIRST = 12
"""Observations before anything is fitted."""
EARLIEST = 20
"""Observations before anything is called a change."""

COUNT, NEXT_FIT, STATISTIC, LEAST, RUN, MODELLED, FITTED, SPLIT, BEST = (
    5,
    6,
    7,
    8,
    9,
    10,
    11,
    12,
    13,
)
"""Places in the array `fit` behind those of the noise."""
FIT_SIZE = 14
WIDTH = 2 * HALF // STRIDE + 1
MIRRORED = STRIDE * WIDTH
LOSS_SIZE = MIRRORED + 2 * HALF + 1
"""Size of the losses as they are read: mirrored, by the remainder of the tick, then in one piece."""
VALUES = slice(0, CAPACITY)
FIT = slice(CAPACITY, CAPACITY + FIT_SIZE)
LOSSES = slice(FIT.stop, FIT.stop + LOSS_SIZE)
LEVELS = slice(LOSSES.stop, LOSSES.stop + STEADY)
LEVELS_AFTER = slice(LEVELS.stop, LEVELS.stop + CHANGED)
"""Places in a detector's numbers: observations, fit, losses, costs of one level and of two."""
SINCE = slice(CAPACITY, CAPACITY + CHANGED)
"""In its integers, behind the places of the observations."""
KNOWN = 12
"""Observations behind the noise with which a segment of a few is watched."""
NOTHING, LEVEL, SPREAD, AGE = 0, 1, 2, 3
REVIEWS = (12, 24, 48)
"""Ages of a change, in observations, at which its position and its being are looked at again."""
SPREAD_FROM, SPREAD_EVERY = 200, 16
"""Observations of a segment before its spread is looked at, and between two looks."""
FEWEST = 4
"""Observations of a segment before it can end."""

THRESHOLD, FEW, EARLY, OUTLYING, UNRESTFUL = 8.42, 22.0, 50.0, 0.17, 9.0
"""The threshold at ARL0 = 20,000 by simulation (`benchmarks.detectors` checks that)."""
SHRUNK = 1.3
"""By what outliers, which have no memory, make a correlation look smaller, and its doubt."""
NOMINAL = 20_000.0


@compiled
def threshold(fit: Floats, arl0: float) -> float:
    """Return what the statistic must exceed so that a false alarm comes once in `arl0` observations.

    The tail of a likelihood ratio falls like exp(-x): another ARL0 moves it by a logarithm.
    """
    count = max(int(fit[MODELLED]), 2)
    white = THRESHOLD + FEW / count + (EARLY / count) ** 2 + math.log(arl0 / NOMINAL)
    rho = fit[RHO]
    if fit[OUTLIERS] > 0:
        white += OUTLYING
        rho *= SHRUNK
    restless = 1.0 + min(UNRESTFUL * fit[UNREST], 1.0)
    return float(white * inflation(rho, count) * restless)


@compiled
def take(
    z: float,
    place: int,
    fit: Floats,
    losses: Floats,
    steady: Floats,
    changed: Floats,
    since: Integers,
) -> None:
    """Take one standardised observation at a place of the segment."""
    tick = int(np.rint(clip(z, FARTHEST) / TICK))
    switch = fit[LEAST]
    # As slices, so that neighbouring levels are neighbours in memory and nothing is checked.
    first = HALF - tick - STRIDE * (CHANGED // 2)
    begin = (first % STRIDE) * WIDTH + first // STRIDE
    near = losses[begin : begin + CHANGED]
    # One thing per loop: such loops take several levels at a time.
    for j in range(CHANGED):
        since[j] = place if switch < changed[j] else since[j]
    for j in range(CHANGED):
        changed[j] = min(changed[j], switch) + near[j]
    best, least, last = math.inf, math.inf, place - int(fit[RUN]) + 1
    for j in range(CHANGED):
        best = min(best, changed[j] if 0 < since[j] <= last else math.inf)
        # "Changed" from the first one on is no change: a level that lies beyond the finer grid.
        least = min(least, changed[j] if since[j] == 0 else math.inf)
    begin = MIRRORED + HALF - tick - STEADY // 2
    near = losses[begin : begin + STEADY]
    for j in range(STEADY):
        steady[j] += near[j]
    for j in range(STEADY):
        least = min(least, steady[j])
    fit[LEAST] = least
    fit[BEST] = best
    fit[STATISTIC] = max(0.0, least - best)


@compiled
def locate(changed: Floats, since: Integers, fit: Floats) -> int:
    """Return since when there is a change, if there is one: 0 if every candidate is too short."""
    last, run = int(fit[COUNT]) - 1, int(fit[RUN]) - 1
    for j in range(CHANGED):
        if changed[j] == fit[BEST] and last - since[j] >= run:
            return int(since[j])
    return 0


@compiled
def sides(values: Floats, carried: Floats, split: int) -> tuple[Floats, Floats]:
    """Return the observations that show the level, and residuals that show only the noise.

    `split` is where a change is suspected, 0 for none: what is not certain yet must not pass for
    noise, so each side is taken about its own level.
    """
    if split == 0:
        return values, carried
    steady, moved = values[:split], values[split:]
    if moved.size > steady.size:
        steady, moved = moved, steady
    return steady, np.concatenate((carried, moved - median(moved)))


@compiled
def refit(
    values: Floats, carried: Floats, fit: Floats, losses: Floats,
    steady: Floats, changed: Floats, since: Integers,
) -> None:  # fmt: skip
    """Fit the noise anew and take all observations of the segment again."""
    count = int(fit[COUNT])
    split = locate(changed, since, fit) if fit[STATISTIC] >= SUSPECTED else 0
    if split < SHORTEST or count - split < SHORTEST:
        split = 0
    own, other = sides(values[:count], carried, split)
    fit_noise(own, other, fit)
    fit[FITTED], fit[SPLIT] = count, split
    fit[MODELLED] = count + carried.size
    # Two outliers in a row are chance where there are outliers; three are not.
    fit[RUN] = 2.0 if fit[OUTLIERS] == 0 and fit[MODELLED] >= 250 else 3.0
    fit[NEXT_FIT] = max(count + 2, int(count * 1.2))
    replay(values, carried, fit, losses, steady, changed, since)


@compiled
def replay(
    values: Floats, carried: Floats, fit: Floats, losses: Floats,
    steady: Floats, changed: Floats, since: Integers,
) -> None:  # fmt: skip
    """Take all observations of the segment again, under the noise as it was fitted last."""
    own, other = sides(values[: int(fit[FITTED])], carried, int(fit[SPLIT]))
    table = losses[MIRRORED:]
    fit_loss(own, other, fit, table)
    for k in range(HALF):
        table[k], table[2 * HALF - k] = table[2 * HALF - k], table[k]
    for r in range(STRIDE):
        for q in range((2 * HALF - r) // STRIDE + 1):
            losses[r * WIDTH + q] = table[STRIDE * q + r]
    steady[:] = 0.0
    changed[:] = math.inf
    since[:] = 0
    fit[LEAST] = 0.0
    for i in range(int(fit[COUNT])):
        take((values[i] - fit[CENTRE]) / fit[SCALE], i, fit, losses, steady, changed, since)


@compiled
def append(
    value: float, place: int, arl0: float, floats: Floats, integers: Integers, carried: Floats
) -> int:
    """Append an observation; return what is to be looked at: LEVEL, SPREAD, AGE or NOTHING.

    A segment that is full drops its older half. `floats` and `integers` hold the arrays of a
    detector one behind the other: each that is handed over by itself costs a tenth of an append.
    """
    values, fit = floats[VALUES], floats[FIT]
    losses, steady, changed = floats[LOSSES], floats[LEVELS], floats[LEVELS_AFTER]
    places, since = integers[VALUES], integers[SINCE]
    count = int(fit[COUNT])
    if count == CAPACITY:
        half = CAPACITY // 2
        values[:half] = values[half:].copy()
        places[:half] = places[half:].copy()
        count = half
        fit[NEXT_FIT] = 0
    values[count] = value
    places[count] = place
    fit[COUNT] = count + 1
    if count + 1 >= fit[NEXT_FIT]:
        refit(values, carried, fit, losses, steady, changed, since)
    elif fit[MODELLED] > 0:
        z = (value - fit[CENTRE]) / fit[SCALE]
        take(z, count, fit, losses, steady, changed, since)
    fewest = FEWEST if carried.size >= KNOWN else EARLIEST
    if count + 1 >= fewest and fit[STATISTIC] > threshold(fit, arl0):
        return LEVEL
    if count + 1 >= SPREAD_FROM and (count + 1) % SPREAD_EVERY == 0:
        return SPREAD
    return AGE if count + 1 in REVIEWS else NOTHING


@compiled
def extend(
    values: Floats, places: Integers, arl0: float, floats: Floats, integers: Integers,
    carried: Floats,
) -> None:  # fmt: skip
    """Append observations that were looked at before."""
    for i in range(values.size):
        append(values[i], places[i], arl0, floats, integers, carried)
