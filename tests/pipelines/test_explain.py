"""Why a cell or a test is in a plan: by every name people use for it, and what is near if none fits."""

from typing import Any

import pytest

from hotfire_pipelines.changes import Change, Changes
from hotfire_pipelines.errors import EmptySelectionError
from hotfire_pipelines.explain import Explanation, explain
from hotfire_pipelines.narrowing import Inquiry
from hotfire_pipelines.plan import Plan
from hotfire_pipelines.pricing import Sample, priced

House = Any
GEMM = "gemm.f32:m=64,n=64,k=64,data=uniform,seed=3"
WAIVERS = """\
schema: hotfire.dev/waivers/1
waivers:
  - test: aestus.kernels/native/gemm.f32:*
    variant: {platform: pc}
    owner: kernels@example.org
    bug: HF-12
    reason: rounding
    signature: over its bound
    created: 2026-11-01
    expires: 2026-12-01
"""


def plan_of(house: House, *files: str, samples: tuple[Sample, ...] = ()) -> Plan:
    """The plan narrowed to some files, priced; without files the whole one."""
    house.pipeline["selection"] = {
        "paths-ignore": ["docs/**"],
        "rules": [{"paths": ["unit/**"], "tasks": ["unit"]}],
    }
    house.pipeline["tasks"]["kernels"]["shards"] = 2
    house.pipeline["tasks"]["kernels"]["overrides"] = [
        {"match": {"platform": "board"}, "budget_seconds": 3}
    ]
    pipeline, catalogue = house.load()
    changes = Changes(since="main", files=tuple(Change(path=path) for path in files))
    plan = house.freeze(inquiry=Inquiry(changes=changes) if files else None)
    return priced(plan, pipeline, catalogue, samples, slots=2)


def facts(found: Explanation, label: str) -> list[str]:
    return [text for one, text in found.facts if one == label]


@pytest.mark.parametrize("words", ["unit@pc", "unit", "unit|platform=pc", "unit pc"])
def test_a_cell_is_found_by_all_its_names(house: House, words: str) -> None:
    [found] = explain(plan_of(house), words)
    assert (found.kind, found.name, found.is_selected) == ("cell", "unit@pc", True)


def test_a_task_is_all_of_its_cells_and_words_that_several_keys_hold_too(house: House) -> None:
    assert {one.name for one in explain(plan_of(house), "kernels")} == {
        "kernels@gpu", "kernels@pc", "kernels@board",
    }  # fmt: skip
    assert {one.name for one in explain(plan_of(house), "platform=pc")} == {
        "build@pc", "kernels@pc", "unit@pc",
    }  # fmt: skip


def test_a_cell_says_what_it_expects_waits_for_needs_and_costs(house: House) -> None:
    took = tuple(
        Sample(cell="build|platform=pc", task="build", platform="pc", shards=1, seconds=seconds)
        for seconds in (40.0, 41.0, 42.0)
    )
    plan = plan_of(house, samples=took)
    [kernels] = explain(plan, "kernels@pc")
    assert facts(kernels, "tests") == ["5 tests, known from case files"]
    assert [text[:12] for text in facts(kernels, "task")] == ["shard 1 of 2", "shard 2 of 2"]
    assert facts(kernels, "waits for") == ["build|platform=pc (reads what it makes)"]
    assert facts(kernels, "selected") == ["every cell is: the plan is not narrowed to a change"]
    [build] = explain(plan, "build@pc")
    assert "about 41 s" in facts(build, "task")[0]
    assert "measured, 3 attempts" in facts(build, "task")[0]
    assert facts(build, "machine") == ["executables g++; facts os=linux"]
    assert "unit|platform=pc" in facts(build, "waited for by")[0]
    [gpu] = explain(plan, "kernels@gpu")
    assert "1 GPU" in facts(gpu, "task")[0]
    assert facts(gpu, "required") == ["when-available: it does not block where nothing executes it"]
    [unit] = explain(plan, "unit@pc")
    assert facts(unit, "tests") == ["not known yet: no run has recorded what this cell collects"]


def test_a_narrowed_plan_says_why_each_cell_is_in_or_out(house: House) -> None:
    plan = plan_of(house, "unit/a.cpp")
    [unit] = explain(plan, "unit@pc")
    assert facts(unit, "selected") == ["unit/a.cpp is modified: rule 1 names unit"]
    [build] = explain(plan, "build@pc")
    assert facts(build, "selected") == ["needed by unit@pc"]
    [out] = explain(plan, "kernels@board")
    assert not out.is_selected
    assert facts(out, "not selected") == ["the one changed file does not concern it"]


@pytest.mark.parametrize("words", [GEMM, f"aestus.kernels/native/{GEMM}", "m=64"])
def test_a_test_says_where_it_is_and_where_a_budget_left_it_out(house: House, words: str) -> None:
    (house.root / "waivers.yaml").write_text(WAIVERS)
    house.pipeline["waivers"] = "waivers.yaml"
    [found] = explain(plan_of(house), words)
    assert (found.kind, found.name) == ("test", f"aestus.kernels/native/{GEMM}")
    homes = facts(found, "in")
    assert {home.partition(",")[0] for home in homes} == {"kernels@pc", "kernels@gpu"}
    assert all("shard" in home for home in homes)
    [reason] = facts(found, "not in")
    assert reason.startswith("kernels@board: left out by its budget of 3 s")
    assert facts(found, "waiver") == ["HF-12 on pc, until 2026-12-01"]


def test_a_test_of_a_cell_that_is_not_selected_says_so(house: House) -> None:
    house.pipeline["tasks"]["kernels"]["matrix"]["platform"] = ["pc", "board"]
    plan = plan_of(house, "docs/a.md", "unit/a.cpp")
    with pytest.raises(EmptySelectionError, match="is no cell and no known test of the plan"):
        explain(plan, GEMM)


@pytest.mark.parametrize(
    ("words", "told"),
    [
        ("unti@pc", "Did you mean 'unit@pc'?"),
        ("unit@board", "Task 'unit' has no cell on 'board'; it has pc."),
        ("gemm.f32:m=2", "fits 2 tests"),
        ("qqqqqqqq", "no run has recorded the tests yet"),
        ("", "is no cell and no known test"),
    ],
)
def test_what_fits_nothing_is_told_with_what_is_near(house: House, words: str, told: str) -> None:
    with pytest.raises(EmptySelectionError, match=told.replace("?", r"\?")) as caught:
        explain(plan_of(house), words)
    assert caught.value.exit_code == 2


def test_a_combination_that_a_rule_forbids_is_explained_by_the_rule(house: House) -> None:
    house.pipeline["tasks"]["unit"]["matrix"] = {
        "platform": ["pc", "board"],
        "build_type": ["release", "debug"],
        "strength": 1,
        "forbid": ["platform == 'board'"],
    }
    house.pipeline["tasks"]["unit"]["needs"] = []
    told = r"has no cell on 'board' \(platform=board: forbidden by .*platform == 'board'"
    with pytest.raises(EmptySelectionError, match=told):
        explain(plan_of(house), "unit@board")
