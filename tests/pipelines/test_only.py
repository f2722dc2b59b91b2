"""A plan narrowed to some tests says so itself: what is left out is neither missing nor expected."""

from __future__ import annotations

from hotfire_pipelines.only import can_leave_out, is_separable, keeping
from hotfire_pipelines.plan import (
    Plan,
    PlannedCell,
    PlannedPlatform,
    PlannedTask,
    Source,
    inventory_digest,
)
from hotfire_testframework.contract.outcomes import Harness
from hotfire_testframework.contract.task import TaskSpec
from hotfire_testframework.contract.variants import variant_hash

TESTS = ("perf/pytest/t[decode]", "perf/pytest/t[load]", "perf/pytest/t[prefill]")
VARIANT = {"execution": "native", "platform": "here"}


def plan_of(spec: TaskSpec, tests: tuple[str, ...] | None = TESTS) -> Plan:
    digest = None if tests is None else inventory_digest(tests)
    cell = PlannedCell(
        key="speed|platform=here", task="speed", platform="here", variant=VARIANT,
        variant_hash=variant_hash(VARIANT), required="always", requires={}, inventory=digest,
    )  # fmt: skip
    task = PlannedTask(
        key=cell.key, cell=cell.key, shard=(1, 1), spec=spec, requested_digest="0" * 64
    )
    platform = PlannedPlatform(
        name="here",
        description="",
        dimensions={},
        execution="native",
        launcher=(),
        reach=("local",),
    )
    return Plan(
        pipeline="p", source=Source(repository="r", revision="a" * 40), platforms=(platform,),
        cells=(cell,), tasks=(task,), edges=(),
        inventories={} if digest is None or tests is None else {digest: tests},
    )  # fmt: skip


PYTEST = TaskSpec(harness=Harness.PYTEST, paths=("suite",))


def only_decode(test: str) -> bool:
    return "decode" in test


def test_what_is_not_wanted_is_left_out_by_name_and_counted():
    whole = plan_of(PYTEST)
    cut = keeping(whole, {"speed|platform=here": only_decode})
    cut.check()
    (cell,), (task,) = cut.cells, cut.tasks
    assert cut.expected(cell) == TESTS[:1]
    assert (cell.left_out, task.spec.leave_out) == (2, TESTS[1:])
    assert list(cut.inventories) == [cell.inventory]
    assert task.requested_digest != whole.tasks[0].requested_digest, "no result of the whole fits"
    assert Plan.from_json(cut.to_json()) == cut


def test_nothing_is_left_out_by_guess():
    for whole, wanted in (
        (plan_of(PYTEST), {"other": only_decode}),
        (plan_of(PYTEST), {"speed|platform=here": lambda _: False}),
        (plan_of(PYTEST), {"speed|platform=here": lambda _: True}),
        (plan_of(PYTEST, None), {"speed|platform=here": only_decode}),
        (plan_of(TaskSpec(harness=Harness.COMMAND, command=("x",))),
         {"speed|platform=here": only_decode}),
    ):  # fmt: skip
        assert keeping(whole, wanted) == whole


def test_a_suite_is_separable_only_where_it_says_so():
    (task,) = plan_of(PYTEST).tasks
    assert can_leave_out(task)
    assert not is_separable(task)
    said = TaskSpec(harness=Harness.PYTEST, paths=("suite",), env={"HOTFIRE_SEPARABLE": "yes"})
    assert is_separable(plan_of(said).tasks[0])
    command = TaskSpec(harness=Harness.COMMAND, command=("x",), env={"HOTFIRE_SEPARABLE": "yes"})
    assert not is_separable(plan_of(command).tasks[0])
