"""Every committed kernel case through the C ABI: bound or equality, guards, digest."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from hotfire_testframework.contract.cases import CaseLine, read_case_lines
from hotfire_testframework.numerics.bounds import Comparison, compare
from hotfire_testframework.numerics.digest import digest
from hotfire_testframework.operators.digests import load
from hotfire_testframework.operators.guarded import GuardedOutput, between_margins
from hotfire_testframework.operators.registry import operator_of

INFERENCE = Path(__file__).resolve().parents[3] / "inference"
GOLDEN = load(INFERENCE / "data" / "goldens")


def _params() -> Iterator[Any]:
    for path in sorted((INFERENCE / "cases").glob("*.cases")):
        for case in read_case_lines(path.read_text("ascii").splitlines()):
            mark = pytest.mark.hotfire_id(f"aestus.kernels/python/{case}")
            yield pytest.param(case, id=str(case), marks=mark)


@pytest.mark.parametrize("case", list(_params()))
def test_case(case: CaseLine, kernels: Any, hotfire_record: Any) -> None:
    operator = operator_of(case)
    operands = operator.operands(case)
    expectation = operator.expect(case, operands)
    output = GuardedOutput(expectation.value.shape)
    inputs = [between_margins(operand.stored) for operand in operands]
    kernels(case, inputs, output.array)
    result = compare(output.array, expectation.value, expectation.bound)
    bits = digest(output.array)
    hotfire_record.metrics(_metrics(result, bits, kernels.impl))
    _assert_inputs_are_untouched(inputs, operands)
    assert output.damage() == [], "wrote outside its output, at these byte offsets"
    assert result.passed, _explain(result, output, expectation)
    assert GOLDEN.get(str(case), bits) == bits, "other bits than on the other platforms"


def _assert_inputs_are_untouched(inputs: list[Any], operands: list[Any]) -> None:
    for ordinal, (given, operand) in enumerate(zip(inputs, operands, strict=True)):
        assert given.tobytes() == operand.stored.tobytes(), f"wrote to its input {ordinal}"


def _metrics(result: Comparison, bits: str, impl: str) -> dict[str, object]:
    return {
        "impl": impl,
        "n": result.count,
        "error_over_bound": _number(result.ratio),
        "max_ulp": _number(result.max_ulp),
        "max_abs": _number(result.max_absolute),
        "max_rel": _number(result.max_relative),
        "where": result.where,
        "nonfinite": result.nonfinite,
        "digest": bits,
    }


def _number(value: float) -> float | str:
    """JSON has no infinities: they are written as strings."""
    return value if np.isfinite(value) else str(value)


def _explain(result: Comparison, output: GuardedOutput, expectation: Any) -> str:
    got = output.array.reshape(-1)[result.where]
    value = expectation.value.reshape(-1)[result.where]
    bound = np.broadcast_to(expectation.bound, expectation.value.shape).reshape(-1)[result.where]
    return (
        f"element {result.where}: got {got!r}, exact {value!r} ± {bound:.3g} ({result.ratio:.3g} x)"
    )
