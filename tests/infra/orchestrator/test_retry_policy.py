"""What is tried again, where, when, and which budget ends it."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hotfire_infra.executors.fake import Script
from hotfire_infra.orchestrator.folds import AttemptFacts, Standing, fold_task
from hotfire_infra.orchestrator.retry_policy import (
    Interruption,
    Retry,
    Spent,
    Stop,
    decide,
    remaining_seconds,
)
from hotfire_infra.sections.retries import DEFAULT_RULES, RetriesSection, RetryRule
from hotfire_infra.states import AttemptState, RunVerdict, TaskState
from hotfire_testframework.contract.failure import FailureClass

NODE, DEVICE, NETWORK = (
    FailureClass.INFRA_NODE,
    FailureClass.INFRA_DEVICE,
    FailureClass.INFRA_NETWORK,
)
POLICY = RetriesSection()


def hit(failure: FailureClass, device: int | None = None) -> Interruption:
    return Interruption(failure_class=failure, reason=f"{failure} trouble", device_id=device)


@pytest.mark.parametrize("failure", list(FailureClass))
def test_only_trouble_of_the_infrastructure_is_tried_again(failure):
    decision = decide([hit(failure)], POLICY, retries=3)
    assert isinstance(decision, Retry) == failure.is_infrastructure


def test_the_table_has_a_line_for_every_class():
    assert set(DEFAULT_RULES) == set(FailureClass)


def test_a_retry_avoids_every_device_it_failed_on():
    decision = decide([hit(DEVICE, 1), hit(NODE, 2)], POLICY, retries=3)
    assert decision.avoid == {1, 2}


def test_the_network_is_no_reason_to_move_but_to_wait_and_longer_each_time():
    first = decide([hit(NETWORK, 1)], POLICY, retries=5)
    second = decide([hit(NETWORK, 1), hit(NETWORK, 1)], POLICY, retries=5)
    assert first.avoid == frozenset()
    assert (first.wait_seconds, second.wait_seconds) == (10.0, 20.0)
    many = decide([hit(NETWORK)] * 12, POLICY, retries=20)
    assert many.wait_seconds == 600.0


def test_the_tasks_own_number_ends_it_and_says_so():
    decision = decide([hit(NODE), hit(DEVICE)], POLICY, retries=1)
    assert decision == Stop(reason="infra-device trouble (2 attempts, budget spent)")


def test_a_class_may_have_fewer_retries_than_the_task():
    policy = RetriesSection(rules={DEVICE: RetryRule(retries=1, elsewhere=True)})
    assert isinstance(decide([hit(DEVICE)], policy, retries=5), Retry)
    assert isinstance(decide([hit(DEVICE), hit(DEVICE)], policy, retries=5), Stop)
    assert isinstance(decide([hit(DEVICE), hit(NODE)], policy, retries=5), Retry)


@pytest.mark.parametrize(
    ("spent", "words"),
    [
        (Spent(run_tasks=4, run_retries=20), "the run's budget of 20 retries is spent"),
        (Spent(run_tasks=100, run_retries=200), "the run's budget of 200 retries is spent"),
        (Spent(pool="dgx", pool_retries=2000), "pool dgx has had its 2000 retries of this hour"),
        (
            Spent(pool="dgx", pool_ended=100, pool_interrupted=95),
            "pool dgx is broken: 95 of 100 attempts of this hour were interrupted",
        ),
    ],
)
def test_a_budget_of_many_that_is_spent_ends_it_and_is_named(spent, words):
    decision = decide([hit(NODE)], POLICY, retries=3, spent=spent)
    assert isinstance(decision, Stop)
    assert words in decision.reason


def test_a_few_interruptions_are_no_broken_pool():
    spent = Spent(pool="dgx", pool_ended=10, pool_interrupted=10)
    assert isinstance(decide([hit(NODE)], POLICY, retries=3, spent=spent), Retry)


@given(st.lists(st.sampled_from(FailureClass), min_size=1, max_size=8), st.integers(0, 5))
def test_no_history_is_tried_more_often_than_the_task_allows(classes, retries):
    decision = decide([hit(one) for one in classes], POLICY, retries=retries)
    if isinstance(decision, Retry):
        assert len(classes) <= retries


def test_a_wait_ends_even_if_the_clock_is_put_back():
    assert remaining_seconds(10_000_000_000, 10.0, 4_000_000_000) == 6.0
    assert remaining_seconds(10_000_000_000, 10.0, 11_000_000_000) == 0.0
    assert remaining_seconds(10_000_000_000_000, 10.0, 0) == 0.0


LOST = AttemptFacts(state=AttemptState.LOST, reason="gone", failure_class=NODE)


def fold(*attempts: AttemptFacts, **more):
    return fold_task(
        resolution=None, reason="", attempts=attempts, retries=3, is_ready=True, **more
    )


def test_a_budget_that_recovers_does_not_reopen_what_was_given_up():
    broke = Spent(run_tasks=1, run_retries=99)
    stopped = fold(LOST, spent=broke, standing=Standing(state=TaskState.RUNNING))
    assert stopped.verdict == "errored"
    later = fold(LOST, standing=Standing(state=TaskState.DONE, reason=stopped.reason))
    assert (later.verdict, later.reason) == (stopped.verdict, stopped.reason)


def test_a_retry_that_was_granted_is_not_asked_for_again():
    broke = Spent(run_tasks=1, run_retries=99)
    queued = fold(LOST, spent=broke, standing=Standing(state=TaskState.QUEUED))
    assert queued.state is TaskState.QUEUED


def test_a_failure_under_dispute_waits_and_an_excused_one_is_tried_elsewhere():
    red = {"state": AttemptState.FAILED, "reason": "tests failed", "device_id": 4}
    disputed = fold(AttemptFacts(**red, failure_class=FailureClass.PRODUCT, is_disputed=True))
    assert (disputed.state, disputed.verdict) == (TaskState.RUNNING, None)
    excused = fold(AttemptFacts(**red, failure_class=DEVICE))
    assert (excused.state, excused.avoid) == (TaskState.QUEUED, {4})


def test_a_device_that_reports_its_own_fault_convicts_no_test():
    both = AttemptFacts(
        state=AttemptState.ERRORED, reason="x", failure_class=DEVICE, in_flight=("m/s/a",)
    )
    assert fold(both, both).verdict is None
    lost = AttemptFacts(
        state=AttemptState.LOST, reason="x", failure_class=NODE, in_flight=("m/s/a",)
    )
    assert fold(lost, lost).verdict == "failed"


def test_a_retry_of_the_network_waits_its_time_and_says_so(make_stand, make_plan, clock, make_spec):
    first = []

    def once(spec):
        first[:] = first or [spec.attempt]
        return Script(exit_code=32 if spec.attempt == first[0] else 0)

    stand = make_stand(once)
    plan = make_plan({"a": ["m/s/a"]}, specs={"a": make_spec(retries=2)})
    run_id = stand.start(plan)
    stand.rounds(12)
    assert [state for _, _, state in stand.attempts(run_id)] == ["errored"]
    (task,) = stand.show(run_id).tasks
    assert task.pending.startswith("retry waits 10 s after attempt 1: an input could not be")
    clock.advance(11)
    assert stand.finish(run_id).run.verdict is RunVerdict.PASSED


def test_a_run_whose_budget_is_spent_ends_errored_and_names_it(make_stand, make_plan, make_spec):
    from hotfire_infra.configuration import Configuration

    retries = RetriesSection(per_run_share=0, per_run_minimum=2)
    stand = make_stand(
        lambda spec: Script(exit_code=36),
        configuration=Configuration(retries=retries),
        cpus=1,
    )
    names = {f"t{n}": [f"m/s/t{n}"] for n in range(4)}
    specs = {name: make_spec(retries=1) for name in names}
    done = stand.run(make_plan(names, specs=specs))
    assert done.run.verdict is RunVerdict.ERRORED
    reasons = [cell.reason for cell in done.cells]
    assert sum("the run's budget of 2 retries is spent" in reason for reason in reasons) == 2
    assert len(stand.attempts(done.run.id)) == 6
