"""Simulated nodes: the machines of the catalogue's pools, in the catalogue's proportions."""

from __future__ import annotations

import datetime
import time
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from hotfire_infra.executors.kubernetes.fleet import labels_of, offer_of, scaled, taints_of
from hotfire_infra.executors.kubernetes.placement import ARCH_LABEL, OS_LABEL
from hotfire_k8s.api import ApiClient, in_threads
from hotfire_k8s.errors import ClusterUsageError, ComponentError
from hotfire_k8s.kwok import NODE_ADDRESS, NODE_ANNOTATION
from hotfire_pipelines.catalogue import Catalogue, load_platforms

Manifest = dict[str, Any]

CATALOGUE = Path(__file__).resolve().parents[2] / "pipelines" / "definitions" / "platforms.yaml"
DEFAULT = 1000
PODS_OF_A_NODE = 110
"""Kubernetes' own default."""
RACK = 8
"""Machines that share a value of a topology level."""
FAKE_TAINT = {"key": NODE_ANNOTATION, "value": "fake", "effect": "NoSchedule"}
LABEL = {"type": "kwok"}
"""Selects the simulated nodes."""
PATIENCE_S = 120.0
POLL_S = 0.5


def catalogue() -> Catalogue:
    """Return the platforms and pools that Aestus ships for."""
    return load_platforms(CATALOGUE)


def catalogue_of(nodes: int) -> Catalogue:
    """Return the catalogue with so many machines; ClusterUsageError if there are too few for it."""
    whole = catalogue()
    if nodes < len(whole.pools):
        raise ClusterUsageError(
            f"{nodes} nodes are too few: the catalogue has {len(whole.pools)} pools, and each "
            "needs one; take at least as many, or 0 for none"
        )
    return scaled(whole, nodes)


def simulated(catalogue: Catalogue) -> Iterator[Manifest]:
    """Yield a node for each machine of each pool."""
    for name, pool in catalogue.pools.items():
        labels, taints = labels_of(catalogue, name), [FAKE_TAINT, *taints_of(pool)]
        offer = {**offer_of(catalogue, name), "pods": str(PODS_OF_A_NODE)}
        for index in range(pool.machines):
            node = f"{name}-{index:04d}"
            places = dict.fromkeys(pool.topology, f"{name}-{index // RACK:03d}")
            yield {
                "apiVersion": "v1",
                "kind": "Node",
                "metadata": {
                    "name": node,
                    "labels": {**LABEL, "kubernetes.io/hostname": node, **labels, **places},
                    "annotations": {NODE_ANNOTATION: "fake"},
                },
                "spec": {"taints": taints},
                "status": {
                    "phase": "Running",
                    "capacity": offer,
                    "allocatable": offer,
                    "addresses": [
                        {"type": "InternalIP", "address": NODE_ADDRESS},
                        {"type": "Hostname", "address": node},
                    ],
                    "conditions": _conditions(),
                    "nodeInfo": _information(labels[OS_LABEL], labels[ARCH_LABEL]),
                },
            }


def _conditions() -> list[dict[str, str]]:
    """Return what a kubelet would report; born ready, a node needs no second write by KWOK."""
    now = datetime.datetime.now(datetime.UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    return [
        {
            "type": kind,
            "status": "True" if kind == "Ready" else "False",
            "reason": "Simulated",
            "message": "played by KWOK",
            "lastHeartbeatTime": now,
            "lastTransitionTime": now,
        }
        for kind in ("Ready", "MemoryPressure", "DiskPressure", "PIDPressure")
    ]


def _information(system: str, machine: str) -> dict[str, str]:
    nothing = ("bootID", "kernelVersion", "machineID", "osImage", "systemUUID")
    return {
        "architecture": machine,
        "operatingSystem": system,
        "containerRuntimeVersion": "kwok",
        "kubeProxyVersion": "",
        "kubeletVersion": "kwok",
        **dict.fromkeys(nothing, ""),
    }


def reconcile(client: ApiClient, wanted: Iterable[Manifest]) -> tuple[int, int]:
    """Create simulated nodes that are missing, delete those that are too many; how many of each."""
    by_name = {manifest["metadata"]["name"]: manifest for manifest in wanted}
    there = {node["metadata"]["name"] for node in _listed(client)}
    missing = [manifest for name, manifest in by_name.items() if name not in there]
    surplus = [{"name": name} for name in sorted(there - by_name.keys())]
    in_threads(client.create, missing)
    in_threads(lambda node: client.delete(f"/api/v1/nodes/{node['name']}"), surplus)
    return len(missing), len(surplus)


def wait_until_ready(client: ApiClient, number: int) -> None:
    """Return when so many simulated nodes are ready and KWOK plays them all; ComponentError."""
    deadline = time.monotonic() + PATIENCE_S
    while (led := _leases(client)) < number or (ready := _ready(client)) < number:
        if time.monotonic() > deadline:
            said = f"KWOK plays {led}" if led < number else f"{ready} are ready"
            raise ComponentError(f"of {number} simulated nodes {said}: ask the kwok log")
        time.sleep(POLL_S)


def _leases(client: ApiClient) -> int:
    """Return how many nodes somebody says of that they live."""
    found = client.get("/apis/coordination.k8s.io/v1/namespaces/kube-node-lease/leases?limit=1")
    if not found or not found["items"]:
        return 0
    return 1 + int(found["metadata"].get("remainingItemCount", 0))


def _ready(client: ApiClient) -> int:
    return sum(map(_is_ready, _listed(client)))


def _listed(client: ApiClient) -> list[Manifest]:
    key, value = next(iter(LABEL.items()))
    listed = client.get(f"/api/v1/nodes?labelSelector={key}%3D{value}&resourceVersion=0")
    return listed["items"] if listed else []


def _is_ready(node: Manifest) -> bool:
    """Whether a node is ready and no controller keeps pods from it."""
    conditions = node["status"].get("conditions", ())
    tainted = {taint["key"] for taint in node["spec"].get("taints", ())}
    is_ready = any(item["type"] == "Ready" and item["status"] == "True" for item in conditions)
    return is_ready and "node.kubernetes.io/not-ready" not in tainted
