"""Only executed cells pay; what the others would have covered is owed to the next plan."""

from __future__ import annotations

from dataclasses import replace

import pytest

from hotfire_pipelines.arrears import arrears_of
from hotfire_pipelines.catalogue import load_platforms
from hotfire_pipelines.freeze import freeze
from hotfire_pipelines.load import load_pipeline
from hotfire_pipelines.plan import Source

PLATFORMS = """
schema: hotfire.dev/platforms/1
platforms:
  here: {dimensions: {os: linux}, reach: [local]}
"""
PIPELINE = """
schema: hotfire.dev/pipeline/1
name: broad
axes:
  platform: {values: [here]}
  a: {values: [x, y, z], default: x}
  b: {values: [x, y, z]}
tasks:
  unit:
    harness: command
    command: ["true"]
    matrix: {platform: [here], a: [x, y, z], b: [x, y, z], strength: 2, max_cells: 3}
"""


@pytest.fixture
def pipeline(tmp_path):
    (tmp_path / "broad.yaml").write_text(PIPELINE)
    (tmp_path / "platforms.yaml").write_text(PLATFORMS)
    return load_pipeline(tmp_path / "broad.yaml")


@pytest.fixture
def plan(pipeline, tmp_path):
    return freeze(
        pipeline,
        load_platforms(tmp_path / "platforms.yaml"),
        Source(repository="here", revision="0" * 40),
        inventory=lambda _: None,
        history=None,
        source_root=tmp_path,
    )


def owed(pipeline, plan, executed):
    found = arrears_of(pipeline, plan, executed)["unit"]
    return {frozenset(one.assignment.items()): one.age for one in found}


def test_a_run_whose_cells_all_executed_owes_what_its_plan_left_out(pipeline, plan):
    left = {frozenset(gap.assignment.items()): gap.age for gap in plan.coverage[0].uncovered}
    assert owed(pipeline, plan, {cell.key for cell in plan.cells}) == left


def test_what_a_silent_cell_would_have_covered_is_owed_at_the_age_of_one(pipeline, plan):
    # The one at a default, which its variant leaves out.
    silent = next(cell for cell in plan.cells if "a" not in cell.variant)
    executed = {cell.key for cell in plan.cells} - {silent.key}
    more = (
        owed(pipeline, plan, executed).items()
        - owed(pipeline, plan, {*executed, silent.key}).items()
    )
    pair = frozenset({("a", "x"), ("b", silent.variant["b"])})
    assert (pair, 1) in more
    paid = {("platform", "here")}
    assert all(age == 1 and dict(part).items() & {*paid, *pair} for part, age in more)


def test_what_was_not_selected_has_paid_nothing(pipeline, plan):
    from hotfire_pipelines.selected import PlannedOmission

    silent = plan.cells[0]
    omitted = PlannedOmission(
        key=silent.key, task=silent.task, platform=silent.platform, variant=silent.variant
    )
    narrowed = replace(plan, cells=plan.cells[1:], unselected=(omitted,))
    executed = {cell.key for cell in plan.cells[1:]}
    assert owed(pipeline, narrowed, executed) == owed(pipeline, plan, executed)


def test_a_task_that_is_gone_from_the_pipeline_adds_nothing(pipeline, plan, tmp_path):
    (tmp_path / "broad.yaml").write_text(PIPELINE.replace("  unit:", "  other:"))
    changed = load_pipeline(tmp_path / "broad.yaml")
    assert owed(changed, plan, ()) == owed(pipeline, plan, {cell.key for cell in plan.cells})
