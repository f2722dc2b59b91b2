"""The whole format of test lists, on real files, on invented ones, and beside a second evaluator."""

import fnmatch
import json
import re
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from hotfire_pipelines.errors import EmptySelectionError, InvalidValueError, Location, PipelineError
from hotfire_pipelines.testlist_schema import TestListFile
from hotfire_pipelines.testlists import parse_entry, read
from hotfire_pipelines.waivers import read_waives_txt

REAL = Path(__file__).parents[1] / "data" / "trtllm"
HERE = Location(file="list.yml", line=1, column=1)

INVENTED = """\
# Everything that the format has, in one file.
version: 0.0.1
l0_h100:
- condition:
    ranges:
      system_gpu_count: {gte: 1, lte: 1}
      gpu_memory: {gte: 79000}
    wildcards:
      gpu:
      - '*H100*'
      - '*h200*'
      linux_distribution_name: ubuntu*   # a scalar
      cpu: x86_64
    terms:
      stage: pre_merge
      backend: pytorch
      orchestrator: mpi
      supports_fp8: true
  tests:
  # ---------- a heading ----------
  - unittest/_torch/attention                     # a folder
  - unittest/_torch/modules -k "moe and not fp4"  # 3 mins
  - 'unittest/_torch/test_x.py -m "gpu2"'
  - "unittest/_torch/test_y.py -k 'a or b' -m part0"
  - a/test_b.py::TestC::test_d[tp:1-pp:1-"x"] TIMEOUT (90)
  - a/test_b.py::test_e ISOLATION
  - a/test_b.py::test_e[a, b c] ISOLATION,TIMEOUT (90)
  - a/test_b.py::test_f TIMEOUT (5),ISOLATION
  - a/test_b.py::test_g[-k-x] TIMEOUT(7)
- condition:
    terms: {stage: post_merge}
  tests:
  # - all/of/these.py
  # - are/out.py
- condition:
  tests: [always.py]
l0_h100_multi:
- condition:
    ranges: {system_gpu_count: {gte: 2}}
  tests:
  - multi.py
l0_empty:
"""

PRE_MERGE = {
    "gpu": "NVIDIA H100 80GB HBM3", "system_gpu_count": "1", "gpu_memory": "81559",
    "linux_distribution_name": "Ubuntu", "cpu": "x86_64", "stage": "pre_merge",
    "backend": "pytorch", "orchestrator": "mpi", "supports_fp8": "true",
}  # fmt: skip


@pytest.fixture
def invented(tmp_path):
    path = tmp_path / "l0_h100.yml"
    path.write_text(INVENTED)
    return read(path)


def selected(lists, conditions, context=None):
    try:
        return [one.test for one in lists.select(conditions, context)]
    except EmptySelectionError:
        return []


def test_every_line_of_the_real_lists_parses_round_trips_and_is_explained():
    for name in ("l0_a10.yml", "l0_sanity_check.yml"):
        lists = read(REAL / name)
        lines = (REAL / name).read_text().splitlines()
        written = [
            number
            for number, line in enumerate(lines, 1)
            if re.match(r" *- (?!condition)[^' ]", line)
        ]
        entries = [entry for block in lists.blocks for entry in block.entries]
        assert [entry.source.line for entry in entries] == written
        for entry in entries:
            said = lines[entry.source.line - 1].strip().removeprefix("- ").split(" #")[0].strip()
            assert str(entry) == said
            assert parse_entry(said, entry.source) == entry
        for block in lists.blocks:
            holds = {one.key: _value_of(one) for one in block.requirements}
            assert block.explain(holds).is_selected
            assert block.entries == tuple(
                one for one in lists.select(holds, block.context) if one in block.entries
            )
            for one in block.requirements:
                decision = block.explain(holds | {one.key: "na"})
                assert not decision.is_selected
                assert f"{one}, but {one.key} is na" in decision.reason


def _value_of(requirement):
    if requirement.kind == "ranges":
        return str(requirement.at_least)
    return requirement.patterns[0].replace("*", "")


def test_every_line_of_the_real_waivers_parses_round_trips_and_is_explained():
    path = REAL / "waives.excerpt.txt"
    lines = {n: line for n, line in enumerate(path.read_text().splitlines(), 1) if line.strip()}
    found = read_waives_txt(path)
    assert [one.line for one in found.waivers] == list(lines)
    findings = {one.line: one for one in found.findings}
    for one in found.waivers:
        scope = f"full:{one.scope}/" if one.scope else ""
        reason = f" ({one.reason})" if one.reason else ""
        written, _, comment = lines[one.line].partition(" #")
        assert f"{scope}{one.test} {one.mark}{reason}" == written.strip()
        # A waiver says why, or a finding says that it does not.
        assert one.bugs or one.reason or findings[one.line].kind in ("bare", "comment-eaten")
        assert not comment or findings[one.line].kind == "comment-eaten"


