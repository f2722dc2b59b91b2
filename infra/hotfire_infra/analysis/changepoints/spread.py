"""A lasting change of spread about levels that stay."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from hotfire_infra.analysis.changepoints.noise import Floats

_SHORTEST = 24
"""Observations on either side; a spread is known to 15 % from so many."""
_CLIP = 3.0
_THRESHOLD = 4.0
"""Log-likelihood beyond the logarithm of the length."""
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
    squares = np.minimum(z * z, _CLIP * _CLIP)
    gains = _gains(squares)
    best = int(np.argmax(gains))
    needed = _THRESHOLD + math.log(z.size)
    index = best + _SHORTEST
    before, after = (math.sqrt(float(part.mean())) for part in (squares[:index], squares[index:]))
    ratio = max(before, after) / max(min(before, after), 1e-12)
    if gains[best] < needed or ratio < _RATIO:
        return None
    for part in (squares[:index], squares[index:]):
        if part.size >= 2 * _SHORTEST and _gains(part).max() > needed / 2:
            return None
    near = np.flatnonzero(gains > gains[best] - _INTERVAL) + _SHORTEST
    return SpreadChange(
        index=index, low=int(near[0]), high=int(near[-1]), before=before, after=after,
        gain=float(gains[best]),
    )  # fmt: skip


def _gains(squares: Floats) -> Floats:
    """Return the corrected log-likelihood ratio at positions `_SHORTEST` … size - `_SHORTEST`."""
    count = squares.size
    sums = np.cumsum(squares)
    sizes = np.arange(_SHORTEST, count - _SHORTEST + 1)
    left = np.maximum(sums[sizes - 1] / sizes, 1e-12)
    right = np.maximum((sums[-1] - sums[sizes - 1]) / (count - sizes), 1e-12)
    whole = max(sums[-1] / count, 1e-12)
    ratios = count * math.log(whole) - sizes * np.log(left) - (count - sizes) * np.log(right)
    kurtosis = float(np.mean(squares**2)) / whole**2
    return np.asarray(ratios / 2 / max(1.0, (kurtosis - 1) / 2))
