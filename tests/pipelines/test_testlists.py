"""Test lists by hardware condition: read exactly, selected exactly, explained."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hotfire_pipelines.errors import EmptySelectionError, Location, PipelineError, UnknownNameError
from hotfire_pipelines.testlists import TestEntry, parse_entry, read

REAL = Path(__file__).parents[1] / "data" / "trtllm"
HERE = Location(file="list.yml", line=1, column=1)
A10 = {
    "gpu": "NVIDIA A10", "system_gpu_count": "1", "linux_distribution_name": "Ubuntu",
    "stage": "pre_merge", "backend": "pytorch",
}  # fmt: skip


def written(tmp_path, text):
    path = tmp_path / "list.yml"
    path.write_text(text)
    return path


def block(condition, tests="[a.py]"):
    return f"version: 0.0.1\nlist:\n- condition: {condition}\n  tests: {tests}\n"


@pytest.mark.parametrize(
    ("name", "counts"),
    [("l0_a10.yml", [15, 5, 53, 45, 2, 1]), ("l0_sanity_check.yml", [22, 3])],
)
def test_every_line_of_a_real_list_is_read_and_written_back(name, counts):
    lists = read(REAL / name)
    lines = (REAL / name).read_text().splitlines()
    assert [len(one.entries) for one in lists.blocks] == counts
    for one in lists.blocks:
        for entry in one.entries:
            assert parse_entry(str(entry), entry.source) == entry
            assert entry.test in lines[entry.source.line - 1]


def test_a_real_machine_gets_its_lists():
    lists = read(REAL / "l0_a10.yml")
    assert lists.contexts == ("l0_a10", "l0_nanobind_test")
    assert len(lists.select(A10, "l0_a10")) == 15
    assert len(lists.select(A10 | {"backend": "cpp"}, "l0_a10")) == 5
    assert {one.timeout_minutes for one in lists.select(A10 | {"backend": "cpp"})} >= {90}
    assert len(lists.select({})) == 121


def test_keys_that_the_query_or_the_block_lacks_hold(tmp_path):
    lists = read(written(tmp_path, block("{terms: {stage: pre_merge}}")))
    assert lists.select({}) == lists.select({"gpu": "H100"}) == lists.select({"stage": "pre_merge"})
    with pytest.raises(EmptySelectionError):
        lists.select({"stage": "post_merge"})


@pytest.mark.parametrize(
    ("condition", "value", "holds"),
    [
        ("{wildcards: {x: '*a10*'}}", "NVIDIA A100X", True),
        ("{wildcards: {x: ['*h100*', '*A10*']}}", "nvidia a10", True),
        ("{wildcards: {x: ubuntu*}}", "na", False),
        ("{wildcards: {x: '*'}}", "na", True),
        ("{terms: {x: Pytorch}}", "pytorch", False),
        ("{terms: {x: true}}", "true", True),
        ("{terms: {x: 12.10}}", "12.10", True),
        ("{terms: {x: 12.10}}", "12.1", False),
        ("{ranges: {x: {gte: 2}}}", "2", True),
        ("{ranges: {x: {gte: 2}}}", "1.5", False),
        ("{ranges: {x: {gte: 1, lte: 1}}}", "1.0", True),
        ("{ranges: {x: {lte: 4}}}", "5", False),
        ("{ranges: {x: {gte: 1}}}", "na", False),
        ("{ranges: {x: {gte: 1}}}", "10", True),
    ],
)
def test_a_value_holds_or_not(tmp_path, condition, value, holds):
    lists = read(written(tmp_path, block(condition)))
    decision = lists.explain({"x": value})[0]
    assert decision.is_selected is holds
    assert (f"but x is {value}" in decision.reason) is not holds


def test_blocks_are_alternatives_and_keys_go_together(tmp_path):
    lists = read(
        written(
            tmp_path,
            "list:\n"
            "- condition: {terms: {a: '1', b: '1'}}\n  tests: [first]\n"
            "- condition: {terms: {a: '1'}}\n  tests: [second]\n"
            "- tests: [always]\n",
        )
    )
    assert [one.test for one in lists.select({"a": "1", "b": "2"})] == ["second", "always"]
    assert [one.test for one in lists.select({"a": "1", "b": "1"})] == ["first", "second", "always"]


def test_our_notation_says_the_same(tmp_path):
    ours = read(
        written(
            tmp_path,
            "schema: hotfire.dev/testlists/1\nlists:\n  gpu:\n"
            "  - when: {wildcards: {gpu: '*a10*'}}\n    tests:\n"
            "    - x.py ISOLATION,TIMEOUT (90)\n"
            "    - {test: y.py, keyword: a and b, timeout_minutes: 5}\n",
        )
    )
    first, second = ours.select({"gpu": "A10"}, "gpu")
    assert (first.test, first.isolation, first.timeout_minutes) == ("x.py", True, 90)
    assert str(second) == 'y.py -k "a and b" TIMEOUT (5)'


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("unittest/dir", {}),
        ('x.py -k "a and not b"', {"keyword": "a and not b"}),
        ('x.py -m "gpu4" -k b', {"marker": "gpu4", "keyword": "b"}),
        ("x.py::f[a, b c] TIMEOUT (90)", {"timeout_minutes": 90}),
        ("x.py ISOLATION,TIMEOUT (90)", {"timeout_minutes": 90, "isolation": True}),
        ("x.py TIMEOUT(90), ISOLATION", {"timeout_minutes": 90, "isolation": True}),
        ("x.py::f[-k-1]", {}),
    ],
)
def test_a_line_means_what_it_says(line, expected):
    found = parse_entry(line, HERE)
    given_values = {name: getattr(found, name) for name in expected}
    assert given_values == expected
    plain = TestEntry(test=found.test, source=HERE, **expected)
    assert found == plain


@given(
    st.from_regex(
        r"[a-z]{1,5}/[a-z_]{1,9}\.py(::[a-z]{1,5}\[[A-Za-z0-9=,.-]{1,9}\])?", fullmatch=True
    ),
    st.none() | st.integers(1, 999),
    st.booleans(),
    st.none() | st.from_regex(r"[a-z]{1,5}( and [a-z]{1,5})?", fullmatch=True),
)
def test_what_is_written_is_read_back(test, timeout, isolation, keyword):
    entry = TestEntry(
        test=test, timeout_minutes=timeout, isolation=isolation, keyword=keyword, source=HERE
    )
    assert parse_entry(str(entry), HERE) == entry


def test_an_empty_selection_prints_the_query_and_the_obstacle():
    with pytest.raises(
        EmptySelectionError,
        match=r"\{gpu=H100\}; the nearest block of 6 is \S*l0_a10.yml:3:3: gpu like \*a10\*, but gpu is",
    ):
        read(REAL / "l0_a10.yml").select({"gpu": "H100"})


def test_an_unknown_context_is_said():
    with pytest.raises(UnknownNameError, match=r"no list 'l0_a1'.*l0_a10"):
        read(REAL / "l0_a10.yml").select({}, "l0_a1")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("- a\n", "1:1.*a test list is a mapping"),
        ("list: a\n", "1:7.*'a' is no list"),
        ("list:\n- a\n", "2:3.*'a' is no mapping"),
        ("list:\n- condtion: {}\n  tests: []\n", "2:3.*unknown key 'condtion'.*'condition'"),
        (block("{range: {}}"), "3:15.*unknown key 'range'.*'ranges'"),
        (block("{ranges: {x: {gt: 1}}}"), "unknown key 'gt'"),
        (block("{ranges: {x: {gte: many}}}"), "'many' is no number"),
        (block("{terms: {x: {a: b}}}"), "is no plain value"),
        (block("{}", "[1]"), "1 is no test"),
        (block("{}", "[x TIMEOUT (1h)]"), r"TIMEOUT in .* has no minutes"),
        (block("{}", "[x -k a -k b]"), "-k is given twice"),
        ("schema: hotfire.dev/testlists/2\n", "unknown schema"),
        ("list: [\n", "broken YAML"),
    ],
)
def test_a_wrong_file_is_said_with_its_place(tmp_path, text, message):
    with pytest.raises(PipelineError, match=message):
        read(written(tmp_path, text))
