"""The price of a plan: measured where it can be, honest about the rest, and never less for more."""

import math
import random
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hotfire_pipelines.demands import Budget, seconds_of
from hotfire_pipelines.history import definition_of
from hotfire_pipelines.plan import Estimate, Plan, PlannedCell, PlannedEdge, PlannedTask, Source
from hotfire_pipelines.priced import Basis, Price
from hotfire_pipelines.pricing import ENOUGH, Sample, exceeded, price_of, priced
from hotfire_pipelines.simulation import Load, simulate
from hotfire_testframework.contract.task import TaskSpec
from hotfire_testframework.contract.variants import variant_hash

House = Any
HOUR = 3600.0


def plan_of(tasks: dict[str, dict[str, Any]], edges: tuple[tuple[str, str], ...] = ()) -> Plan:
    """A plan with one task per cell; `seconds`, `devices`, `cpus` and `exclusive` say how it is."""
    cells, planned = [], []
    for name, how in tasks.items():
        axes = {"platform": how.get("platform", "pc"), "name": name}
        devices = how.get("devices", [])
        cells.append(
            PlannedCell(
                key=name, task=name.partition("@")[0], platform=axes["platform"], variant=axes,
                variant_hash=variant_hash(axes), required="always",
                requires={"devices": devices} if devices else {},
            )
        )  # fmt: skip
        spec = TaskSpec.from_json(
            {"harness": "command", "command": ["true"], "cpus": how.get("cpus", 1),
             "exclusive": how.get("exclusive", False)}
        )  # fmt: skip
        planned.append(
            PlannedTask(key=name, cell=name, shard=(1, 1), spec=spec, requested_digest="0" * 64)
        )
    seconds = {name: how.get("seconds", 60.0) for name, how in tasks.items()}
    return Plan(
        pipeline="small", source=Source(repository="here", revision="0" * 40), platforms=(),
        cells=tuple(cells), tasks=tuple(planned), inventories={},
        edges=tuple(PlannedEdge(earlier=a, later=b, kind="success") for a, b in edges),
        estimate=Estimate(seconds=0.0, by_task=seconds),
    )  # fmt: skip


def sample(cell: str, seconds: float, **more: Any) -> Sample:
    usual = {"task": cell.partition("@")[0], "platform": "pc", "shards": 1}
    return Sample(cell=cell, seconds=seconds, **{**usual, **more})


def test_hours_count_devices_shares_of_machines_and_time() -> None:
    plan = plan_of(
        {
            "build": {"seconds": HOUR, "cpus": 2},
            "llm": {"seconds": 2 * HOUR, "devices": ["nvidia:sm_90", "nvidia:sm_90"]},
            "speed": {"seconds": HOUR, "exclusive": True},
        }
    )
    price = price_of(plan, [], slots=4)
    assert price.gpu_hours.expected == pytest.approx(4.0)
    assert price.node_hours.expected == pytest.approx(0.5 + 2 * 0.25 + 1.0)
    assert price.measured == 0.0
    assert {task.basis for task in price.tasks} == {Basis.DECLARED}


def test_recorded_attempts_count_before_neighbours_and_these_before_what_is_declared() -> None:
    plan = plan_of({"own@a": {}, "near@b": {}, "new@c": {"seconds": 7.0}})
    samples = [sample("own@a", 10.0), sample("own@a", 10.0), sample("near@z", 20.0),
               sample("new@z", 99.0, platform="board")]  # fmt: skip
    own, near, new = price_of(plan, samples, slots=2).tasks
    assert (own.basis, own.samples, own.seconds.expected) == (Basis.MEASURED, 2, pytest.approx(10))
    assert (near.basis, near.seconds.expected) == (Basis.NEIGHBOURS, pytest.approx(20.0))
    assert (new.basis, new.seconds.expected) == (Basis.DECLARED, 7.0)
    assert new.seconds.high / new.seconds.low == pytest.approx(9.0)


def test_attempts_of_other_pipelines_count_where_they_define_the_cell_alike() -> None:
    plan = plan_of({"own@a": {}, "far@b": {}, "new@c": {"seconds": 7.0}})
    digest = definition_of(plan.tasks[0].spec.to_json())

    def lent(cell: str, seconds: float, definition: str = digest) -> Sample:
        return sample(cell, seconds, pipeline="pre-merge", definition=definition)

    samples = [sample("own@a", 10.0), lent("own@a", 10.0), lent("own@a", 99.0, "else"),
               lent("far@b", 20.0), lent("new@z", 30.0, "else")]  # fmt: skip
    own, far, new = price_of(plan, samples, slots=2).tasks
    assert (own.samples, own.pipelines, own.basis) == (2, ("pre-merge",), Basis.MEASURED)
    assert own.seconds.expected == pytest.approx(10.0)
    assert (far.samples, far.basis, far.seconds.expected) == (
        1, Basis.MEASURED, pytest.approx(20.0),
    )  # fmt: skip
    assert (new.basis, new.seconds.expected) == (Basis.NEIGHBOURS, pytest.approx(30.0))
    enough = [sample("own@a", 10.0)] * ENOUGH
    first = price_of(plan, [*enough, *samples[1:]], slots=2).tasks[0]
    assert (first.samples, first.pipelines) == (ENOUGH, ()), "its own are enough"


