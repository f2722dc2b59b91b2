"""The suite of every executor, on a real control plane: pods are simulated, their runners are real."""

from __future__ import annotations

import inspect
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from benchmarks.cluster_pods import HOLD, end_pod

from hotfire_infra.executors.kubernetes import names
from hotfire_infra.executors.kubernetes.cluster import Access, Cluster
from hotfire_infra.executors.kubernetes.executor import KubernetesExecutor
from hotfire_infra.executors.kubernetes.sightings import PodSight, read_pod
from hotfire_infra.executors.kubernetes.watching import Watcher
from hotfire_infra.sections.kubernetes import KubernetesSection
from hotfire_k8s.api import ApiClient
from hotfire_k8s.errors import ComponentError
from hotfire_k8s.handle import ClusterHandle
from hotfire_k8s.nodes import FAKE_TAINT
from hotfire_testframework.runner.bundle import build_bundle

from ..infra.executors import test_contract as contract
from .world import QUICK, make_namespace

pytestmark = pytest.mark.scale

NEVER_GONE = {**HOLD, "kwok.hotfire.dev/stops-after": "24h"}
"""Their end is played here, not by KWOK."""


@dataclass
class Kubelet:
    """Runs the runner of each simulated pod as a process, in the attempt's own directory."""

    client: ApiClient
    namespace: str
    attempts: Path
    bundle: Path
    processes: dict[str, subprocess.Popen[bytes]] = field(default_factory=dict)
    threads: list[threading.Thread] = field(default_factory=list)

    def replace(self, items: Mapping[str, PodSight], began_ns: int) -> None:
        """Take a whole list in."""
        del began_ns
        for item in items.values():
            self.put(item.name, item)

    def put(self, key: str, item: PodSight) -> None:
        """Start what a pod asks for; tell its process where somebody wants its end."""
        del key
        process = self.processes.get(item.uid)
        if process is None and item.is_running:
            root = self.attempts / item.attempt
            process = subprocess.Popen([sys.executable, str(self.bundle), str(root)])
            self.processes[item.uid] = process
            thread = threading.Thread(target=self._await, args=(item, process), daemon=True)
            self.threads.append(thread)
            thread.start()
        if item.is_deleted and process is None:
            self._remove(item.name)
        elif item.is_deleted and process is not None and process.poll() is None:
            process.send_signal(signal.SIGTERM)

    def drop(self, key: str, item: PodSight) -> None:
        """A pod that is gone has no process."""
        del key
        process = self.processes.get(item.uid)
        if process is not None and process.poll() is None:
            process.kill()

    def _await(self, item: PodSight, process: subprocess.Popen[bytes]) -> None:
        code = process.wait()
        plays = {"exit_code": str(128 - code if code < 0 else code)}
        end_pod(self.client, item.name, self.namespace, **plays)
        path = f"/api/v1/namespaces/{self.namespace}/pods/{item.name}"
        found = self.client.get(path)
        if found is not None and found["metadata"].get("deletionTimestamp"):
            self._remove(item.name)

    def _remove(self, name: str) -> None:
        path = f"/api/v1/namespaces/{self.namespace}/pods/{name}"
        try:
            self.client.delete(f"{path}?gracePeriodSeconds=0")
        except ComponentError as error:
            if ": 404 " not in str(error):
                raise

    def close(self) -> None:
        """End what still runs."""
        for process in self.processes.values():
            if process.poll() is None:
                process.kill()
        for thread in self.threads:
            thread.join(10)


@pytest.fixture(scope="module")
def bundle(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("runner") / "runner.pyz"
    path.write_bytes(build_bundle())
    return path


@pytest.fixture
def make(
    cluster: ClusterHandle, tmp_path: Path, bundle: Path
) -> Iterator[Callable[[], KubernetesExecutor]]:
    """Make executors on the same directory and the same cluster."""
    with ExitStack() as stack:
        client = stack.enter_context(cluster.client())
        namespace = make_namespace(client)
        access = Cluster(Access(kubeconfig=cluster.kubeconfig))
        stack.callback(access.close)
        kubelet = Kubelet(client, namespace, tmp_path / "attempts", bundle)
        watcher = Watcher(
            name="kubelet", cluster=access, path=f"/api/v1/namespaces/{namespace}/pods",
            parse=read_pod, sink=kubelet, selector=names.SELECTOR, pace=QUICK,
        )  # fmt: skip
        stack.callback(kubelet.close)
        watcher.start()
        stack.callback(watcher.close)

        def build() -> KubernetesExecutor:
            section = KubernetesSection.model_validate(
                {
                    "service_url": "http://127.0.0.1:1", "image": "none", "kueue": "no",
                    "checks_runner": False, "namespace": namespace,
                    "kubeconfig": cluster.kubeconfig, "pod_annotations": NEVER_GONE,
                    "tolerations": [{"key": FAKE_TAINT["key"], "operator": "Exists"}],
                }
            )  # fmt: skip
            executor = KubernetesExecutor(tmp_path / "attempts", section)
            executor.desk.pace = QUICK
            stack.callback(executor.close)
            return executor

        yield build


CLAUSES = {
    name: test
    for name, test in vars(contract).items()
    if name.startswith("test_") and "make" in inspect.signature(test).parameters
}
globals().update(CLAUSES)


def test_the_whole_suite_is_here():
    assert len(CLAUSES) >= 11, sorted(CLAUSES)
