"""`hotfire run --only`: the tests that are named, what they need, and a run that is no history."""

from __future__ import annotations

from dataclasses import replace

import pytest

from hotfire_infra.cli.exit_codes import CliExit
from hotfire_infra.cli.problems import CliError
from hotfire_infra.cli.verbs.run import only_tests
from hotfire_infra.client.embedded import purpose_of
from hotfire_infra.client.protocol import Question, RunWish
from hotfire_infra.errors import ServiceUnreachableError
from hotfire_pipelines.durations import Measured
from hotfire_pipelines.history import CellHistory
from hotfire_pipelines.plan import Estimate, Policy
from hotfire_pipelines.priced import Basis, PlannedBudget, Price, PricedTask, Range
from hotfire_pipelines.pricing import exceeded
from hotfire_testframework.contract.outcomes import Harness
from hotfire_testframework.contract.task import TaskSpec

PYTEST = TaskSpec(harness=Harness.PYTEST, paths=("suite",))
TASKS = {
    "build": ["tasks/command/build"],
    "speed": ["perf/pytest/t[decode]", "perf/pytest/t[load]"],
    "unit": ["unit/pytest/u"],
}


@pytest.fixture
def plan(make_plan):
    specs = {"speed": PYTEST, "unit": PYTEST}
    made = make_plan(TASKS, edges=[("build", "speed"), ("build", "unit")], specs=specs)
    return replace(made, policy=Policy(performance={"*": {}}))


def test_the_named_test_runs_with_the_build_it_needs_under_the_same_gates(plan):
    cut = only_tests(plan, "decode")
    assert [task.key for task in cut.tasks] == ["build", "speed"]
    assert cut.tasks[1].spec.leave_out == ("perf/pytest/t[load]",)
    assert (cut.policy, cut.source) == (plan.policy, plan.source)
    cut.check()


def test_words_that_hold_for_all_tests_of_a_cell_leave_none_out(plan):
    cut = only_tests(plan, "perf/")
    assert cut.tasks[1].spec == PYTEST


@pytest.mark.parametrize(
    ("words", "why"),
    [
        ("nothing has this", "known once a run has collected them"),
        ("tasks/command", "1 test of tasks that pytest does not drive"),
    ],
)
def test_a_name_that_nothing_has_is_refused(plan, words, why):
    with pytest.raises(CliError, match=f"no test with such a name.*{why}") as caught:
        only_tests(plan, words)
    assert caught.value.code == CliExit.NOTHING_SELECTED


@pytest.fixture
def costly(plan):
    def seconds(expected):
        return Range(low=expected / 2, expected=expected, high=expected * 2)

    tasks = tuple(
        PricedTask(
            task=task.key, cell=task.cell, seconds=seconds(3600.0), gpus=1, nodes=1.0,
            basis=Basis.MEASURED, samples=3,
        )
        for task in plan.tasks
    )  # fmt: skip
    hours = Range(low=1.5, expected=3.0, high=6.0)
    price = Price(
        gpu_hours=hours, node_hours=hours, wall_seconds=seconds(10800.0), slots=1, measured=1.0,
        tasks=tasks, budget=PlannedBudget(gpu_hours=2.0),
    )  # fmt: skip
    return replace(plan, price=price, estimate=Estimate(seconds=10800.0, by_task={}))


def test_the_named_tests_are_priced_by_what_they_took(costly):
    def recorded(cell, task, platform, definition):
        assert (cell, task) == ("speed", "speed")
        took = {"perf/pytest/t[decode]": 100.0, "perf/pytest/t[load]": 800.0}
        return CellHistory(
            tests={test: Measured(seconds=seconds) for test, seconds in took.items()},
            setup=Measured(seconds=100.0),
        )

    cut = only_tests(costly, "decode", recorded)
    assert cut.price is not None
    by_task = {one.task: one.seconds.expected for one in cut.price.tasks}
    assert by_task == pytest.approx({"build": 3600.0, "speed": 720.0}, rel=0.03)
    assert cut.price.gpu_hours.expected == pytest.approx(1.2, rel=0.01)
    assert exceeded(costly.price)
    assert not exceeded(cut.price)
    assert cut.estimate is not None
    assert cut.estimate.by_task["speed"] == pytest.approx(720.0, rel=0.03)
    speed = cut.price.tasks[1].seconds
    assert speed.low < 720.0 < speed.high


def test_tests_that_nobody_measured_cost_alike(costly):
    def silent(*asked):
        raise ServiceUnreachableError("nobody answers")

    for recorded in (None, silent):
        cut = only_tests(costly, "decode", recorded)
        assert cut.price is not None
        assert 1800 < cut.price.tasks[1].seconds.expected < 2400, "half, and the set-up"


def test_a_plan_without_a_price_gets_none(plan):
    cut = only_tests(replace(plan, price=None), "decode")
    assert (cut.price, cut.estimate) == (None, None)


def test_such_a_run_is_nobodys_latest():
    assert purpose_of(RunWish()) == "result"
    assert purpose_of(RunWish(is_partial=True)) == "partial"
    question = Question(body={"key": "k"}, fresh=())
    assert purpose_of(RunWish(question=question, is_partial=True)) == "bisect"