def test_what_no_machine_executes_costs_nothing_nor_what_waits_for_it() -> None:
    gpu = {"seconds": HOUR, "devices": ["nvidia:sm_90"]}
    plan = plan_of({"a": {"seconds": 10.0}, "far": gpu, "after": gpu}, (("far", "after"),))
    price = price_of(plan, [sample("far", 5.0)], slots=1, refused={"far"})
    assert [task.basis for task in price.tasks] == [Basis.DECLARED, Basis.NOTHING, Basis.NOTHING]
    assert (price.gpu_hours.expected, price.gpu_hours.high) == (0.0, 0.0)
    assert price.wall_seconds.expected == 10.0
    assert price.node_hours.expected == pytest.approx(10.0 / HOUR)
    assert price_of(plan, [], slots=1).gpu_hours.expected == pytest.approx(2.0)


def test_what_is_measured_is_said_as_a_share_of_the_node_hours() -> None:
    plan = plan_of({"a": {"seconds": 30.0}, "b": {"seconds": 10.0}})
    assert price_of(plan, [sample("a", 30.0)], slots=1).measured == pytest.approx(0.75)


def test_a_cell_that_was_cut_otherwise_is_priced_in_proportion() -> None:
    plan = plan_of({"a": {}})
    [task] = price_of(plan, [sample("a", 5.0, shards=4)], slots=1).tasks
    assert task.seconds.expected == pytest.approx(20.0)


def test_more_attempts_that_agree_narrow_the_range() -> None:
    plan = plan_of({"a": {}})

    def width(seconds: list[float]) -> float:
        [task] = price_of(plan, [sample("a", one) for one in seconds], slots=1).tasks
        return math.log(task.seconds.high / task.seconds.low)

    assert width([10, 11, 9]) > width([10, 11, 9, 10, 11, 9, 10, 10])
    assert width([10, 20, 5]) > width([10, 11, 9])
    assert width([10] * 20) > 0, "the next one is never certain"


def test_the_prediction_interval_holds_four_of_five_durations() -> None:

    order = random.Random(6)
    inside = 0
    for _ in range(2000):
        *seen, following = (math.exp(order.gauss(3.0, 0.4)) for _ in range(6))
        [task] = price_of(plan_of({"a": {}}), [sample("a", s) for s in seen], slots=1).tasks
        inside += task.seconds.low <= following <= task.seconds.high
    assert 0.77 <= inside / 2000 <= 0.83


def test_wall_time_is_that_of_a_schedule_with_its_edges_slots_and_devices() -> None:
    gpu = {"seconds": 10.0, "devices": ["nvidia:sm_90"]}
    assert wall(plan_of({"a": {"seconds": 10.0}, "b": {"seconds": 10.0}}), 2) == 10.0
    assert wall(plan_of({"a": {"seconds": 10.0}, "b": {"seconds": 10.0}}), 1) == 20.0
    assert wall(plan_of({"a": {"seconds": 10.0}, "b": {"seconds": 10.0}}, (("a", "b"),)), 2) == 20.0
    assert wall(plan_of({"a": gpu, "b": gpu}), 8) == 20.0, "one machine of a kind of device"
    alone = {"seconds": 10.0, "exclusive": True}
    assert wall(plan_of({"a": alone, "b": {"seconds": 1.0}}), 8) == 11.0


def wall(plan: Plan, slots: int) -> float:
    return price_of(plan, [], slots=slots).wall_seconds.expected


loads = st.lists(
    st.tuples(st.floats(0.1, 1e4), st.integers(1, 8), st.booleans(), st.booleans()), max_size=8
)


def many(found: list[tuple[float, int, bool, bool]]) -> dict[str, dict[str, Any]]:
    return {
        f"t{at}": {"seconds": seconds, "cpus": cpus, "exclusive": alone,
                   "devices": ["nvidia:sm_90"] if gpu else []}
        for at, (seconds, cpus, alone, gpu) in enumerate(found)
    }  # fmt: skip


@settings(deadline=None)
@given(loads, loads, st.integers(1, 8))
def test_more_tasks_never_cost_less(
    few: list[tuple[float, int, bool, bool]], more: list[tuple[float, int, bool, bool]], slots: int
) -> None:
    small = price_of(plan_of(many(few)), [], slots=slots)
    large = price_of(plan_of(many(few + more)), [], slots=slots)
    for mine, theirs in ((small.gpu_hours, large.gpu_hours), (small.node_hours, large.node_hours)):
        assert mine.low <= theirs.low * (1 + 1e-9)
        assert mine.expected <= theirs.expected * (1 + 1e-9)
        assert mine.high <= theirs.high * (1 + 1e-9)


