"""The executor on bad days: what is made, what is not, and what an attempt hears of it."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest

from hotfire_infra.executors.kubernetes import names
from hotfire_infra.executors.kubernetes.desk import CREATE
from hotfire_infra.executors.kubernetes.executor import KubernetesExecutor
from hotfire_infra.executors.protocol import Life, Observation, Order
from hotfire_infra.executors.spool import write_object
from hotfire_testframework.contract.task import AttemptSpec, TaskSpec
from hotfire_testframework.contract.ulid import Ulid, new_ulid

from .api_server import (
    JOBS,
    PODS,
    SECRETS,
    WORKLOADS,
    FakeApiServer,
)
from .conftest import until
from .kubelet import container, pod_of

Start = Callable[..., KubernetesExecutor]
WEBHOOK = (
    'Internal error occurred: failed calling webhook "mjob.kb.io": failed to call webhook: '
    "connection refused"
)


def order(**spec: Any) -> Order:
    task = TaskSpec.from_json({"harness": "command", "command": ["true"], **spec})
    attempt = AttemptSpec(attempt=new_ulid(), run="r", task="build", spec=task)
    return Order(spec=attempt, token="t0ken", platform="linux-x86_64")


def hears(executor: KubernetesExecutor, attempt: Ulid, words: str) -> Observation:
    """Wait until the attempt is said to wait for something."""
    seen: Observation = until(
        lambda: (found := executor.attach(attempt)) and words in found.waiting and found
    )
    return seen


def ends(executor: KubernetesExecutor, attempt: Ulid) -> Observation:
    seen: Observation = until(
        lambda: (found := executor.attach(attempt)).life is Life.ENDED and found
    )
    return seen


def has_job(api: FakeApiServer, attempt: Ulid) -> bool:
    return names.job_name(attempt) in api.objects.get(JOBS, {})


def submitted(api: FakeApiServer, executor: KubernetesExecutor, **spec: Any) -> Order:
    work = order(**spec)
    executor.submit(work)
    until(lambda: names.job_name(work.attempt) in api.objects.get(SECRETS, {}))
    return work


def give_pod(api: FakeApiServer, attempt: Ulid, **status: Any) -> str:
    """Let the attempt's Job have a pod, as its controller and the scheduler would."""
    found = api.put(PODS, pod_of(api.objects[JOBS][names.job_name(attempt)]))
    name = str(found["metadata"]["name"])
    api.change(PODS, name, **status)
    return name


def claim(executor: KubernetesExecutor, attempt: Ulid) -> None:
    write_object(executor.spool(attempt).root / "claim.request", {"holder": "pod"})


def test_a_restarted_executor_finds_its_job_and_makes_no_second_one(
    api: FakeApiServer, start: Start
):
    first = start()
    work = submitted(api, first)
    first.close()
    second = start()
    second.submit(work)
    hears(second, work.attempt, "its pod is being made")
    assert api.count("POST", JOBS) == 1


def test_a_service_that_died_before_the_job_was_made_has_its_successor_make_it(
    api: FakeApiServer, start: Start
):
    api.faults.append(
        lambda method, _path: (503, {"message": "no"}, {}) if method == "POST" else None
    )
    first, work = start(), order()
    first.submit(work)
    hears(first, work.attempt, "its Job is not made yet: no")
    first.close()
    api.faults.clear()
    second = start()
    hears(second, work.attempt, "its pod is being made")
    assert len(api.objects[JOBS]) == 1
    name = names.job_name(work.attempt)
    secret = until(lambda: api.objects.get(SECRETS, {}).get(name))
    assert secret["data"] == {"token": "dDBrZW4="}


def test_an_answer_that_was_lost_after_the_job_was_made_is_success(
    api: FakeApiServer, start: Start
):
    executor, work = start(), order()
    lost: list[str] = []

    def lose_first_answer(
        method: str, path: str
    ) -> tuple[int, dict[str, Any], dict[str, str]] | None:
        if method == "POST" and path == JOBS and not lost:
            lost.append(path)
            labels = {**names.OURS, names.ATTEMPT: work.attempt}
            api.put(JOBS, {"metadata": {"name": names.job_name(work.attempt), "labels": labels},
                           "spec": {}})  # fmt: skip
            return 500, {"message": "the answer was lost"}, {}
        return None

    api.faults.append(lose_first_answer)
    executor.submit(work)
    until(lambda: names.job_name(work.attempt) in api.objects.get(SECRETS, {}))
    assert len(api.objects[JOBS]) == 1


