"""A cluster comes up, is found again, is repaired, and leaves nothing behind."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import pytest

from hotfire_infra.executors.kubernetes.placement import RUNTIME_CLASS
from hotfire_k8s import processes
from hotfire_k8s.errors import ClusterUsageError
from hotfire_k8s.handle import ClusterHandle
from hotfire_k8s.home import Home
from hotfire_k8s.kwok import PREFIX
from hotfire_k8s.nodes import FAKE_TAINT

COMPONENTS = [
    "etcd",
    "kube-apiserver",
    "kube-controller-manager",
    "kube-scheduler",
    "kwok",
    "kueue",
]
NAMESPACE = "lifecycle"
PATIENCE_S = 60


def command(*arguments: str | Path) -> subprocess.CompletedProcess[str]:
    argv = [sys.executable, "-m", "hotfire_k8s", *map(str, arguments)]
    return subprocess.run(argv, capture_output=True, text=True, env={**os.environ})


def states(handle: ClusterHandle) -> dict[str, str]:
    return {row.name: row.state for row in handle.status()}


def pids(handle: ClusterHandle) -> dict[str, int]:
    return {name: processes.recorded(handle.home, name)["pid"] for name in COMPONENTS}


def job(name, annotations, **pod):
    toleration = {"key": FAKE_TAINT["key"], "operator": "Exists"}
    spec = {
        "restartPolicy": "Never",
        "tolerations": [toleration],
        "containers": [{"name": "runner", "image": "none"}],
        **pod,
    }
    annotations = {f"{PREFIX}/{key}": value for key, value in annotations.items()}
    return {
        "apiVersion": "batch/v1",
        "kind": "Job",
        "metadata": {"name": name, "namespace": NAMESPACE},
        "spec": {
            "backoffLimit": 0,
            "template": {"metadata": {"annotations": annotations}, "spec": spec},
        },
    }


def pod_of(client, name):
    path = f"/api/v1/namespaces/{NAMESPACE}/pods?labelSelector=job-name%3D{name}"
    return next(iter(client.get(path)["items"]), None)


def wait_for(what, check):
    deadline = time.monotonic() + PATIENCE_S
    while not (value := check()):
        assert time.monotonic() < deadline, f"{what} did not come within {PATIENCE_S} s"
        time.sleep(0.1)
    return value


def pod_in_phase(client, name, *phases):
    def look():
        pod = pod_of(client, name)
        return pod if pod and pod["status"].get("phase") in phases else None

    return wait_for(f"the pod of {name} in {phases}", look)


@pytest.fixture
def client(cluster):
    with cluster.client() as client:
        metadata = {"name": NAMESPACE}
        client.create({"apiVersion": "v1", "kind": "Namespace", "metadata": metadata})
        yield client


def test_a_second_up_reports_the_running_cluster(cluster):
    before = pids(cluster)
    done = command("up", "--home", cluster.home.folder, "-o", "json")
    assert done.returncode == 0, done.stderr
    assert "it was running already" in done.stderr
    assert json.loads(done.stdout) == cluster.description
    assert pids(cluster) == before


def test_all_components_are_healthy_and_of_the_pinned_versions(cluster):
    assert {name: state for name, state in states(cluster).items() if state != "healthy"} == {}
    assert set(COMPONENTS) <= states(cluster).keys()
    with cluster.client() as client:
        assert client.get("/version")["gitVersion"] == "v1.36.3"


@pytest.mark.parametrize("component", ["etcd", "kube-apiserver", "kwok", "kueue"])
def test_a_killed_component_is_seen_and_started_again(cluster, client, component):
    marker = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": f"kept-{component}"}}
    client.create(marker)
    before = pids(cluster)
    cluster.kill(component)
    done = command("status", "--home", cluster.home.folder)
    assert done.returncode == 3
    assert f"{component:<24} dead" in done.stdout
    cluster.repair()
    assert set(states(cluster).values()) == {"healthy"}
    changed = {name for name, pid in pids(cluster).items() if pid != before[name]}
    assert changed == {component}
    assert client.get(f"/api/v1/namespaces/kept-{component}") is not None


def test_a_jetson_pod_is_let_in_also_after_a_repair(cluster, client):
    pod = {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": "jetson", "namespace": NAMESPACE},
        "spec": {
            "runtimeClassName": RUNTIME_CLASS,
            "containers": [{"name": "runner", "image": "none"}],
        },
    }
    client.dry_run(pod)
    client.delete(f"/apis/node.k8s.io/v1/runtimeclasses/{RUNTIME_CLASS}")
    cluster.repair()
    client.dry_run(pod)


def test_a_component_that_hangs_is_seen_and_replaced(cluster):
    before = pids(cluster)
    cluster.signal("kwok", signal.SIGSTOP)
    assert states(cluster)["kwok"] == "unhealthy"
    cluster.repair()
    assert set(states(cluster).values()) == {"healthy"}
    assert {name for name, pid in pids(cluster).items() if pid != before[name]} == {"kwok"}


def test_a_simulated_job_runs_for_as_long_as_it_is_told(client):
    client.create(job("brief", {"runs-for": "2s"}))
    pod = pod_in_phase(client, "brief", "Succeeded")
    assert pod["spec"]["nodeName"]
    ended = pod["status"]["containerStatuses"][0]["state"]["terminated"]
    assert ended["exitCode"] == 0
    assert ended["finishedAt"] > ended["startedAt"]


def test_a_simulated_pod_fails_as_it_is_told(client):
    client.create(job("oom", {"exit-code": "137", "reason": "OOMKilled"}))
    pod = pod_in_phase(client, "oom", "Failed")
    ended = pod["status"]["containerStatuses"][0]["state"]["terminated"]
    assert (ended["exitCode"], ended["reason"]) == (137, "OOMKilled")


def test_a_held_pod_runs_until_it_is_let_go(client):
    client.create(job("held", {"hold": "true"}))
    client.create(job("free", {"runs-for": "1s"}))
    pod_in_phase(client, "free", "Succeeded")
    pod = pod_in_phase(client, "held", "Running")
    path = f"/api/v1/namespaces/{NAMESPACE}/pods/{pod['metadata']['name']}"
    client.merge(path, {"metadata": {"annotations": {f"{PREFIX}/hold": None}}})
    pod_in_phase(client, "held", "Succeeded")


def test_a_held_pod_is_ended_by_its_deadline(client):
    client.create(job("overdue", {"hold": "true"}, activeDeadlineSeconds=2))
    status = pod_in_phase(client, "overdue", "Failed")["status"]
    assert status["reason"] == "DeadlineExceeded"
    assert status["containerStatuses"][0]["state"]["terminated"]["exitCode"] == 137


def test_a_deleted_pod_goes(client):
    client.create(job("deleted", {"hold": "true"}))
    pod = pod_in_phase(client, "deleted", "Running")
    path = f"/api/v1/namespaces/{NAMESPACE}/pods/{pod['metadata']['name']}"
    client.delete(path)
    wait_for("the end of a deleted pod", lambda: client.get(path) is None)


def test_a_pod_that_no_simulated_node_may_take_stays_pending(client):
    client.create(job("choosy", {}, tolerations=[]))

    def unschedulable():
        pod = pod_of(client, "choosy")
        conditions = pod["status"].get("conditions", []) if pod else []
        return [item for item in conditions if item.get("reason") == "Unschedulable"]

    (condition,) = wait_for("a refusal of the scheduler", unschedulable)
    assert FAKE_TAINT["key"] in condition["message"] or "taint" in condition["message"]


def queue_objects(name):
    """A flavor of every node, and 4 processors of it for one queue."""
    version = {"apiVersion": "kueue.x-k8s.io/v1beta2"}
    quota = [{"name": "cpu", "nominalQuota": 4}]
    group = {"coveredResources": ["cpu"], "flavors": [{"name": name, "resources": quota}]}
    whole = {"namespaceSelector": {}, "resourceGroups": [group]}
    local = {"name": name, "namespace": NAMESPACE}
    yield {**version, "kind": "ResourceFlavor", "metadata": {"name": name}, "spec": {}}
    yield {**version, "kind": "ClusterQueue", "metadata": {"name": name}, "spec": whole}
    yield {**version, "kind": "LocalQueue", "metadata": local, "spec": {"clusterQueue": name}}


def test_kueue_admits_what_its_quota_holds_and_no_more(client):
    for manifest in queue_objects("narrow"):
        client.apply(manifest)
    for name, cpu in (("fits", "3"), ("waits", "5")):
        resources = {"requests": {"cpu": cpu}}
        container = {"name": "runner", "image": "none", "resources": resources}
        queued = job(name, {"runs-for": "1s"}, containers=[container])
        queued["metadata"]["labels"] = {"kueue.x-k8s.io/queue-name": "narrow"}
        client.create(queued)
    pod_in_phase(client, "fits", "Succeeded")
    waiting = client.get(f"/apis/batch/v1/namespaces/{NAMESPACE}/jobs/waits")
    assert waiting["spec"]["suspend"] is True
    assert pod_of(client, "waits") is None


def test_what_a_cluster_has_cannot_be_taken_out_of_it(cluster):
    done = command("up", "--home", cluster.home.folder, "--no-kueue")
    assert done.returncode == ClusterUsageError.exit_code == 2
    assert done.stderr.strip().startswith("cluster: this cluster has Kueue")


def test_a_cluster_goes_with_its_owner_and_leaves_nothing(tmp_path):
    """The owner is killed: no finalizer of anybody runs, and still nothing is left."""
    folder = tmp_path / "home"
    owner = subprocess.Popen(["sleep", "600"])
    options = ["--nodes", "0", "--no-kueue", "--no-real-node", "--owner", str(owner.pid)]
    done = command("up", "--home", folder, *options, "-o", "json")
    assert done.returncode == 0, done.stderr
    home = Home.at(folder)
    ports = home.read("ports.json")
    assert len(processes.marked(home)) == 6
    owner.kill()
    owner.wait()
    wait_for("the end of the cluster", lambda: not processes.marked(home))
    assert list(tmp_path.iterdir()) == []
    for port in ports.values():
        with socket.socket() as listener:
            # Connections that were open linger for a minute; a listener would still be refused.
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            listener.bind(("127.0.0.1", port))


def test_what_a_killed_up_left_is_finished_and_a_broken_database_made_anew(tmp_path):
    home = Home.at(tmp_path / "home")
    options = ["--home", home.folder, "--nodes", "0", "--no-kueue", "--no-real-node"]
    options += ["--owner", os.getpid()]
    first = subprocess.Popen(
        [sys.executable, "-m", "hotfire_k8s", "up", *map(str, options)], stderr=subprocess.DEVNULL
    )
    wait_for("the database", lambda: processes.recorded(home, "kube-apiserver"))
    first.kill()
    first.wait()
    survivor = processes.recorded(home, "etcd")["pid"]
    second = command("up", *options)
    assert second.returncode == 0, second.stderr
    assert processes.recorded(home, "etcd")["pid"] == survivor

    processes.stop(home, ["etcd", "kube-apiserver"])
    (database,) = home.folder.glob("etcd/data/member/snap/db")
    database.write_bytes(b"scribble" * 4096)
    third = command("up", *options)
    assert third.returncode == 0, third.stderr
    assert "making it anew" in third.stderr
    assert command("down", "--home", home.folder).returncode == 0
    assert list(tmp_path.iterdir()) == []


def test_a_home_without_a_cluster_is_said(tmp_path):
    looked = command("status", "--home", tmp_path / "none")
    assert (looked.returncode, looked.stdout) == (3, "")
    assert "there is no cluster at" in looked.stderr
    taken = command("down", "--home", tmp_path / "none")
    assert taken.returncode == 0
    assert list(tmp_path.iterdir()) == []
