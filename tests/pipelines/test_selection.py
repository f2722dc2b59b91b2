"""Selection by changed files: more changes never select less, and any doubt selects everything."""

import hashlib
import json
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hotfire_pipelines.changes import Change, ChangeKind, Changes, LineFacts, mask_of_lines
from hotfire_pipelines.demands import Selection
from hotfire_pipelines.errors import PlanError
from hotfire_pipelines.narrowing import Inquiry, definition_files
from hotfire_pipelines.plan import Plan
from hotfire_pipelines.selection import Chosen, Node, Wire, choose

House = Any
SELECTION = Selection.model_validate_json(
    """{"paths-ignore": ["docs/**", "**.md"],
        "rules": [{"paths": ["src/**", "!src/tools/**"], "tasks": ["build"]},
                  {"paths": ["tests/unit/**"], "tasks": ["unit"]},
                  {"paths": ["tests/**/data/**", "docs/tested.md"], "tasks": ["accuracy", "unit"]}],
        "coverage": {"native": ["unit"]}}"""
)
NODES = [
    Node(key=f"{task}@{platform}", task=task, platform=platform)
    for platform in ("pc", "board")
    for task in ("build", "unit", "accuracy", "lint")
]
WIRES = [
    Wire(earlier=f"build@{platform}", later=f"{task}@{platform}", is_artifact=task != "lint")
    for platform in ("pc", "board")
    for task in ("unit", "accuracy", "lint")
]
ALL = frozenset(node.key for node in NODES)
SHA = hashlib.sha256(b"base").hexdigest()


def chosen(*files: Change | str, selection: Selection | None = SELECTION, **more: Any) -> Chosen:
    listed = tuple(Change(path=one) if isinstance(one, str) else one for one in files)
    definitions = more.pop("definitions", ())
    return choose(selection, NODES, WIRES, Changes(since="main", files=listed, **more), definitions)


def tasks(found: Chosen) -> set[str]:
    return {key.partition("@")[0] for key in found.selected}


def test_a_rule_selects_its_tasks_what_reads_from_them_and_what_they_need() -> None:
    found = chosen("src/gemm.cpp")
    assert tasks(found) == {"build", "unit", "accuracy"}, "lint only waits for the build"
    assert found.reasons["build@pc"] == ("src/gemm.cpp is modified: rule 1 names build",)
    assert found.reasons["unit@pc"] == (
        "src/gemm.cpp is modified: it concerns build, read from here",
    )
    narrow = chosen("tests/unit/test_a.cpp")
    assert tasks(narrow) == {"build", "unit"}
    assert narrow.reasons["build@board"] == ("needed by unit@board",)
    assert narrow.reasons["lint@pc"] == ("the one changed file does not concern it",)


def test_ignored_files_select_nothing_unless_a_rule_names_them() -> None:
    assert chosen("docs/a.png", "src/README.md").selected == ALL - {"lint@pc", "lint@board"}
    nothing = chosen("docs/a.png", "README.md")
    assert not nothing.selected
    assert nothing.reasons["unit@pc"] == ("paths-ignore covers all 2 changed files",)
    assert tasks(chosen("docs/tested.md")) == {"build", "unit", "accuracy"}


def test_nothing_changed_selects_nothing_but_what_is_always() -> None:
    assert chosen().reasons["lint@pc"] == ("nothing changed since main",)
    always = SELECTION.model_copy(update={"always": ("lint",)})
    assert tasks(chosen(selection=always)) == {"lint", "build"}


@pytest.mark.parametrize(
    ("doubtful", "word"),
    [
        (Change(path="Makefile"), "no rule of `selection:` names Makefile"),
        (Change(path="src/tools/x.cpp"), "no rule of `selection:` names src/tools/x.cpp"),
        (Change(path="src/a.cpp", kind=ChangeKind.DELETED), "src/a.cpp was deleted"),
        (
            Change(path="src/a.cpp", kind=ChangeKind.DELETED, moved_to="docs/a.cpp"),
            "src/a.cpp was moved to docs/a.cpp",
        ),
        (Change(path="src/third", kind=ChangeKind.SUBMODULE), "is a submodule"),
        (Change(path="docs/p.yaml"), "docs/p.yaml is what the plan is made from"),
    ],
)
def test_a_doubt_selects_everything_and_says_so(doubtful: Change, word: str) -> None:
    found = chosen("tests/unit/a.cpp", doubtful, definitions={"docs/p.yaml"})
    assert found.selected == ALL
    assert word in found.doubts[0]
    assert word in found.reasons["lint@pc"][0]
    assert found.reasons["unit@pc"][0] == "tests/unit/a.cpp is modified: rule 2 names unit"