def test_a_job_of_that_name_that_is_not_ours_is_an_error_and_stays(
    api: FakeApiServer, start: Start
):
    executor, work = start(), order()
    api.put(JOBS, {"metadata": {"name": names.job_name(work.attempt), "labels": {}}, "spec": {}})
    executor.submit(work)
    seen = ends(executor, work.attempt)
    assert "is not of attempt" in seen.detail
    executor.release(work.attempt)


def test_a_job_that_somebody_deleted_is_not_made_again(api: FakeApiServer, start: Start):
    first = start()
    work = submitted(api, first)
    hears(first, work.attempt, "its pod")
    api.remove(JOBS, names.job_name(work.attempt))
    assert ends(first, work.attempt).detail == "somebody else deleted its Job"
    first.close()
    second = start()
    assert ends(second, work.attempt).detail == "somebody else deleted its Job"
    assert api.count("POST", JOBS) == 1


def test_a_pod_whose_job_was_deleted_is_followed_to_its_own_end(api: FakeApiServer, start: Start):
    executor = start()
    work = submitted(api, executor)
    name = give_pod(api, work.attempt, phase="Running", containerStatuses=container(running={}))
    hears(executor, work.attempt, "its runner fetches inputs")
    api.remove(JOBS, names.job_name(work.attempt))
    until(lambda: executor.desk.sightings.of(work.attempt).job is None)
    assert executor.attach(work.attempt).life is Life.STARTING
    api.remove(PODS, name)
    assert ends(executor, work.attempt).detail == "its pod was deleted by somebody else"


def test_an_attempt_that_was_claimed_never_gets_another_job(api: FakeApiServer, start: Start):
    first = start()
    work = submitted(api, first)
    first.close()
    # The note of the Job is lost, the Job is gone: only the claim says that a runner was there.
    root = first.spool(work.attempt).root
    (root / "job.made").unlink()
    api.remove(JOBS, names.job_name(work.attempt))
    claim(first, work.attempt)
    second = start()
    assert second.attach(work.attempt).life is Life.RUNNING
    second.submit(work)
    until(lambda: second.desk.watchers["jobs"].health.is_synced)
    until(lambda: len(second.desk.hands) <= 2)
    assert api.count("POST", JOBS) == 1


def test_while_kueues_webhook_is_down_jobs_are_offered_again_and_it_is_named(
    api: FakeApiServer, start: Start
):
    api.faults.append(
        lambda method, path: (
            (500, {"message": WEBHOOK}, {}) if method == "POST" and path == JOBS else None
        )
    )
    executor = start()
    works = [order() for _ in range(30)]
    for work in works:
        executor.submit(work)
    hears(executor, works[0].attempt, "failed calling webhook")
    refused = api.count("POST", JOBS)
    assert refused < 60
    api.faults.clear()
    until(lambda: len(api.objects.get(SECRETS, {})) == 30)
    assert len(api.objects[JOBS]) == 30


@pytest.mark.parametrize(
    ("status", "message", "failure"),
    [(422, "spec.template is invalid", "config"), (403, "exceeded quota: jobs", "infra-node")],
)
def test_what_the_cluster_will_never_take_ends_the_attempt_with_its_words(
    api: FakeApiServer, start: Start, status, message, failure
):
    api.faults.append(
        lambda method, path: (status, {"message": message}, {}) if method == "POST" else None
    )
    executor, work = start(limits={"submit_minutes": 0.005}), order()
    executor.submit(work)
    seen = ends(executor, work.attempt)
    assert message in seen.detail
    assert seen.evidence[0].failure_class == failure
    again = start()
    assert message in ends(again, work.attempt).detail


