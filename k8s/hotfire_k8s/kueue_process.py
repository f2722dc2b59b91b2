"""Kueue as a process beside the control plane: configuration, certificates, its own objects."""

from __future__ import annotations

import base64
import json
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from hotfire_k8s import kueue_manifest
from hotfire_k8s.api import ApiClient, in_threads
from hotfire_k8s.controlplane import BURST, LOOPBACK, QPS, Access, answers
from hotfire_k8s.errors import ComponentError
from hotfire_k8s.home import write_text
from hotfire_k8s.processes import Component

NAME = "kueue"
GROUP = "/apis/kueue.x-k8s.io/v1beta2"
PATIENCE_S = 60.0
POLL_S = 0.1
PORT_NAMES = ["kueue-webhook", "kueue-health", "kueue-metrics"]
ACCOUNT = "system:serviceaccount:kueue-system:kueue-controller-manager"
"""Kueue acts under the account that its own roles are bound to, so what they lack shows here too."""
ACCOUNT_GROUPS = ("system:serviceaccounts", "system:serviceaccounts:kueue-system")


def kueue(access: Access, programs: Mapping[str, Path], ports: Mapping[str, int]) -> Component:
    """Describe the process; its objects have to be there first (`install`)."""
    folder = access.home.component(NAME)
    pair = access.authority.issue(NAME, ACCOUNT, groups=ACCOUNT_GROUPS)
    kubeconfig = access.kubeconfig(folder / "kubeconfig", pair)
    serving = access.authority.issue("kueue-webhook", "kueue", addresses=[LOOPBACK, "localhost"])
    for place in ("webhook", "metrics/certs"):
        copies = folder / place
        copies.mkdir(parents=True, exist_ok=True)
        write_text(copies / "tls.crt", serving.certificate.read_text(encoding="ascii"))
        write_text(copies / "tls.key", serving.key.read_text(encoding="ascii"))
    # JSON is YAML to Kueue too.
    write_text(folder / "config.yaml", json.dumps(configuration(folder, ports), indent=2) + "\n")
    argv = (
        str(programs[NAME]),
        f"--config={folder / 'config.yaml'}",
        f"--kubeconfig={kubeconfig}",
        # It wants a certificate in a folder of the machine, and nobody here reads it.
        "--feature-gates=VisibilityOnDemand=false",
        "--zap-log-level=error",
    )
    health = answers(f"http://{LOOPBACK}:{ports['kueue-health']}/readyz")
    return Component(name=NAME, argv=argv, is_healthy=health, patience_s=120)


def configuration(folder: Path, ports: Mapping[str, int]) -> dict[str, Any]:
    """Return Kueue's configuration (config.kueue.x-k8s.io/v1beta2)."""
    return {
        "apiVersion": "config.kueue.x-k8s.io/v1beta2",
        "kind": "Configuration",
        "namespace": "kueue-system",
        "health": {"healthProbeBindAddress": f"{LOOPBACK}:{ports['kueue-health']}"},
        "metrics": {
            "bindAddress": f"{LOOPBACK}:{ports['kueue-metrics']}",
            "enableClusterQueueResources": True,
        },
        "webhook": {
            "host": LOOPBACK,
            "port": ports["kueue-webhook"],
            "certDir": str(folder / "webhook"),
        },
        "leaderElection": {"leaderElect": False},
        "internalCertManagement": {"enable": False},
        "clientConnection": {"qps": QPS, "burst": BURST},
        "controller": {
            "groupKindConcurrency": {
                "Job.batch": 5,
                "Pod": 5,
                "Workload.kueue.x-k8s.io": 5,
                "LocalQueue.kueue.x-k8s.io": 1,
                "Cohort.kueue.x-k8s.io": 1,
                "ClusterQueue.kueue.x-k8s.io": 1,
                "ResourceFlavor.kueue.x-k8s.io": 1,
            }
        },
        "integrations": {"frameworks": ["batch/job", "pod"]},
        "fairSharing": {
            "preemptionStrategies": ["LessThanOrEqualToFinalShare", "LessThanInitialShare"]
        },
    }


def install(access: Access, client: ApiClient, ports: Mapping[str, int]) -> None:
    """Bring Kueue's definitions, roles and webhooks; idempotent, ComponentError."""
    authority = base64.b64encode(access.authority.pair.certificate.read_bytes()).decode()
    url = f"https://{LOOPBACK}:{ports['kueue-webhook']}"
    every = kueue_manifest.objects(url, authority)
    first = [manifest for manifest in every if manifest["kind"] == "Namespace"]
    in_threads(client.apply, first)
    in_threads(client.apply, [manifest for manifest in every if manifest not in first])
    kinds = [manifest for manifest in every if manifest["kind"] == "CustomResourceDefinition"]
    _wait_until_served(client, {manifest["spec"]["names"]["plural"] for manifest in kinds})


def _wait_until_served(client: ApiClient, plurals: set[str]) -> None:
    """Return when the API server offers the kinds: Kueue ends when it starts before that."""
    deadline = time.monotonic() + PATIENCE_S
    while True:
        listed = client.get(GROUP) or {"resources": []}
        if not (missing := plurals - {item["name"] for item in listed["resources"]}):
            return
        if time.monotonic() > deadline:
            raise ComponentError(f"the API server does not offer {', '.join(sorted(missing))}")
        time.sleep(POLL_S)
