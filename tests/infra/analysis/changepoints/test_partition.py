"""The search over positions and levels, against brute force."""

from __future__ import annotations

from itertools import combinations, pairwise

import numpy as np
import pytest

from hotfire_infra.analysis.changepoints.batch import STRIDE, partition
from hotfire_infra.analysis.changepoints.noise import HALF, TICK


def bounded_square():
    return np.minimum(0.5 * (np.arange(-HALF, HALF + 1) * TICK) ** 2, 5.0)


def cuts_of(starts):
    cuts, last = [], len(starts) - 1
    while last >= 0:
        if starts[last] > 0:
            cuts.append(int(starts[last]))
        last = int(starts[last]) - 1
    return cuts[::-1]


def cost_of(ticks, cuts, lowest, levels, table, penalty):
    ends = [0, *cuts, len(ticks)]
    total = penalty * len(cuts)
    for begin, end in pairwise(ends):
        total += min(
            sum(table[tick - lowest - STRIDE * j + HALF] for tick in ticks[begin:end])
            for j in range(levels)
        )
    return total


@pytest.mark.parametrize("seed", range(8))
def test_no_other_cuts_cost_less(seed):
    chance = np.random.default_rng(seed)
    z = chance.standard_normal(9) + np.repeat([0.0, 4.0, -3.0], 3) * (seed % 2)
    ticks = np.rint(z / TICK).astype(np.int64)
    lowest, levels = int(ticks.min()), (int(np.ptp(ticks))) // STRIDE + 2
    table = bounded_square()
    found = cuts_of(partition(ticks, lowest, levels, table, 2.5))
    places = range(1, len(ticks))
    best = min(
        cost_of(ticks, list(cuts), lowest, levels, table, 2.5)
        for count in range(4)
        for cuts in combinations(places, count)
    )
    assert cost_of(ticks, found, lowest, levels, table, 2.5) == pytest.approx(best)
