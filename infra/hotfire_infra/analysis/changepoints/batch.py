"""Change points of a whole series at once: optimal partitioning under the series' own noise."""

from __future__ import annotations

import math
from collections.abc import Hashable, Sequence
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from hotfire_infra.analysis.changepoints.compiled import compiled
from hotfire_infra.analysis.changepoints.noise import (
    CENTRE,
    HALF,
    RHO,
    SCALE,
    TICK,
    Floats,
    clip,
    fit_loss,
    fit_noise,
    median,
    normal_loss,
)

Places = NDArray[np.int64]

STRIDE = 5
"""Ticks between the levels of the search."""
SPELL, _BACK = 5, 0.4
"""Observations of the longest spell, and the share of its height within which the level came back."""
SHORTEST = 3
"""Observations of a segment; a shorter excursion is a spike."""
_LEVELS = 4_000
FIRST_PENALTY, PENALTY = 2.4, 1.6
"""Times the logarithm of the length: of the first pass, that makes the residuals, and of the others."""
_GROWTH_POWER = 0.7
FIRST_LOSS = normal_loss(outliers=1.0, count=1)
"""Of the first pass, which knows of no noise but its scale."""


@compiled
def partition(ticks: Places, lowest: int, levels: int, table: Floats, penalty: float) -> Places:
    """Return for each observation where the segment that ends there begins, if one does.

    Exact on the grid of levels `lowest + STRIDE j`: the least sum of losses plus a penalty for
    each change, in time proportional to observations times levels (grid version of Maidstone et al.
    2017). `table[HALF + k]` is the loss k ticks from the level, constant beyond.
    """
    count, reach = ticks.size, STRIDE * levels
    losses = _mirrored(table, levels)
    width = losses.size // STRIDE
    # Half the width of the usual numbers: twice as many levels at a time, and exact enough.
    costs, since = np.zeros(levels, np.float32), np.zeros(levels, np.int32)
    starts = np.zeros(count, np.int64)
    infinite, dear = np.float32(np.inf), np.float32(penalty)
    least = infinite
    for t in range(count):
        switch, now = np.float32(least + dear), np.int32(t)
        first = HALF + reach - min(max(ticks[t] - lowest, -HALF), HALF + reach)
        begin = (first % STRIDE) * width + first // STRIDE
        near = losses[begin : begin + levels]
        # One thing per loop: such loops take several levels at a time.
        for j in range(levels):
            since[j] = now if switch < costs[j] else since[j]
        for j in range(levels):
            costs[j] = min(costs[j], switch) + near[j]
        least = infinite
        for j in range(levels):
            least = min(least, costs[j])
        latest = np.int32(0)
        for j in range(levels):
            latest = max(latest, since[j] if costs[j] == least else np.int32(0))
        starts[t] = latest
    return starts


@compiled
def _mirrored(table: Floats, levels: int) -> NDArray[np.float32]:
    """Return the losses mirrored and by the remainder of the tick: neighbouring levels are neighbours."""
    last, reach = 2 * HALF, STRIDE * levels
    width = (last + 2 * reach) // STRIDE + 1
    losses = np.empty(STRIDE * width, np.float32)
    for r in range(STRIDE):
        for q in range(width):
            losses[r * width + q] = table[min(max(last + reach - r - STRIDE * q, 0), last)]
    return losses


@compiled
def medians(values: Floats, ends: Places) -> Floats:
    """Return the median between each two neighbouring ends."""
    found = np.empty(ends.size - 1)
    for k in range(found.size):
        found[k] = median(values[ends[k] : ends[k + 1]])
    return found


@compiled
def growth_of(rho: float, count: int) -> float:
    """By what autocorrelation makes chance stronger."""
    bound = min(max(rho - 1 / math.sqrt(count), 0.0), 0.8)
    return float(((1 + bound) / (1 - bound)) ** _GROWTH_POWER)


@compiled
def search(values: Floats, fit: Floats, table: Floats, penalty: float) -> Places:
    """Cut under the noise as it is fitted; return all ends, 0 and the size among them."""
    centre, scale = median(values), fit[SCALE]
    widest = _LEVELS * STRIDE * TICK / 2
    ticks = np.empty(values.size, np.int64)
    for i in range(values.size):
        ticks[i] = int(np.rint(clip((values[i] - centre) / scale, widest) / TICK))
    # The level of a segment lies between medians of three neighbours; single spikes are beyond.
    lowest, highest = ticks[1], ticks[1]
    for i in range(1, values.size - 1):
        a, b, c = ticks[i - 1], ticks[i], ticks[i + 1]
        middle = max(min(a, b), min(max(a, b), c))
        lowest, highest = min(lowest, middle), max(highest, middle)
    lowest -= STRIDE
    levels = (highest - lowest) // STRIDE + 2
    growth = growth_of(fit[RHO], values.size)
    starts = partition(ticks, lowest, levels, table, penalty * growth)
    ends = np.empty(values.size + 1, np.int64)
    count, end = 0, values.size
    while end > 0:
        ends[count] = end
        count += 1
        end = starts[end - 1]
    ends[count] = 0
    return without_spells(values, without_spikes(values, ends[: count + 1][::-1].copy()))


