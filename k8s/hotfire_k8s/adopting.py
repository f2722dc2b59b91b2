"""A cluster of somebody else (kind, a laboratory's): described for tests and people, never changed."""

from __future__ import annotations

import json
import shutil
import subprocess
from pathlib import Path
from typing import Any

from hotfire_infra.settings import executables_path
from hotfire_k8s.errors import ClusterError, ClusterUsageError, ComponentError
from hotfire_k8s.home import Home, write_text

TIMEOUT_S = 20.0


def describe(home: Home, kubeconfig: Path) -> dict[str, Any]:
    """Look at the cluster of a kubeconfig and return what cluster.json says of it; ClusterError.

    The file is copied into the home, so that the current context is the one that was looked at.
    """
    try:
        text = kubeconfig.read_text(encoding="utf-8")
    except OSError as error:
        raise ClusterUsageError(f"{kubeconfig}: {error.strerror}") from error
    write_text(home.kubeconfig, text)
    version, server, kinds, nodes = _look(home.kubeconfig)
    ready = [name for name, is_real in nodes.items() if is_real]
    return {
        "server": server,
        "kubeconfig": str(home.kubeconfig),
        "versions": {"kube-apiserver": version},
        "kueue": "kueue.x-k8s.io" in kinds,
        "nodes": len(nodes) - len(ready),
        "real_node": min(ready, default=None),
        "why_no_real_node": None if ready else "the cluster has none",
        "host_address": None,
        "adopted": str(kubeconfig.absolute()),
    }


def is_ready(kubeconfig: Path) -> bool:
    """Whether the API server of a kubeconfig says that it can serve."""
    kubectl = shutil.which("kubectl", path=executables_path())
    if kubectl is None:
        return False
    argv = [
        kubectl,
        f"--kubeconfig={kubeconfig}",
        "--request-timeout=5s",
        "get",
        "--raw",
        "/readyz",
    ]
    try:
        return subprocess.run(argv, capture_output=True, timeout=TIMEOUT_S).returncode == 0
    except subprocess.TimeoutExpired:
        return False


def _look(kubeconfig: Path) -> tuple[str, str, set[str], dict[str, bool]]:
    """Return version, address, API groups, and each node with whether it is a real one."""
    kubectl = shutil.which("kubectl", path=executables_path())
    if kubectl is None:
        raise ClusterUsageError("looking at a cluster of somebody else needs kubectl on the PATH")

    def ask(*arguments: str) -> Any:
        argv = [kubectl, f"--kubeconfig={kubeconfig}", f"--request-timeout={TIMEOUT_S:.0f}s"]
        try:
            done = subprocess.run(
                [*argv, *arguments], capture_output=True, text=True, timeout=2 * TIMEOUT_S
            )
        except subprocess.TimeoutExpired as error:
            raise ComponentError(f"the cluster of {kubeconfig} does not answer") from error
        if done.returncode != 0:
            raise ClusterError(f"kubectl {' '.join(arguments)}: {done.stderr.strip()[-300:]}")
        return json.loads(done.stdout)

    version = ask("get", "--raw", "/version")["gitVersion"].removeprefix("v")
    view = ask("config", "view", "--minify", "-o", "json")
    groups = {group["name"] for group in ask("get", "--raw", "/apis")["groups"]}
    listed = ask("get", "nodes", "-o", "json")["items"]
    nodes = {
        node["metadata"]["name"]: node["metadata"].get("labels", {}).get("type") != "kwok"
        for node in listed
    }
    return version, view["clusters"][0]["cluster"]["server"], groups, nodes
