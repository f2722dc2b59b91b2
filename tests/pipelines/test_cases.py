"""Case files: reading, choosing by operator, and cutting to a budget."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hotfire_pipelines.cases import of_operators, operator, read_cases, select
from hotfire_pipelines.catalogue import Speed
from hotfire_pipelines.cost import case_seconds, operations
from hotfire_pipelines.errors import CaseFileError
from hotfire_testframework.contract.cases import CaseLine

SLOW = Speed(case_seconds=0.5, operations_per_second=1000.0)

CASE = st.builds(
    "{}.f32:{}={},data={},seed={}".format,
    st.sampled_from(["foo", "bar", "baz"]),
    st.just("n"),
    st.integers(0, 5000),
    st.sampled_from(["exact", "normal"]),
    st.integers(0, 9),
).map(CaseLine.parse)


def write(tmp_path: Path, text: str, name: str = "gemm.cases") -> Path:
    (tmp_path / name).write_bytes(text.encode("utf-8"))
    return tmp_path


def test_comments_and_blank_lines_are_no_cases(tmp_path: Path) -> None:
    root = write(tmp_path, "# head\n\nfoo.f32:n=1,seed=1\n")
    assert [str(case) for case in read_cases(root, ["*.cases"])["gemm.cases"]] == [
        "foo.f32:n=1,seed=1"
    ]


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("foo.f32:n=1,seed=1\nfoo.f32:n=01,seed=1\n", r"gemm\.cases:2: .*n='01'"),
        ("foo.f32:n=1\n", r"gemm\.cases:1: .*seed"),
        ("# ok\nfoo:n=1,seed=1\n", r"gemm\.cases:2: .*A case is `op\.dtype:"),
        ("foo.f32:n=1,seed=1\nfoo.f32:n=1,seed=1\n", r"gemm\.cases:2: .*also in line 1"),
        ("foo.f32:n=1,seed=1\nfö\n", r"gemm\.cases:2: the line is not ASCII"),
    ],
)
def test_a_bad_line_is_an_error_with_file_and_line(tmp_path: Path, text: str, words: str) -> None:
    with pytest.raises(CaseFileError, match=words):
        read_cases(write(tmp_path, text), ["*.cases"])


def test_one_case_in_two_files_is_refused(tmp_path: Path) -> None:
    write(tmp_path, "foo.f32:n=1,seed=1\n", "a.cases")
    write(tmp_path, "foo.f32:n=1,seed=1\n", "b.cases")
    with pytest.raises(CaseFileError, match=r"b\.cases:1: .*also in a\.cases"):
        read_cases(tmp_path, ["*.cases"])


def test_operators_are_chosen_by_pattern() -> None:
    cases = [CaseLine.parse(f"{op}:n=1,seed=1") for op in ("foo.f32", "bar.q8_0", "bar.q4_1")]
    assert [operator(case) for case in of_operators(cases, ["bar.*"])] == ["bar.q8_0", "bar.q4_1"]


def test_without_a_budget_nothing_is_left_out() -> None:
    cases = [CaseLine.parse(f"foo.f32:n={n},seed=1") for n in (900, 1, 30)]
    selection = select(cases, SLOW, None)
    assert [case.integer("n") for case in selection.cases] == [1, 30, 900]
    assert selection.left_out == 0


@given(st.lists(CASE, unique=True, min_size=1), st.floats(0.1, 200))
def test_a_budget_never_loses_an_operator_or_a_regime(cases: list[CaseLine], budget: float) -> None:
    selection = select(cases, SLOW, budget)
    regimes = {(operator(case), case["data"]) for case in cases}
    assert {(operator(case), case["data"]) for case in selection.cases} == regimes
    assert len(selection.cases) + selection.left_out == len(cases)


@given(st.lists(CASE, unique=True, min_size=1), st.floats(0.1, 200))
def test_a_budget_is_kept_unless_the_cover_alone_exceeds_it(
    cases: list[CaseLine], budget: float
) -> None:
    selection = select(cases, SLOW, budget)
    cover = len({(operator(case), case["data"]) for case in cases})
    assert selection.seconds <= budget + 1e-9 or len(selection.cases) == cover


@given(st.lists(CASE, unique=True, min_size=1), st.floats(0.1, 100), st.floats(0, 100))
def test_a_larger_budget_only_adds_cases(cases: list[CaseLine], budget: float, more: float) -> None:
    smaller, larger = select(cases, SLOW, budget), select(cases, SLOW, budget + more)
    assert set(smaller.cases) <= set(larger.cases)


def test_every_operator_of_the_repository_has_a_cost_formula(repository: Path) -> None:
    found = read_cases(repository, ["inference/cases/*.cases"])
    assert found
    for case in (case for cases in found.values() for case in cases):
        assert operations(case) >= 0
        assert case_seconds(case, SLOW) >= SLOW.case_seconds


def test_an_unknown_operator_costs_the_product_of_its_sizes() -> None:
    small, large = (CaseLine.parse(f"new.f32:a={a},b=10,seed=999") for a in (1, 10))
    assert operations(large) == 10 * operations(small) > 0
