"""`attention.f32`: causal grouped-query attention over `past` cached and `tokens` new positions."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np

from hotfire_testframework.contract.cases import CaseLine
from hotfire_testframework.numerics.bounds import F64, TINY, UNIT, dot_growth
from hotfire_testframework.numerics.regimes import Regime
from hotfire_testframework.operators.base import Cost, Expectation, Operand, Operator, Sizes
from hotfire_testframework.operators.softmax import EXPONENTIAL, softmax


class Attention(Operator):
    """softmax(q k^T / sqrt(hd)) v; query t sees the positions 0 .. past + t.

    Bound: a score errs by e = (g(hd) |q||k| + 3 |s|) u, scale included; its exponential by e + |s
    - max| u + 2 u relative; the sum by the mean of those over the shares p and by g(T) u; the
    quotient by u; the mix with v by g(T) u more. Together, componentwise, sum_j p_j |v_j| (E_j +
    E' + (2 g(T) + 2) u) + u |y|.
    """

    name = "attention"
    dtypes = ("f32",)
    keys = ("tokens", "past", "heads", "kv", "hd")
    # `wide` and `edge` make scores whose own rounding exceeds 1: no float32 kernel says anything
    # there.
    regimes = (Regime.EXACT, Regime.UNIFORM, Regime.POSITIVE, Regime.NORMAL, Regime.NONFINITE)

    def shapes(self, dtype: str, sizes: Sizes) -> list[tuple[int, ...]]:
        """q, k and v."""
        del dtype
        cached = (sizes["past"] + sizes["tokens"], sizes["kv"], sizes["hd"])
        return [(sizes["tokens"], sizes["heads"], sizes["hd"]), cached, cached]

    def applicable(self, regime: Regime, sizes: Sizes) -> bool:
        """One visible position has share 1: the result is v itself."""
        alone = sizes["tokens"] == 1 and sizes["past"] == 0
        return alone if regime is Regime.EXACT else regime in self.regimes

    def expect(self, case: CaseLine, operands: Sequence[Operand]) -> Expectation:
        """Row by row, so that positions a query must not see cannot spoil it (NaN times zero)."""
        sizes = self.sizes(case)
        q, k, v = (each.values for each in operands)
        group = sizes["heads"] // max(sizes["kv"], 1)
        value, bound = np.zeros_like(q), np.zeros_like(q)
        for t in range(sizes["tokens"]):
            seen = sizes["past"] + t + 1
            for head in range(sizes["heads"]):
                shared = head // group
                value[t, head], bound[t, head] = _row(
                    q[t, head], k[:seen, shared], v[:seen, shared]
                )
        return Expectation(value=value, bound=bound)

    def cost(self, dtype: str, sizes: Sizes) -> Cost:
        """4 operations per head element and visible position, 12 per exponential."""
        tokens, past, heads = sizes["tokens"], sizes["past"], sizes["heads"]
        visible = tokens * past + tokens * (tokens + 1) // 2
        elements = sum(int(np.prod(shape)) for shape in self.shapes(dtype, sizes))
        moved = 4 * (elements + tokens * heads * sizes["hd"])
        return Cost(flops=heads * visible * (4 * sizes["hd"] + 12), bytes=moved)

    def small(self, dtype: str) -> Iterator[dict[str, int]]:
        """One visible position, every small count of them, head sizes off the vector."""
        del dtype
        for hd in (1, 2, 3, 7, 8, 9, 16, 17, 32, 33, 64):
            yield {"tokens": 1, "past": 0, "heads": 2, "kv": 1, "hd": hd}
            yield {"tokens": 2, "past": 3, "heads": 3, "kv": 3, "hd": hd}
        for past in (*range(1, 10), 15, 16, 17, 31, 32, 33):
            yield {"tokens": 1, "past": past, "heads": 2, "kv": 2, "hd": 8}
        for tokens in (0, 3, 5, 8, 9):
            yield {"tokens": tokens, "past": 1, "heads": 4, "kv": 2, "hd": 4}

    def large(self, dtype: str) -> Iterator[dict[str, int]]:
        """The bundled model's heads: decode, chunked prefill."""
        del dtype
        yield {"tokens": 1, "past": 100, "heads": 9, "kv": 3, "hd": 64}
        yield {"tokens": 1, "past": 511, "heads": 9, "kv": 3, "hd": 64}
        yield {"tokens": 17, "past": 0, "heads": 9, "kv": 3, "hd": 64}
        yield {"tokens": 5, "past": 60, "heads": 9, "kv": 3, "hd": 64}


def _row(q: F64, k: F64, v: F64) -> tuple[F64, F64]:
    """Result and bound `[hd]` of one query `[hd]` over `k, v [seen, hd]`."""
    scale = 1 / np.sqrt(len(q))
    with np.errstate(invalid="ignore"):
        scores = k @ q * scale
        magnitude = np.abs(k) @ np.abs(q) * scale
        shares = softmax(scores)
        value = shares @ v
        own = dot_growth(len(q)) * magnitude + 3 * np.abs(scores)
        own += np.abs(scores - scores.max()) + EXPONENTIAL
        # A score of -inf has share 0 whatever its rounding.
        own = np.where(np.isneginf(scores), 0.0, own)
        growth = 2 * dot_growth(len(k)) + 2
        factor = own + shares @ own + growth
        bound = UNIT * ((shares * factor) @ np.abs(v) + np.abs(value)) + (len(k) + 1) * TINY
    return value, bound
