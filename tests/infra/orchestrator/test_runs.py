"""Runs from plan to verdict on the fake executor."""

from __future__ import annotations

import pytest

from hotfire_infra.executors.fake import Script
from hotfire_infra.states import RunState, RunVerdict, TaskState
from hotfire_infra.store import queries

ONE, TWO, THREE = "m/s/one", "m/s/two", "m/s/three"


def cells_of(snapshot):
    return {cell.key: cell for cell in snapshot.cells}


def test_a_run_whose_tests_pass_is_passed(make_stand, make_plan):
    done = make_stand().run(make_plan({"build": ["tasks/command/build"], "kernels": [ONE, TWO]}))
    assert (done.run.state, done.run.verdict) == (RunState.FINALIZED, RunVerdict.PASSED)
    assert done.run.reasons == ()
    assert cells_of(done)["kernels"].tests == {"passed": 2}
    assert done.run.headline == "passed on 1 of 1 platforms, 2 of 2 cells, none missing."


def test_a_failed_test_makes_its_cell_and_its_run_failed(make_stand, make_plan):
    stand = make_stand(lambda spec: Script(outcomes={TWO: "failed"}))
    done = stand.run(make_plan({"kernels": [ONE, TWO]}))
    cell = cells_of(done)["kernels"]
    assert (done.run.verdict, cell.verdict) == (RunVerdict.FAILED, "failed")
    assert cell.tests == {"passed": 1, "failed": 1}
    assert cell.failure_class == "product"
    assert "1 test failed" in done.run.reasons[0]
    assert stand.attempts(done.run.id) == [("kernels", 1, "failed")]


def test_the_failed_test_is_found_with_its_message(make_stand, make_plan, store):
    stand = make_stand(lambda spec: Script(outcomes={TWO: "failed"}))
    done = stand.run(make_plan({"kernels": [ONE, TWO]}))
    with store.reading() as connection:
        (row,) = queries.verdicts_of(connection, done.run.id, verdicts=["failed"])
    assert (row.test, row.failure_class) == (TWO, "product")
    assert "as scripted" in row.message


def test_what_waits_for_a_failed_build_is_precluded_with_its_reason(make_stand, make_plan):
    stand = make_stand(lambda spec: Script(outcomes={"tasks/command/build": "failed"}))
    plan = make_plan(
        {"build": ["tasks/command/build"], "unit": [ONE], "late": [TWO]},
        edges=[("build", "unit"), ("unit", "late")],
    )
    done = stand.run(plan)
    cells = cells_of(done)
    assert [cells[key].verdict for key in ("build", "unit", "late")] == [
        "failed",
        "precluded",
        "precluded",
    ]
    assert cells["late"].reason == cells["unit"].reason
    assert cells["unit"].reason.startswith("build failed")
    assert cells["late"].tests == {"precluded": 1}
    assert done.run.verdict is RunVerdict.FAILED


def test_a_platform_that_cannot_execute_says_why_down_the_chain(make_stand, make_plan):
    stand = make_stand(refusals={"wine": "no wine on this machine"})
    plan = make_plan(
        {"build": [ONE], "build@win": [TWO], "unit@win": [THREE]},
        edges=[("build@win", "unit@win")],
        requires={"build@win": {"executables": ["wine"]}},
        required={"build@win": "when-available", "unit@win": "when-available"},
    )
    done = stand.run(plan)
    cells = cells_of(done)
    assert cells["unit@win"].verdict == "not_executable"
    assert cells["unit@win"].reason == "no wine on this machine"
    assert done.run.verdict is RunVerdict.PASSED
    assert done.run.headline == "passed on 1 of 2 platforms, 1 of 3 cells, none missing."


def test_a_required_platform_that_cannot_execute_blocks(make_stand, make_plan):
    stand = make_stand(refusals={"wine": "no wine on this machine"})
    plan = make_plan(
        {"build": [ONE], "unit@win": [THREE]}, requires={"unit@win": {"executables": ["wine"]}}
    )
    assert stand.run(plan).run.verdict is RunVerdict.INCOMPLETE


def test_a_test_that_was_expected_and_not_collected_is_missing(make_stand, make_plan):
    stand = make_stand(lambda spec: Script(omitted_tests=frozenset({TWO})))
    done = stand.run(make_plan({"kernels": [ONE, TWO]}))
    assert cells_of(done)["kernels"].tests == {"passed": 1, "missing": 1}
    assert done.run.verdict is RunVerdict.INCOMPLETE


