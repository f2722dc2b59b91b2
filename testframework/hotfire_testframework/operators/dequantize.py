"""`dequantize.q4_1|q8_0`: float32 weights of rows of blocks; bit for bit."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np

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


class Dequantize(Operator):
    """The format's own definition: fl(d q) for Q8_0, fl(fl(d q) + m) for Q4_1."""

    name = "dequantize"
    dtypes = ("q4_1", "q8_0")
    keys = ("rows", "k")
    regimes = tuple(each for each in Regime if each is not Regime.NONFINITE)

    def quantised(self, dtype: str) -> frozenset[int]:
        """The one input."""
        del dtype
        return frozenset({0})

    def shapes(self, dtype: str, sizes: Sizes) -> list[tuple[int, ...]]:
        """The rows."""
        del dtype
        return [(sizes["rows"], sizes["k"])]

    def expect(self, case: CaseLine, operands: Sequence[Operand]) -> Expectation:
        """Bound 0: the roundings belong to the definition."""
        del case
        values = operands[0].values
        return Expectation(value=values, bound=np.zeros_like(values))

    def cost(self, dtype: str, sizes: Sizes) -> Cost:
        """One or two operations per weight."""
        count = sizes["rows"] * sizes["k"]
        operations = 2 if dtype == "q4_1" else 1
        return Cost(flops=operations * count, bytes=bytes_of((count,), dtype) + 4 * count)

    def small(self, dtype: str) -> Iterator[dict[str, int]]:
        """Zero blocks, one, and counts around a vector."""
        del dtype
        for blocks in (0, 1, 2, 3, 5, 8, 9):
            yield {"rows": 1, "k": 32 * blocks}
        for rows in (0, 2, 3, 7):
            yield {"rows": rows, "k": 64}

    def large(self, dtype: str) -> Iterator[dict[str, int]]:
        """Rows of the bundled model."""
        del dtype
        yield {"rows": 9, "k": 576}
        yield {"rows": 5, "k": 1536}
