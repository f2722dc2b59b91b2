"""What the executor asks of the API server, and how often."""

from __future__ import annotations

from collections.abc import Callable

from hotfire_infra.executors.kubernetes.executor import KubernetesExecutor

from .api_server import PODS, FakeApiServer
from .conftest import until
from .test_executor import claim, give_pod, submitted

Start = Callable[..., KubernetesExecutor]


def test_many_jobs_without_pods_cost_one_request(api: FakeApiServer, start: Start):
    executor = start()
    works = [submitted(api, executor) for _ in range(5)]
    for work in works:
        executor.desk._made_ns[work.attempt] = 0
        executor.attach(work.attempt)
    until(lambda: api.count("GET", "events"))
    for work in works:
        executor.attach(work.attempt)
    assert api.count("GET", "events") == 1


def test_a_mark_stays_while_nothing_changes_and_not_when_something_does(
    api: FakeApiServer, start: Start
):
    executor = start()
    work = submitted(api, executor)

    def settled() -> bool:
        before = executor.mark(work.attempt)
        return until(lambda: executor.desk.sightings.version(work.attempt)) > 0 and (
            executor.mark(work.attempt) == before
        )

    until(settled)
    before = executor.mark(work.attempt)
    give_pod(api, work.attempt, phase="Running")
    until(lambda: executor.mark(work.attempt) != before)
    before = executor.mark(work.attempt)
    claim(executor, work.attempt)
    until(lambda: executor.mark(work.attempt) != before)
    executor.attach(work.attempt)
    before = executor.mark(work.attempt)
    spool = executor.spool(work.attempt)
    (spool.root / "heartbeat").write_text("{}")
    assert executor.mark(work.attempt) == before
    spool.stream.write_text("{}\n")
    streamed = executor.mark(work.attempt)
    assert streamed != before
    (spool.root / "exit").write_text("0\n")
    assert executor.mark(work.attempt) != streamed


def test_what_acts_stays_the_same_until_an_attempt_may_have_ended(api: FakeApiServer, start: Start):
    executor = start()
    work = submitted(api, executor)
    before = executor.acts(work.attempt)
    until(lambda: executor.desk.sightings.of(work.attempt).job)
    name = give_pod(api, work.attempt, phase="Running")
    until(lambda: executor.desk.sightings.of(work.attempt).pod)
    assert executor.acts(work.attempt) == before == executor.mark(work.attempt).acts
    api.change(PODS, name, phase="Failed", reason="Evicted")
    until(lambda: executor.acts(work.attempt) != before)
    claim(executor, work.attempt)
    executor.attach(work.attempt)
    before = executor.acts(work.attempt)
    spool = executor.spool(work.attempt)
    (spool.root / "heartbeat").write_text("{}")
    assert executor.acts(work.attempt) == before
    (spool.root / "exit").write_text("0\n")
    assert executor.acts(work.attempt) != before


def test_an_idle_round_is_woken_by_the_end_of_an_attempt(api: FakeApiServer, start: Start):
    executor = start()
    executor._news.clear()
    executor.nudge()
    assert executor._news.is_set()


def test_a_round_is_woken_for_ends_and_not_for_every_word(api: FakeApiServer, start: Start):
    executor = start()
    work = submitted(api, executor)
    executor.attach(work.attempt)
    until(lambda: executor.desk.sightings.version(work.attempt))
    executor._news.clear()
    name = give_pod(api, work.attempt, phase="Pending")
    until(lambda: executor.desk.sightings.of(work.attempt).pod)
    assert not executor._news.is_set()
    api.change(PODS, name, phase="Failed", reason="Evicted")
    until(executor._news.is_set)
