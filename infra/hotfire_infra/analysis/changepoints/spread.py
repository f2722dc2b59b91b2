"""A lasting change of spread about levels that stay."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from hotfire_infra.analysis.changepoints.compiled import compiled
from hotfire_infra.analysis.changepoints.noise import Floats

_SHORTEST = 24
"""Observations on either side; a spread is known to 15 % from so many."""
_CLIP = 3.0
_THRESHOLD = 6.0
"""Log-likelihood beyond the logarithm of the length."""
_LONG_BEFORE, _LONG_AFTER, _SURE, _PLAIN = 150, 40, 14.0, 1.6
"""The same while a series is watched, where every look is another chance."""
_WILD, _WILD_CLIP, _WILD_LONGEST, _WILDEST = 2.5, 2.25, 12, 1.6
"""Evidence, scales and observations for a spread that grew shortly before what looks like a step, and
the most that it is said to have grown by. In normal noise 0.3 % of places have the evidence."""
_RATIO = 1.5
"""Of the standard deviations; less is not worth a word."""
_INTERVAL = 2.0
"""Log-likelihood within which positions are as good (about 95 %, after Wilks 1938)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SpreadChange:
    """Position of the first observation of the new spread, and the standard deviations."""

    index: int
    low: int
    high: int
    before: float
    after: float
    gain: float


def spread_change(z: Floats) -> SpreadChange | None:
    """Return where the spread of standardised residuals changed for good, or None.

    A likelihood ratio of two normal variances over all positions, of squares clipped at 3 scales,
    divided by what their kurtosis adds to its chance (Muirhead 1982, 1.5). Noise whose spread
    wanders, one side of it having changes of its own, is heteroscedastic and has no such place.
    """
    if z.size < 2 * _SHORTEST:
        return None
    index, low, high, before, after, gain = _search(z, _SHORTEST, _SHORTEST, _THRESHOLD, _RATIO)
    if index == 0:
        return None
    return SpreadChange(
        index=index, low=low, high=high, before=before, after=after, gain=gain
    )  # fmt: skip


def late_spread_change(z: Floats) -> SpreadChange | None:
    """Return where the spread of a segment changed, while it is watched; None: nowhere for sure.

    Asked again and again, and of noise that may come and go, it wants more than `spread_change`:
    a long part before that is even, a ratio that nobody overlooks, and more evidence.
    """
    index, low, high, before, after, gain = _search(z, _LONG_BEFORE, _LONG_AFTER, _SURE, _PLAIN)
    if index == 0:
        return None
    return SpreadChange(
        index=index, low=low, high=high, before=before, after=after, gain=gain
    )  # fmt: skip


@compiled
def wild_before(z: Floats, split: int) -> float:
    """Return by what the standard deviation had grown for some observations before a place; 1: not.

    Where the spread grew, what looks like a new level is more of the same. The evidence is a
    likelihood ratio for one of twice the scale, from the likeliest place on (Page 1954), of clipped
    squares, so that one outlier is none.
    """
    evidence, most, begin = 0.0, 0.0, split
    for i in range(split - 1, max(-1, split - 1 - _WILD_LONGEST), -1):
        square = min(z[i] * z[i], _WILD_CLIP * _WILD_CLIP)
        evidence += square * (1 - 0.25) / 2 - math.log(2.0)
        if evidence > most:
            most, begin = evidence, i
    if most < _WILD:
        return 1.0
    squares = 0.0
    for i in range(begin, split):
        squares += min(z[i] * z[i], _CLIP * _CLIP)
    return min(max(1.0, math.sqrt(squares / (split - begin))), _WILDEST)


@compiled
def _search(
    z: Floats, least_before: int, least_after: int, threshold: float, ratio: float
) -> tuple[int, int, int, float, float, float]:
    none = (0, 0, 0, 0.0, 0.0, 0.0)
    squares = np.minimum(z * z, _CLIP * _CLIP)
    gains = _gains(squares)
    best = least_before - _SHORTEST
    for k in range(best, z.size - least_after - _SHORTEST + 1):
        best = k if gains[k] > gains[best] else best
    needed = threshold + math.log(z.size)
    if gains[best] < needed:
        return none
    index = best + _SHORTEST
    before, after = math.sqrt(squares[:index].mean()), math.sqrt(squares[index:].mean())
    if max(before, after) < ratio * max(min(before, after), 1e-12):
        return none
    for part in (squares[:index], squares[index:]):
        if part.size >= 2 * _SHORTEST and _gains(part).max() > needed / 2:
            return none
    low, high = gains.size, 0
    for k in range(gains.size):
        if gains[k] > gains[best] - _INTERVAL:
            low, high = min(low, k), max(high, k)
    return index, low + _SHORTEST, high + _SHORTEST, before, after, gains[best]


@compiled
def _gains(squares: Floats) -> Floats:
    """Return the corrected log-likelihood ratio at positions `_SHORTEST` … size - `_SHORTEST`."""
    count = squares.size
    total = fourth = 0.0
    for one in squares:
        total += one
        fourth += one * one
    whole = max(total / count, 1e-12)
    correction = 2 * max(1.0, (fourth / count / whole**2 - 1) / 2)
    gains = np.empty(count - 2 * _SHORTEST + 1)
    sum_left = squares[: _SHORTEST - 1].sum()
    for k in range(gains.size):
        size = k + _SHORTEST
        sum_left += squares[size - 1]
        left = max(sum_left / size, 1e-12)
        right = max((total - sum_left) / (count - size), 1e-12)
        ratio = -size * math.log(left / whole) - (count - size) * math.log(right / whole)
        gains[k] = ratio / correction
    return gains
