"""Golden digests: kernels whose every rounding is fixed must give these bits on every platform.

Expected bits come from the NumPy stand-ins, which share no code with Aestus. Left out are operators with
an exponential or an angle (NumPy's libm may differ in the last bit) and non-finite data.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np

from hotfire_testframework.contract.cases import CaseLine
from hotfire_testframework.numerics.digest import digest
from hotfire_testframework.numerics.regimes import Regime
from hotfire_testframework.operators.registry import OPERATORS, cases
from hotfire_testframework.operators.standins import KERNELS

FILE = "kernel-digests.txt"
BITWISE = ("dequantize", "embedding", "gemm", "qmatmul", "rmsnorm")
EVERY = 11  # coprime to the seven regimes, so all of them are picked
AFFORDABLE = 400_000  # operations and bytes


def chosen() -> list[CaseLine]:
    """Every eleventh affordable case of the bitwise operators."""
    picked = []
    for name in BITWISE:
        operator = OPERATORS[name]
        usable = [
            case
            for case in cases(operator)
            if case["data"] != Regime.NONFINITE.value
            and operator.cost(case.dtype, operator.sizes(case)).weight < AFFORDABLE
        ]
        picked += usable[::EVERY]
    return picked


def expected(case: CaseLine) -> str:
    """Digest of the stand-in's output."""
    with np.errstate(all="ignore"):
        return digest(KERNELS[case.op](case, OPERATORS[case.op].operands(case)))


def content() -> str:
    """The committed file: `<case line> <digest>` per line."""
    return "".join(f"{case} {expected(case)}\n" for case in chosen())


def load(goldens: Path) -> dict[str, str]:
    """Digest by case line."""
    lines = (goldens / FILE).read_text("ascii").splitlines()
    return dict(line.rsplit(" ", 1) for line in lines)
