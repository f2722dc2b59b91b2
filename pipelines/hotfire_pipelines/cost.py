"""The declared cost of a kernel case, known before anything was ever measured.

A case costs a fixed part plus its scalar operations over the platform's rate. Operations count the
kernel, its float64 reference (as many again) and the generation of inputs by Philox.
"""

from collections.abc import Mapping
from math import prod

from hotfire_pipelines.catalogue import Speed
from hotfire_testframework.contract.cases import CaseLine

# Philox4x32-10 is ten rounds of two wide multiplications per element.
OPERATIONS_PER_INPUT = 60
# Own exp, sin and cos are double polynomials of about this many operations.
OPERATIONS_PER_TRANSCENDENTAL = 40


def case_seconds(case: CaseLine, speed: Speed) -> float:
    """Estimated duration of one case on a platform."""
    return speed.case_seconds + operations(case) / speed.operations_per_second


def operations(case: CaseLine) -> int:
    """Scalar operations of a case; without a formula, the product of its sizes."""
    size = {key: value for key, value in case.parameters if isinstance(value, int)}
    size.pop("seed", None)
    try:
        kernel, inputs = _known(case.op, size)
    except KeyError:
        kernel = inputs = prod(max(value, 1) for value in size.values())
    return 2 * kernel + OPERATIONS_PER_INPUT * inputs


def _known(op: str, size: Mapping[str, int]) -> tuple[int, int]:
    """Operations of the kernel, and elements of its inputs."""
    match op:
        case "gemm" | "qmatmul":
            m, n, k = size["m"], size["n"], size["k"]
            return 2 * m * n * k, m * k + n * k
        case "dequantize":
            elements = size["rows"] * size["k"]
            return 2 * elements, elements
        case "rmsnorm":
            elements = size["rows"] * size["d"]
            return 4 * elements, elements + size["d"]
        case "softmax":
            elements = size["rows"] * size["d"]
            return OPERATIONS_PER_TRANSCENDENTAL * elements, elements
        case "rope":
            elements = size["tokens"] * size["heads"] * size["hd"]
            return OPERATIONS_PER_TRANSCENDENTAL * elements, elements
        case "attention":
            reach = size["past"] + size["tokens"]
            pairs = size["tokens"] * size["heads"] * reach
            inputs = (
                size["tokens"] * size["heads"] * size["hd"] + 2 * reach * size["kv"] * size["hd"]
            )
            return pairs * (4 * size["hd"] + OPERATIONS_PER_TRANSCENDENTAL), inputs
        case "swiglu":
            return OPERATIONS_PER_TRANSCENDENTAL * size["n"], 2 * size["n"]
        case "embedding":
            return size["tokens"] * size["d"], size["vocab"] * size["d"] + size["tokens"]
    raise KeyError(op)