def test_the_whole_format_is_read(invented):
    assert invented.contexts == ("l0_h100", "l0_h100_multi", "l0_empty")
    entries = invented.select(PRE_MERGE, "l0_h100")
    assert [
        (one.test, one.keyword, one.marker, one.timeout_minutes, one.isolation, one.source.line)
        for one in entries
    ] == [
        ("unittest/_torch/attention", None, None, None, False, 21),
        ("unittest/_torch/modules", "moe and not fp4", None, None, False, 22),
        ("unittest/_torch/test_x.py", None, "gpu2", None, False, 23),
        ("unittest/_torch/test_y.py", "a or b", "part0", None, False, 24),
        ('a/test_b.py::TestC::test_d[tp:1-pp:1-"x"]', None, None, 90, False, 25),
        ("a/test_b.py::test_e", None, None, None, True, 26),
        ("a/test_b.py::test_e[a, b c]", None, None, 90, True, 27),
        ("a/test_b.py::test_f", None, None, 5, True, 28),
        ("a/test_b.py::test_g[-k-x]", None, None, 7, False, 29),
        ("always.py", None, None, None, False, 36),
    ]


@pytest.mark.parametrize(
    ("change", "count"),
    [
        ({}, 10),
        ({"gpu": "nvidia h200"}, 10),
        ({"gpu": "H20"}, 1),
        ({"linux_distribution_name": "na"}, 1),
        ({"gpu_memory": "79000"}, 10),
        ({"gpu_memory": "78999.5"}, 1),
        ({"gpu_memory": "nan"}, 1),
        ({"gpu_memory": "80_000"}, 1),
        ({"system_gpu_count": "2"}, 1),
        ({"supports_fp8": "True"}, 10),
        ({"supports_fp8": "false"}, 1),
        ({"backend": "PyTorch"}, 1),
        ({"cpu": "X86_64"}, 10),
        ({"unheard_of": "x"}, 10),
    ],
)
def test_one_fact_decides(invented, change, count):
    assert len(selected(invented, PRE_MERGE | change, "l0_h100")) == count


def test_a_fact_that_nobody_asked_for_holds(invented):
    for key in PRE_MERGE:
        query = {name: value for name, value in PRE_MERGE.items() if name != key}
        assert len(selected(invented, query, "l0_h100")) == 10
    assert len(selected(invented, {})) == 11


def test_an_empty_selection_names_the_nearest_block(invented):
    with pytest.raises(EmptySelectionError) as caught:
        invented.select({"system_gpu_count": "1"}, "l0_h100_multi")
    assert str(caught.value).endswith(
        "nothing in the list 'l0_h100_multi' is selected by the query {system_gpu_count=1}; its block "
        f"is {invented.file}:38:3: 2 ≤ system_gpu_count, but system_gpu_count is 1"
    )
    with pytest.raises(EmptySelectionError, match="there is no block"):
        invented.select({}, "l0_empty")


def test_a_block_without_tests_says_so(tmp_path):
    path = tmp_path / "list.yml"
    path.write_text("version: 1\nx:\n- condition: {terms: {a: b}}\n  tests:\n  # - y.py\n")
    with pytest.raises(EmptySelectionError, match=r"\{a=b\}; its block is .*:3:3: every condition"):
        read(path).select({"a": "b"})


@pytest.mark.parametrize("change", [str, lambda s: s.replace("\n", "\r\n"), lambda s: "\ufeff" + s])
def test_line_ends_and_marks_of_editors_change_nothing(tmp_path, invented, change):
    path = tmp_path / "other.yml"
    path.write_bytes(change(INVENTED).encode())
    again = read(path)
    for one, two in zip(invented.blocks, again.blocks, strict=True):
        assert one.requirements == two.requirements
        assert [str(entry) for entry in one.entries] == [str(entry) for entry in two.entries]


def test_tabs_of_editors_change_nothing(tmp_path):
    path = tmp_path / "tabs.yml"
    path.write_text(
        "version:\t0.0.1\t# of the format\nx:\t\n- condition:\t{terms:\t{a:\tb\t}}\t\n"
        "\t# a comment behind a tab\n  tests:\t# those\n\t\n  - y.py::f[a]\tTIMEOUT (9)\t# late\n"
        "  - z.py \t\n\t"
    )
    assert [str(entry) for entry in read(path).select({"a": "b"})] == [
        "y.py::f[a] TIMEOUT (9)", "z.py"
    ]  # fmt: skip


