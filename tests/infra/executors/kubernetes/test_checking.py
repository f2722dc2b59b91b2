"""What doctor says of a cluster: rights, queues and priority classes that are not there."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from hotfire_infra.executors.kubernetes import names
from hotfire_infra.executors.kubernetes.executor import KubernetesExecutor
from hotfire_infra.executors.kubernetes.overlooked import LONG_SECONDS
from hotfire_infra.executors.kubernetes.workloads import NOT_SEEN

from .api_server import JOBS, KUEUE, FakeApiServer
from .conftest import until
from .test_executor import hears, put_workload, submitted

Start = Callable[..., KubernetesExecutor]
REMEDY = "hotfire plan platforms -o kueue | kubectl apply -f -"
CLASSES = f"{KUEUE}/v1beta2/workloadpriorityclasses"


@pytest.fixture
def queues(api: FakeApiServer) -> FakeApiServer:
    """All that Kueue needs for the teams `default` and `perf`."""
    api.kueue = True
    api.put(f"{KUEUE}/v1beta2/clusterqueues", {"metadata": {"name": "all"}, "spec": {}})
    for team in ("default", "perf"):
        for name in (team, f"{team}-exclusive"):
            lay_queue(api, name)
    for one in names.PRIORITIES:
        api.put(CLASSES, {"metadata": {"name": one.value}})
    return api


def lay_queue(api: FakeApiServer, name: str, target: str = "all") -> None:
    path = f"{KUEUE}/v1beta2/namespaces/hotfire/localqueues"
    api.put(path, {"metadata": {"name": name}, "spec": {"clusterQueue": target}})


def said(executor: KubernetesExecutor) -> list[str]:
    """What is missing, but for the encryption on loopback."""
    return [one for one in executor.check() if "encryption" not in one]


def test_a_cluster_that_has_all_lacks_nothing(queues: FakeApiServer, start: Start):
    executor = start()
    executor.teams = ("perf",)
    assert said(executor) == []


def test_a_team_without_queues_is_named_with_what_to_do(queues: FakeApiServer, start: Start):
    executor = start()
    executor.teams = ("perf", "vision_2")
    found = said(executor)
    assert [one.partition("LocalQueue ")[2].split()[0] for one in found] == [
        "vision-2",
        "vision-2-exclusive",
    ]
    assert all("team vision_2" in one and REMEDY in one for one in found)


def test_a_queue_that_leads_nowhere_is_no_queue(queues: FakeApiServer, start: Start):
    lay_queue(queues, "default", "nowhere")
    assert ["LocalQueue default with a ClusterQueue" in one for one in said(start())] == [True]


def test_priority_classes_that_are_missing_are_named(queues: FakeApiServer, start: Start):
    for name in ("gate", "nightly"):
        queues.remove(CLASSES, name)
    (found,) = said(start())
    assert "no WorkloadPriorityClass gate, nightly:" in found
    assert REMEDY in found


def test_rights_that_are_missing_are_named_those_that_only_explain_among_them(
    api: FakeApiServer, start: Start
):
    api.denied |= {("events", "list"), ("jobs", "create"), ("jobs", "watch")}
    assert [one.partition(" in ")[0] for one in said(start())] == [
        "may not create, watch jobs",
        "may not list events",
    ]


def suspended(api: FakeApiServer, executor: KubernetesExecutor) -> Any:
    """Submit an attempt that Kueue has not let in, ten seconds ago and more."""
    work = submitted(api, executor)
    job = api.objects[JOBS][names.job_name(work.attempt)]
    api.put(JOBS, {**job, "spec": {**job["spec"], "suspend": True}})
    until(lambda: work.attempt in executor.desk._made_ns)
    executor.desk._made_ns[work.attempt] -= int((LONG_SECONDS + 1) * 1e9)
    return work.attempt


def test_a_job_whose_priority_class_is_missing_says_so(queues: FakeApiServer, start: Start):
    queues.remove(CLASSES, "developer")
    executor = start()
    attempt = suspended(queues, executor)
    seen = hears(executor, attempt, "there is no WorkloadPriorityClass developer")
    assert REMEDY in seen.waiting


def test_a_job_that_kueue_overlooks_though_nothing_is_missing_says_where_to_look(
    queues: FakeApiServer, start: Start
):
    executor = start()
    seen = hears(executor, suspended(queues, executor), "does its controller run?")
    assert REMEDY not in seen.waiting


def test_the_priority_classes_are_asked_for_once_for_all_that_wait(
    queues: FakeApiServer, start: Start
):
    executor = start()
    for attempt in [suspended(queues, executor) for _ in range(3)]:
        hears(executor, attempt, "does its controller run?")
    assert queues.count("GET", "workloadpriorityclasses") == 1


def test_who_may_not_look_at_priority_classes_says_no_more_than_before(
    queues: FakeApiServer, start: Start
):
    queues.faults.append(
        lambda _method, path: (403, {"message": "no"}, {}) if path == CLASSES else None
    )
    executor = start()
    attempt = suspended(queues, executor)
    assert hears(executor, attempt, NOT_SEEN).waiting == NOT_SEEN
    assert any("priority classes is not known" in one for one in said(executor))


def test_a_queue_that_is_not_there_comes_with_what_to_do(queues: FakeApiServer, start: Start):
    executor = start()
    attempt = suspended(queues, executor)
    put_workload(queues, attempt, type="QuotaReserved", status="False", reason="Inadmissible",
                 message="LocalQueue perf doesn't exist")  # fmt: skip
    seen = hears(executor, attempt, "Inadmissible: LocalQueue perf doesn't exist; ")
    assert REMEDY in seen.waiting