def test_a_test_that_nobody_expected_is_new_and_expected_next_time(make_stand, make_plan, store):
    stand = make_stand(lambda spec: Script(extra_tests=(THREE,)))
    done = stand.run(make_plan({"kernels": [ONE]}))
    with store.reading() as connection:
        rows = queries.verdicts_of(connection, done.run.id)
        digest = queries.last_inventory(connection, "small", "kernels")
    assert [(row.test, row.is_new) for row in rows] == [(ONE, False), (THREE, True)]
    assert queries.parse_inventory(store.blobs.read(digest)) == (ONE, THREE)


def test_a_suite_that_collects_nothing_is_an_error(make_stand, make_plan):
    stand = make_stand(lambda spec: Script(omitted_tests=frozenset({ONE}), exit_code=0))
    done = stand.run(make_plan({"kernels": [ONE]}))
    assert (done.run.verdict, cells_of(done)["kernels"].verdict) == (RunVerdict.ERRORED, "errored")


@pytest.mark.parametrize("code", [30, 36])
def test_infrastructure_trouble_is_retried_and_then_forgotten(make_stand, make_plan, code):
    calls = []

    def director(spec):
        calls.append(spec.attempt)
        return Script(exit_code=code if calls[0] == spec.attempt else None)

    done = make_stand(director).run(make_plan({"kernels": [ONE]}))
    assert done.run.verdict is RunVerdict.PASSED
    assert cells_of(done)["kernels"].attempts == 2


def test_infrastructure_trouble_beyond_the_budget_is_errored_and_never_red(make_stand, make_plan):
    stand = make_stand(lambda spec: Script(exit_code=36))
    done = stand.run(make_plan({"kernels": [ONE]}))
    cell = cells_of(done)["kernels"]
    assert (done.run.verdict, cell.verdict, cell.attempts) == (RunVerdict.ERRORED, "errored", 2)
    assert cell.failure_class == "infra-node"
    assert cell.tests == {"errored": 1}


@pytest.mark.parametrize("code", [20, 21, 1, 139])
def test_a_broken_plan_or_harness_is_not_retried(make_stand, make_plan, code):
    stand = make_stand(lambda spec: Script(exit_code=code))
    done = stand.run(make_plan({"kernels": [ONE]}))
    assert cells_of(done)["kernels"].attempts == 1
    assert done.run.verdict is RunVerdict.ERRORED


def test_a_test_that_kills_two_runners_is_a_failure_of_the_product(make_stand, make_plan):
    stand = make_stand(lambda spec: Script(dies_in=TWO))
    done = stand.run(make_plan({"kernels": [ONE, TWO]}))
    cell = cells_of(done)["kernels"]
    assert (done.run.verdict, cell.verdict, cell.failure_class) == (
        RunVerdict.FAILED,
        "failed",
        "product",
    )
    assert stand.attempts(done.run.id) == [("kernels", 1, "lost"), ("kernels", 2, "lost")]
    assert cell.tests["failed"] == 1
    assert TWO in cell.reason


def test_runners_that_die_in_different_tests_are_infrastructure(make_stand, make_plan):
    victims = {}

    def director(spec):
        victims.setdefault(spec.attempt, [ONE, TWO][len(victims) % 2])
        return Script(dies_in=victims[spec.attempt])

    done = make_stand(director).run(make_plan({"kernels": [ONE, TWO]}))
    assert done.run.verdict is RunVerdict.ERRORED


def test_tasks_wait_for_room_and_an_exclusive_one_for_an_idle_machine(
    make_stand, make_plan, make_spec
):
    stand = make_stand(lambda spec: Script(is_endless=True), cpus=2)
    plan = make_plan(
        {"speed": [ONE], "a": [TWO], "b": [THREE], "c": ["m/s/four"]},
        specs={"speed": make_spec(exclusive=True)},
    )
    run_id = stand.start(plan)
    stand.rounds(5)
    states = {task.key: task.state for task in stand.show(run_id).tasks}
    assert states == {
        "speed": TaskState.QUEUED,
        "a": TaskState.RUNNING,
        "b": TaskState.RUNNING,
        "c": TaskState.QUEUED,
    }