def test_a_failed_lookup_and_a_pipeline_without_rules_select_everything() -> None:
    assert chosen(doubts=("this clone is shallow",)).selected == ALL
    found = chosen("docs/a.md", selection=None)
    assert found.selected == ALL
    assert "has no `selection:`" in found.doubts[0]


paths = st.sampled_from(
    ["src/a.cpp", "src/tools/b.cpp", "src/c.md", "docs/a", "docs/tested.md", "tests/unit/x",
     "tests/a/data/y", "tests/unit/data/z", "Makefile", "p.yaml"]
)  # fmt: skip
changes = st.builds(
    Change,
    path=paths,
    kind=st.sampled_from(ChangeKind),
    lines=st.none() | st.lists(st.integers(1, 8), max_size=3).map(tuple),
    sha256=st.sampled_from([None, SHA]),
)
facts = st.builds(
    LineFacts,
    run=st.just(7),
    revision=st.sampled_from(["r1", "r2"]),
    suite=st.sampled_from(["native", "accuracy"]),
    platform=st.sampled_from(["pc", "board"]),
    path=paths,
    sha256=st.sampled_from([SHA, "other"]),
    executable=st.integers(0, 255),
    hit=st.integers(0, 255),
)


@settings(deadline=None)
@given(st.lists(changes, max_size=5), st.lists(changes, max_size=3), st.lists(facts, max_size=6))
def test_more_changed_files_never_select_less(
    few: list[Change], more: list[Change], known: list[LineFacts]
) -> None:
    shared = {"facts": tuple(known), "between": {"r1": ()}, "definitions": {"p.yaml"}}
    assert chosen(*few, **shared).selected <= chosen(*few, *more, **shared).selected


@settings(deadline=None)
@given(st.lists(changes, max_size=4), st.lists(facts, max_size=6), st.integers(1, 8))
def test_more_changed_lines_never_select_less(
    files: list[Change], known: list[LineFacts], line: int
) -> None:
    shared = {"facts": tuple(known), "between": {"r1": ()}}
    longer = [replace(one, lines=(*one.lines, line)) if one.lines else one for one in files]
    assert chosen(*files, **shared).selected <= chosen(*longer, **shared).selected


@settings(deadline=None)
@given(st.lists(changes, max_size=4), st.text("abc/.", min_size=1), st.lists(facts, max_size=6))
def test_a_file_that_no_rule_knows_selects_everything(
    files: list[Change], name: str, known: list[LineFacts]
) -> None:
    stranger = Change(path=f"zz{name}")
    assert chosen(*files, stranger, facts=tuple(known)).selected == ALL


def fact(**changes: Any) -> LineFacts:
    usual = {
        "run": 12, "revision": "r1", "suite": "native", "platform": "pc", "path": "src/a.cpp",
        "sha256": SHA, "executable": mask_of_lines(range(1, 9)), "hit": mask_of_lines([1, 2, 3]),
    }  # fmt: skip
    return LineFacts(**{**usual, **changes})


EDIT = Change(path="src/a.cpp", sha256=SHA, lines=(5, 6))


def test_coverage_leaves_a_cell_out_only_where_it_proves_that_no_changed_line_runs() -> None:
    found = chosen(EDIT, facts=(fact(),), between={"r1": ()})
    assert ALL - found.selected == {"unit@pc", "lint@pc", "lint@board"}
    assert found.reasons["unit@pc"] == (
        "coverage: no changed line of src/a.cpp ran in suite native on pc (run 12)",
    )
    assert "unit@board" in found.selected, "nothing was measured there"


