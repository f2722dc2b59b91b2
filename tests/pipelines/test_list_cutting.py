"""Test lists are cut into shards: by what was measured, what is alone alone, nothing twice."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hotfire_pipelines.cutting import run_seconds
from hotfire_pipelines.durations import Measured
from hotfire_pipelines.errors import Location
from hotfire_pipelines.history import CellHistory
from hotfire_pipelines.list_cutting import cut_list
from hotfire_pipelines.listing import expected_tests
from hotfire_pipelines.plan import Plan
from hotfire_pipelines.shard_target import ShardTarget
from hotfire_pipelines.testlist_entries import TestEntry
from hotfire_testframework.contract.identifiers import pytest_test_id
from hotfire_testframework.contract.listing import Homes

HERE = Location(file="list.yml", line=1, column=1)


def entry(test: str, **more: Any) -> TestEntry:
    return TestEntry(test=test, source=HERE, **more)


def cut(entries: list[TestEntry], tests: Any = None, wanted: Any = 2, **more: Any) -> Any:
    asked = {"history": None, "asked": True, "test_seconds": 60.0, "estimate_seconds": 100.0}
    cutting, units = cut_list("cell", entries, tests, wanted, **{**asked, **more})
    parts = [[one.test for unit in shard.tests for one in units[unit]] for shard in cutting.shards]
    return cutting, parts


def ids(*nodes: str) -> list[str]:
    return [str(pytest_test_id(node)) for node in nodes]


def took(seconds: dict[str, float], **more: Any) -> CellHistory:
    tests = {str(pytest_test_id(node)): Measured(seconds=one) for node, one in seconds.items()}
    return CellHistory(tests=tests, **more)


def test_a_folder_takes_what_the_tests_in_it_took():
    known = took({"slow/test_a.py::t": 50.0, "slow/b/test_b.py::t": 50.0, "x.py::a": 1.0})
    entries = [entry("slow"), entry("x.py"), entry("y.py"), entry("z.py")]
    cutting, parts = cut(entries, history=known)
    assert sorted(map(sorted, parts)) == [["slow"], ["x.py", "y.py", "z.py"]]
    assert (cutting.durations.measured, cutting.durations.neighbours) == (3, 2)


def test_nothing_known_is_the_declared_time_in_equal_parts():
    cutting, parts = cut([entry(f"test_{name}.py") for name in "abcd"])
    assert [len(part) for part in parts] == [2, 2]
    assert [shard.seconds for shard in cutting.shards] == [51.0, 51.0]
    assert cutting.durations.unknown == 4


def test_what_holds_another_entry_stays_with_it():
    entries = [
        entry("a/test_x.py", keyword="fast"),
        entry("b.py::T::one"),
        entry("a/test_x.py", keyword="not fast"),
        entry("b.py::T::two[1]"),
        entry("a"),
        entry("ab.py"),
    ]
    _, parts = cut(entries, wanted=4)
    assert sorted(map(sorted, parts)) == [
        ["a", "a/test_x.py", "a/test_x.py"], ["ab.py"], ["b.py::T::one"], ["b.py::T::two[1]"],
    ]  # fmt: skip


def test_isolated_entries_are_alone_even_beyond_the_number_of_shards():
    entries = [entry("a.py", isolation=True), entry("b.py"), entry("c.py", isolation=True)]
    _, parts = cut(entries)
    assert parts == [["b.py"], ["a.py"], ["c.py"]]


def test_the_limit_of_a_shard_covers_its_slowest_test():
    entries = [entry("a.py", timeout_minutes=20), entry("b.py")]
    known = took({"a.py::t": 30.0, "b.py::t": 30.0})
    cutting, parts = cut(entries, history=known)
    limits = {
        part[0]: run_seconds(300.0, shard)
        for part, shard in zip(parts, cutting.shards, strict=True)
    }
    assert limits == {"a.py": 1800.0, "b.py": 300.0}


def test_a_target_makes_as_many_shards_as_the_list_needs():
    known = took({f"t{number}.py::t": 60.0 for number in range(12)})
    entries = [entry(f"t{number}.py") for number in range(12)]
    _, parts = cut(entries, wanted=ShardTarget(target="5m", max=8), history=known)
    assert len(parts) == 3
    assert len(cut(entries, wanted=ShardTarget(target="1h", max=8), history=known)[1]) == 1


def test_a_target_counts_what_is_alone_beside_the_others():
    known = took({"a.py::t": 100.0, "b.py::t": 90.0, "alone.py::t": 1.0})
    entries = [entry("alone.py", isolation=True), entry("a.py"), entry("b.py")]
    _, parts = cut(entries, wanted=ShardTarget(target="2m", max=8), history=known)
    assert parts == [["a.py"], ["b.py"], ["alone.py"]]
    known = CellHistory(tests=known.tests, shards=tuple(map(tuple, parts)))
    assert cut(entries, wanted=ShardTarget(target="2m", max=8), history=known)[1] == parts


def test_the_shards_of_the_last_run_stay():
    entries = [entry(name) for name in ("a.py", "b.py", "c.py", "d.py")]
    known = took(dict.fromkeys(("a.py::t", "b.py::t", "c.py::t", "d.py::t"), 10.0))
    before = (("a.py", "d.py", "gone.py"), ("b.py", "c.py"))
    known = CellHistory(tests=known.tests, shards=before)
    assert cut(entries, history=known)[1] == [["a.py", "d.py"], ["b.py", "c.py"]]


names = st.sampled_from(["a", "b", "ab", "a/x", "a/x/y", "test_a.py", "a/test_a.py", "b/test.py"])
nodes = st.builds(
    lambda path, rest: path + rest if path.endswith(".py") else path,
    names,
    st.sampled_from(["", "::t", "::t[1]", "::t[a::b]", "::T", "::T::t", "::T::t[x]", "::tt"]),
)
tests = st.builds(
    lambda path, rest: f"{path}{rest}",
    st.sampled_from(["test_a.py", "a/test_a.py", "b/test.py", "a/x/test_z.py", "ab/test_q.py"]),
    st.sampled_from(["::t", "::t[1]", "::t[a::b]", "::T::t", "::T::t[x]", "::tt", "::T::tt[x]"]),
)


@settings(max_examples=300, deadline=None)
@given(st.lists(nodes, max_size=8, unique=True), st.lists(tests, max_size=12, unique=True))
def test_every_test_has_the_one_home_that_holds_it(listed, collected):
    homes = Homes(listed)
    tops = {homes.of_entry(one) for one in listed}
    for one in collected:
        holders = {top for top in tops if entry(top).lists(one)}
        assert len(holders) <= 1
        assert homes.of_test(str(pytest_test_id(one))) == next(iter(holders), None)


@settings(max_examples=150, deadline=None)
@given(
    st.lists(nodes, min_size=1, max_size=8, unique=True),
    st.lists(tests, max_size=12, unique=True),
    st.integers(2, 5),
)
def test_shards_partition_a_list(listed, collected, wanted):
    entries = [entry(one) for one in listed]
    expected = expected_tests(entries, ids(*collected))
    _, parts = cut(entries, expected, wanted)
    assert sorted(one for part in parts for one in part) == sorted(listed)
    assert 1 <= len(parts) <= wanted
    assert all(parts)


LIST = """\
schema: hotfire.dev/testlists/1
lists:
  gpu:
  - tests: [unit/test_a.py, unit/test_b.py, "unit/test_c.py::t[1]", {test: alone.py, isolation: true}]
