"""Kueue and the scheduler send each platform's pods to the machines of its pools, and only there."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from hotfire_infra.executors.kubernetes.kueue_objects import (
    EXCLUSIVE_QUEUE,
    QueueConfiguration,
    kueue_objects,
    team_queue,
)
from hotfire_infra.executors.kubernetes.names import PRIORITY_CLASS, QUEUE
from hotfire_infra.executors.kubernetes.placement import GPU_TAINT, place, tolerate
from hotfire_infra.states import Priority
from hotfire_k8s import nodes
from hotfire_k8s.api import ApiClient
from hotfire_k8s.handle import ClusterHandle
from hotfire_k8s.nodes import FAKE_TAINT
from hotfire_pipelines.schema import Role

from .conftest import NODES

NAMESPACE = "pooled"
PATIENCE_S = 120
JOBS = f"/apis/batch/v1/namespaces/{NAMESPACE}/jobs"
WORKLOADS = f"/apis/kueue.x-k8s.io/v1beta2/namespaces/{NAMESPACE}/workloads"
PLACED = {
    "linux-x86_64": "linux-hosts",
    "windows-x86_64": "linux-hosts",
    "rhel-9": "rhel-9",
    "linux-x86_64-sm_90": "dgx-h100",
    "dgx-b200": "dgx-b200",
    "h200-mig-1g.18gb": "h200-mig",
    "jetson-orin": "jetson-orin",
    "windows-rtx": "windows-rtx",
}


@pytest.fixture(scope="module")
def client(cluster: ClusterHandle) -> Iterator[ApiClient]:
    with cluster.client() as found:
        metadata = {"name": NAMESPACE}
        found.create({"apiVersion": "v1", "kind": "Namespace", "metadata": metadata})
        configuration = QueueConfiguration(namespace=NAMESPACE)
        for manifest in kueue_objects(nodes.catalogue_of(NODES), configuration):
            found.apply(manifest)
        yield found
        for job in (found.get(JOBS) or {}).get("items", ()):
            found.delete(f"{JOBS}/{job['metadata']['name']}?propagationPolicy=Background")


def submit(
    client: ApiClient, name: str, platform: str, *, devices: int = 1, queue: str = "default"
) -> None:
    """A Job as the executor makes them, as far as it decides where it may run."""
    declared = nodes.catalogue_of(NODES)[platform]
    requires = declared.offers(Role.TEST, declared.requirements(Role.TEST))
    placement = place(platform, {**requires, "device_count": devices})
    resources = {resource: str(count) for resource, count in placement.devices.items()}
    spec = {
        "restartPolicy": "Never",
        "nodeSelector": dict(placement.node_selector),
        "tolerations": [*placement.tolerations, tolerate(FAKE_TAINT)],
        "containers": [
            {
                "name": "runner",
                "image": "none",
                "resources": {"requests": {"cpu": "1", **resources}, "limits": resources},
            }
        ],
    }
    labels = {QUEUE: queue, PRIORITY_CLASS: Priority.GATE.value}
    client.create(
        {
            "apiVersion": "batch/v1",
            "kind": "Job",
            "metadata": {"name": name, "namespace": NAMESPACE, "labels": labels},
            "spec": {"backoffLimit": 0, "template": {"spec": spec}},
        }
    )


def workload_of(client: ApiClient, name: str) -> dict[str, Any]:
    found = (client.get(WORKLOADS) or {}).get("items", ())
    owned = [one for one in found if one["metadata"]["ownerReferences"][0]["name"] == name]
    return owned[0] if owned else {}


def wait_for(what: str, check: Callable[[], Any]) -> Any:
    deadline = time.monotonic() + PATIENCE_S
    while not (value := check()):
        assert time.monotonic() < deadline, f"{what} did not come within {PATIENCE_S} s"
        time.sleep(0.2)
    return value


def node_of(client: ApiClient, name: str) -> dict[str, Any]:
    """The node that a Job's pod got."""

    def look() -> str | None:
        path = f"/api/v1/namespaces/{NAMESPACE}/pods?labelSelector=job-name%3D{name}"
        pods = (client.get(path) or {}).get("items", ())
        return next(
            (str(pod["spec"]["nodeName"]) for pod in pods if "nodeName" in pod["spec"]), None
        )

    node = client.get(f"/api/v1/nodes/{wait_for(f'the pod of {name}', look)}")
    assert node is not None
    return node


def pending(client: ApiClient, name: str) -> str:
    """Why a Job waits, once Kueue says so."""

    def look() -> str | None:
        for one in workload_of(client, name).get("status", {}).get("conditions", ()):
            if one["type"] == "QuotaReserved" and one["status"] == "False":
                return str(one["message"])
        return None

    return str(wait_for(f"the reason of {name}", look))


def test_each_platform_runs_on_machines_of_its_pool(client: ApiClient) -> None:
    for number, platform in enumerate(PLACED):
        submit(client, f"placed-{number}", platform)
    for number, (platform, pool) in enumerate(PLACED.items()):
        labels = node_of(client, f"placed-{number}")["metadata"]["labels"]
        assert labels["hotfire.dev/pool"] == pool, platform


def test_eight_devices_are_admitted_where_one_node_holds_them_and_nine_nowhere(
    client: ApiClient,
) -> None:
    submit(client, "eight", "dgx-h200", devices=8)
    submit(client, "nine", "dgx-h200", devices=9)
    assert node_of(client, "eight")["metadata"]["labels"]["hotfire.dev/pool"] == "dgx-h200"
    assert "couldn't assign flavors" in pending(client, "nine")


def test_an_exclusive_attempt_has_a_queue_of_its_own(client: ApiClient) -> None:
    submit(client, "alone", "dgx-a100", devices=8, queue="default-exclusive")
    submit(client, "shared", "dgx-a100")
    node_of(client, "alone")
    node_of(client, "shared")
    admitted = {
        name: workload_of(client, name)["status"]["admission"]["clusterQueue"]
        for name in ("alone", "shared")
    }
    assert admitted == {"alone": EXCLUSIVE_QUEUE, "shared": team_queue("default")}


def test_what_does_not_tolerate_the_taint_of_devices_is_not_admitted_to_them(
    client: ApiClient,
) -> None:
    """Else its quota would be held by a pod that no node takes."""
    labels = {QUEUE: "default"}
    spec = {
        "restartPolicy": "Never",
        "nodeSelector": {"platform.hotfire.dev/dgx-h100": "true"},
        "tolerations": [tolerate(FAKE_TAINT)],
        "containers": [{"name": "c", "image": "none", "resources": {"requests": {"cpu": "1"}}}],
    }
    client.create(
        {
            "apiVersion": "batch/v1",
            "kind": "Job",
            "metadata": {"name": "intruder", "namespace": NAMESPACE, "labels": labels},
            "spec": {"backoffLimit": 0, "template": {"spec": spec}},
        }
    )
    assert f"untolerated taint {{{GPU_TAINT['key']}" in pending(client, "intruder")