@compiled
def without_spikes(values: Floats, ends: Places) -> Places:
    """Join segments that are too short to the neighbour whose level is nearer."""
    while ends.size > 2:
        lengths = ends[1:] - ends[:-1]
        short = int(np.argmin(lengths))
        if lengths[short] >= SHORTEST:
            break
        gone = short
        if short == 0:
            gone = 1
        elif short < lengths.size - 1:
            levels = medians(values, ends[short - 1 : short + 3])
            is_left = abs(levels[1] - levels[0]) < abs(levels[1] - levels[2])
            gone = short if is_left else short + 1
        for k in range(gone, ends.size - 1):
            ends[k] = ends[k + 1]
        ends = ends[:-1]
    return ends


@compiled
def without_spells(values: Floats, ends: Places) -> Places:
    """Join what is on both sides of a few observations where the level came back."""
    k = 1
    while k < ends.size - 2:
        if ends[k + 1] - ends[k] <= SPELL:
            levels = medians(values, ends[k - 1 : k + 3])
            away = min(abs(levels[1] - levels[0]), abs(levels[1] - levels[2]))
            if abs(levels[2] - levels[0]) < _BACK * away:
                ends = np.concatenate((ends[:k], ends[k + 2 :]))
                continue
        k += 1
    return ends


@compiled
def left_over(values: Floats, ends: Places) -> Floats:
    """Return what the levels between ends leave."""
    left = np.empty(values.size)
    levels = medians(values, ends)
    for k in range(levels.size):
        for i in range(ends[k], ends[k + 1]):
            left[i] = values[i] - levels[k]
    return left


@compiled
def cut(values: Floats, extra: float, fit: Floats, table: Floats) -> Places:
    """Cut a series in three passes; fills in the noise and its loss, returns all ends.

    The first noise is that of differences of neighbours, which steps hardly touch, and normal; the
    others are of what the levels leave, each level having cost a degree of freedom.
    """
    nothing = np.empty(0)
    length = math.log(values.size)
    fit_noise((values[1:] - values[:-1]) / math.sqrt(2.0), nothing, fit)
    table[:] = FIRST_LOSS
    fit[CENTRE] = fit[RHO] = 0.0
    ends = search(values, fit, table, FIRST_PENALTY * length + extra)
    for turn in range(2):
        left = left_over(values, ends)
        fit_noise(left, nothing, fit)
        levels = ends.size - 1
        fit[SCALE] *= math.sqrt(left.size / max(1, left.size - levels))
        fit[RHO] += (1 + 3 * fit[RHO]) * (levels - 1) / left.size
        fit_loss(left, nothing, fit, table)
        penalty = FIRST_PENALTY if turn == 0 else PENALTY
        ends = search(values, fit, table, penalty * length + extra)
    return ends


class Segmentation:
    """A series cut into levels, with the noise about them."""

    def __init__(self, values: Floats, extra: float) -> None:
        self.values = values
        self.fit = np.zeros(5)
        self.table = np.zeros(2 * HALF + 1)
        self.ends = cut(values, extra, self.fit, self.table)

    @property
    def scale(self) -> float:
        """Scale of the noise, in the unit of the values."""
        return float(self.fit[SCALE])

    @property
    def growth(self) -> float:
        """By what autocorrelation makes chance stronger."""
        return growth_of(self.fit[RHO], self.values.size)

    @cached_property
    def levels(self) -> list[float]:
        """Median of each segment."""
        found: list[float] = medians(self.values, self.ends).tolist()
        return found

    def residuals(self) -> Floats:
        """What the levels leave."""
        return left_over(self.values, self.ends)


def segment(values: Floats, *, extra: float = 0.0) -> Segmentation:
    """Cut a series; `extra` is added to the penalty of a change, in units of log-likelihood."""
    return Segmentation(values, extra)


def without_machines(values: Floats, machines: Sequence[Hashable], rounds: int = 3) -> Floats:
    """Subtract what each machine adds to the level, by alternating medians.

    The machine with most observations counts as 0. A level and a machine that always come together
    cannot be told apart; then it is the machine's.
    """
    names: dict[Hashable, int] = {}
    which = np.array([names.setdefault(name, len(names)) for name in machines])
    counts = np.bincount(which)
    if counts.size < 2:
        return values
    offsets = np.array([np.median(values[which == k]) for k in range(counts.size)])
    offsets -= offsets[int(np.argmax(counts))]
    for _ in range(rounds):
        found = segment(values - offsets[which])
        left = found.residuals() + offsets[which]
        offsets = np.array([np.median(left[which == k]) for k in range(counts.size)])
        offsets -= offsets[int(np.argmax(counts))]
    return np.asarray(values - offsets[which])
