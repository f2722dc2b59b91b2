"""Tests of a selected cell that a change does not concern: left out with proof, else kept."""

from __future__ import annotations

import hashlib
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hotfire_pipelines.changes import (
    Change,
    ChangeKind,
    Changes,
    ContextFacts,
    FileContexts,
    mask_of_lines,
)
from hotfire_pipelines.durations import Measured
from hotfire_pipelines.explain import explain
from hotfire_pipelines.history import CellHistory, definition_of
from hotfire_pipelines.narrowing import Inquiry
from hotfire_pipelines.plan import Plan
from hotfire_pipelines.pricing import Sample, price_of
from hotfire_pipelines.test_proofs import Judged, KnownCell, TestProofs

House = Any
SHA = hashlib.sha256(b"base").hexdigest()
A, B, C, NEW = (f"suite/python/{name}" for name in ("a", "b", "c", "new"))
CELL = KnownCell(definition="how", tests=(A, B, C, NEW))
EDIT = Change(path="ops/gemm.py", sha256=SHA, lines=(12,), bodies=((11, 14),))
SUITES = {"python": ("check",)}


def contexts(tests: int = 0b001, shared: tuple[int, ...] = (), **changes: Any) -> ContextFacts:
    """Contexts of A, B and C; `tests` has a bit for each that ran the file."""
    file = FileContexts(path="ops/gemm.py", sha256=SHA, tests=tests, shared=mask_of_lines(shared))
    usual = ContextFacts(
        run=12, revision="r1", suite="python", platform="pc", cell="check@pc", definition="how",
        tests=(A, B, C), files=(file,),
    )  # fmt: skip
    return replace(usual, **changes)


def judged(
    *changes: Change, told: ContextFacts | None = None, cell: KnownCell = CELL, **more: Any
) -> Judged:
    given = more.get("told_all", [contexts() if told is None else told])
    proofs = TestProofs(given, more.get("suites", SUITES), more.get("stale", {"r1": frozenset()}))
    return proofs.judge("check@pc", "check", cell, changes)


def test_only_tests_that_ran_no_function_of_the_file_are_left_out() -> None:
    found = judged(EDIT)
    assert found.left_out == {B, C}
    assert found.proof == "it ran no function of ops/gemm.py in suite python (run 12)"
    assert found.reasons == {
        A: "it ran ops/gemm.py in suite python (run 12)",
        NEW: "in doubt: suite python (run 12) has no context of it",
    }


@pytest.mark.parametrize(
    ("edit", "told", "words"),
    [
        (replace(EDIT, path="ops/gemm.json"), contexts(), "is no Python"),
        (replace(EDIT, path="ops/conftest.py"), contexts(), "is for all tests below it"),
        (replace(EDIT, bodies=None), contexts(), "changed outside of functions"),
        (replace(EDIT, kind=ChangeKind.ADDED, bodies=None), contexts(), "outside of functions"),
        (replace(EDIT, path="ops/new.py"), contexts(), "has no contexts of ops/new.py"),
        (replace(EDIT, sha256="other"), contexts(), "measured another content of ops/gemm.py"),
        (EDIT, contexts(shared=(13,)), "at line 11 ran for no test alone"),
        (EDIT, contexts(definition="else"), "ran its tests in another way"),
        (EDIT, contexts(revision="r2"), "something else has changed"),
    ],
)
def test_any_doubt_keeps_every_test_and_says_which_it_is(
    edit: Change, told: ContextFacts, words: str
) -> None:
    found = judged(edit, told=told)
    assert not found.left_out
    assert words in found.doubt


def test_a_doubt_about_the_suites_or_the_cell_keeps_every_test() -> None:
    assert "no run has recorded" in judged(EDIT, cell=replace(CELL, tests=None)).doubt
    both = {"python": ("check",), "native": ("check",)}
    assert judged(EDIT, suites=both).doubt == "suite native does not tell the tests apart"
    assert "something else has changed" in judged(EDIT, stale={"r1": frozenset({"check"})}).doubt
    for nothing in (judged(EDIT, told_all=[]), judged(), judged(EDIT, suites={})):
        assert (nothing.left_out, nothing.doubt) == (frozenset(), "")


def test_where_only_comments_differ_no_known_test_is_left() -> None:
    found = judged(replace(EDIT, bodies=()), cell=replace(CELL, tests=(A, B, C)))
    assert found.is_nothing_left
    assert not judged(replace(EDIT, bodies=())).is_nothing_left, "of one nothing is known"