def test_a_server_that_asks_for_patience_gets_it(api: FakeApiServer, start: Start):
    asked: list[str] = []

    def busy(method: str, path: str) -> tuple[int, dict[str, Any], dict[str, str]] | None:
        if method != "POST" or len(asked) >= 2:
            return None
        asked.append(path)
        return 429, {"message": "too many requests"}, {"Retry-After": "1"}

    api.faults.append(busy)
    executor = start()
    work = submitted(api, executor)
    assert len(asked) == 2
    assert has_job(api, work.attempt)


def test_why_kueue_lets_nothing_in_is_said_in_its_words(api: FakeApiServer, start: Start):
    api.kueue = True
    executor = start()
    work = submitted(api, executor)
    job = api.objects[JOBS][names.job_name(work.attempt)]
    assert job["metadata"]["labels"][names.QUEUE] == "default"
    api.put(JOBS, {**job, "spec": {**job["spec"], "suspend": True}})
    hears(executor, work.attempt, "Kueue has not looked at it yet")
    why = "couldn't assign flavors to pod set main: insufficient quota for cpu"
    put_workload(api, work.attempt, type="QuotaReserved", status="False", reason="Pending",
                 message=why)  # fmt: skip
    assert hears(executor, work.attempt, "Pending").waiting == f"Pending: {why}"


def put_workload(api: FakeApiServer, attempt: Ulid, **condition: str) -> None:
    owner = {"kind": "Job", "name": names.job_name(attempt), "uid": "other"}
    api.put(WORKLOADS, {
        "metadata": {"name": f"job-{attempt.lower()}", "ownerReferences": [owner]},
        "status": {"conditions": [condition]},
    })  # fmt: skip


def test_a_runner_that_claims_before_its_job_is_noted_keeps_its_job(
    api: FakeApiServer, start: Start
):
    executor = start()
    work = order()

    def claims_at_once(method: str, path: str) -> None:
        if method == "POST" and path.endswith("/secrets"):
            claim(executor, work.attempt)

    api.faults.append(claims_at_once)
    executor.submit(work)
    until(lambda: (executor.spool(work.attempt).root / "job.made").exists())
    until(lambda: not executor.desk.hands.has(f"{CREATE} {work.attempt}"))
    assert not executor.desk.hands.has(f"delete {work.attempt}")
    assert has_job(api, work.attempt)
    assert api.count("DELETE", "/jobs/") == 0


def test_an_eviction_by_kueue_deletes_the_job_before_it_could_be_admitted_again(
    api: FakeApiServer, start: Start
):
    api.kueue = True
    executor = start()
    work = submitted(api, executor)
    give_pod(api, work.attempt, phase="Running", containerStatuses=container(running={}))
    claim(executor, work.attempt)
    until(lambda: executor.attach(work.attempt).life is Life.RUNNING)
    put_workload(api, work.attempt, type="Evicted", status="True", reason="Preempted",
                 message="Preempted to accommodate a workload")  # fmt: skip
    until(lambda: not has_job(api, work.attempt))
    name = f"{names.job_name(work.attempt)}-x"
    assert api.objects[PODS][name]["metadata"]["deletionTimestamp"]
    assert executor.attach(work.attempt).life is Life.RUNNING
    api.remove(PODS, name)
    seen = ends(executor, work.attempt)
    assert seen.evidence[0].kind == "evicted"
    assert "Preempted to accommodate a workload" in seen.detail


def test_exit_0_of_a_pod_that_was_told_to_end_is_a_termination(api: FakeApiServer, start: Start):
    executor = start()
    work = submitted(api, executor)
    give_pod(
        api, work.attempt, phase="Succeeded",
        containerStatuses=container(terminated={"exitCode": 0, "reason": "Completed"}),
        conditions=[{"type": "DisruptionTarget", "status": "True",
                     "reason": "EvictionByEvictionAPI", "message": "drained"}],
    )  # fmt: skip
    assert ends(executor, work.attempt).exit_code == 143


