"""What the cluster said of an attempt, and what it means: waiting, evidence, and the ending of it."""

from __future__ import annotations

from typing import Any

import pytest

from hotfire_infra.executors.kubernetes.diagnosis import (
    detail_of,
    evidence_of,
    hopeless,
    late,
    stuck,
    waiting_of,
)
from hotfire_infra.executors.kubernetes.sightings import (
    Condition,
    JobSink,
    PodSight,
    PodSink,
    Seen,
    Sightings,
    WorkloadSink,
    quantity,
    read_job,
    read_pod,
    read_workload,
)
from hotfire_infra.executors.protocol import Life, Observation
from hotfire_infra.ingest.stream import ManifestCheck
from hotfire_infra.orchestrator.endings import Ending, ending_of
from hotfire_infra.states import AttemptState
from hotfire_testframework.contract.failure import FailureClass
from hotfire_testframework.contract.ulid import parse_ulid

ATTEMPT = parse_ulid("01JD3Q7A0000000000000000AA")
LABELS = {
    "app.kubernetes.io/name": "hotfire-attempt", "app.kubernetes.io/component": "runner",
    "app.kubernetes.io/part-of": "hotfire", "app.kubernetes.io/managed-by": "hotfire",
    "hotfire.dev/attempt": ATTEMPT,
}  # fmt: skip
NO_MANIFEST = ManifestCheck(is_valid=False, is_empty=False, reason="no manifest")
WHOLE = ManifestCheck(is_valid=True, is_empty=False, reason="")
PREEMPTED = {
    "type": "Evicted", "status": "True", "reason": "Preempted",
    "message": "Preempted to accommodate a workload (UID: 7) due to prioritization",
}  # fmt: skip


def pod_object(name: str = "hf-x", **status: Any) -> dict[str, Any]:
    limits = status.pop("limits", {})
    meta = {"name": name, "uid": f"uid-{name}", "labels": LABELS, "creationTimestamp": "2026-01-01"}
    return {
        "metadata": {**meta, **status.pop("metadata", {})},
        "spec": {
            "nodeName": status.pop("node", "node-7"),
            "containers": [{"name": "runner", "resources": {"limits": limits}}],
        },
        "status": status,
    }


def pod(**status: Any) -> PodSight:
    found = read_pod(pod_object(**status))
    assert found is not None
    return found[1]


def state(**state: Any) -> list[dict[str, Any]]:
    return [{"name": "runner", "state": state}]


def disrupted(reason: str) -> PodSight:
    condition = {"type": "DisruptionTarget", "status": "True", "reason": reason, "message": "why"}
    return pod(phase="Failed", conditions=[condition])


def workload(*conditions: dict[str, Any]) -> dict[str, Any]:
    owner = {"kind": "Job", "name": f"hf-{ATTEMPT.lower()}"}
    return {
        "metadata": {"name": "job-hf", "ownerReferences": [owner]},
        "status": {"conditions": list(conditions)},
    }


def seen_workload(*conditions: dict[str, Any]) -> Seen:
    known = Sightings()
    found = read_workload(workload(*conditions))
    assert found is not None
    WorkloadSink(known).put(*found)
    job = read_job({"metadata": {"name": "hf", "uid": "u", "labels": LABELS},
                    "spec": {"suspend": True}})  # fmt: skip
    assert job is not None
    JobSink(known).put(*job)
    return known.of(ATTEMPT)


def ended(seen: Seen, code: int | None, manifest: ManifestCheck = NO_MANIFEST) -> Ending:
    evidence = evidence_of(seen)
    whole = Observation(
        life=Life.ENDED, exit_code=code, detail=detail_of(seen, evidence), evidence=evidence
    )
    return ending_of(whole, manifest, is_cancelled=False)


def test_a_preemption_by_kueue_is_known_though_the_pod_says_nothing():
    seen = seen_workload(PREEMPTED)
    seen.pod = pod(phase="Running", containerStatuses=state(running={}))
    for code in (None, 143, 137, 0):
        ending = ended(seen, code)
        assert ending.state is AttemptState.PREEMPTED
        assert ending.failure_class == "preempted"
        assert "Preempted to accommodate a workload (UID: 7)" in ending.reason


