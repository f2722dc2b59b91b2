"""Every trap of Jobs and queues that this project knows of, against a real control plane.

Pods are simulated and their runners are played over the ingest routes; API server, controllers,
scheduler and Kueue are real. What needs a kubelet (a real OOM kill) is in test_real_node.py.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from benchmarks.cluster_pods import HOLD, end_pod

from hotfire_infra.executors.kubernetes import names
from hotfire_infra.executors.kubernetes.jobs import failure_rules
from hotfire_infra.executors.kubernetes.kueue_objects import QueueConfiguration, kueue_objects
from hotfire_infra.states import AttemptState, Priority, RunVerdict, TaskState
from hotfire_k8s import nodes
from hotfire_k8s.nodes import FAKE_TAINT
from hotfire_testframework.contract.ulid import Ulid

from ..infra.conftest import plan_of, spec_of
from .conftest import NODES
from .world import Running, World, add_queue, passes

Build = Callable[..., World]


# 1. Kueue preempts: the pod is deleted without a mark.


def test_a_preemption_by_kueue_is_read_from_its_workload_and_the_task_is_tried_again(build: Build):
    world = build(kueue="yes")
    add_queue(world, 1, preemption={"withinClusterQueue": "LowerPriority"})
    low = world.start("low", priority=Priority.NIGHTLY)
    victim = world.running(low)
    victim.claimed()
    gate = world.start("urgent", priority=Priority.GATE)
    ended = victim.ended()
    assert ended.state is AttemptState.PREEMPTED
    assert "Evicted by Kueue: Preempted" in ended.reason
    pod = world.executor.desk.sightings.of(Ulid(victim.attempt.ulid)).pod
    assert pod is None or pod.condition("DisruptionTarget") is None
    world.until(lambda: world.job(victim.attempt) is None)
    world.waiting(low, "insufficient unused quota", number=2)
    passes(world, gate)
    passes(world, low, number=2)
    assert world.over(low).run.verdict is RunVerdict.PASSED


# 2. Told to end, answers 0.


def test_a_pod_that_answers_a_termination_with_0_has_not_passed(world: World):
    run = world.start("a")
    pod = world.running(run)
    pod.claimed()
    # The Job calls this a success.
    annotations = {"kwok.hotfire.dev/exit-code": "0"}
    world.client.merge(world.pod_path(pod.pod), {"metadata": {"annotations": annotations}})
    pod.evict()
    ended = pod.ended()
    assert ended.state is AttemptState.PREEMPTED
    assert "EvictionByEvictionAPI" in ended.reason
    passes(world, run, number=2)


def test_a_runner_that_says_0_without_its_whole_stream_has_not_passed(world: World):
    run = world.start("a")
    pod = world.running(run)
    runner = pod.claimed()
    assert runner.end(0).is_good
    ended = pod.ended()
    assert ended.state is AttemptState.ERRORED
    assert world.over(run).run.verdict is not RunVerdict.PASSED


# 3. `Ignore` has no cap: no rule of ours is one.


def bare_job(name: str, rules: list[dict[str, Any]]) -> dict[str, Any]:
    """Return a Job whose pods are held, with these rules."""
    taint = {"key": FAKE_TAINT["key"], "operator": "Exists"}
    pod = {
        "restartPolicy": "Never",
        "tolerations": [taint],
        "nodeSelector": {"kubernetes.io/os": "linux"},
        "containers": [{"name": names.CONTAINER, "image": "none"}],
    }
    return {
        "apiVersion": "batch/v1", "kind": "Job", "metadata": {"name": name},
        "spec": {
            "backoffLimit": 0, "podReplacementPolicy": "Failed",
            "podFailurePolicy": {"rules": rules},
            "template": {"metadata": {"annotations": HOLD}, "spec": pod},
        },
    }  # fmt: skip


def test_an_evicted_pod_fails_its_job_where_ignore_would_start_another(world: World):
    ignoring = [
        {**rule, "action": "Ignore"} for rule in failure_rules() if "onExitCodes" not in rule
    ]
    base = f"/apis/batch/v1/namespaces/{world.namespace}/jobs"

    def jobs_pods(name: str) -> list[dict[str, Any]]:
        return [pod for pod in world.pods() if pod["metadata"]["labels"]["job-name"] == name]

    def first_pod(name: str) -> dict[str, Any] | None:
        return next((pod for pod in jobs_pods(name) if pod["status"]["phase"] == "Running"), None)

    def another_pod(uid: str) -> bool:
        return any(one["metadata"]["uid"] != uid for one in jobs_pods("ignoring"))

    for name, rules in (("ours", failure_rules()), ("ignoring", ignoring)):
        job = bare_job(name, rules)
        job["metadata"]["namespace"] = world.namespace
        world.client.create(job)
        pod = world.until(lambda name=name: first_pod(name), turning=False)
        Running(world, None, pod).evict()  # type: ignore[arg-type]  # no attempt has it
        if name == "ignoring":
            second = functools.partial(another_pod, pod["metadata"]["uid"])
            world.until(second, turning=False)
    found = world.until(
        lambda: (job := world.client.get(f"{base}/ours")) and job["status"].get("failed") and job,
        turning=False,
    )
    failed = {one["type"]: one["reason"] for one in found["status"]["conditions"]}
    assert failed["Failed"] == "PodFailurePolicy"
    assert len(jobs_pods("ours")) <= 1
    assert found["status"].get("active", 0) == 0


# 4. OOM: the task's own limit, or the node's.


@pytest.mark.parametrize(
    ("memory_mib", "state"), [(64, AttemptState.FAILED), (None, AttemptState.ERRORED)]
)
def test_a_pod_out_of_memory_is_the_products_fault_only_at_the_tasks_own_limit(
    world: World, memory_mib, state
):
    spec = {} if memory_mib is None else {"memory_mib": memory_mib}
    run = world.start("a", **spec)
    pod = world.running(run)
    pod.claimed()
    end_pod(world.client, pod.name, world.namespace, exit_code="137", reason="OOMKilled")
    ended = pod.ended()
    assert (ended.state, "OOMKilled" in ended.reason) == (state, True)
    if memory_mib is None:
        passes(world, run, number=2)
    else:
        assert ended.failure_class == "product"
        assert world.over(run).run.verdict is RunVerdict.FAILED


# 5. Evicted between success and harvest, by whomever.


def drain(world: World, pod: Running) -> None:
    pod.evict()


def taint(world: World, pod: Running) -> None:
    """Have the taint manager delete the pod, and wait until it is gone."""
    with fire(world, pod):
        world.until(lambda: not _is_there(world, pod), turning=False)


@contextmanager
def fire(world: World, pod: Running) -> Iterator[None]:
    """Let nothing be on the pod's node, as the node controller does it with one that is dead."""
    path = f"/api/v1/nodes/{pod.node}"
    node = world.client.get(path)
    assert node is not None
    before = node["spec"]["taints"]
    taint = {"key": "maintenance", "value": "now", "effect": "NoExecute"}
    world.client.merge(path, {"spec": {"taints": [*before, taint]}})
    try:
        yield
    finally:
        world.client.merge(path, {"spec": {"taints": before}})