@settings(deadline=None)
@given(loads, st.floats(1.0, 10.0), st.integers(1, 8))
def test_longer_tasks_cost_as_much_more(
    found: list[tuple[float, int, bool, bool]], factor: float, slots: int
) -> None:
    longer = [(seconds * factor, *rest) for seconds, *rest in found]
    one = price_of(plan_of(many(found)), [], slots=slots)
    other = price_of(plan_of(many(longer)), [], slots=slots)  # type: ignore[arg-type]
    assert other.node_hours.expected == pytest.approx(one.node_hours.expected * factor)
    assert other.wall_seconds.expected == pytest.approx(one.wall_seconds.expected * factor)


@settings(deadline=None)
@given(loads, st.integers(1, 8))
def test_the_wall_time_lies_between_the_bounds_of_every_list_schedule(
    found: list[tuple[float, int, bool, bool]], slots: int
) -> None:
    tasks = [
        Load(key=str(at), seconds=seconds, cpus=cpus, is_exclusive=alone, waits_for=())
        for at, (seconds, cpus, alone, _) in enumerate(found)
    ]
    took = simulate(tasks, slots)
    work = sum(t.seconds * (slots if t.is_exclusive else min(t.cpus, slots)) for t in tasks)
    assert took >= max([work / slots, *(t.seconds for t in tasks)]) * (1 - 1e-9)
    assert took <= sum(t.seconds for t in tasks) * (1 + 1e-9)


def test_a_range_holds_its_middle() -> None:
    price = price_of(plan_of({"a": {}, "b": {}}), [sample("a", 50.0)], slots=1)
    for figure in (price.node_hours, price.wall_seconds, *(t.seconds for t in price.tasks)):
        assert figure.low < figure.expected < figure.high


def test_what_is_beyond_the_budget_is_told_with_both_figures() -> None:
    plan = plan_of({"a": {"seconds": 3 * HOUR, "devices": ["nvidia:sm_90"]}})
    budget = Budget.model_validate_json('{"gpu-hours": 2, "node-hours": 9, "wall": "1h30m"}')
    price = price_of(plan, [], slots=2, budget=budget)
    assert exceeded(price) == ("3 GPU-hours of 2", "180 minutes of wall time of 90")
    assert exceeded(price_of(plan, [], slots=2)) == ()
    assert seconds_of("1h30m") == 5400


def test_the_price_travels_with_the_plan_outside_its_digest(house: House) -> None:
    pipeline, catalogue = house.load()
    plan = house.freeze()
    told = priced(plan, pipeline, catalogue, [], slots=2)
    assert told.price is not None
    assert told.digest == plan.digest
    assert Plan.from_json(told.to_json()) == told
    assert told.estimate is not None
    assert told.estimate.seconds == round(told.price.wall_seconds.expected, 1)


GPUS = {
    "a100": {"gpu_memory_gib": "80", "compute_capability": "8.0"},
    "a10": {"gpu_memory_gib": "24", "compute_capability": "8.6"},
    "orin": {"gpu_memory_gib": "32", "compute_capability": "8.7", "arch": "aarch64"},
    "unknown": {},
}
PRICES = {"a100": 4.0, "a10": 2.0, "orin": 0.5, "unknown": 0.1}


def suggestions(house: House, sufficient: dict[str, Any]) -> list[tuple[str, str]]:
    platforms = house.platforms["platforms"]
    platforms["gpu"]["price"] = 8.0
    for name, dimensions in GPUS.items():
        platforms[name] = {
            "dimensions": {"os": "linux", "arch": "x86_64", **dimensions},
            "run": {"devices": ["nvidia:any"]}, "reach": ["kubernetes"], "price": PRICES[name],
        }  # fmt: skip
    house.pipeline["tasks"]["kernels"]["sufficient"] = sufficient
    pipeline, catalogue = house.load()
    price = priced(house.freeze(), pipeline, catalogue, [], slots=2).price
    assert isinstance(price, Price)
    return [(one.platform, one.cheaper) for one in price.suggestions]


def test_the_cheapest_platform_that_certainly_suffices_is_suggested(house: House) -> None:
    assert suggestions(house, {"gpu_memory_gib": 24, "compute_capability": "8.0"}) == [
        ("gpu", "a10")
    ]
    assert suggestions(house, {"gpu_memory_gib": 40}) == [("gpu", "a100")]
    assert suggestions(house, {"compute_capability": "9.0"}) == []


def test_nothing_is_suggested_for_a_task_that_declares_nothing(house: House) -> None:
    plan, (pipeline, catalogue) = house.freeze(), house.load()
    price = priced(plan, pipeline, catalogue, [], slots=2).price
    assert price is not None
    assert price.suggestions == ()


def test_ten_thousand_tasks_are_scheduled_in_their_order() -> None:
    tasks = [
        Load(key=str(at), seconds=1.0, cpus=2, is_exclusive=at % 100 == 0, waits_for=())
        for at in range(10_000)
    ]
    assert simulate(tasks, 3) == 10_000.0
