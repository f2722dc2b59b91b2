"""Test identifiers, case lines, variants and ULIDs: one spelling per thing."""

from __future__ import annotations

import hashlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hotfire_testframework.contract.cases import CaseLine, read_case_lines
from hotfire_testframework.contract.identifiers import (
    NAME_LIMIT,
    TestId,
    command_test_id,
    printable_name,
    pytest_test_id,
)
from hotfire_testframework.contract.ulid import new_ulid, parse_ulid, ulid_time_ms
from hotfire_testframework.contract.variants import Variant, variant_hash
from hotfire_testframework.errors import IdentifierError

WORD = st.from_regex(r"[a-z][a-z0-9_]{0,8}", fullmatch=True)
VALUE = st.one_of(st.integers(-(10**12), 10**12), WORD)


@st.composite
def case_lines(draw):
    keys = draw(st.lists(WORD.filter(lambda key: key != "seed"), unique=True, max_size=6))
    parameters = [(key, draw(VALUE)) for key in keys] + [("seed", draw(st.integers(0, 2**64 - 1)))]
    return CaseLine(op=draw(WORD), dtype=draw(WORD), parameters=tuple(parameters))


@given(case_lines())
def test_a_case_line_reads_back_as_itself(case):
    assert CaseLine.parse(str(case)) == case
    assert str(CaseLine.parse(str(case))) == str(case)


@pytest.mark.parametrize(
    "text",
    [
        "", "gemm", "gemm.f32", "gemm.f32:", "gemm:m=1,seed=1", "gemm.f32:m=1", "gemm.f32:seed=1,m=1",
        "gemm.f32:m=01,seed=1", "gemm.f32:m=+1,seed=1", "gemm.f32:m=-0,seed=1", "gemm.f32:m=1,m=1,seed=1",
        "gemm.f32:m =1,seed=1", "gemm.f32:m=1,seed=x", "gemm.f32:m=1,seed=-1", "gemm.f32:M=1,seed=1",
        "gemm.f32:m=1,seed=18446744073709551616", "gemm.f32:data=É,seed=1", " gemm.f32:seed=1", "gemm.f32:m=1,seed=1\n",
    ],
)  # fmt: skip
def test_any_other_spelling_of_a_case_is_refused(text):
    with pytest.raises(IdentifierError):
        CaseLine.parse(text)


def test_parameters_of_a_case_are_typed():
    case = CaseLine.parse("rope.f32:tokens=4,data=exact,seed=7")

    assert (case.integer("tokens"), case.text("data"), case.seed) == (4, "exact", 7)
    with pytest.raises(IdentifierError, match="data='exact' is no integer"):
        case.integer("data")


def test_a_case_file_may_hold_comments():
    assert [str(case) for case in read_case_lines(["# note\n", "\n", "a.b:seed=1\n"])] == [
        "a.b:seed=1"
    ]


@given(st.from_regex(r"[A-Za-z0-9_.\-]+", fullmatch=True), st.text(min_size=1, max_size=80))
def test_a_test_identifier_reads_back_as_itself(module, raw):
    identifier = TestId(module=module, scheme="native", name=printable_name(raw))

    assert TestId.parse(str(identifier)) == identifier


@pytest.mark.parametrize(
    "text", ["", "a", "a/b", "a/b/", "/b/c", "a b/c/d", "a/b/c\n", "ä/b/c", "a/b/" + "x" * 1025]
)
def test_a_wrong_identifier_is_refused(text):
    with pytest.raises(IdentifierError):
        TestId.parse(text)


def test_a_name_may_hold_slashes():
    assert TestId.parse("a/b/c/d").name == "c/d"


def test_python_and_native_runs_of_one_case_differ():
    native = TestId.parse("aestus.kernels/native/gemm.f32:seed=1")

    assert native != TestId.parse("aestus.kernels/python/gemm.f32:seed=1")


@pytest.mark.parametrize(
    ("node", "expected"),
    [
        ("tests/a/test_b.py::test_c", "tests.a.test_b/pytest/test_c"),
        ("test_b.py::TestC::test_d[x/y]", "test_b/pytest/TestC::test_d[x/y]"),
        ("tests/test b.py::test_c", "tests.test_b/pytest/test_c"),
        ("../up/test_b.py::t", "up.test_b/pytest/t"),
        ("tests/test_b.py", "tests.test_b/pytest/tests/test_b.py"),
    ],
)
def test_a_pytest_node_has_an_identifier(node, expected):
    assert str(pytest_test_id(node)) == expected


def test_over_long_names_are_cut_and_stay_apart():
    first, second = printable_name("x" * 5000), printable_name("x" * 5001)

    assert len(first) <= NAME_LIMIT
    assert first != second


def test_axes_and_shards_stay_out_of_a_commands_identifier():
    assert str(command_test_id("build|platform=linux-x86_64#1/3")) == "tasks/command/build"


def test_the_variant_hash_is_the_documented_one():
    axes = {"platform": "linux-x86_64", "execution": "native"}
    expected = hashlib.sha256(b"execution:native\nplatform:linux-x86_64\n").hexdigest()

    assert variant_hash(axes) == Variant(axes).hash == expected
    assert Variant(dict(reversed(axes.items()))) == Variant(axes)


@pytest.mark.parametrize(
    "axes",
    [
        {},
        {"platform": "x"},
        {"execution": "fast"},
        {"execution": "native", "a": ""},
        {"execution": "native", "A": "b"},
        {"execution": "native", "a": "b\nc:d"},
    ],
)
def test_a_wrong_variant_is_refused(axes):
    with pytest.raises(IdentifierError):
        Variant(axes)


def test_ulids_sort_by_time_and_read_back():
    early, late = new_ulid(time_ms=1_000), new_ulid(time_ms=2_000)

    assert early < late
    assert ulid_time_ms(parse_ulid(late)) == 2_000
    assert new_ulid(time_ms=0, randomness=0) == "0" * 26
    assert new_ulid() != new_ulid()


@pytest.mark.parametrize(
    "text", ["", "0" * 25, "8" + "0" * 25, "0" * 25 + "U", "01arz3ndektsv4rrffq69g5fav"]
)
def test_a_wrong_ulid_is_refused(text):
    with pytest.raises(IdentifierError):
        parse_ulid(text)
