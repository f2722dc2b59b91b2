"""`hotfire run --only`: the tests that are named, what they need, and a run that is no history."""

from __future__ import annotations

from dataclasses import replace

import pytest

from hotfire_infra.cli.exit_codes import CliExit
from hotfire_infra.cli.problems import CliError
from hotfire_infra.cli.verbs.run import only_tests
from hotfire_infra.client.embedded import purpose_of
from hotfire_infra.client.protocol import Question, RunWish
from hotfire_pipelines.plan import Policy
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


@pytest.mark.parametrize("words", ["nothing has this", "tasks/command"])
def test_a_name_that_nothing_has_is_refused(plan, words):
    with pytest.raises(CliError, match="no test with such a name") as caught:
        only_tests(plan, words)
    assert caught.value.code == CliExit.NOTHING_SELECTED


def test_such_a_run_is_nobodys_latest():
    assert purpose_of(RunWish()) == "result"
    assert purpose_of(RunWish(is_partial=True)) == "partial"
    question = Question(body={"key": "k"}, fresh=())
    assert purpose_of(RunWish(question=question, is_partial=True)) == "bisect"
