"""`embedding.q8_0|f32`: rows of a table picked by token ids; bit for bit."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np

from hotfire_testframework.contract.cases import CaseLine
from hotfire_testframework.numerics.philox import words
from hotfire_testframework.numerics.regimes import Regime
from hotfire_testframework.operators.base import (
    Cost,
    Expectation,
    Operand,
    Operator,
    Sizes,
    bytes_of,
)

IDS = 1  # ordinal of the ids


class Embedding(Operator):
    """Copy or dequantise the row of each id; ids repeat and include the first and last row."""

    name = "embedding"
    dtypes = ("f32", "q8_0")
    keys = ("vocab", "d", "tokens")
    regimes = (Regime.EXACT, Regime.UNIFORM, Regime.NORMAL, Regime.WIDE, Regime.EDGE)

    def quantised(self, dtype: str) -> frozenset[int]:
        """The table, unless it is float32."""
        return frozenset() if dtype == "f32" else frozenset({0})

    def shapes(self, dtype: str, sizes: Sizes) -> list[tuple[int, ...]]:
        """The table; the ids are no float tensor."""
        del dtype
        return [(sizes["vocab"], sizes["d"])]

    def operands(self, case: CaseLine) -> list[Operand]:
        """The table and `ids [tokens]` = r0 mod vocab."""
        sizes = self.sizes(case)
        ids = (words(case.seed, IDS, sizes["tokens"])[0] % np.uint32(sizes["vocab"])).astype(
            np.int32
        )
        return [*super().operands(case), Operand(stored=ids, values=ids.astype(np.float64))]

    def expect(self, case: CaseLine, operands: Sequence[Operand]) -> Expectation:
        """Bound 0: nothing is computed beyond the definition of the format."""
        del case
        value = operands[0].values[operands[1].stored]
        return Expectation(value=value, bound=np.zeros_like(value))

    def cost(self, dtype: str, sizes: Sizes) -> Cost:
        """The table has to be generated, so it counts, although few rows are read."""
        table = bytes_of((sizes["vocab"], sizes["d"]), dtype)
        return Cost(flops=0, bytes=table + 4 * sizes["tokens"] * (sizes["d"] + 1))

    def small(self, dtype: str) -> Iterator[dict[str, int]]:
        """One-row tables, odd widths where the format allows them."""
        widths = (1, 2, 7, 17, 33) if dtype == "f32" else (32, 64, 96)
        for d in widths:
            yield {"vocab": 1, "d": d, "tokens": 2}
            yield {"vocab": 5, "d": d, "tokens": 7}
        yield {"vocab": 3, "d": 32, "tokens": 0}
        yield {"vocab": 17, "d": 64, "tokens": 31}

    def large(self, dtype: str) -> Iterator[dict[str, int]]:
        """The model's width."""
        del dtype
        yield {"vocab": 61, "d": 576, "tokens": 9}