edits = st.builds(
    Change,
    path=st.sampled_from(["ops/gemm.py", "ops/b.py", "ops/conftest.py", "data.bin"]),
    sha256=st.sampled_from([SHA, "other"]),
    bodies=st.none() | st.lists(st.sampled_from([(1, 4), (11, 14)]), max_size=2).map(tuple),
)
told = st.builds(
    contexts,
    tests=st.integers(0, 7),
    shared=st.lists(st.integers(1, 20), max_size=2).map(tuple),
    revision=st.sampled_from(["r1", "r2"]),
    suite=st.sampled_from(["python", "native"]),
)


@settings(deadline=None)
@given(
    st.lists(edits, min_size=1, max_size=3), st.lists(edits, max_size=3), st.lists(told, max_size=3)
)
def test_more_changes_never_leave_more_tests_out(
    few: list[Change], more: list[Change], known: list[ContextFacts]
) -> None:
    suites = {"python": ("check",), "native": ("check",)}
    small = judged(*few, told_all=known, suites=suites)
    large = judged(*few, *more, told_all=known, suites=suites)
    assert large.left_out <= small.left_out


def with_python(house: House) -> None:
    house.pipeline["tasks"]["check"] = {
        "harness": "pytest", "matrix": {"platform": ["pc"]}, "paths": ["tests"],
    }  # fmt: skip
    house.pipeline["selection"] = {
        "rules": [{"paths": ["ops/**"], "tasks": ["check", "unit"]}],
        "coverage": {"python": ["check"]},
    }


def planned(
    house: House, *edits: Change, tests: tuple[str, ...] = (A, B, C, NEW), **more: Any
) -> Plan:
    """The plan for some changes, with contexts of the cell as it is."""
    whole = house.freeze()
    [task] = [one for one in whole.tasks if one.cell.startswith("check")]
    known = contexts(cell=task.cell, definition=definition_of(task.spec.to_json()))
    changes = Changes(since="main", files=edits, contexts=(known,), between={"r1": ()})
    inventory = {task.cell: tests}.get
    plan: Plan = house.freeze(inquiry=Inquiry(changes=changes), inventory=inventory, **more)
    return plan


def test_a_plan_freezes_which_tests_it_leaves_out_and_tells_of_each_why(house: House) -> None:
    with_python(house)
    plan = planned(house, EDIT)
    [cell] = [one for one in plan.cells if one.task == "check"]
    assert (cell.left_out, plan.expected(cell), plan.unconcerned(cell)) == (2, (A, NEW), (B, C))
    [task] = [one for one in plan.tasks if one.cell == cell.key]
    assert task.spec.leave_out == (B, C)
    assert Plan.from_json(plan.to_json()) == plan
    assert plan.selection is not None
    assert replace(plan, selection=None).digest == plan.digest, "reasons are outside"
    assert plan.digest != house.freeze(inventory={cell.key: (A, B, C, NEW)}.get).digest
    [ran], [fresh], [left] = explain(plan, A), explain(plan, NEW), explain(plan, B)
    assert ("by test", "it ran ops/gemm.py in suite python (run 12)") in ran.facts
    assert ("by test", "in doubt: suite python (run 12) has no context of it") in fresh.facts
    assert (ran.is_selected, fresh.is_selected, left.is_selected) == (True, True, False)
    proof = "it ran no function of ops/gemm.py in suite python (run 12)"
    assert ("not in", f"check@pc: no change concerns it: {proof}") in left.facts
    [whole] = explain(plan, "check@pc")
    assert ("left out", f"2 tests that no change concerns: {proof}") in whole.facts


def test_a_doubt_about_tests_is_told_with_the_cell_and_each_test(house: House) -> None:
    with_python(house)
    plan = planned(house, replace(EDIT, bodies=None))
    [cell] = [one for one in plan.cells if one.task == "check"]
    assert (cell.left_out, plan.unconcerned(cell)) == (0, ())
    for words in ("check@pc", B):
        [found] = explain(plan, words)
        [doubt] = [text for label, text in found.facts if label == "by test"]
        assert doubt.startswith("in doubt, all of them: ops/gemm.py changed outside of functions")


def test_a_cell_of_which_no_test_is_left_is_not_selected(house: House) -> None:
    with_python(house)
    plan = planned(house, replace(EDIT, bodies=()), tests=(A, B, C))
    assert "check" not in {cell.task for cell in plan.cells}
    [found] = explain(plan, "check@pc")
    assert "coverage by test: of every test" in dict(found.facts)["not selected"]