def _is_there(world: World, pod: Running) -> bool:
    found = world.client.get(world.pod_path(pod.pod))
    return found is not None and found["metadata"]["uid"] == pod.pod["metadata"]["uid"]


@pytest.mark.parametrize("take_away", [drain, taint])
def test_what_was_uploaded_before_an_eviction_keeps_its_success(world: World, take_away):
    run = world.start("a")
    pod = world.running(run)
    pod.runner().play()
    take_away(world, pod)
    # Only now somebody looks.
    assert pod.ended().state is AttemptState.PASSED
    assert world.over(run).run.verdict is RunVerdict.PASSED


def test_a_pod_that_the_taint_manager_deletes_is_lost_to_its_node_and_tried_again(world: World):
    run = world.start("a")
    pod = world.running(run)
    pod.claimed()
    taint(world, pod)
    ended = pod.ended()
    assert ended.state is AttemptState.LOST
    assert "DeletionByTaintManager" in ended.reason
    passes(world, run, number=2)


# 6. A pod that never goes, on a node that is dead.


def test_a_pod_stuck_on_a_dead_node_gives_its_place_back_and_the_task_runs_elsewhere(build: Build):
    never_gone = {**HOLD, "kwok.hotfire.dev/stops-after": "24h"}
    world = build(pod_annotations=never_gone, limits={"stuck_seconds": 1, "upload_seconds": 0})
    run = world.start("a", timeouts={"grace_s": 0.5})
    pod = world.running(run)
    pod.claimed()
    with fire(world, pod):
        ended = pod.ended()
        assert ended.state is AttemptState.LOST
        assert "is still there" in ended.reason
        again = world.running(run, number=2)
        assert again.node != pod.node
        # By force, so that its device is counted as free.
        world.until(lambda: not _is_there(world, pod))
    again.runner().play()
    assert world.over(run).run.verdict is RunVerdict.PASSED