def test_a_runner_that_says_it_was_terminated_waits_for_the_cluster_to_say_by_whom(
    api: FakeApiServer, start: Start
):
    executor = start()
    work = submitted(api, executor)
    name = give_pod(api, work.attempt, phase="Running", containerStatuses=container(running={}))
    claim(executor, work.attempt)
    (executor.spool(work.attempt).root / "exit").write_text("143\n")
    assert executor.attach(work.attempt).life is Life.RUNNING
    condition = {"type": "DisruptionTarget", "status": "True", "reason": "PreemptionByScheduler",
                 "message": "a more urgent pod"}  # fmt: skip
    api.change(PODS, name, conditions=[condition])
    seen = ends(executor, work.attempt)
    assert seen.exit_code == 143
    assert "a more urgent pod" in seen.detail


def test_a_runner_that_could_not_deliver_is_explained_by_its_pods_last_line(
    api: FakeApiServer, start: Start
):
    executor = start()
    work = submitted(api, executor)
    name = give_pod(api, work.attempt, phase="Running", containerStatuses=container(running={}))
    claim(executor, work.attempt)
    (executor.spool(work.attempt).root / "exit").write_text("35\n")
    assert executor.attach(work.attempt).life is Life.RUNNING
    words = "waits for the service\nnot delivered: the attempt is over, or another runner's\n"
    ended = {"exitCode": 35, "reason": "Error", "message": words}
    api.change(PODS, name, phase="Failed", containerStatuses=container(terminated=ended))
    seen = ends(executor, work.attempt)
    assert seen.exit_code == 35
    assert seen.detail.endswith("not delivered: the attempt is over, or another runner's")


def test_a_pod_on_a_dead_node_is_removed_by_force_after_the_stated_time(
    api: FakeApiServer, start: Start
):
    executor = start(limits={"stuck_seconds": 1, "upload_seconds": 0})
    work = submitted(api, executor, timeouts={"grace_s": 1})
    name = give_pod(api, work.attempt, phase="Running", containerStatuses=container(running={}))
    claim(executor, work.attempt)
    until(lambda: executor.desk.sightings.pods())
    api.delete(PODS, name, grace=1)
    seen = ends(executor, work.attempt)
    assert seen.evidence[0].kind == "node-lost"
    until(lambda: name not in api.objects[PODS])


def test_what_a_container_that_never_claimed_printed_is_its_log(api: FakeApiServer, start: Start):
    executor = start()
    work = submitted(api, executor)
    name = give_pod(api, work.attempt, phase="Running", containerStatuses=container(running={}))
    api.logs[name] = b"no python3 here\n"
    assert executor.logs(work.attempt, "stdout", 3) == b"python3 here\n"
    ended = {"exitCode": 127, "reason": "Error", "message": "no python3 here\n"}
    api.change(PODS, name, phase="Failed", containerStatuses=container(terminated=ended))
    seen = ends(executor, work.attempt)
    assert seen.exit_code == 127
    assert "no python3 here" in seen.detail
    assert executor.spool(work.attempt).read_log("stdout", 0) == b"no python3 here\n"


def test_a_container_that_does_not_start_in_time_ends_the_attempt(api: FakeApiServer, start: Start):
    executor = start(limits={"start_minutes": 0.01})
    work = submitted(api, executor)
    waits = {"reason": "ImagePullBackOff", "message": "Back-off pulling image: i/o timeout"}
    give_pod(api, work.attempt, containerStatuses=container(waiting=waits))
    seen = ends(executor, work.attempt)
    assert seen.evidence[0].kind == "image"
    assert "i/o timeout" in seen.detail


def test_a_job_that_gets_no_pod_is_explained_by_its_event(api: FakeApiServer, start: Start):
    executor = start()
    work = submitted(api, executor)
    api.put("/api/v1/namespaces/hotfire/events", {
        "metadata": {"name": "e"}, "message": "pods is forbidden: violates PodSecurity",
        "involvedObject": {"kind": "Job", "name": names.job_name(work.attempt)},
    })  # fmt: skip
    executor.desk._made_ns[work.attempt] = 0
    hears(executor, work.attempt, "FailedCreate: pods is forbidden: violates PodSecurity")


def test_a_release_removes_everything_also_while_the_cluster_was_away(
    api: FakeApiServer, start: Start
):
    first = start()
    work = submitted(api, first)
    api.faults.append(lambda method, _path: (503, {}, {}) if method == "DELETE" else None)
    first.release(work.attempt)
    first.close()
    api.faults.clear()
    second = start()
    other = submitted(api, second)
    until(lambda: not has_job(api, work.attempt))
    assert names.job_name(work.attempt) not in api.objects[SECRETS]
    assert has_job(api, other.attempt)
    assert second.attach(work.attempt).life is Life.ENDED


