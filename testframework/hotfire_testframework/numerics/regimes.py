"""Data regimes: how four random words become one float32; each provokes one hazard."""

from __future__ import annotations

from collections.abc import Callable
from enum import Enum

import numpy as np
from numpy.typing import NDArray

from hotfire_testframework.numerics.philox import Words, words

F32 = NDArray[np.float32]


class Regime(str, Enum):
    """The value of `data=` in a case line."""

    EXACT = "exact"  # small sparse integers: every sum is exact, compared with ==
    UNIFORM = "uniform"  # [-1, 1)
    POSITIVE = "positive"  # [0, 1): nothing cancels, a dropped term shows
    NORMAL = "normal"  # sum of four uniforms, unit variance
    WIDE = "wide"  # magnitudes 2^-12 .. 2^13: cancellation and swamping
    EDGE = "edge"  # zeros of both signs, a denormal, large halves
    NONFINITE = "nonfinite"  # NaN and infinities at stated places

    __str__ = str.__str__


_EDGES = np.array([0.0, -0.0, 1e-40, 65504.0, -65504.0, 1.0], np.float32)
_NONFINITE = np.array([np.nan, np.inf, -np.inf], np.float32)
_PERIOD = 97  # a prime: the places of non-finite values drift against every tile size


def _unit(word: Words) -> NDArray[np.float64]:
    return (word >> np.uint32(8)).astype(np.float64) * 2.0**-24


def _exact(r: Words, seed: int) -> F32:
    del seed
    values = (r[0] % np.uint32(5)).astype(np.float32) - np.float32(2)
    thinned: F32 = np.where(r[1] % np.uint32(4) == 0, np.float32(0), values)
    return thinned


def _uniform(r: Words, seed: int) -> F32:
    del seed
    return (2 * _unit(r[0]) - 1).astype(np.float32)


def _positive(r: Words, seed: int) -> F32:
    del seed
    return _unit(r[0]).astype(np.float32)


def _normal(r: Words, seed: int) -> F32:
    del seed
    u = [_unit(word) for word in r]
    # Var of a uniform is 1/12, of the sum of four 1/3: the factor is sqrt(3).
    return (((u[0] + u[1]) + (u[2] + u[3]) - 2) * 1.7320508075688772).astype(np.float32)


def _wide(r: Words, seed: int) -> F32:
    del seed
    mantissa = 1 + (r[0] >> np.uint32(9)).astype(np.float64) * 2.0**-23
    exponent = (r[2] % np.uint32(25)).astype(np.int32) - 12
    sign = np.where(r[1] & np.uint32(1), -1.0, 1.0)
    values: F32 = (sign * np.ldexp(mantissa, exponent)).astype(np.float32)
    return values


def _edge(r: Words, seed: int) -> F32:
    picked = _EDGES[r[2] % np.uint32(len(_EDGES))]
    return np.where(r[3] % np.uint32(8) == 0, picked, _uniform(r, seed))


def _nonfinite(r: Words, seed: int) -> F32:
    picked = _NONFINITE[r[2] % np.uint32(len(_NONFINITE))]
    hit = np.arange(r.shape[1]) % _PERIOD == seed % _PERIOD
    return np.where(hit, picked, _uniform(r, seed))


_MAKERS: dict[Regime, Callable[[Words, int], F32]] = {
    Regime.EXACT: _exact,
    Regime.UNIFORM: _uniform,
    Regime.POSITIVE: _positive,
    Regime.NORMAL: _normal,
    Regime.WIDE: _wide,
    Regime.EDGE: _edge,
    Regime.NONFINITE: _nonfinite,
}


def tensor(regime: Regime, seed: int, ordinal: int, shape: tuple[int, ...]) -> F32:
    """Input `ordinal` of a case, row-major; element i depends on (seed, ordinal, i) alone."""
    count = int(np.prod(shape))
    return _MAKERS[regime](words(seed, ordinal, count), seed).reshape(shape)
