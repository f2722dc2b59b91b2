"""Of an event only what is read is decoded, and nothing else may be different for it."""

from __future__ import annotations

import json
from typing import Any

import pytest

from hotfire_infra.executors.kubernetes import names
from hotfire_infra.executors.kubernetes.events import read_event
from hotfire_infra.executors.kubernetes.sightings import read_job, read_pod, read_workload
from hotfire_testframework.contract.ulid import new_ulid

ATTEMPT = new_ulid()
META = {
    "name": f"hf-{ATTEMPT.lower()}", "uid": "u1", "resourceVersion": "7",
    "creationTimestamp": "2026-01-01T00:00:00Z", "deletionTimestamp": None,
    "labels": {**names.OURS, names.ATTEMPT: ATTEMPT},
    "managedFields": [{"manager": "kubelet", "fieldsV1": {"f:status": {}}}],
    "ownerReferences": [{"kind": "Job", "name": f"hf-{ATTEMPT.lower()}", "uid": "x"}],
}  # fmt: skip
CONDITION = {"type": "Failed", "status": "True", "reason": "DeadlineExceeded", "message": "late",
             "lastTransitionTime": None}  # fmt: skip
POD = {
    "metadata": META | {"deletionGracePeriodSeconds": 3},
    "spec": {
        "nodeName": "n1", "terminationGracePeriodSeconds": 30,
        "containers": [{"name": "runner", "image": "i", "resources": {"limits": {"memory": "1Gi"}}}],
    },
    "status": {
        "phase": "Failed", "reason": "Evicted", "message": "no room", "conditions": [CONDITION],
        "containerStatuses": [{"name": "runner", "state": {"terminated": {
            "exitCode": 137, "reason": "OOMKilled", "message": "words"}}}],
    },
}  # fmt: skip
JOB = {"metadata": META, "spec": {"suspend": True}, "status": {"conditions": [CONDITION]}}


@pytest.mark.parametrize(
    ("read", "found"), [(read_job, JOB), (read_pod, POD), (read_workload, JOB)]
)
def test_what_is_read_of_an_object_is_the_same_either_way(read: Any, found: dict[str, Any]):
    event = {"type": "MODIFIED", "object": found}
    decoded = read_event(json.dumps(event).encode())
    assert read(found) is not None
    assert read(decoded["object"]) == read(found)
    assert "managedFields" not in decoded["object"]["metadata"]
    assert decoded["object"]["metadata"]["resourceVersion"] == "7"


@pytest.mark.parametrize(
    "found",
    [
        {"type": "ERROR", "object": {"kind": "Status", "status": "Failure", "code": 410}},
        {"type": "MODIFIED", "object": {"metadata": {"name": 5}, "spec": {"suspend": "maybe"}}},
        {"type": "BOOKMARK"},
    ],
)
def test_what_is_not_as_described_is_read_whole(found: dict[str, Any]):
    assert read_event(json.dumps(found).encode()) == found


def test_what_is_no_json_is_a_value_error():
    with pytest.raises(ValueError, match="Expecting"):
        read_event(b'{"type": ')
