"""Folds, one table per question."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hotfire_infra.orchestrator.folds import (
    AttemptFacts,
    TaskFold,
    crashing_tests,
    fold_cell,
    fold_task,
    fold_test,
    worst,
)
from hotfire_infra.states import ATTEMPT_LIVE, AttemptState, TaskState
from hotfire_testframework.contract.failure import FailureClass
from hotfire_testframework.contract.outcomes import Outcome, Verdict

P, F, S, E = Outcome.PASSED, Outcome.FAILED, Outcome.SKIPPED, Outcome.ERRORED


@pytest.mark.parametrize(
    ("outcomes", "verdict"),
    [
        ([P], Verdict.PASSED),
        ([P, P], Verdict.PASSED),
        ([F, P], Verdict.FLAKY),
        ([P, F], Verdict.FLAKY),
        ([E, P], Verdict.FLAKY),
        ([F, F], Verdict.FAILED),
        ([E, F], Verdict.FAILED),
        ([E], Verdict.ERRORED),
        ([S], Verdict.SKIPPED),
        ([], Verdict.MISSING),
    ],
)
def test_the_tries_of_a_test_make_its_verdict(outcomes, verdict):
    assert fold_test(outcomes) is verdict


def facts(state: AttemptState, failure: FailureClass | None = None, *tests: str) -> AttemptFacts:
    return AttemptFacts(state=state, reason="why", failure_class=failure, in_flight=tests)


LOST = facts(AttemptState.LOST, FailureClass.INFRA_NODE)
HARNESS = facts(AttemptState.ERRORED, FailureClass.HARNESS)
DEVICE = facts(AttemptState.ERRORED, FailureClass.INFRA_DEVICE)
PREEMPTED = facts(AttemptState.PREEMPTED, FailureClass.PREEMPTED)


@pytest.mark.parametrize(
    ("attempts", "retries", "state", "verdict"),
    [
        ([LOST], 1, TaskState.QUEUED, None),
        ([DEVICE], 1, TaskState.QUEUED, None),
        ([PREEMPTED], 1, TaskState.QUEUED, None),
        ([LOST], 0, TaskState.DONE, Verdict.ERRORED),
        ([LOST, DEVICE], 1, TaskState.DONE, Verdict.ERRORED),
        ([HARNESS], 9, TaskState.DONE, Verdict.ERRORED),
        ([LOST, facts(AttemptState.PASSED)], 1, TaskState.DONE, Verdict.PASSED),
        ([LOST, facts(AttemptState.FAILED)], 9, TaskState.DONE, Verdict.FAILED),
        ([facts(AttemptState.TIMED_OUT)], 9, TaskState.DONE, Verdict.FAILED),
        ([LOST, facts(AttemptState.STARTED)], 1, TaskState.RUNNING, None),
        ([facts(AttemptState.CANCELLED)], 9, TaskState.CANCELLED, Verdict.MISSING),
    ],
)
def test_the_attempts_of_a_task_make_its_state(attempts, retries, state, verdict):
    folded = fold_task(
        resolution=None, reason="", attempts=attempts, retries=retries, is_ready=True
    )
    assert (folded.state, folded.verdict) == (state, verdict)


ATTEMPTS = st.builds(
    AttemptFacts,
    state=st.sampled_from(AttemptState),
    failure_class=st.none() | st.sampled_from(FailureClass),
    in_flight=st.lists(st.sampled_from(["m/s/a", "m/s/b"]), max_size=2).map(tuple),
)


@given(st.lists(ATTEMPTS, max_size=5), st.integers(0, 4), st.booleans())
def test_every_history_folds_and_only_a_verdict_ends_it(attempts, retries, is_ready):
    folded = fold_task(
        resolution=None, reason="", attempts=attempts, retries=retries, is_ready=is_ready
    )
    is_open = folded.state in (TaskState.WAITING, TaskState.QUEUED, TaskState.RUNNING)
    assert folded.is_over is not is_open
    if attempts and attempts[-1].state in ATTEMPT_LIVE:
        assert folded.state is TaskState.RUNNING


def task(verdict: Verdict | None, state: TaskState = TaskState.DONE) -> TaskFold:
    return TaskFold(state=state, verdict=verdict)


def test_a_cell_is_decided_by_its_last_shard():
    open_cell = fold_cell([task(Verdict.PASSED), task(None, TaskState.RUNNING)], [])
    assert (open_cell.state, open_cell.verdict) == (TaskState.RUNNING, None)
    closed = fold_cell([task(Verdict.PASSED), task(Verdict.ERRORED)], [Verdict.PASSED])
    assert closed.verdict is Verdict.ERRORED


def test_a_flaky_test_in_an_attempt_that_passed_makes_a_flaky_cell():
    assert fold_cell([task(Verdict.PASSED)], [Verdict.PASSED, Verdict.FLAKY]).verdict == "flaky"


def test_a_cell_whose_tests_could_not_ask_is_errored_and_not_red():
    red = TaskFold(state=TaskState.DONE, verdict=Verdict.FAILED, failure_class=FailureClass.PRODUCT)
    errored = fold_cell([red], [Verdict.PASSED, Verdict.ERRORED])
    assert (errored.verdict, errored.reason) == (Verdict.ERRORED, "1 test errored")
    assert fold_cell([red], [Verdict.FAILED, Verdict.ERRORED]).verdict is Verdict.FAILED


@given(st.lists(st.sampled_from(Verdict), min_size=1))
def test_the_worst_verdict_does_not_depend_on_the_order(verdicts):
    assert worst(verdicts) is worst(reversed(verdicts))
    assert worst(verdicts) in verdicts


@pytest.mark.parametrize(
    ("silent", "devices", "convicted"),
    [
        ((True, True), (7, 7), False),
        ((True, True), (None, None), False),
        ((True, False), (7, 7), False),
        ((False, False), (7, 7), True),
        ((True, True), (7, 8), True),
        ((True, False, False), (7, 7, 7), True),
    ],
)
def test_silence_on_one_device_convicts_no_test(silent, devices, convicted):
    attempts = [
        replace(
            facts(AttemptState.LOST, FailureClass.INFRA_NODE, "m/s/a"),
            is_silent=one,
            device_id=device,
        )
        for one, device in zip(silent, devices, strict=True)
    ]
    assert bool(crashing_tests(attempts)) is convicted
