"""`softmax.f32`: y = exp(x - max) / sum, along rows."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np

from hotfire_testframework.contract.cases import CaseLine
from hotfire_testframework.numerics.bounds import F64, TINY, UNIT, dot_growth
from hotfire_testframework.numerics.regimes import Regime
from hotfire_testframework.operators.base import Cost, Expectation, Operand, Operator, Sizes

EXPONENTIAL = 2.0  # u: an exponential within one ulp


def softmax(x: F64) -> F64:
    """Stable softmax of the last axis; rows with NaN or +inf are NaN, as in IEEE arithmetic."""
    with np.errstate(invalid="ignore"):
        shifted = x - x.max(axis=-1, keepdims=True, initial=-np.inf)
        exponentials = np.exp(shifted)
        shares: F64 = exponentials / exponentials.sum(axis=-1, keepdims=True)
        return shares


class Softmax(Operator):
    """Softmax of rows.

    Bound, relative to y: rounding x - max moves the exponential by |x - max| u, the exponential
    itself errs by 2 u; the sum errs by the mean of those over the shares and by g u (positive
    terms); the quotient by u. Results below the smallest normal lose bits: 2 TINY, which also
    covers exponentials flushed to zero.
    """

    name = "softmax"
    dtypes = ("f32",)
    keys = ("rows", "d")
    regimes = tuple(each for each in Regime if each is not Regime.EXACT)

    def shapes(self, dtype: str, sizes: Sizes) -> list[tuple[int, ...]]:
        """x."""
        del dtype
        return [(sizes["rows"], sizes["d"])]

    def expect(self, case: CaseLine, operands: Sequence[Operand]) -> Expectation:
        """Formula above."""
        x = operands[0].values
        value = softmax(x)
        with np.errstate(invalid="ignore"):
            shift = np.abs(x - x.max(axis=-1, keepdims=True, initial=-np.inf))
            # A share of zero at minus infinity is exact.
            shift = np.where(value == 0, 0.0, shift)
            own = shift + EXPONENTIAL
            common = (value * own).sum(axis=-1, keepdims=True)
            bound = UNIT * value * (own + common + dot_growth(self.sizes(case)["d"]) + 1) + 2 * TINY
        return Expectation(value=value, bound=bound)

    def cost(self, dtype: str, sizes: Sizes) -> Cost:
        """Maximum, subtraction, exponential (counted as 8), sum, quotient."""
        del dtype
        count = sizes["rows"] * sizes["d"]
        return Cost(flops=12 * count, bytes=8 * count)

    def small(self, dtype: str) -> Iterator[dict[str, int]]:
        """Every tail; rows of one element are exactly 1."""
        del dtype
        for d in (*range(1, 18), 31, 32, 33, 63, 64, 65):
            yield {"rows": 1 + d % 3, "d": d}
        yield {"rows": 0, "d": 8}

    def large(self, dtype: str) -> Iterator[dict[str, int]]:
        """A context of 512 and a long odd row."""
        del dtype
        yield {"rows": 9, "d": 512}
        yield {"rows": 2, "d": 4099}
