"""Cells are cut by what earlier runs took on their platform, and the plan says so."""

from typing import Any

from hotfire_pipelines.durations import Measured
from hotfire_pipelines.history import CellHistory
from hotfire_pipelines.plan import Plan, PlannedDurations

House = Any

# The cases of the small house, see conftest.py.
CASES = [
    "gemm.f32:m=1,n=1,k=1,data=exact,seed=1",
    "gemm.f32:m=2,n=2,k=2,data=uniform,seed=1",
    "gemm.f32:m=2,n=2,k=3,data=uniform,seed=2",
    "gemm.f32:m=64,n=64,k=64,data=uniform,seed=3",
    "softmax.f32:rows=4,d=8,data=normal,seed=1",
]


def told(tests: dict[str, float], **more: Any) -> Any:
    """What a store recorded of a cell, by case line."""
    measured = {
        f"aestus.kernels/native/{case}": Measured(seconds=seconds, samples=3)
        for case, seconds in tests.items()
    }
    found = CellHistory(tests=measured, **more)
    return lambda key, task, platform, definition: found if platform == "pc" else None


def sharded(house: House, shards: Any) -> None:
    house.pipeline["tasks"]["kernels"]["matrix"] = {"platform": ["pc", "board"]}
    house.pipeline["tasks"]["kernels"]["shards"] = shards


def test_shards_are_cut_by_what_was_measured_on_the_platform(house: House) -> None:
    sharded(house, 2)
    slow = told({CASES[0]: 100.0, **dict.fromkeys(CASES[1:], 1.0)})
    plan = house.freeze(recorded=slow)
    parts = {task.key: task.spec.cases for task in plan.tasks if "platform=pc" in task.key}
    assert (CASES[0],) in parts.values()
    assert plan.durations == (
        PlannedDurations(
            cell="kernels|platform=board", measured=0, neighbours=0, unknown=5, setup_s=1.0
        ),
        PlannedDurations(
            cell="kernels|platform=pc", measured=5, neighbours=0, unknown=0, samples=3, setup_s=1.0
        ),
    )
    assert Plan.from_json(plan.to_json()) == plan


def test_a_case_that_never_ran_is_estimated_from_its_operator(house: House) -> None:
    sharded(house, 2)
    plan = house.freeze(recorded=told({CASES[1]: 8.0}))
    [said] = [one for one in plan.durations if one.cell == "kernels|platform=pc"]
    assert (said.measured, said.neighbours, said.unknown) == (1, 4, 0)
    assert said.groups == {"aestus.kernels/native": 1, "aestus.kernels/native/gemm.f32": 3}


def test_the_number_of_shards_follows_from_a_target(house: House) -> None:
    sharded(house, {"target": "1m", "max": 4})
    slow = told(dict.fromkeys(CASES, 40.0), setup=Measured(seconds=2.0))
    shards = [
        task for task in house.freeze(recorded=slow).tasks if "kernels|platform=pc" in task.key
    ]
    assert len(shards) == 4
    quick = told(dict.fromkeys(CASES, 1.0))
    assert [
        task.shard
        for task in house.freeze(recorded=quick).tasks
        if "kernels|platform=pc" in task.key
    ] == [(1, 1)]


def test_the_shards_of_the_last_plan_stay(house: House) -> None:
    sharded(house, 2)
    before = ((CASES[0], CASES[3]), (CASES[1], CASES[2], CASES[4]))
    even = {CASES[0]: 30.0, CASES[1]: 20.0, CASES[2]: 20.0, CASES[3]: 30.0, CASES[4]: 20.0}
    plan = house.freeze(recorded=told(even, shards=before))
    parts = [set(task.spec.cases) for task in plan.tasks if "kernels|platform=pc" in task.key]
    assert parts == [set(part) for part in before]


def test_the_limit_of_a_shard_covers_its_tests(house: House) -> None:
    sharded(house, 2)
    house.pipeline["tasks"]["kernels"]["timeouts"] = {"test_s": 600, "run_s": 900}
    plan = house.freeze(recorded=told(dict.fromkeys(CASES, 400.0)))
    limits = [task.spec.timeouts.run_s for task in plan.tasks if "kernels|platform=pc" in task.key]
    assert all(limit >= 900 for limit in limits)
    assert max(limits) == 1800


def test_durations_told_by_a_neighbouring_cell_are_estimates(house: House) -> None:
    sharded(house, 2)
    plan = house.freeze(recorded=told(dict.fromkeys(CASES, 2.0), is_own=False))
    [said] = [one for one in plan.durations if one.cell == "kernels|platform=pc"]
    assert (said.measured, said.neighbours) == (0, 5)


def test_what_is_known_of_durations_stays_outside_the_digest(house: House) -> None:
    known, unknown = house.freeze(recorded=told({CASES[0]: 2.0})), house.freeze()
    assert known.durations
    assert known.digest == unknown.digest
