"""Plays the rest of a cluster: makes the pod of a Job, and runs the real runner in its place.

The runner writes into the attempt's directory itself; what `runner ship` and the ingest routes would
lay there is what it writes.
"""

from __future__ import annotations

import signal
import subprocess
import sys
import threading
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from .api_server import JOBS, PODS, FakeApiServer

NODE = "node-1"


def pod_of(job: dict[str, Any]) -> dict[str, Any]:
    """Return the pod that a Job's controller makes, on a node."""
    name = job["metadata"]["name"]
    owner = {"kind": "Job", "name": name, "uid": job["metadata"]["uid"]}
    template = job["spec"]["template"]
    return {
        "metadata": {
            "name": f"{name}-x", "ownerReferences": [owner], **template["metadata"],
        },
        "spec": {**template["spec"], "nodeName": NODE},
        "status": {"phase": "Pending"},
    }  # fmt: skip


def container(**state: Any) -> list[dict[str, Any]]:
    """Return the status of the runner's container."""
    return [{"name": "runner", "state": state}]


@dataclass
class FakeKubelet:
    """Runs what Jobs ask for, in the attempts' directories."""

    api: FakeApiServer
    attempts: Path
    bundle: Path
    processes: dict[str, subprocess.Popen[bytes]] = field(default_factory=dict)
    threads: list[threading.Thread] = field(default_factory=list)

    def attach(self) -> None:
        """Work for the server."""
        self.api.on_create = self._created
        self.api.on_delete = self._deleted

    def _created(self, path: str, job: dict[str, Any]) -> None:
        if path != JOBS:
            return
        pod = self.api.put(PODS, pod_of(job))
        name = pod["metadata"]["name"]
        root = self.attempts / job["metadata"]["labels"]["hotfire.dev/attempt"]
        self.processes[name] = subprocess.Popen([sys.executable, str(self.bundle), str(root)])
        self.api.change(PODS, name, phase="Running", containerStatuses=container(running={}))
        thread = threading.Thread(target=self._await, args=(name,), daemon=True)
        self.threads.append(thread)
        thread.start()

    def _await(self, name: str) -> None:
        code = self.processes[name].wait()
        code = 128 - code if code < 0 else code
        ended = {"exitCode": code, "reason": "Error" if code else "Completed"}
        pod = self.api.objects[PODS].get(name)
        if pod is None:
            return
        phase = "Failed" if code else "Succeeded"
        self.api.change(PODS, name, phase=phase, containerStatuses=container(terminated=ended))
        if pod["metadata"].get("deletionTimestamp"):
            self.api.remove(PODS, name)

    def _deleted(self, path: str, pod: dict[str, Any]) -> None:
        process = self.processes.get(pod["metadata"]["name"]) if path == PODS else None
        if process is None:
            return
        if process.poll() is None:
            process.send_signal(signal.SIGTERM)
        else:
            self.api.remove(PODS, pod["metadata"]["name"])

    def close(self) -> None:
        """End what still runs."""
        for process in self.processes.values():
            if process.poll() is None:
                process.kill()
            process.wait()
        for thread in self.threads:
            thread.join(5)