def test_an_eviction_stays_known_when_kueue_admits_again():
    known = Sightings()
    found = read_workload(workload(PREEMPTED))
    again = read_workload(workload({**PREEMPTED, "status": "False"}))
    assert found is not None
    assert again is not None
    told: list[Condition] = []
    known.on_eviction = lambda _attempt, condition: told.append(condition)
    WorkloadSink(known).put(*found)
    WorkloadSink(known).put(*found)
    WorkloadSink(known).put(*again)
    assert known.of(ATTEMPT).evicted is not None
    assert len(told) == 1


def test_results_that_were_delivered_outlive_an_eviction_after_them():
    seen = seen_workload(PREEMPTED)
    assert ended(seen, 0, WHOLE).state is AttemptState.PASSED
    assert ended(seen, 10, WHOLE).state is AttemptState.FAILED


@pytest.mark.parametrize("code", [0, 10])
def test_no_exit_code_is_a_verdict_without_a_manifest(code):
    ending = ended(Seen(pod=pod(phase="Succeeded")), code)
    assert ending.state is AttemptState.ERRORED


@pytest.mark.parametrize(
    ("reason", "state", "failure"),
    [
        ("PreemptionByScheduler", AttemptState.PREEMPTED, "preempted"),
        ("EvictionByEvictionAPI", AttemptState.PREEMPTED, "preempted"),
        ("DeletionByTaintManager", AttemptState.LOST, "infra-node"),
        ("DeletionByPodGC", AttemptState.LOST, "infra-node"),
        ("TerminationByKubelet", AttemptState.LOST, "infra-node"),
    ],
)
def test_each_reason_of_a_disruption_has_its_state_and_class(reason, state, failure):
    ending = ended(Seen(pod=disrupted(reason)), None)
    assert (ending.state, ending.failure_class) == (state, failure)
    assert f"{reason}: why on node node-7" in ending.reason


def test_out_of_memory_is_the_tasks_own_only_with_a_limit_of_its_own():
    killed = state(terminated={"exitCode": 137, "reason": "OOMKilled"})
    own = ended(Seen(pod=pod(containerStatuses=killed, limits={"memory": "64Mi"})), 137)
    assert (own.state, own.failure_class) == (AttemptState.FAILED, "product")
    assert "64Mi" in own.reason
    nodes = ended(Seen(pod=pod(containerStatuses=killed)), 137)
    assert nodes.state is not AttemptState.FAILED
    assert nodes.failure_class == "infra-node"


def test_a_deadline_of_the_pod_is_not_the_products_fault():
    over = pod(phase="Failed", reason="DeadlineExceeded", message="was active longer than 9 s")
    ending = ended(Seen(pod=over), None)
    assert (ending.state, ending.failure_class) == (AttemptState.ERRORED, "infra-node")
    assert "was active longer than 9 s" in ending.reason


def test_a_kubelet_that_evicts_for_want_of_memory_is_the_nodes_trouble():
    found = evidence_of(Seen(pod=pod(phase="Failed", reason="Evicted", message="low on memory")))
    assert found[0].failure_class is FailureClass.INFRA_NODE
    assert "low on memory" in found[0].detail


def test_why_a_job_is_not_admitted_stands_there_in_kueues_words():
    message = "couldn't assign flavors to pod set main: insufficient unused quota for cpu"
    denied = {"type": "QuotaReserved", "status": "False", "reason": "Pending", "message": message}
    assert waiting_of(seen_workload(denied), with_kueue=True) == f"Pending: {message}"
    assert waiting_of(seen_workload(), with_kueue=True) == "Kueue has not looked at it yet"


def test_why_a_pod_does_not_start_stands_there_in_the_words_of_scheduler_and_kubelet():
    message = "0/21 nodes are available: 21 Insufficient nvidia.com/gpu."
    denied = {"type": "PodScheduled", "status": "False", "reason": "Unschedulable",
              "message": message}  # fmt: skip
    unplaced = Seen(pod=pod(node="", conditions=[denied]))
    assert waiting_of(unplaced, with_kueue=False) == f"Unschedulable: {message}"
    pulling = state(waiting={"reason": "ImagePullBackOff", "message": "Back-off pulling"})
    placed = Seen(pod=pod(containerStatuses=pulling))
    assert waiting_of(placed, with_kueue=False) == (
        "ImagePullBackOff: Back-off pulling (node node-7)"
    )
    running = Seen(pod=pod(containerStatuses=state(running={})))
    assert waiting_of(running, with_kueue=False) == ""


