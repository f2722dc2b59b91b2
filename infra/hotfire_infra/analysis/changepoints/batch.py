"""Change points of a whole series at once: optimal partitioning under the series' own noise."""

from __future__ import annotations

import math
from collections.abc import Hashable, Sequence
from itertools import pairwise

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
    fit_loss,
    fit_noise,
)

Places = NDArray[np.int64]

STRIDE = 5
"""Ticks between the levels of the search."""
SHORTEST = 3
"""Observations of a segment; a shorter excursion is a spike."""
_LEVELS = 4_000
FIRST_PENALTY, PENALTY = 2.5, 1.7
"""Times the logarithm of the length: of the first pass, that makes the residuals, and of the others."""
_GROWTH_POWER = 0.7


@compiled
def partition(ticks: Places, lowest: int, levels: int, table: Floats, penalty: float) -> Places:
    """Return for each observation where the segment that ends there begins, if one does.

    Exact on the grid of levels `lowest + STRIDE j`: the least sum of losses plus a penalty for
    each change, in time proportional to observations times levels (grid version of Maidstone et al.
    2017). `table[HALF + k]` is the loss k ticks from the level, constant beyond.
    """
    count = ticks.size
    costs = np.zeros(levels)
    since = np.zeros(levels, np.int64)
    starts = np.zeros(count, np.int64)
    far = 2 * HALF
    least = math.inf
    for t in range(count):
        switch = least + penalty
        least, best = math.inf, 0
        for j in range(levels):
            cost = costs[j]
            if switch < cost:
                cost = switch
                since[j] = t
            place = ticks[t] - lowest - STRIDE * j + HALF
            cost += table[min(max(place, 0), far)]
            costs[j] = cost
            if cost < least:
                least, best = cost, j
        starts[t] = since[best]
    return starts


@compiled
def medians(values: Floats, ends: Places) -> Floats:
    """Return the median between each two neighbouring ends."""
    found = np.empty(ends.size - 1)
    for k in range(found.size):
        found[k] = np.median(values[ends[k] : ends[k + 1]])
    return found


class Segmentation:
    """A series cut into levels, with the noise about them."""

    def __init__(self, values: Floats) -> None:
        self.values = values
        self.cuts: list[int] = []
        self.fit = np.zeros(12)
        self.table = np.zeros(2 * HALF + 1)

    @property
    def scale(self) -> float:
        """Scale of the noise, in the unit of the values."""
        return float(self.fit[SCALE])

    @property
    def growth(self) -> float:
        """By what autocorrelation makes chance stronger."""
        doubt = 1 / math.sqrt(self.values.size)
        rho = min(max(float(self.fit[RHO]) - doubt, 0.0), 0.8)
        return float(((1 + rho) / (1 - rho)) ** _GROWTH_POWER)

    def segments(self) -> list[tuple[int, int]]:
        """Begin and end of each level."""
        ends = [0, *self.cuts, self.values.size]
        return list(pairwise(ends))

    def levels(self) -> list[float]:
        """Median of each segment."""
        found: list[float] = medians(self.values, self._ends()).tolist()
        return found

    def residuals(self) -> Floats:
        """What the levels leave."""
        ends = self._ends()
        return np.asarray(self.values - np.repeat(medians(self.values, ends), np.diff(ends)))

    def _ends(self) -> Places:
        return np.array([0, *self.cuts, self.values.size])

    def begin(self) -> None:
        """Fit the noise to differences of neighbours, which steps hardly touch."""
        differences = np.diff(self.values) / math.sqrt(2)
        fit_noise(differences, np.empty(0), self.fit)
        fit_loss(np.zeros(1), np.empty(0), np.array([0.0, 1.0, 0.0, 1.0]), self.table)
        self.fit[CENTRE] = self.fit[RHO] = 0.0

    def fit_residuals(self) -> None:
        """Fit the noise to the residuals, each level having cost a degree of freedom."""
        left = self.residuals()
        fit_noise(left, np.empty(0), self.fit)
        freedom = max(1, left.size - len(self.cuts) - 1)
        self.fit[SCALE] *= math.sqrt(left.size / freedom)
        self.fit[RHO] += (1 + 3 * self.fit[RHO]) * len(self.cuts) / left.size
        fit_loss(left, np.empty(0), self.fit, self.table)

    def search(self, penalty: float) -> None:
        """Cut anew under the noise as it is fitted."""
        z = (self.values - np.median(self.values)) / self.scale
        widest = _LEVELS * STRIDE * TICK / 2
        ticks = np.rint(np.clip(z, -widest, widest) / TICK).astype(np.int64)
        lowest = int(ticks.min())
        levels = (int(ticks.max()) - lowest) // STRIDE + 2
        starts = partition(ticks, lowest, levels, self.table, penalty * self.growth)
        cuts, last = [], self.values.size - 1
        while last >= 0:
            first = int(starts[last])
            if first > 0:
                cuts.append(first)
            last = first - 1
        self.cuts = cuts[::-1]
        self._drop_spikes()

    def _drop_spikes(self) -> None:
        """Join segments that are too short to the neighbour whose level is nearer."""
        while self.cuts:
            lengths = [b - a for a, b in self.segments()]
            short = int(np.argmin(lengths))
            if lengths[short] >= SHORTEST:
                return
            levels = self.levels()
            if short == 0:
                del self.cuts[0]
            elif short == len(self.cuts):
                del self.cuts[-1]
            else:
                gaps = [abs(levels[short] - levels[short + side]) for side in (-1, 1)]
                del self.cuts[short - 1 if gaps[0] < gaps[1] else short]


def segment(values: Floats, *, extra: float = 0.0) -> Segmentation:
    """Cut a series; `extra` is added to the penalty of a change, in units of log-likelihood."""
    found = Segmentation(values)
    found.begin()
    length = math.log(values.size)
    found.search(FIRST_PENALTY * length + extra)
    for penalty in (FIRST_PENALTY, PENALTY):
        found.fit_residuals()
        found.search(penalty * length + extra)
    return found


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