def test_what_is_released_before_its_job_was_made_gets_none(api: FakeApiServer, start: Start):
    api.faults.append(lambda method, path: (503, {}, {}) if path == JOBS else None)
    executor, work = start(), order()
    executor.submit(work)
    executor.release(work.attempt)
    api.faults.clear()
    until(lambda: len(executor.desk.hands) <= 2)
    assert not has_job(api, work.attempt)


def test_a_cancelled_attempt_that_nobody_claimed_is_over_at_once(api: FakeApiServer, start: Start):
    executor = start()
    work = submitted(api, executor)
    executor.cancel(work.attempt, grace_seconds=5)
    assert executor.attach(work.attempt).life is Life.ENDED
    until(lambda: not has_job(api, work.attempt))


def test_a_cancelled_runner_has_time_to_bring_what_it_has(api: FakeApiServer, start: Start):
    executor = start(limits={"upload_seconds": 30})
    work = submitted(api, executor)
    give_pod(api, work.attempt, phase="Running", containerStatuses=container(running={}))
    claim(executor, work.attempt)
    executor.cancel(work.attempt, grace_seconds=0.01)
    until(lambda: not has_job(api, work.attempt))
    assert executor.attach(work.attempt).life is Life.RUNNING
    (executor.spool(work.attempt).root / "exit").write_text("143\n")
    assert ends(executor, work.attempt).exit_code == 143


def test_a_task_costs_three_requests(api: FakeApiServer, start: Start):
    executor = start()
    works = [submitted(api, executor) for _ in range(20)]
    for work in works:
        give_pod(api, work.attempt, phase="Running", containerStatuses=container(running={}))
        claim(executor, work.attempt)
        (executor.spool(work.attempt).root / "exit").write_text("0\n")
        ends(executor, work.attempt)
        executor.release(work.attempt)
    until(lambda: not api.objects[JOBS])
    own = [one for one in api.requests if one[0] in ("POST", "DELETE", "PATCH")]
    assert len(own) == 60
    for name in list(api.objects[PODS]):
        api.remove(PODS, name)
    until(lambda: len(executor.desk.sightings) == 0)


def test_the_api_server_restarts_and_nothing_of_it_shows(api: FakeApiServer, start: Start):
    executor = start()
    work = submitted(api, executor)
    give_pod(api, work.attempt, phase="Running", containerStatuses=container(running={}))
    claim(executor, work.attempt)
    api.faults.append(lambda _method, _path: (503, {"message": "starting"}, {}))
    executor.desk.watchers["pods"]._answer.shutdown()
    until(lambda: executor.desk.watchers["pods"].health.failures)
    assert executor.attach(work.attempt).life is Life.RUNNING
    api.faults.clear()
    name = f"{names.job_name(work.attempt)}-x"
    api.change(PODS, name, phase="Failed",
               containerStatuses=container(terminated={"exitCode": 1}))  # fmt: skip
    assert ends(executor, work.attempt).exit_code == 1


def test_the_token_is_for_the_owner_only_and_in_no_manifest(api: FakeApiServer, start: Start):
    executor = start()
    work = submitted(api, executor)
    root = executor.spool(work.attempt).root
    for name in ("token", "attempt.json", "order.json"):
        assert (root / name).stat().st_mode & 0o777 == 0o600
    assert "t0ken" not in (root / "order.json").read_text()
    assert "t0ken" not in json.dumps(api.objects[JOBS])


def test_figures_say_how_the_watches_are(api: FakeApiServer, start: Start):
    executor = start()
    submitted(api, executor)
    until(lambda: executor.desk.watchers["pods"].age_seconds() is not None)
    figures = {figure.name: figure.values for figure in executor.figures()}
    assert figures["hotfire_executor_watch_age_seconds"]["pods",] < 60
    assert figures["hotfire_executor_requests"]["POST", "jobs", "201"] == 1