@pytest.mark.parametrize(
    ("reason", "message", "is_hopeless"),
    [
        ("ErrImageNeverPull", "not present with pull policy of Never", True),
        ("InvalidImageName", "couldn't parse", True),
        ("ImagePullBackOff", "failed to resolve: registry/x:1: not found", True),
        ("ErrImagePull", "pull access denied", True),
        ("ErrImagePull", "dial tcp: i/o timeout", False),
        ("ContainerCreating", "", False),
    ],
)
def test_an_image_that_will_never_come_ends_an_attempt_at_once(reason, message, is_hopeless):
    found = hopeless(pod(containerStatuses=state(waiting={"reason": reason, "message": message})))
    assert (found is not None) == is_hopeless
    if found is not None:
        ending = ending_of(
            Observation(life=Life.ENDED, evidence=(found,)), NO_MANIFEST, is_cancelled=False
        )
        assert (ending.state, ending.failure_class) == (AttemptState.ERRORED, "config")


def test_an_image_that_takes_too_long_is_the_networks_trouble():
    pulling = pod(
        containerStatuses=state(waiting={"reason": "ImagePullBackOff", "message": "slow"})
    )
    assert late(pulling, 15).failure_class is FailureClass.INFRA_NETWORK
    assert late(pod(), 15).failure_class is FailureClass.INFRA_NODE


def test_a_pod_that_never_ends_speaks_against_its_node():
    found = stuck(pod(), 120)
    assert found.failure_class is FailureClass.INFRA_NODE
    assert "node-7" in found.detail


def test_the_first_pod_of_an_attempt_counts_and_a_second_one_does_not():
    known = Sightings()
    sink = PodSink(known)
    first = read_pod(pod_object("first", phase="Running"))
    second = read_pod(pod_object("second", phase="Failed",
                                 metadata={"creationTimestamp": "2026-01-02"}))  # fmt: skip
    assert first is not None
    assert second is not None
    sink.put(*first)
    sink.put(*second)
    seen = known.of(ATTEMPT)
    assert seen.pod is not None
    assert seen.pod.name == "first"


def test_what_is_gone_is_remembered_until_nobody_asks_any_more():
    known = Sightings()
    known.of(ATTEMPT)
    found = read_pod(pod_object(phase="Running"))
    assert found is not None
    PodSink(known).put(*found)
    PodSink(known).drop(*found)
    gone = known.of(ATTEMPT).pod
    assert gone is not None
    assert gone.is_gone
    known.forget(ATTEMPT)
    assert len(known) == 0


def test_thousands_of_attempts_of_somebody_else_leave_nothing_behind():
    known = Sightings()
    for number in range(3000):
        attempt = f"01JD3Q7A00000000000000{number:04d}"
        labels = {**LABELS, "hotfire.dev/attempt": attempt}
        found = read_pod(pod_object(f"pod-{number}", metadata={"labels": labels}))
        assert found is not None
        PodSink(known).put(*found)
        PodSink(known).drop(*found)
    assert len(known) == 0


@pytest.mark.parametrize(
    ("text", "value"),
    [("8", 8.0), ("500m", 0.5), ("4Ti", 4 * 2.0**40), ("1k", 1000.0), ("x", 0.0), ("", 0.0)],
)
def test_quantities_are_read_as_kubernetes_writes_them(text, value):
    assert quantity(text) == value


def test_objects_of_somebody_else_are_not_ours():
    stranger = {"metadata": {"name": "x", "labels": {"hotfire.dev/attempt": ATTEMPT}}}
    assert read_job(stranger) is None
    assert read_pod({"metadata": {"name": "x"}}) is None
    owner = {"kind": "Job", "name": "hf-other"}
    assert read_workload({"metadata": {"name": "w", "ownerReferences": [owner]}}) is None
    assert read_workload({"metadata": {"name": "w"}}) is None