@pytest.mark.parametrize("name", ["l0_a10.yml", "l0_sanity_check.yml", "invented"])
def test_a_list_in_our_notation_is_the_same_list(tmp_path, invented, name):
    lists = invented if name == "invented" else read(REAL / name)
    path = tmp_path / "ours.yaml"
    path.write_text(lists.render())
    ours = read(path)
    for one, two in zip(lists.blocks, ours.blocks, strict=True):
        assert (one.context, one.requirements) == (two.context, two.requirements)
        assert [str(entry) for entry in one.entries] == [str(entry) for entry in two.entries]


@pytest.mark.parametrize(
    ("line", "test", "rest"),
    [
        ("x.py -k \"a and 'b'\"", "x.py", {"keyword": "a and 'b'"}),
        ("x.py -k 'say \"a\"'", "x.py", {"keyword": 'say "a"'}),
        ("x.py -k=a -m=b", "x.py", {"keyword": "a", "marker": "b"}),
        ("x.py TIMEOUT (9) -k a", "x.py", {"keyword": "a", "timeout_minutes": 9}),
        ("x.py -k a ISOLATION TIMEOUT ( 9 )", "x.py",
         {"keyword": "a", "isolation": True, "timeout_minutes": 9}),
        ('x.py -k "TIMEOUT (9)"', "x.py", {"keyword": "TIMEOUT (9)"}),
        ("x.py::f[a -k b]", "x.py::f[a -k b]", {}),
        ("x.py::f[a TIMEOUT b] ISOLATION", "x.py::f[a TIMEOUT b]", {"isolation": True}),
        ("x.py::f[a[0]-b] TIMEOUT (2)", "x.py::f[a[0]-b]", {"timeout_minutes": 2}),
        ("x.py::f[a[b] TIMEOUT (2)", "x.py::f[a[b]", {"timeout_minutes": 2}),
        ("a folder/x.py -m gpu", "a folder/x.py", {"marker": "gpu"}),
        ("ISOLATION.py", "ISOLATION.py", {}),
        ("x.py::f[a,ISOLATION] -k b", "x.py::f[a,ISOLATION]", {"keyword": "b"}),
        ("x.py::f[a]\tTIMEOUT\t(9)", "x.py::f[a]", {"timeout_minutes": 9}),
        ("x.py TIMEOUT (9) SKIP (https://nvbugs/1)", "x.py",
         {"timeout_minutes": 9, "waiver": "SKIP (https://nvbugs/1)"}),
    ],
)  # fmt: skip
def test_a_line_is_cut_where_its_test_ends(line, test, rest):
    entry = parse_entry(line, HERE)
    assert entry.test == test
    assert {name: getattr(entry, name) for name in rest} == rest
    assert parse_entry(str(entry), HERE) == entry


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("x.py TIMEOUT", "no minutes"),
        ("x.py TIMEOUT (90m)", "no minutes"),
        ("x.py TIMEOUT (0)", r"at least TIMEOUT \(1\)"),
        ("x.py TIMEOUT (1) TIMEOUT (2)", "TIMEOUT is given twice"),
        ("x.py ISOLATIONS", "ISOLATIONS in"),
        ("x.py -m", "-m in .* has no value"),
        ("x.py -m a -m b", "-m is given twice.*`and`"),
        ("x.py -k a rest", "'rest' in .* is neither"),
        ("x.py timeout (9)", "timeout in .* is no mark"),
        ("x.py TIMEOUT (\u0669)", "no minutes"),
        ("x.py::f[a]ISOLATION", "right behind the test"),
        ("x.py,TIMEOUT (9)", "right behind the test"),
        ("-k a", "names no test"),
        ("ISOLATION", "names no test"),
    ],
)
def test_a_mark_that_lost_its_value_is_no_part_of_a_name(line, message):
    with pytest.raises(InvalidValueError, match=f"^list.yml:1:1: .*{message}"):
        parse_entry(line, HERE)


@pytest.mark.parametrize(
    ("entry", "node", "expected"),
    [
        ("unit", "unit/a.py::t", True),
        ("unit/", "unit/b/a.py::t[1]", True),
        ("unit", "units/a.py::t", False),
        ("a.py", "a.py::t", True),
        ("a.py::T", "a.py::T::t[1]", True),
        ("a.py::t", "a.py::t[1]", True),
        ("a.py::t", "a.py::t2", False),
        ("a.py::t[1]", "a.py::t[1]", True),
        ("a.py::t[1]", "a.py::t[10]", False),
        ("a.py::t[1]", "a.py::t", False),
    ],
)
def test_an_entry_knows_its_tests(entry, node, expected):
    assert parse_entry(entry, HERE).lists(node) is expected


