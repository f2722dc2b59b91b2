"""What Kueue says of an attempt: why it waits, verbatim, and whether its place was taken back.

A preemption by Kueue suspends the Job and deletes its pod without any mark on the pod, so the
Workload is the only one who knows.
"""

from __future__ import annotations

from collections.abc import Mapping

from hotfire_infra.executors.kubernetes.sightings import Condition, WorkloadSight
from hotfire_testframework.contract.evidence import Evidence, Witness
from hotfire_testframework.contract.failure import FailureClass

SOURCE = "kueue"
NOT_SEEN = "Kueue has not looked at it yet"
QUEUES_REMEDY = "lay the queues: hotfire plan platforms -o kueue | kubectl apply -f -"
_CLASSES: Mapping[str, FailureClass] = {
    "Preempted": FailureClass.PREEMPTED,
    "ClusterQueueStopped": FailureClass.PREEMPTED,
    "LocalQueueStopped": FailureClass.PREEMPTED,
    "AdmissionCheck": FailureClass.INFRA_NODE,
    "PodsReadyTimeout": FailureClass.INFRA_NODE,
    "NodeFailures": FailureClass.INFRA_NODE,
    "Deactivated": FailureClass.INFRA_NODE,
    "DeactivatedDueToAdmissionCheck": FailureClass.INFRA_NODE,
    "DeactivatedDueToRequeuingLimitExceeded": FailureClass.INFRA_NODE,
    "MaximumExecutionTimeExceeded": FailureClass.INFRA_NODE,
    "DeactivatedDueToMaximumExecutionTimeExceeded": FailureClass.INFRA_NODE,
}
_WITNESSES: Mapping[FailureClass, Witness] = {
    FailureClass.PREEMPTED: Witness.EVICTED,
    FailureClass.INFRA_NODE: Witness.NODE_LOST,
}
_DEADLINES = ("MaximumExecutionTimeExceeded", "DeactivatedDueToMaximumExecutionTimeExceeded")


def why_waiting(workload: WorkloadSight | None) -> str:
    """Return why a Job is not admitted, in Kueue's own words; empty once it is."""
    if workload is None:
        return NOT_SEEN
    if workload.condition("Admitted"):
        return ""
    for kind in ("QuotaReserved", "Admitted"):
        denied = workload.denied(kind)
        if denied is not None and denied.words:
            is_lacking = "Queue " in denied.message and "doesn't exist" in denied.message
            return f"{denied.words}; {QUEUES_REMEDY}" if is_lacking else denied.words
    return NOT_SEEN if not workload.conditions else "Kueue has reserved quota, admission is due"


def eviction(evicted: Condition) -> Evidence:
    """Return what an eviction speaks for."""
    failure = _CLASSES.get(evicted.reason, FailureClass.PREEMPTED)
    kind = Witness.DEADLINE if evicted.reason in _DEADLINES else _WITNESSES[failure]
    return Evidence.of(kind, SOURCE, f"Evicted by Kueue: {evicted.words}", failure_class=failure)