@pytest.mark.parametrize(
    ("known", "between", "edit", "words"),
    [
        (fact(hit=mask_of_lines([1, 6])), {"r1": ()}, EDIT, "line 6 ran in suite native (run 12)"),
        (fact(executable=mask_of_lines([1, 5])), {"r1": ()}, EDIT, "line 6 is none that suite"),
        (fact(sha256="other"), {"r1": ()}, EDIT, "measured another content of src/a.cpp"),
        (fact(platform="board"), {"r1": ()}, EDIT, "has not measured src/a.cpp on pc"),
        (fact(), {}, EDIT, "something else has changed"),
        (fact(), {"r1": (Change(path="tests/unit/new.cpp"),)}, EDIT, "something else has changed"),
        (fact(), {"r1": (Change(path="unknown"),)}, EDIT, "something else has changed"),
        (fact(), {"r1": ()}, replace(EDIT, lines=None), ""),
        (fact(), {"r1": ()}, replace(EDIT, lines=()), ""),
        (fact(), {"r1": ()}, replace(EDIT, sha256=None), ""),
        (fact(suite="unit"), {"r1": ()}, EDIT, "suite native has not measured src/a.cpp on pc"),
    ],
    ids=["a line ran", "no code there", "other content", "other platform", "revision unknown",
         "tests changed since", "doubt since", "lines unknown", "no line", "new file",
         "no suite knows"],
)  # fmt: skip
def test_coverage_that_proves_nothing_leaves_nothing_out_and_says_why(
    known: LineFacts, between: Any, edit: Change, words: str
) -> None:
    found = chosen(edit, facts=(known,), between=between)
    assert "unit@pc" in found.selected
    assert words in found.reasons["unit@pc"][0]
    assert ("does not rule it out" in found.reasons["unit@pc"][0]) == bool(words)


def test_what_ran_through_a_file_is_selected_beside_the_rules() -> None:
    plain = chosen("tests/unit/data/z", "docs/tested.md")
    assert "lint@pc" not in plain.selected
    seen = chosen("src/c.md", "docs/a.md", facts=(fact(suite="lint", path="docs/a.md"),))
    assert "docs/a.md is modified: suite lint ran through it in run 12" in seen.reasons["lint@pc"]


def narrowed(house: House, *files: str) -> Plan:
    house.pipeline["selection"] = {
        "paths-ignore": ["docs/**"],
        "rules": [{"paths": ["unit/**"], "tasks": ["unit"]}],
    }
    listed = tuple(Change(path=path) for path in files)
    return house.freeze(inquiry=Inquiry(changes=Changes(since="main", files=listed)))


def test_cells_that_are_not_selected_stand_in_the_plan_and_its_digest(house: House) -> None:
    whole, plan = house.freeze(), narrowed(house, "unit/a.cpp")
    assert {cell.task for cell in plan.cells} == {"build", "unit"}
    keys = [cell.key for cell in (*plan.cells, *plan.unselected)]
    assert sorted(keys) == sorted(cell.key for cell in whole.cells)
    assert plan.selection is not None
    assert set(plan.selection.reasons) == set(keys)
    assert Plan.from_json(plan.to_json()) == plan
    assert plan.digest != whole.digest
    told = replace(plan, selection=None)
    assert told.digest == plan.digest, "reasons are outside"
    assert replace(plan, unselected=()).digest != plan.digest, "what was left out is inside"


def test_a_doubt_gives_the_whole_plan_with_its_digest(house: House) -> None:
    whole, plan = house.freeze(), narrowed(house, "Makefile")
    assert plan.digest == whole.digest
    assert plan.selection is not None
    assert plan.selection.doubts == ("no rule of `selection:` names Makefile",)


def test_a_cell_is_not_both_selected_and_left_out(house: House) -> None:
    plan = narrowed(house, "unit/a.cpp")
    both = plan.unselected[0]
    value = replace(plan, unselected=(*plan.unselected, both)).to_dict()
    with pytest.raises(PlanError, match="selected twice"):
        Plan.from_json(value)


def test_a_pipeline_is_made_from_its_file_and_all_that_it_includes(house: House) -> None:
    tasks = {"unit": house.pipeline["tasks"].pop("unit")}
    (house.root / "part.yaml").write_text(json.dumps({"tasks": tasks}))
    house.pipeline["include"] = ["part.yaml"]
    pipeline, _ = house.load()
    names = {path.rpartition("/")[2] for path in definition_files(pipeline)}
    assert names == {"small.yaml", "part.yaml"}
