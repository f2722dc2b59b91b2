"""`swiglu.f32`: y = gate / (1 + exp(-gate)) * up."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np

from hotfire_testframework.contract.cases import CaseLine
from hotfire_testframework.numerics.bounds import TINY, UNIT
from hotfire_testframework.numerics.regimes import Regime
from hotfire_testframework.operators.base import Cost, Expectation, Operand, Operator, Sizes

# exp(-gate) overflows float32 below -88.72; the exact |gate| exp(gate) there is at most 2.6e-37.
OVERFLOW_AT = -88.0
OVERFLOW_ERROR = 6e-37


class SwiGlu(Operator):
    """Gated linear unit with SiLU (Shazeer 2020).

    Bound, relative: exponential 2 u (its share of 1 + e is at most 1), sum u, quotient u, product
    u: 5 u, one more for a division by reciprocal. Where exp(-gate) overflows the kernel may
    return 0.
    """

    name = "swiglu"
    dtypes = ("f32",)
    keys = ("n",)
    regimes = tuple(each for each in Regime if each is not Regime.EXACT)

    def shapes(self, dtype: str, sizes: Sizes) -> list[tuple[int, ...]]:
        """gate and up."""
        del dtype
        return [(sizes["n"],), (sizes["n"],)]

    def expect(self, case: CaseLine, operands: Sequence[Operand]) -> Expectation:
        """Formula above; at -inf the quotient is inf / inf = NaN, in float32 as well."""
        del case
        gate, up = (each.values for each in operands)
        with np.errstate(invalid="ignore", over="ignore"):
            value = gate / (1 + np.exp(-gate)) * up
            lost = np.where(gate < OVERFLOW_AT, OVERFLOW_ERROR, 0.0)
            bound = 6 * UNIT * np.abs(value) + (lost + TINY) * np.abs(up) + TINY
        return Expectation(value=value, bound=bound)

    def cost(self, dtype: str, sizes: Sizes) -> Cost:
        """Exponential counted as 8, and four operations."""
        del dtype
        return Cost(flops=12 * sizes["n"], bytes=12 * sizes["n"])

    def small(self, dtype: str) -> Iterator[dict[str, int]]:
        """Every tail."""
        del dtype
        for n in (*range(18), 31, 32, 33, 63, 64, 65):
            yield {"n": n}

    def large(self, dtype: str) -> Iterator[dict[str, int]]:
        """The model's feed-forward width."""
        del dtype
        yield {"n": 1535}
        yield {"n": 1536}
