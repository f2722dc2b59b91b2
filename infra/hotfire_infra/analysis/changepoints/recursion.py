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
    Floats,
    clip,
    fit_loss,
    fit_noise,
    inflation,
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

COUNT, NEXT_FIT, STATISTIC, POSITION, RUN, MODELLED, FITTED, SPLIT = 4, 5, 6, 7, 8, 9, 10, 11
"""Places in the array `fit` behind those of the noise."""
FIT_SIZE = 12

THRESHOLD, FEW, OUTLYING = 7.85, 30.9, 0.15
"""The threshold at ARL0 = 20,000 by simulation (`benchmarks.detectors` checks that)."""
NOMINAL = 20_000.0


@compiled
def threshold(fit: Floats, arl0: float) -> float:
    """Return what the statistic must exceed so that a false alarm comes once in `arl0` observations.

    The tail of a likelihood ratio falls like exp(-x): another ARL0 moves it by a logarithm.
    """
    count = max(int(fit[MODELLED]), 2)
    white = THRESHOLD + FEW / count + math.log(arl0 / NOMINAL)
    if fit[OUTLIERS] > 0:
        white += OUTLYING
    return float(white * inflation(fit[RHO], count))


@compiled
def take(
    z: float,
    place: int,
    fit: Floats,
    table: Floats,
    steady: Floats,
    changed: Floats,
    since: Integers,
) -> None:
    """Take one standardised observation at a place of the segment."""
    tick = int(np.rint(clip(z, FARTHEST) / TICK))
    least = math.inf
    for j in range(STEADY):
        least = min(least, steady[j])
    origin = tick + HALF + STRIDE * (CHANGED // 2)
    best, best_level = math.inf, 0
    for j in range(CHANGED):
        cost = changed[j]
        if least < cost:
            cost = least
            since[j] = place
        cost += table[origin - STRIDE * j]
        changed[j] = cost
        if cost < best and place - since[j] + 1 >= fit[RUN]:
            best, best_level = cost, j
    origin = tick + HALF + STEADY // 2
    least = math.inf
    for j in range(STEADY):
        steady[j] += table[origin - j]
        least = min(least, steady[j])
    fit[STATISTIC] = max(0.0, least - best)
    fit[POSITION] = since[best_level]


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
    return steady, np.concatenate((carried, moved - np.median(moved)))


@compiled
def refit(
    values: Floats, carried: Floats, fit: Floats, table: Floats,
    steady: Floats, changed: Floats, since: Integers,
) -> None:  # fmt: skip
    """Fit the noise anew and take all observations of the segment again."""
    count, split = int(fit[COUNT]), int(fit[POSITION])
    if fit[STATISTIC] < SUSPECTED or split < SHORTEST or count - split < SHORTEST:
        split = 0
    own, other = sides(values[:count], carried, split)
    fit_noise(own, other, fit)
    fit[FITTED], fit[SPLIT] = count, split
    fit[MODELLED] = count + carried.size
    # Two outliers in a row are chance where there are outliers; three are not.
    fit[RUN] = 2.0 if fit[OUTLIERS] == 0 and fit[MODELLED] >= 250 else 3.0
    fit[NEXT_FIT] = max(count + 2, int(count * 1.2))
    replay(values, carried, fit, table, steady, changed, since)


@compiled
def replay(
    values: Floats, carried: Floats, fit: Floats, table: Floats,
    steady: Floats, changed: Floats, since: Integers,
) -> None:  # fmt: skip
    """Take all observations of the segment again, under the noise as it was fitted last."""
    own, other = sides(values[: int(fit[FITTED])], carried, int(fit[SPLIT]))
    fit_loss(own, other, fit, table)
    steady[:] = 0.0
    changed[:] = math.inf
    since[:] = 0
    for i in range(int(fit[COUNT])):
        take((values[i] - fit[CENTRE]) / fit[SCALE], i, fit, table, steady, changed, since)


@compiled
def append(
    value: float, values: Floats, carried: Floats, fit: Floats, table: Floats,
    steady: Floats, changed: Floats, since: Integers,
) -> int:  # fmt: skip
    """Append an observation; return how many old ones were dropped to make room."""
    count, dropped = int(fit[COUNT]), 0
    if count == CAPACITY:
        dropped = CAPACITY // 2
        values[: CAPACITY - dropped] = values[dropped:].copy()
        count = CAPACITY - dropped
        fit[NEXT_FIT] = 0
    values[count] = value
    fit[COUNT] = count + 1
    if count + 1 >= fit[NEXT_FIT]:
        refit(values, carried, fit, table, steady, changed, since)
    elif fit[MODELLED] > 0:
        z = (value - fit[CENTRE]) / fit[SCALE]
        take(z, count, fit, table, steady, changed, since)
    return dropped