@pytest.mark.parametrize("reason", ["always", "needed"])
def test_a_cell_that_is_always_in_or_that_others_wait_for_runs_whole(
    house: House, reason: str
) -> None:
    with_python(house)
    if reason == "always":
        house.pipeline["selection"]["always"] = ["check"]
    else:
        house.pipeline["tasks"]["unit"]["needs"] = ["build", "check"]
    plan = planned(house, EDIT)
    assert all(not plan.unconcerned(cell) for cell in plan.cells)


LIST = """
schema: hotfire.dev/testlists/1
lists:
  here:
    - tests: [suite/test_ops.py, "suite/test_more.py::test_new[1]"]
"""
LISTED = tuple(f"suite.test_ops/pytest/{name}" for name in ("test_a", "test_b", "test_c"))
SPELT = "suite.test_more/pytest/test_new[1]"


def with_list(house: House, **more: Any) -> None:
    with_python(house)
    (house.root / "list.yaml").write_text(LIST)
    house.pipeline["tasks"]["check"] |= {"tests": {"list": "list.yaml"}, **more}


def planned_list(house: House) -> Plan:
    whole = house.freeze()
    task = next(one for one in whole.tasks if one.cell.startswith("check"))
    definition = definition_of(task.spec.to_json())
    known = replace(contexts(cell=task.cell, definition=definition), tests=LISTED)
    changes = Changes(since="main", files=(EDIT,), contexts=(known,), between={"r1": ()})
    plan: Plan = house.freeze(inquiry=Inquiry(changes=changes), inventory={task.cell: LISTED}.get)
    return plan


def test_a_test_list_is_narrowed_too_and_what_it_spells_out_stays(house: House) -> None:
    with_list(house)
    plan = planned_list(house)
    [cell] = [one for one in plan.cells if one.task == "check"]
    assert (plan.expected(cell), plan.unconcerned(cell)) == ((SPELT, LISTED[0]), LISTED[1:])
    [task] = [one for one in plan.tasks if one.cell == cell.key]
    assert (len(task.spec.tests), task.spec.leave_out) == (2, LISTED[1:])
    assert Plan.from_json(plan.to_json()) == plan
    [spelt] = explain(plan, SPELT)
    assert ("by test", "in doubt: suite python (run 12) has no context of it") in spelt.facts


def test_a_test_list_in_shards_runs_whole_and_says_why(house: House) -> None:
    with_list(house, shards=2)
    plan = planned_list(house)
    [cell] = [one for one in plan.cells if one.task == "check"]
    assert plan.unconcerned(cell) == ()
    [found] = explain(plan, "check@pc")
    words = "in doubt, all of them: its test list is cut into shards, and each knows its own tests"
    assert any(text.startswith(words) for _, text in found.facts)


def recorded(key: str, task: str, platform: str, definition: str) -> CellHistory:
    seconds = {A: 10.0, B: 70.0, C: 10.0, NEW: 5.0}
    told = {test: Measured(seconds=one, spread=0.0) for test, one in seconds.items()}
    return CellHistory(tests=told, setup=Measured(seconds=5.0))


def test_a_narrowed_cell_is_priced_by_the_tests_that_are_left(house: House) -> None:
    with_python(house)
    house.pipeline["tasks"]["check"]["estimate_seconds"] = 200.0
    plan = planned(house, EDIT, recorded=recorded)
    [task] = [one for one in plan.tasks if one.cell.startswith("check")]
    assert plan.selection is not None
    assert plan.estimate is not None
    assert plan.selection.tests[task.cell].share == pytest.approx((5 + 10 + 5) / 100)
    assert plan.estimate.by_task[task.key] == pytest.approx(40.0)
    whole = Sample(cell=task.cell, task="check", platform="pc", shards=1, seconds=300.0)
    [price] = [one for one in price_of(plan, [whole] * 3, slots=2).tasks if one.task == task.key]
    assert price.seconds.expected == pytest.approx(60.0)
    assert price.seconds.high > 89.0, "a part is less certain than the whole"
    priced = replace(plan, price=price_of(plan, [whole], slots=2))
    [found] = explain(priced, "check@pc")
    assert any(
        "the tests that are left take 20% of the whole cell" in text for _, text in found.facts
    )