# 7. and 8. What no queue, and what no node can ever take.

POOL = "dgx-h100"


def gpu_plan(devices: int = 1, platform: str = POOL, **requires: Any) -> Any:
    """Return a plan with one task that takes so many GPUs of a node of the platform."""
    whole = {
        "reach": ["kubernetes"],
        "facts": {"os": "linux", "arch": "x86_64"},
        "devices": ["nvidia:sm_90"],
        **({"device_count": devices} if devices > 1 else {}),
        **requires,
    }
    name = f"a@{platform}"
    return plan_of({name: ["m/s/a"]}, requires={name: whole}, specs={name: spec_of()})


def refused(world: World, plan: Any) -> str:
    """Return why a run is refused at once, without a Job."""
    snapshot = world.over(world.record(plan))
    assert [task.state for task in snapshot.tasks] == [TaskState.NOT_EXECUTABLE]
    assert snapshot.run.verdict is not RunVerdict.PASSED
    assert world.jobs_made() == 0
    return str(snapshot.tasks[0].reason)


def apply_queues(world: World, quarantined: dict[str, int]) -> None:
    configuration = QueueConfiguration(
        namespace=world.namespace, quarantined=quarantined, exclusive_share=0, topology=False
    )
    for manifest in kueue_objects(nodes.catalogue_of(NODES), configuration):
        world.client.apply(manifest)


def test_devices_in_quarantine_are_no_capacity_of_any_queue(build: Build):
    catalogue = nodes.catalogue_of(NODES)
    pool = next(name for name, one in catalogue.pools.items() if POOL in one.serves)
    every = catalogue.pools[pool].machines * catalogue.pools[pool].devices
    world = build(kueue="yes")
    apply_queues(world, {pool: every})
    assert "can never admit 1 nvidia.com/gpu" in refused(world, gpu_plan())
    one_left = build(kueue="yes", namespace=world.namespace)
    apply_queues(one_left, {pool: every - 1})
    # One after the other: two made in the same second are taken in either order.
    one_left.running(one_left.record(gpu_plan()))
    second = one_left.record(gpu_plan())
    one_left.waiting(second, "nvidia.com/gpu")


def test_eight_gpus_are_refused_at_once_where_every_node_has_four(world: World):
    labels = {"kubernetes.io/os": "linux", "kubernetes.io/arch": "amd64"}
    for number in range(2):
        offer = {"cpu": "64", "memory": "256Gi", "pods": "10", "nvidia.com/gpu": "4"}
        world.client.create(
            {
                "apiVersion": "v1", "kind": "Node",
                "metadata": {
                    "name": f"narrow-{number}",
                    "labels": {**labels, f"{names.PLATFORM_PREFIX}narrow": "true"},
                },
                "spec": {"taints": [FAKE_TAINT]},
                "status": {"capacity": offer, "allocatable": offer},
            }
        )  # fmt: skip
    why = refused(world, gpu_plan(8, "narrow"))
    words = "no node holds 8 nvidia.com/gpu: the largest of 2 that serve narrow has 4 "
    assert why == f"{words}nvidia.com/gpu"
    for number in range(2):
        world.client.delete(f"/api/v1/nodes/narrow-{number}")
