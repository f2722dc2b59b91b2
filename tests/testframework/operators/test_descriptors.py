"""Bounds hold for correct float32 kernels on committed cases; planted faults break them."""

from __future__ import annotations

from collections import Counter

import numpy as np
import pytest

from hotfire_testframework.contract.cases import CaseLine, read_case_lines
from hotfire_testframework.numerics.bounds import Comparison, compare
from hotfire_testframework.numerics.errors import CaseError
from hotfire_testframework.numerics.regimes import Regime
from hotfire_testframework.operators import write
from hotfire_testframework.operators.faults import FAULTS
from hotfire_testframework.operators.registry import OPERATORS, cases, operator_of
from hotfire_testframework.operators.standins import KERNELS, Kernel

AFFORDABLE = 200_000  # operations and bytes of a case that NumPy repeats term by term


def run(case: CaseLine, kernel: Kernel) -> Comparison:
    operator = operator_of(case)
    operands = operator.operands(case)
    expectation = operator.expect(case, operands)
    with np.errstate(all="ignore"):
        output = kernel(case, operands)
    return compare(output, expectation.value, expectation.bound)


def affordable(name: str) -> list[CaseLine]:
    operator = OPERATORS[name]
    limit = AFFORDABLE
    return [
        case
        for case in cases(operator)
        if operator.cost(case.dtype, operator.sizes(case)).weight < limit
    ]


@pytest.mark.parametrize("name", sorted(OPERATORS))
def test_a_correct_float32_kernel_is_inside_the_bound_of_every_case(name: str) -> None:
    ratios = {str(case): run(case, KERNELS[name]).ratio for case in affordable(name)}
    assert {line: ratio for line, ratio in ratios.items() if ratio > 1} == {}


@pytest.mark.parametrize(
    "name", ["gemm", "qmatmul", "rmsnorm", "rope", "softmax", "swiglu", "attention"]
)
def test_the_bound_is_not_idle(name: str) -> None:
    """A bound a hundred times the real error would catch little."""
    assert max(run(case, KERNELS[name]).ratio for case in affordable(name)) > 0.1


@pytest.mark.parametrize(
    ("name", "kernel", "share"), FAULTS, ids=[fault[1].__name__ for fault in FAULTS]
)
def test_a_planted_fault_leaves_the_bound(name: str, kernel: Kernel, share: float) -> None:
    outcomes = [run(case, kernel).passed for case in affordable(name)]
    assert outcomes.count(False) >= share * len(outcomes)


def test_one_element_of_a_large_result_off_by_a_thousandth_is_caught() -> None:
    case = CaseLine.parse("gemm.f32:m=16,n=192,k=576,data=positive,seed=1")
    operator = operator_of(case)
    operands = operator.operands(case)
    expectation = operator.expect(case, operands)
    output = expectation.value.astype(np.float32)
    output[7, 11] *= np.float32(1.001)
    result = compare(output, expectation.value, expectation.bound)
    assert not result.passed
    assert result.where == 7 * 192 + 11


def test_the_committed_case_files_are_what_the_descriptors_generate() -> None:
    assert write.main(["--check"]) == 0


def test_a_case_file_parses_and_prints_to_itself_without_duplicates() -> None:
    paths = sorted(write.directory().glob("*.cases"))
    assert {path.stem for path in paths} == set(OPERATORS)
    for path in paths:
        lines = [line for line in path.read_text("ascii").splitlines() if not line.startswith("#")]
        assert [str(case) for case in read_case_lines(lines)] == lines
        assert len(set(lines)) == len(lines)


@pytest.mark.parametrize("name", sorted(OPERATORS))
def test_the_cheapest_fifth_of_a_file_already_holds_every_regime(name: str) -> None:
    listed = cases(OPERATORS[name])
    early = Counter(case["data"] for case in listed[: len(listed) // 5])
    assert set(early) == {case["data"] for case in listed}


@pytest.mark.parametrize(
    ("name", "key"), [("gemm", "k"), ("rmsnorm", "d"), ("softmax", "d"), ("swiglu", "n")]
)
def test_every_tail_of_an_eight_lane_loop_is_covered(name: str, key: str) -> None:
    sizes = {case.integer(key) for case in cases(OPERATORS[name]) if case["data"] == "uniform"}
    assert {1, 2, 3, 4, 5, 6, 7, 8, 9, 15, 16, 17, 31, 32, 33} <= sizes


def test_exact_cases_cannot_lose_a_bit() -> None:
    """|sum| <= 4 k < 2^24, so any order gives the same float32."""
    for case in cases(OPERATORS["gemm"]) + cases(OPERATORS["qmatmul"]):
        assert case["data"] != Regime.EXACT.value or 4 * case.integer("k") < 2**24


@pytest.mark.parametrize(
    "line",
    ["gemm.f32:m=1,k=1,n=1,data=exact,seed=0", "gemm.q4_1:m=1,n=1,k=32,data=exact,seed=0"],
)
def test_keys_out_of_order_and_unknown_types_are_refused(line: str) -> None:
    case = CaseLine.parse(line)
    with pytest.raises(CaseError):
        operator_of(case).operands(case)


def test_a_reference_with_nan_demands_nan_and_not_a_number_near_it() -> None:
    value = np.array([np.nan, np.inf, 1.0])
    bound = np.array([np.nan, np.nan, 0.1])
    assert compare(np.array([np.nan, np.inf, 1.05], np.float32), value, bound).passed
    for wrong in ([0.0, np.inf, 1.0], [np.nan, -np.inf, 1.0], [np.nan, np.inf, np.nan]):
        assert not compare(np.array(wrong, np.float32), value, bound).passed
