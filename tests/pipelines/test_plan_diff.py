"""The difference of two plans: empty for equal ones, the same from both sides, nothing unsaid."""

from dataclasses import replace
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from hotfire_pipelines.plan import (
    Plan,
    PlannedCell,
    PlannedEdge,
    PlannedTask,
    Policy,
    Source,
    inventory_digest,
)
from hotfire_pipelines.plan_diff import Changed, ChangedCell, diff
from hotfire_pipelines.selected import PlannedOmission
from hotfire_testframework.contract.task import TaskSpec
from hotfire_testframework.contract.variants import variant_hash

House = Any
NAMES = ("a", "b", "c", "d")


@st.composite
def plans(draw: st.DrawFn) -> Plan:
    """Small plans that have much in common: cells with cases in shards, edges, omissions."""
    cells, tasks, inventories, unselected = [], [], {}, []
    for name in NAMES:
        fate = draw(st.sampled_from(["in", "in", "out", "absent"]))
        variant = {"platform": "pc", "name": name}
        if fate == "out":
            unselected.append(PlannedOmission(key=name, task=name, platform="pc", variant=variant))
        if fate != "in":
            continue
        lines = draw(st.lists(st.sampled_from(["x:s=1", "y:s=1", "z:s=1"]), unique=True))
        tests = tuple(sorted(f"m/native/{line}" for line in lines))
        known = draw(st.booleans())
        if known:
            inventories[inventory_digest(tests)] = tests
        cells.append(
            PlannedCell(
                key=name, task=name, platform="pc", variant=variant,
                variant_hash=variant_hash(variant),
                required=draw(st.sampled_from(["always", "when-available"])),
                requires={"executables": draw(st.sampled_from([["g++"], ["clang"]]))},
                inventory=inventory_digest(tests) if known else None,
                budget_s=draw(st.sampled_from([None, 3.0])),
            )
        )  # fmt: skip
        of = draw(st.integers(1, 2))
        for number in range(1, of + 1):
            spec = TaskSpec.from_json(
                {"harness": "command", "command": [draw(st.sampled_from(["make", "ninja"]))],
                 "cases": lines[number - 1 :: of], "cpus": draw(st.integers(1, 2))}
            )  # fmt: skip
            tasks.append(
                PlannedTask(key=f"{name}#{number}/{of}" if of > 1 else name, cell=name,
                            shard=(number, of), spec=spec,
                            requested_digest=draw(st.sampled_from(["0" * 64, "1" * 64])))
            )  # fmt: skip
    keys = [task.key for task in tasks]
    edges = draw(st.lists(st.tuples(st.sampled_from(keys), st.sampled_from(keys)), max_size=2)
                 if keys else st.just([]))  # fmt: skip
    return Plan(
        pipeline="small", platforms=(), cells=tuple(cells), tasks=tuple(tasks),
        source=Source(repository="here", revision=draw(st.sampled_from(["1" * 40, "2" * 40]))),
        edges=tuple(PlannedEdge(earlier=a, later=b, kind="success") for a, b in sorted(set(edges))),
        inventories=inventories, unselected=tuple(unselected),
        policy=Policy(reuse=draw(st.booleans())),
    )  # fmt: skip


@settings(deadline=None)
@given(plans())
def test_a_plan_does_not_differ_from_itself(plan: Plan) -> None:
    found = diff(plan, replace(plan))
    assert found.is_empty
    assert found.to_dict()["equal"] is True


@settings(deadline=None)
@given(plans(), plans())
def test_the_difference_is_the_same_from_both_sides(one: Plan, other: Plan) -> None:
    assert diff(one, other).reversed() == diff(other, one)


@settings(deadline=None)
@given(plans(), plans())
def test_it_is_empty_exactly_where_the_digests_are_equal(one: Plan, other: Plan) -> None:
    assert diff(one, other).is_empty == (one.digest == other.digest)


def test_members_in_another_order_are_told(house: House) -> None:
    plan = house.freeze()
    other = replace(plan, cells=tuple(reversed(plan.cells)))
    assert [change.field for change in diff(plan, other).fields] == ["order of cells"]


def test_estimates_and_explanations_are_no_difference(house: House) -> None:
    plan = house.freeze()
    assert diff(plan, replace(plan, estimate=None, created="2030-01-01T00:00:00Z")).is_empty


def test_cells_tests_and_fields_are_named(house: House) -> None:
    old = house.freeze()
    house.pipeline["tasks"]["kernels"]["matrix"]["platform"] = ["pc", "board"]
    house.pipeline["required"] = {}
    house.pipeline["tasks"]["unit"]["cpus"] = 4
    house.pipeline["tasks"]["build"]["matrix"]["build_type"] = ["release", "debug"]
    house.pipeline["tasks"]["build"]["matrix"]["exclude"] = [
        {"platform": "board", "build_type": "debug"}
    ]
    cases = house.root / "cases" / "all.cases"
    cases.write_text(cases.read_text().replace("softmax.f32:rows=4", "softmax.f32:rows=5"))
    found = diff(old, house.freeze())
    assert found.cells_added == ("build|build_type=debug,platform=pc",)
    assert found.cells_removed == ("kernels|platform=gpu",)
    changed = {cell.key: cell for cell in found.cells_changed}
    assert Changed(field="task.spec.cpus", old=1, new=4) in changed["unit|platform=pc"].fields
    kernels = changed["kernels|platform=pc"]
    assert kernels.tests_added == (
        "aestus.kernels/native/softmax.f32:rows=5,d=8,data=normal,seed=1",
    )
    assert kernels.tests_removed == (
        "aestus.kernels/native/softmax.f32:rows=4,d=8,data=normal,seed=1",
    )
    assert [change.field for change in found.fields] == ["platforms.gpu"]
    assert any("kernels|platform=gpu" in edge for edge in found.edges_removed)


def test_tests_that_change_their_shard_are_told_as_moved(house: House) -> None:
    old = house.freeze()
    house.pipeline["tasks"]["kernels"]["shards"] = 2
    found = diff(old, house.freeze())
    assert found.fields == ()
    [cell] = [cell for cell in found.cells_changed if cell.key == "kernels|platform=pc"]
    assert cell.fields == (Changed(field="shards", old=1, new=2),)
    assert (cell.tests_added, cell.tests_removed) == ((), ())
    assert {(change.old, change.new) for change in cell.moved} == {
        ("kernels|platform=pc", "kernels|platform=pc#2/2"),
    }


def test_another_source_is_one_difference_and_not_one_per_task(house: House) -> None:
    other = house.freeze(source=Source(repository="hotfire", revision="9" * 40))
    found = diff(house.freeze(), other)
    assert [change.field for change in found.fields] == ["source.revision"]
    assert found.cells_changed == ()


def test_what_was_selected_before_and_is_not_now_is_on_both_lists(house: House) -> None:
    old = house.freeze()
    gone = old.cells[-1]
    omitted = PlannedOmission(
        key=gone.key, task=gone.task, platform=gone.platform, variant=gone.variant
    )
    new = replace(
        old,
        cells=old.cells[:-1],
        tasks=tuple(task for task in old.tasks if task.cell != gone.key),
        edges=tuple(edge for edge in old.edges if edge.later != gone.key),
        unselected=(omitted,),
    )
    found = diff(old, new)
    assert (found.cells_removed, found.unselected_added) == ((gone.key,), (gone.key,))
    assert isinstance(found.reversed().cells_changed, tuple)
    assert ChangedCell(key="x").reversed() == ChangedCell(key="x")
