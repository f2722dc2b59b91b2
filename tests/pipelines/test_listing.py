"""Tests by list in a pipeline: what the list is asked for a cell, and what becomes of its entries."""

import json
from typing import Any

import pytest

from hotfire_pipelines.errors import DefinitionError
from hotfire_pipelines.plan import Plan
from hotfire_testframework.contract.listing import ListedTest

LIST = """\
version: 0.0.1
gpu:
- condition:
    ranges: {count: {gte: 1}}
    wildcards: {gpu: '*h100*', distribution: ubuntu*}
    terms: {stage: pre_merge, backend: mpi}
  tests:
  - unit/test_a.py -k "fast and not big"
  - unit/test_b.py::test_one[1] TIMEOUT (20)
  - unit/test_b.py::test_one[1] ISOLATION
- condition:
    terms: {stage: post_merge}
  tests:
  - everything
- condition:
    wildcards: {gpu: na}
  tests:
  - host
"""


@pytest.fixture
def listed(house):
    (house.root / "lists").mkdir()
    (house.root / "lists" / "gpu.yml").write_text(LIST)
    house.platforms["platforms"]["gpu"]["dimensions"].update(
        {"gpu": "NVIDIA H100", "gpu_count": "1", "distribution": "ubuntu-24.04"}
    )
    house.pipeline["axes"]["mode"] = {"values": ["pre_merge", "post_merge"]}
    house.pipeline["tasks"]["listed"] = {
        "harness": "pytest",
        "matrix": {"platform": ["pc", "gpu"], "mode": ["pre_merge"]},
        "inputs": [{"name": "source", "source": True}],
        "paths": ["{input:source}/tests"],
        "tests": choice(),
    }
    return house


def choice(**changes: Any) -> dict[str, Any]:
    return {
        "list": "lists/gpu.yml",
        "context": "gpu",
        "conditions": {"gpu": "platform.gpu", "count": "platform.gpu_count", "stage": "mode"},
        "values": {"backend": "mpi"},
        **changes,
    }


def selected(plan: Any) -> dict[str, tuple[ListedTest, ...]]:
    cells = {cell.key: cell for cell in plan.cells}
    return {
        cells[task.cell].platform: task.spec.tests
        for task in plan.tasks
        if task.cell.startswith("listed|")
    }


def test_a_cell_runs_what_its_dimensions_and_axes_select(listed):
    assert selected(listed.freeze()) == {
        "pc": (ListedTest(test="host"),),
        "gpu": (
            ListedTest(test="unit/test_a.py", keyword="fast and not big"),
            # Listed twice: the longest limit, and alone where one of the lines says so.
            ListedTest(test="unit/test_b.py::test_one[1]", timeout_s=1200.0, isolation=True),
        ),
    }


def test_a_value_for_all_cells_decides_too(listed):
    listed.pipeline["tasks"]["listed"]["tests"] = choice(values={"backend": "ray"})
    with pytest.raises(DefinitionError, match=r"backend=ray.*nearest.*gpu.yml:3:3.*backend = mpi"):
        listed.freeze()


def test_an_axis_selects_another_block(listed):
    listed.pipeline["tasks"]["listed"]["matrix"]["mode"] = ["post_merge"]
    found = selected(listed.freeze())
    assert [one.test for one in found["gpu"]] == ["everything"]
    assert [one.test for one in found["pc"]] == ["everything", "host"]


def test_without_conditions_axes_and_dimensions_have_their_own_names(listed):
    task = listed.pipeline["tasks"]["listed"]
    listed.pipeline["axes"]["stage"] = listed.pipeline["axes"].pop("mode")
    task["matrix"] = {"platform": ["gpu"], "stage": ["pre_merge"]}
    task["tests"] = {"list": "lists/gpu.yml"}
    assert len(selected(listed.freeze())["gpu"]) == 2


def test_a_list_is_part_of_the_digest_and_a_comment_in_it_is_not(listed):
    first = listed.freeze().digest
    path = listed.root / "lists" / "gpu.yml"
    path.write_text(LIST.replace("- host", "- host  # 3 mins"))
    assert listed.freeze().digest == first
    path.write_text(LIST.replace("- host", "- hosts"))
    assert listed.freeze().digest != first


def expected(plan: Any, platform: str) -> tuple[str, ...] | None:
    [cell] = [c for c in plan.cells if c.task == "listed" and c.platform == platform]
    found: tuple[str, ...] | None = plan.expected(cell)
    return found


def test_a_test_with_parameters_is_expected_before_anything_ran(listed):
    plan = listed.freeze()
    assert expected(plan, "gpu") == ("unit.test_b/pytest/test_one[1]",)
    assert expected(plan, "pc") is None


def test_what_the_list_no_longer_names_is_no_longer_expected(listed):
    recorded = [
        "unit.test_a/pytest/test_fast",
        "unit.test_b/pytest/test_one[1]",
        "unit.test_b/pytest/test_two",
        "host.deep.test_c/pytest/T::test_d",
        "hosts.test_e/pytest/test_f",
        "host/pytest/host",
    ]
    plan = listed.freeze(inventory=lambda key: recorded)
    assert expected(plan, "gpu") == (
        "unit.test_a/pytest/test_fast",
        "unit.test_b/pytest/test_one[1]",
    )
    assert expected(plan, "pc") == ("host.deep.test_c/pytest/T::test_d",)


def test_a_list_beside_an_included_file_is_found_from_there(listed):
    part = listed.root / "parts"
    part.mkdir()
    (listed.root / "lists").rename(part / "lists")
    task = listed.pipeline["tasks"].pop("listed")
    (part / "gpu.yaml").write_text(json.dumps({"tasks": {"listed": task}}))
    listed.pipeline["include"] = ["parts/gpu.yaml"]
    assert set(selected(listed.freeze())) == {"pc", "gpu"}


def test_a_saved_plan_with_a_list_reads_back(listed):
    plan = listed.freeze()
    assert Plan.from_json(plan.to_json()) == plan
