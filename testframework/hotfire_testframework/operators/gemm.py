"""`gemm.f32`: C[m,n] = A[m,k] B[n,k]^T."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np

from hotfire_testframework.contract.cases import CaseLine
from hotfire_testframework.numerics.bounds import dot_bound
from hotfire_testframework.numerics.regimes import Regime
from hotfire_testframework.operators.base import (
    Cost,
    Expectation,
    Operand,
    Operator,
    Sizes,
    bytes_of,
)

TAILS = (*range(18), 31, 32, 33)
BEYOND = (63, 64, 65, 127, 128, 129)


def product(a: Operand, b: Operand, terms: int) -> Expectation:
    """Reference and bound of `a [m, k]` times `b [n, k]` transposed (bound: numerics.bounds)."""
    # 65504^2 sums stay finite in float32; only stated NaN and infinities make non-finite results.
    with np.errstate(invalid="ignore", over="ignore"):
        value = a.values @ b.values.T
        magnitude = np.abs(a.values) @ np.abs(b.values).T
        return Expectation(value=value, bound=dot_bound(magnitude, value, terms))


class Gemm(Operator):
    """Matrix product in float32."""

    name = "gemm"
    dtypes = ("f32",)
    keys = ("m", "n", "k")
    regimes = tuple(Regime)

    def shapes(self, dtype: str, sizes: Sizes) -> list[tuple[int, ...]]:
        """A and B, both with k fastest."""
        del dtype
        return [(sizes["m"], sizes["k"]), (sizes["n"], sizes["k"])]

    def expect(self, case: CaseLine, operands: Sequence[Operand]) -> Expectation:
        """Dot products; in `exact` |sum| <= 4 k < 2^24, so every order is exact."""
        return product(operands[0], operands[1], self.sizes(case)["k"])

    def cost(self, dtype: str, sizes: Sizes) -> Cost:
        """2 m n k operations; A, B and C move once."""
        m, n, k = (sizes[key] for key in self.keys)
        moved = sum(bytes_of(shape) for shape in self.shapes(dtype, sizes)) + 4 * m * n
        return Cost(flops=2 * m * n * k, bytes=moved)

    def small(self, dtype: str) -> Iterator[dict[str, int]]:
        """Every tail of k, m and n; empty and one-element axes."""
        del dtype
        for k in TAILS:
            yield {"m": 1 + k % 3, "n": 1 + (k + 1) % 4, "k": k}
        for n in TAILS:
            yield {"m": 1, "n": n, "k": 9}
        for m in (0, 2, 3, 4, 5, 7, 8, 9):
            yield {"m": m, "n": 5, "k": 11}
        for k in BEYOND:
            yield {"m": 4, "n": 3, "k": k}

    def large(self, dtype: str) -> Iterator[dict[str, int]]:
        """Around tiles, and the matrices of the bundled model."""
        del dtype
        for edge in (15, 16, 17, 31, 33, 63, 65):
            yield {"m": edge, "n": edge, "k": edge}
        yield {"m": 1, "n": 192, "k": 576}
        yield {"m": 1, "n": 576, "k": 1536}
        yield {"m": 5, "n": 64, "k": 576}
        yield {"m": 16, "n": 192, "k": 576}
        yield {"m": 3, "n": 2, "k": 4099}
