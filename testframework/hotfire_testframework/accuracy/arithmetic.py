"""How the oracle rounds: exactly in float64, or with the random errors of a float32 machine.

The decoder is written once against `Arithmetic`; each subclass is one machine.

`MonteCarlo` is Parker's Monte Carlo arithmetic (D. S. Parker, *Monte Carlo Arithmetic*, UCLA
CSD-970002, 1997): every operation is computed in float64 and its result perturbed by a random
error of the size that float32 rounding makes. The spread of the final log-probabilities over a
few runs estimates how far any float32 implementation, whose rounding errors are one more draw,
may be from the exact result.

Size of the error of a dot product y = sum p_i of K terms, computed in L = 8 interleaved lanes with
round-to-nearest (unit roundoff u = 2^-24). Each operation errs by at most u|result| and, as a
uniform rounding error, with variance at most u^2 result^2 / 3. Sum over the operations:
  products        sum p_i^2
  additions       sum over lanes and steps t of s_t^2, s_t the running sum of a lane
  lane reduction  3 more additions along each path, at most 3 y^2 in the mean
For terms in exchangeable order E[s_t^2] <= t * mean(p^2) + (t * mean(p))^2, hence with n = K/L
terms a lane
  E[sum s_t^2] <= (n / 2) sum p^2 + L (n^3 / 3) (y / K)^2 = (K / 16) sum p^2 + (K / 192) y^2
A fused dequantisation (d * sum q x + m * sum x) moves two roundings of each weight: 2 sum p^2
more. So
  var(error) <= u^2 / 3 * ((K / 16 + 3) sum p^2 + (K / 192 + 4) y^2)
"""

from __future__ import annotations

from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

Array = NDArray[Any]

UNIT_ROUNDOFF = 2.0**-24  # u of binary32, round to nearest
LANES = 8


class Arithmetic(Protocol):
    """One machine: a storage type, a dot product, and the rounding of an elementwise result."""

    dtype: np.dtype[Any]

    def dot(self, x: Array, w: Array) -> Array:
        """`x [..., t, k]` times `w [..., n, k]` transposed: `[..., t, n]`."""

    def rounded(self, value: Array, operations: int = 1) -> Array:
        """`value` after `operations` elementwise roundings."""

    def operand(self, x: Array) -> Array:
        """What a product with a stored weight sees of the activations `x [..., k]`."""

    def kept(self, x: Array) -> Array:
        """What attention sees of queries, keys and values."""


class Exact:
    """Float64 throughout: the reference."""

    dtype: np.dtype[Any] = np.dtype(np.float64)

    def dot(self, x: Array, w: Array) -> Array:
        """Matrix product in float64."""
        product: Array = x @ np.swapaxes(w, -1, -2)
        return product

    def rounded(self, value: Array, operations: int = 1) -> Array:
        """Nothing to round."""
        del operations
        return value

    def operand(self, x: Array) -> Array:
        """All of it."""
        return x

    def kept(self, x: Array) -> Array:
        """All of it."""
        return x


class Single(Exact):
    """Real float32 with NumPy's own summation order: a stand-in implementation for tests."""

    dtype: np.dtype[Any] = np.dtype(np.float32)


class MonteCarlo(Exact):
    """Float64 with one random draw of float32 rounding errors per operation."""

    def __init__(self, seed: int) -> None:
        self._random = np.random.default_rng(seed)
        # Squares of the weights: they are the same arrays in every call, kept alive by the decoder.
        self._known: dict[int, Array] = {}

    def reseed(self, seed: int) -> None:
        """Start another draw and keep what does not depend on it."""
        self._random = np.random.default_rng(seed)

    def dot(self, x: Array, w: Array) -> Array:
        """Exact product plus a normal error with the variance derived above."""
        y = super().dot(x, w)
        k = x.shape[-1]
        squares = self._squares(x, w)
        variance = (k / (2 * LANES) + 3) * squares + (k / (3 * LANES**2) + 4) * np.square(y)
        scale = UNIT_ROUNDOFF / np.sqrt(3.0)
        noise = self._random.standard_normal(y.shape, dtype=np.float32)
        noise *= np.sqrt(variance, dtype=np.float32)
        noise *= np.float32(scale)
        y += noise
        return y

    def _squares(self, x: Array, w: Array) -> Array:
        # A variance needs no more than float32; the cast halves the cost of the second product.
        left = np.square(x.astype(np.float32))
        product: Array = left @ np.swapaxes(self._squared(w), -1, -2)
        return product

    def _squared(self, w: Array) -> Array:
        if w.base is not None or w.ndim != 2:  # an activation, not a stored weight
            squares: Array = np.square(w.astype(np.float32))
            return squares
        if id(w) not in self._known:
            self._known[id(w)] = np.square(w.astype(np.float32))
        return self._known[id(w)]

    def rounded(self, value: Array, operations: int = 1) -> Array:
        """Relative errors uniform in +-u, `operations` of them added in quadrature."""
        noise = self._random.random(value.shape, dtype=np.float32).astype(np.float64)
        noisy: Array = value * (1 + (2 * noise - 1) * UNIT_ROUNDOFF * np.sqrt(operations))
        return noisy
