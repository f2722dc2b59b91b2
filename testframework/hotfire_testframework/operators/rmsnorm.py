"""`rmsnorm.f32`: y = x w / sqrt(mean(x^2) + 1e-5)."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np

from hotfire_testframework.contract.cases import CaseLine
from hotfire_testframework.numerics.bounds import TINY, UNIT, dot_growth
from hotfire_testframework.numerics.regimes import Regime
from hotfire_testframework.operators.base import Cost, Expectation, Operand, Operator, Sizes

EPSILON = float(np.float32(1e-5))  # the C function takes a float


class RmsNorm(Operator):
    """Root-mean-square normalisation of rows.

    Bound, relative to |y|: the sum of squares has |A||B| = R, so errs by g u (numerics.bounds);
    the mean and the sum with epsilon add 2 u; the root halves all that and adds u, the reciprocal
    u, the two products u each: (g + 2) / 2 + 4. Underflow of x * scale before the product with w:
    TINY (1 + |w|).
    """

    name = "rmsnorm"
    dtypes = ("f32",)
    keys = ("rows", "d")
    regimes = tuple(each for each in Regime if each is not Regime.EXACT)

    def shapes(self, dtype: str, sizes: Sizes) -> list[tuple[int, ...]]:
        """x and the weight."""
        del dtype
        return [(sizes["rows"], sizes["d"]), (sizes["d"],)]

    def expect(self, case: CaseLine, operands: Sequence[Operand]) -> Expectation:
        """Formula above."""
        x, weight = (each.values for each in operands)
        d = max(self.sizes(case)["d"], 1)
        growth = (dot_growth(d) + 2) / 2 + 4
        with np.errstate(invalid="ignore", divide="ignore"):
            mean = np.square(x).sum(axis=1, keepdims=True) / d
            value = x * weight / np.sqrt(mean + EPSILON)
        return Expectation(
            value=value, bound=UNIT * growth * np.abs(value) + TINY * (1 + np.abs(weight))
        )

    def cost(self, dtype: str, sizes: Sizes) -> Cost:
        """Square, add, two products per element."""
        del dtype
        rows, d = sizes["rows"], sizes["d"]
        return Cost(flops=4 * rows * d, bytes=4 * (2 * rows * d + d))

    def small(self, dtype: str) -> Iterator[dict[str, int]]:
        """Every tail, and several rows: a stale accumulator shows in the second."""
        del dtype
        for d in (*range(1, 18), 31, 32, 33, 63, 64, 65):
            yield {"rows": 1 + d % 3, "d": d}
        yield {"rows": 0, "d": 8}
        yield {"rows": 2, "d": 0}

    def large(self, dtype: str) -> Iterator[dict[str, int]]:
        """The model's width, and one beyond a page."""
        del dtype
        yield {"rows": 3, "d": 575}
        yield {"rows": 7, "d": 576}
        yield {"rows": 2, "d": 4099}
