"""All operators, and the case lines they generate."""

from __future__ import annotations

import zlib
from collections.abc import Iterator

from hotfire_testframework.contract.cases import CaseLine
from hotfire_testframework.numerics.errors import CaseError
from hotfire_testframework.numerics.regimes import Regime
from hotfire_testframework.operators.attention import Attention
from hotfire_testframework.operators.base import Operator
from hotfire_testframework.operators.dequantize import Dequantize
from hotfire_testframework.operators.embedding import Embedding
from hotfire_testframework.operators.gemm import Gemm
from hotfire_testframework.operators.qmatmul import QMatmul
from hotfire_testframework.operators.rmsnorm import RmsNorm
from hotfire_testframework.operators.rope import Rope
from hotfire_testframework.operators.softmax import Softmax
from hotfire_testframework.operators.swiglu import SwiGlu

OPERATORS: dict[str, Operator] = {
    each.name: each
    for each in (
        Attention(),
        Dequantize(),
        Embedding(),
        Gemm(),
        QMatmul(),
        RmsNorm(),
        Rope(),
        Softmax(),
        SwiGlu(),
    )
}
SEEDS = 10_000


def operator_of(case: CaseLine) -> Operator:
    """The descriptor of a case."""
    if case.op not in OPERATORS:
        raise CaseError(f"{case}: unknown operator; known are {', '.join(sorted(OPERATORS))}")
    return OPERATORS[case.op]


def cases(operator: Operator) -> list[CaseLine]:
    """All cases of an operator, cheapest first; the order is total, so the file is reproducible."""
    lines = {str(case): case for dtype in operator.dtypes for case in _generated(operator, dtype)}

    def weight(text: str) -> tuple[int, str]:
        case = lines[text]
        return operator.cost(case.dtype, operator.sizes(case)).weight, text

    return [lines[text] for text in sorted(lines, key=weight)]


def _generated(operator: Operator, dtype: str) -> Iterator[CaseLine]:
    """Every regime on every small size; two regimes, in turn, on each large one."""
    for sizes in operator.small(dtype):
        for regime in Regime:
            if operator.applicable(regime, sizes):
                yield _seeded(operator, dtype, sizes, regime)
    for number, sizes in enumerate(operator.large(dtype)):
        usable = [regime for regime in Regime if operator.applicable(regime, sizes)]
        for regime in {usable[0], usable[(number + 1) % len(usable)], usable[-1 - number % 3]}:
            yield _seeded(operator, dtype, sizes, regime)


def _seeded(operator: Operator, dtype: str, sizes: dict[str, int], regime: Regime) -> CaseLine:
    """The seed follows from the rest of the line, so new sizes leave old lines alone."""
    unseeded = operator.case(dtype, sizes, regime, 0)
    return operator.case(dtype, sizes, regime, zlib.crc32(str(unseeded).encode()) % SEEDS)
