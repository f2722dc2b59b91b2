"""Relations between outputs that need no reference: they hold bit for bit."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from hotfire_testframework.contract.cases import CaseLine
from hotfire_testframework.operators.guarded import GuardedOutput
from hotfire_testframework.operators.registry import operator_of


def _run(kernels: Any, line: str, inputs: list[Any] | None = None) -> Any:
    case = CaseLine.parse(line)
    operands = operator_of(case).operands(case)
    output = GuardedOutput(operator_of(case).expect(case, operands).value.shape)
    kernels(case, inputs or [operand.stored for operand in operands], output.array)
    return output.array


def _inputs(line: str) -> list[Any]:
    case = CaseLine.parse(line)
    return [operand.stored for operand in operator_of(case).operands(case)]


MATMULS = ["gemm.f32", "qmatmul.q4_1", "qmatmul.q8_0"]


@pytest.mark.parametrize("operator", MATMULS)
def test_a_row_of_a_batch_equals_the_row_alone(kernels: Any, operator: str) -> None:
    line = f"{operator}:m=9,n=33,k=96,data=normal,seed=4"
    whole = _run(kernels, line)
    inputs = _inputs(line)
    rows = 0 if operator.startswith("gemm") else 1
    for m in range(9):
        single = list(inputs)
        single[rows] = np.ascontiguousarray(inputs[rows][m : m + 1])
        alone = _run(kernels, f"{operator}:m=1,n=33,k=96,data=normal,seed=4", single)
        assert alone.tobytes() == whole[m : m + 1].tobytes()


@pytest.mark.parametrize("operator", [*MATMULS])
def test_two_calls_give_the_same_bits(kernels: Any, operator: str) -> None:
    line = f"{operator}:m=3,n=17,k=576,data=normal,seed=8"
    assert _run(kernels, line).tobytes() == _run(kernels, line).tobytes()


def test_softmax_does_not_change_when_every_input_moves_by_a_power_of_two(kernels: Any) -> None:
    line = "softmax.f32:rows=3,d=65,data=exact,seed=2"
    x = _inputs(line.replace("exact", "positive"))[0]
    coarse = np.floor(x * 16).astype(np.float32)  # integers: x + 64 is exact
    first = _run(kernels, line.replace("exact", "positive"), [coarse])
    assert (
        first.tobytes()
        == _run(kernels, line.replace("exact", "positive"), [coarse + np.float32(64)]).tobytes()
    )


def test_attention_in_two_chunks_equals_one_pass(kernels: Any) -> None:
    line = "attention.f32:tokens=9,past=0,heads=9,kv=3,hd=64,data=normal,seed=6"
    q, k, v = _inputs(line)
    whole = _run(kernels, line)
    second = _run(
        kernels,
        "attention.f32:tokens=4,past=5,heads=9,kv=3,hd=64,data=normal,seed=6",
        [np.ascontiguousarray(q[5:]), k, v],
    )
    assert second.tobytes() == whole[5:].tobytes()


def test_rope_of_a_later_start_equals_the_tail_of_an_earlier_one(kernels: Any) -> None:
    line = "rope.f32:tokens=6,heads=3,hd=64,pos=100,data=normal,seed=3"
    x = _inputs(line)[0]
    whole = _run(kernels, line)
    later = "rope.f32:tokens=2,heads=3,hd=64,pos=104,data=normal,seed=3"
    tail = _run(kernels, later, [np.ascontiguousarray(x[4:])])
    assert tail.tobytes() == whole[4:].tobytes()
