"""`rope.f32`: rotation of the pairs (2i, 2i+1) by position * base^(-2i/hd), base 100000."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np

from hotfire_testframework.contract.cases import CaseLine
from hotfire_testframework.numerics.bounds import TINY, UNIT
from hotfire_testframework.numerics.regimes import Regime
from hotfire_testframework.operators.base import Cost, Expectation, Operand, Operator, Sizes

BASE = 1e5


class Rope(Operator):
    """Rotary embedding in the layout of llama.cpp's NORM (Su et al. 2021).

    Bound: cosine and sine are float64 results rounded once (u), each product rounds (u), their
    sum rounds (u |y|): 2 u (|a cos| + |b sin|) + u |y|, plus one u for a cosine within one ulp
    instead of half. Angles in float32 are outside: at position p they are wrong by p u.
    """

    name = "rope"
    dtypes = ("f32",)
    keys = ("tokens", "heads", "hd", "pos")
    regimes = tuple(Regime)

    def shapes(self, dtype: str, sizes: Sizes) -> list[tuple[int, ...]]:
        """x [tokens, heads, hd]."""
        del dtype
        return [(sizes["tokens"], sizes["heads"], sizes["hd"])]

    def applicable(self, regime: Regime, sizes: Sizes) -> bool:
        """The rotation is the identity, hence exact, only at position 0."""
        at_origin = sizes["pos"] == 0 and sizes["tokens"] <= 1
        return at_origin if regime is Regime.EXACT else regime in self.regimes

    def expect(self, case: CaseLine, operands: Sequence[Operand]) -> Expectation:
        """Formula above."""
        sizes, x = self.sizes(case), operands[0].values
        positions = np.arange(sizes["pos"], sizes["pos"] + sizes["tokens"], dtype=np.float64)
        exponents = -2 * np.arange(sizes["hd"] // 2) / max(sizes["hd"], 1)
        angles = positions[:, None] * np.power(BASE, exponents)
        cos, sin = np.cos(angles)[:, None, :], np.sin(angles)[:, None, :]
        even, odd = x[..., 0::2], x[..., 1::2]
        with np.errstate(invalid="ignore"):
            value = np.stack([even * cos - odd * sin, even * sin + odd * cos], -1).reshape(x.shape)
            size = np.stack(
                [abs(even * cos) + abs(odd * sin), abs(even * sin) + abs(odd * cos)], -1
            ).reshape(x.shape)
        return Expectation(value=value, bound=UNIT * (3 * size + np.abs(value)) + 3 * TINY)

    def cost(self, dtype: str, sizes: Sizes) -> Cost:
        """Three operations per element, 20 per pair and position for the angle."""
        del dtype
        pairs = sizes["tokens"] * sizes["hd"] // 2
        count = 2 * pairs * sizes["heads"]
        return Cost(flops=3 * count + 20 * pairs, bytes=8 * count)

    def small(self, dtype: str) -> Iterator[dict[str, int]]:
        """Position 0, small heads, and positions whose angles need an accurate reduction."""
        del dtype
        for hd in (2, 4, 6, 8, 10, 16, 18, 32, 34, 64):
            yield {"tokens": 1, "heads": 2, "hd": hd, "pos": 0}
            yield {"tokens": 3, "heads": 1, "hd": hd, "pos": 1}
        for pos in (7, 511, 8191, 100000):
            yield {"tokens": 2, "heads": 3, "hd": 16, "pos": pos}
        yield {"tokens": 0, "heads": 2, "hd": 8, "pos": 0}

    def large(self, dtype: str) -> Iterator[dict[str, int]]:
        """Queries and keys of the bundled model."""
        del dtype
        yield {"tokens": 5, "heads": 9, "hd": 64, "pos": 300}
        yield {"tokens": 17, "heads": 3, "hd": 64, "pos": 8000}
