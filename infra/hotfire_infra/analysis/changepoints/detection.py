"""`detect`: a whole series in, its change points out."""

from __future__ import annotations

import math
from collections.abc import Hashable, Sequence
from itertools import pairwise

import numpy as np

from hotfire_infra.analysis.changepoints.batch import (
    PENALTY,
    Segmentation,
    segment,
    without_machines,
)
from hotfire_infra.analysis.changepoints.noise import Floats, median
from hotfire_infra.analysis.changepoints.records import ChangeKind, Changepoint
from hotfire_infra.analysis.changepoints.shape import (
    SHORTEST_RAMP,
    best_ramp,
    confidence,
    cost_of_steps,
    is_positive,
    level_cost,
    origin_near,
    step_between,
)
from hotfire_infra.analysis.changepoints.spread import spread_change

NOMINAL = 20_000.0
_SHORTEST_SERIES = 8
_LEVELS_UNKNOWN = 1.2
"""Widens the interval of a position for the levels, which are estimated: 95 % in simulations."""
_SAVED = 0.55
"""Share of the penalty of each further step that one slope in their place is spared; with all of it two
real steps in one direction are too often one slope."""
_SLOPE_MARGIN = 3.5
"""Log-likelihood by which a slope must beat a step: its place is known worse, so to take one step of the size
of the noise for a slope costs more than to take a slow drift for a step."""
_SHARP = 5.0
"""Scales from which one step is no slope: that would miss it by more than it could gain."""


def detect(
    values: Sequence[float],
    *,
    machine: Sequence[Hashable] | None = None,
    arl0: float = NOMINAL,
) -> list[Changepoint]:
    """Return the change points of a series, in order.

    `values` are positive measurements on any scale (then changes are relative), or any real numbers;
    `machine` names for each the machine it was measured on, whose constant offset is taken out.
    A larger `arl0`, observations per false alarm when watched one by one, asks for more evidence.
    ValueError: a value is not a finite number, or `machine` has another length.
    """
    kept, origin = _kept(values)
    if machine is not None and len(machine) != kept.size:
        raise ValueError(f"{len(machine)} machines for {kept.size} values")
    if kept.size < _SHORTEST_SERIES or np.ptp(kept) == 0:
        return []
    if machine is not None:
        kept = without_machines(kept, machine)
    found = segment(kept, extra=math.log(arl0 / NOMINAL))
    return describe(found, origin=origin)


def _kept(values: Sequence[float]) -> tuple[Floats, float | None]:
    """Return the values as they are looked at, and the origin of logarithms: None, they are none."""
    numbers = np.asarray(values, dtype=np.float64)
    if numbers.ndim != 1:
        raise ValueError(f"values have {numbers.ndim} dimensions; a series has one")
    if not np.isfinite(numbers).all():
        place = int(np.flatnonzero(~np.isfinite(numbers))[0])
        raise ValueError(f"observation {place} is {numbers[place]}, not a finite number")
    if numbers.size == 0 or not is_positive(numbers):
        return numbers.copy(), None
    origin = origin_near(median(numbers))
    with np.errstate(over="ignore"):
        shares = numbers / origin
    if np.isfinite(shares).all() and shares.all():
        return np.log(shares), origin
    return np.log(numbers), 1.0


def describe(found: Segmentation, *, origin: float | None) -> list[Changepoint]:
    """Say of each cut what it is; cuts along one slope become one drift.

    `origin` is the value whose logarithm counts as 0; None: the values are no logarithms.
    """
    points = []
    for first, last in _runs(found.levels):
        drift = _drift(found, first, last, origin)
        if drift is not None:
            points.append(drift)
        else:
            points += [_step(found, k, origin) for k in range(first, last + 1)]
    points += _spread(found)
    return sorted(points, key=lambda point: point.index)


def _spread(found: Segmentation) -> list[Changepoint]:
    if found.scale <= 0:
        return []
    left = found.residuals() / found.scale
    # Where most observations are equal there is no spread to speak of.
    change = spread_change(left) if median(np.abs(left)) > 0 else None
    if change is None:
        return []
    return [
        Changepoint(
            index=change.index, low=change.low, high=change.high, kind=ChangeKind.VARIANCE,
            # Of logarithms the standard deviation is a share: the coefficient of variation.
            before=change.before * found.scale, after=change.after * found.scale,
            confidence=confidence(change.gain, found.values.size, 1.0),
        )
    ]  # fmt: skip


def _runs(levels: Sequence[float]) -> list[tuple[int, int]]:
    """Return first and last cut of each longest run of cuts in one direction."""
    rises = [after > before for before, after in pairwise(levels)]
    runs: list[tuple[int, int]] = []
    for k, rise in enumerate(rises):
        if runs and rises[k - 1] == rise:
            runs[-1] = (runs[-1][0], k)
        else:
            runs.append((k, k))
    return runs


def _drift(found: Segmentation, first: int, last: int, origin: float | None) -> Changepoint | None:
    """Return the slope that explains cuts `first` … `last` better than steps do, if one does."""
    if first == last and abs(found.levels[last + 1] - found.levels[first]) > _SHARP * found.scale:
        return None
    ends = found.ends[first : last + 3]
    begin, size = int(ends[0]), int(ends[-1] - ends[0])
    if size < SHORTEST_RAMP + 4:
        return None
    centre = median(found.values[begin : ends[-1]])
    z = (found.values[begin : ends[-1]] - centre) / found.scale
    ramp = best_ramp(z)
    if ramp is None:
        return None
    saved = _SAVED * (last - first) * PENALTY
    spared = saved * math.log(found.values.size) * found.growth
    if ramp.cost + _SLOPE_MARGIN * found.growth >= cost_of_steps(z, ends) + spared:
        return None
    return Changepoint(
        index=begin + ramp.start,
        low=begin + ramp.low,
        high=begin + ramp.high,
        kind=ChangeKind.DRIFT,
        before=_unit(centre + ramp.before * found.scale, origin),
        after=_unit(centre + ramp.after * found.scale, origin),
        confidence=confidence(level_cost(z) - ramp.cost, found.values.size, found.growth),
    )


def _step(found: Segmentation, cut: int, origin: float | None) -> Changepoint:
    begin, middle, end = found.ends[cut : cut + 3].tolist()
    growth = found.growth
    best, low, high, gain, is_mix, old, new = step_between(
        found.values[begin:end], middle - begin, found.scale, _LEVELS_UNKNOWN * growth, found.table
    )
    return Changepoint(
        index=begin + best,
        low=begin + low,
        high=begin + high,
        kind=ChangeKind.MIX if is_mix else ChangeKind.STEP,
        before=old if is_mix else _unit(old, origin),
        after=new if is_mix else _unit(new, origin),
        confidence=confidence(gain, found.values.size, growth),
    )


def _unit(value: float, origin: float | None) -> float:
    return value if origin is None else math.exp(value) * origin