WORDS = st.sampled_from(
    ["a10", "A10", "h100", "na", "ubuntu", "Ubuntu 22", "pre", "true", "1", "2.5"]
)
PATTERNS = st.sampled_from(["*a10*", "ubuntu*", "*", "h?00", "[ab]10", "na", "1"])
KEYS = st.sampled_from(["gpu", "os", "stage", "count"])
NUMBERS = st.integers(0, 3)
CONDITIONS = st.fixed_dictionaries(
    {},
    optional={
        "ranges": st.dictionaries(
            KEYS, st.fixed_dictionaries({}, optional={"gte": NUMBERS, "lte": NUMBERS})
        ),
        "wildcards": st.dictionaries(KEYS, PATTERNS | st.lists(PATTERNS, min_size=1, max_size=3)),
        "terms": st.dictionaries(KEYS, WORDS),
    },
)


def holds(condition, query):
    """A second evaluator, written from the description alone."""
    for key, limits in condition.get("ranges", {}).items():
        if key in query:
            try:
                number = float(query[key])
            except ValueError:
                return False
            if not limits.get("gte", -1e9) <= number <= limits.get("lte", 1e9):
                return False
    for key, patterns in condition.get("wildcards", {}).items():
        patterns = patterns if isinstance(patterns, list) else [patterns]
        if key in query and not any(
            fnmatch.fnmatchcase(query[key].upper(), pattern.upper()) for pattern in patterns
        ):
            return False
    return all(query.get(key, value) == value for key, value in condition.get("terms", {}).items())


@settings(max_examples=150, deadline=None)
@given(st.lists(CONDITIONS, min_size=1, max_size=4), st.dictionaries(KEYS, WORDS))
def test_a_second_evaluator_selects_the_same(tmp_path_factory, conditions, query):
    path = tmp_path_factory.mktemp("lists") / "list.yml"
    blocks = [
        {"condition": condition, "tests": [f"block{number}.py"]}
        for number, condition in enumerate(conditions)
    ]
    path.write_text(json.dumps({"version": "0.0.1", "list": blocks}))
    expected = [f"block{n}.py" for n, one in enumerate(conditions) if holds(one, query)]
    assert selected(read(path), query) == expected


OURS = {
    "schema": "hotfire.dev/testlists/1",
    "lists": {"gpu": [{"when": {"wildcards": {"gpu": ["*a10*"]}}, "tests": ["x.py"]}]},
}


def changed(path, value):
    document = json.loads(json.dumps(OURS))
    part = document
    for step in path[:-1]:
        part = part[step]
    part[path[-1]] = value
    return document


BLOCK = ("lists", "gpu", 0)


@pytest.mark.parametrize(
    ("document", "is_right"),
    [
        (OURS, True),
        (changed((*BLOCK, "tests"), []), True),
        (
            changed((*BLOCK, "tests"), [{"test": "x.py", "timeout_minutes": 5, "isolation": True}]),
            True,
        ),
        (changed((*BLOCK, "when"), None), True),
        (
            changed((*BLOCK, "when"), {"ranges": {"n": {"gte": 1}}, "terms": {"a": [True, 1.5]}}),
            True,
        ),
        (changed(("lists",), {}), True),
        (changed(("schema",), "hotfire.dev/testlists/2"), False),
        (changed(("list",), {}), False),
        (changed((*BLOCK, "tests"), None), False),
        (changed((*BLOCK, "tests"), "x.py"), False),
        (changed((*BLOCK, "tests"), [""]), False),
        (changed((*BLOCK, "tests"), [5]), False),
        (changed((*BLOCK, "tests"), [{"tests": "x.py"}]), False),
        (changed((*BLOCK, "tests"), [{"keyword": "a"}]), False),
        (changed((*BLOCK, "tests"), [{"test": "x.py", "timeout_minutes": 0}]), False),
        (changed((*BLOCK, "tests"), [{"test": "x.py", "timeout_minutes": "5"}]), False),
        (changed((*BLOCK, "tests"), [{"test": "x.py", "isolation": 1}]), False),
        (changed((*BLOCK, "when"), {"range": {}}), False),
        (changed((*BLOCK, "when"), {"ranges": {"n": {"gt": 1}}}), False),
        (changed((*BLOCK, "when"), {"terms": {"n": {}}}), False),
        (changed((*BLOCK, "when"), {"wildcards": {"gpu": []}}), False),
        (changed(("lists", "gpu"), [{"condition": {}, "tests": []}]), False),
        (changed(("lists", "gpu"), [{"when": {}}]), False),
    ],
)
def test_schema_and_reader_agree(tmp_path, document, is_right):
    path = tmp_path / "ours.yaml"
    path.write_text(json.dumps(document))
    try:
        TestListFile.model_validate_json(path.read_text())
        fits = True
    except ValidationError:
        fits = False
    try:
        read(path)
        is_read = True
    except PipelineError:
        is_read = False
    assert (fits, is_read) == (is_right, is_right)
