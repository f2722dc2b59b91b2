"""From what was seen of Job, pod and Workload to why an attempt waits and why it ended; pure."""

from __future__ import annotations

from collections.abc import Mapping

from hotfire_infra.executors.kubernetes.sightings import PodSight, Seen
from hotfire_infra.executors.kubernetes.workloads import eviction, why_waiting
from hotfire_testframework.contract.evidence import Evidence, Witness
from hotfire_testframework.contract.failure import FailureClass

SOURCE = "kubernetes"
OOM_KILLED = "OOMKilled"
NO_POD_YET = "its pod is being made"
_DISRUPTIONS: Mapping[str, Witness] = {
    "PreemptionByScheduler": Witness.EVICTED,
    # Printed so in some documentation; the API's constant is the one above.
    "PreemptionByKubeScheduler": Witness.EVICTED,
    "EvictionByEvictionAPI": Witness.EVICTED,
    "DeletionByTaintManager": Witness.NODE_LOST,
    "DeletionByPodGC": Witness.NODE_LOST,
    "TerminationByKubelet": Witness.NODE_LOST,
}
_NEVER = ("InvalidImageName", "ErrImageNeverPull")
_PULLING = ("ErrImagePull", "ImagePullBackOff", "ImageInspectError", "RegistryUnavailable")
_REFUSED = ("not found", "manifest unknown", "denied", "unauthorized", "does not exist")
_STARTING = ("CreateContainerError", "RunContainerError", "CreateContainerConfigError")


def evidence_of(seen: Seen) -> tuple[Evidence, ...]:
    """Return what the cluster knows of an end that the runner may not have survived to explain."""
    found: list[Evidence] = []
    if seen.evicted is not None:
        found.append(eviction(seen.evicted))
    pod = seen.pod
    if pod is not None:
        found += _of_pod(pod)
    deadline = None if seen.job is None else seen.job.condition("Failed")
    if deadline is not None and deadline.reason == "DeadlineExceeded":
        found.append(Evidence.of(Witness.DEADLINE, SOURCE, f"the Job: {deadline.words}"))
    return tuple(found)


def _of_pod(pod: PodSight) -> list[Evidence]:
    found = []
    disruption = pod.condition("DisruptionTarget")
    where = f" on node {pod.node}" if pod.node else ""
    if disruption is not None:
        kind = _DISRUPTIONS.get(disruption.reason, Witness.EVICTED)
        text = f"{disruption.words}{where}"
        if pod.reason and pod.message:
            text = f"{text} ({pod.reason}: {pod.message})"
        found.append(Evidence.of(kind, SOURCE, text))
    elif pod.reason == "Evicted":
        found.append(Evidence.of(Witness.NODE_LOST, SOURCE, f"Evicted{where}: {pod.message}"))
    elif pod.reason in ("NodeLost", "NodeShutdown", "Terminated", "Shutdown"):
        found.append(Evidence.of(Witness.NODE_LOST, SOURCE, f"{pod.reason}{where}: {pod.message}"))
    if pod.reason == "DeadlineExceeded":
        found.append(Evidence.of(Witness.DEADLINE, SOURCE, f"the pod: {pod.message}"))
    if pod.end == OOM_KILLED:
        found.append(_out_of_memory(pod))
    return found


def _out_of_memory(pod: PodSight) -> Evidence:
    """Blame the task only for its own limit; without one the node was over-committed."""
    if pod.memory_limit:
        text = f"{OOM_KILLED}: the container's limit is {pod.memory_limit}"
        return Evidence.of(Witness.MEMORY_LIMIT, SOURCE, text)
    text = f"{OOM_KILLED} on node {pod.node}, and the task has no limit of its own"
    return Evidence.of(Witness.OUT_OF_MEMORY, SOURCE, text)


def waiting_of(seen: Seen, *, with_kueue: bool) -> str:
    """Return why nothing of an attempt runs yet, in the words of Kueue, scheduler or kubelet.

    Empty once its container runs, or has run.
    """
    pod = seen.pod
    if pod is None or (pod.is_gone and seen.job is not None):
        if seen.job is None:
            return ""
        if with_kueue and (seen.job.is_suspended or seen.workload is not None):
            return why_waiting(seen.workload) or NO_POD_YET
        return NO_POD_YET
    if pod.is_running or pod.is_over:
        return ""
    if not pod.node:
        denied = next((one for one in pod.conditions if one.type == "PodScheduled"), None)
        words = "" if denied is None or denied.is_true else denied.words
        return words or "waits for the scheduler"
    if pod.waits is not None and pod.waits.words:
        return f"{pod.waits.words} (node {pod.node})"
    return f"starts on node {pod.node}"


def hopeless(pod: PodSight | None) -> Evidence | None:
    """Return why a container will never start, where that is certain at once."""
    if pod is None or pod.waits is None:
        return None
    waits = pod.waits
    is_never = waits.reason in _NEVER
    is_refused = waits.reason in _PULLING and any(
        word in waits.message.lower() for word in _REFUSED
    )
    if not (is_never or is_refused):
        return None
    return Evidence.of(
        Witness.IMAGE, SOURCE, waits.words, failure_class=FailureClass.CONFIG, confidence=0.95
    )


def late(pod: PodSight, minutes: float) -> Evidence:
    """Return what it says that a container did not start in the time that there is for it."""
    waits = pod.waits
    words = "its container did not start" if waits is None else waits.words
    text = f"{words}, {minutes:g} minutes after it came to node {pod.node}"
    if waits is not None and waits.reason in _PULLING:
        return Evidence.of(Witness.IMAGE, SOURCE, text)
    kind = Witness.SUBMISSION
    failure = FailureClass.CONFIG if waits is not None and waits.reason in _STARTING else None
    return Evidence.of(kind, SOURCE, text, failure_class=failure, confidence=0.9)


def stuck(pod: PodSight, seconds: float) -> Evidence:
    """Return what it says that a pod does not end: its node is dead, or as good as dead."""
    text = (
        f"pod {pod.name} should have ended {seconds:g} s ago and is still there: "
        f"node {pod.node} does not answer"
    )
    return Evidence.of(Witness.NODE_LOST, SOURCE, text)


def detail_of(seen: Seen, evidence: tuple[Evidence, ...]) -> str:
    """Return how an attempt ended, in one sentence; what is known best comes first."""
    if evidence:
        return max(evidence, key=lambda item: item.confidence).detail
    pod = seen.pod
    if pod is None:
        if seen.job is None:
            return "somebody else deleted its Job"
        failed = seen.job.condition("Failed")
        return "" if failed is None else f"its Job failed: {failed.words}"
    if pod.exit_code is None:
        return "its pod was deleted by somebody else" if pod.is_gone else f"its pod {pod.phase}"
    words = [line for line in pod.last_words.splitlines() if line.strip()]
    how = f"container: {pod.end or 'ended'}, exit code {pod.exit_code}"
    return f"{how}: {words[-1].strip()[:300]}" if words else how