"""


@pytest.fixture
def sharded(house):
    (house.root / "list.yaml").write_text(LIST)
    house.pipeline["tasks"]["listed"] = {
        "harness": "pytest",
        "matrix": {"platform": ["pc"]},
        "inputs": [{"name": "source", "source": True}],
        "paths": ["{input:source}/tests"],
        "tests": {"list": "list.yaml"},
        "shards": 3,
    }
    return house


def test_a_plan_cuts_a_list_and_expects_of_each_shard_its_own(sharded):
    key = "listed|platform=pc"
    collected = ids("unit/test_a.py::x", "unit/test_b.py::x", "unit/test_c.py::t[1]", "alone.py::x")
    asked = []

    def recorded(*question):
        asked.append(question)
        return

    plan = sharded.freeze(inventory={key: tuple(sorted(collected))}.get, recorded=recorded)
    mine = [task for task in plan.tasks if task.cell == key]
    assert [task.key for task in mine] == [f"{key}#{number}/3" for number in (1, 2, 3)]
    assert [one.test for one in mine[2].spec.tests] == ["alone.py"]
    parts = [plan.expected_of(task) for task in mine]
    assert sorted(test for part in parts for test in part) == sorted(collected)
    assert all(len(part) == len(task.spec.tests) for part, task in zip(parts, mine, strict=True))
    assert Plan.from_json(plan.to_json()) == plan
    [definition] = {one[3] for one in asked if one[0] == key}
    sharded.pipeline["tasks"]["listed"]["args"] = ["-x"]
    sharded.freeze(recorded=recorded)
    assert len({one[3] for one in asked if one[0] == key}) == 2, definition


def test_one_shard_is_one_task_as_before(sharded):
    sharded.pipeline["tasks"]["listed"].pop("shards")
    [task] = [task for task in sharded.freeze().tasks if task.cell == "listed|platform=pc"]
    assert len(task.spec.tests) == 4
    assert task.spec.timeouts.run_s == 1800
