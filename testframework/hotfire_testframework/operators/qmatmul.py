"""`qmatmul.q4_1|q8_0`: y[m,n] = x[m,k] W[n,k]^T with quantised W, dequantised to float32 first."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from hotfire_testframework.contract.cases import CaseLine
from hotfire_testframework.numerics.regimes import Regime
from hotfire_testframework.operators.base import (
    Cost,
    Expectation,
    Operand,
    Operator,
    Sizes,
    bytes_of,
)
from hotfire_testframework.operators.gemm import product


class QMatmul(Operator):
    """Matrix product with weights in blocks of 32."""

    name = "qmatmul"
    dtypes = ("q4_1", "q8_0")
    keys = ("m", "n", "k")
    regimes = tuple(Regime)

    def quantised(self, dtype: str) -> frozenset[int]:
        """The weights come first."""
        del dtype
        return frozenset({0})

    def shapes(self, dtype: str, sizes: Sizes) -> list[tuple[int, ...]]:
        """W and x, both with k fastest."""
        del dtype
        return [(sizes["n"], sizes["k"]), (sizes["m"], sizes["k"])]

    def expect(self, case: CaseLine, operands: Sequence[Operand]) -> Expectation:
        """As gemm: the reference reads the dequantised weights, so only the sum rounds."""
        weights, x = operands
        return product(x, weights, self.sizes(case)["k"])

    def cost(self, dtype: str, sizes: Sizes) -> Cost:
        """2 m n k operations; blocks, x and y move once."""
        m, n, k = (sizes[key] for key in self.keys)
        return Cost(flops=2 * m * n * k, bytes=bytes_of((n, k), dtype) + 4 * m * (k + n))

    def small(self, dtype: str) -> Iterator[dict[str, int]]:
        """One to a few blocks, every count of rows and columns around vector sizes."""
        del dtype
        for blocks in (0, 1, 2, 3, 4, 5, 7, 8, 9):
            yield {"m": 1, "n": 3, "k": 32 * blocks}
        for n in (*range(10), 15, 16, 17, 31, 33):
            yield {"m": 1, "n": n, "k": 64}
        for m in (0, 2, 3, 4, 5, 7, 8, 9, 16, 17):
            yield {"m": m, "n": 4, "k": 96}

    def large(self, dtype: str) -> Iterator[dict[str, int]]:
        """The matrices of the bundled model, at decode and at a short prefill."""
        del dtype
        for n, k in ((192, 576), (576, 576), (1536, 576), (576, 1536)):
            yield {"m": 1, "n": n, "k": k}
        yield {"m": 7, "n": 192, "k": 576}
        yield {"m": 33, "n": 65, "k": 576}
        yield {"m": 2, "n": 5, "k": 4128}
