"""This machine as a node: pods really run, reach what they need, and leave nothing behind."""

from __future__ import annotations

import re
import socket
import subprocess
import threading
import time
from pathlib import Path

import pytest

from hotfire_k8s import processes, real_node
from hotfire_k8s.handle import ClusterHandle
from hotfire_k8s.home import Home
from hotfire_k8s.image_archives import write_archive

pytestmark = pytest.mark.scale

IMAGE = "hotfire.local/bash:test"
PATIENCE_S = 120


def wait_for(what, check):
    deadline = time.monotonic() + PATIENCE_S
    while not (value := check()):
        assert time.monotonic() < deadline, f"{what} did not come within {PATIENCE_S} s"
        time.sleep(0.2)
    return value


def bash_image(archive: Path) -> None:
    """A shell of this machine with the libraries that it is linked to; it can speak TCP."""
    linked = subprocess.run(["ldd", "/bin/bash"], capture_output=True, text=True, check=True)
    libraries = re.findall(r"(/\S+) \(0x", linked.stdout)
    files = {path.lstrip("/"): Path(path) for path in ["/bin/bash", *libraries]}
    write_archive(archive, IMAGE, files, ["/bin/bash", "-c"])


@pytest.fixture(scope="module")
def cluster(real_node_cluster, tmp_path_factory):
    archive = tmp_path_factory.mktemp("image") / "bash.tar"
    bash_image(archive)
    real_node_cluster.load_image(archive)
    return real_node_cluster


@pytest.fixture(scope="module")
def client(cluster):
    with cluster.client() as client:
        metadata = {"name": "real"}
        client.create({"apiVersion": "v1", "kind": "Namespace", "metadata": metadata})
        path = "/api/v1/namespaces/real/serviceaccounts/default"
        wait_for("the default account", lambda: client.get(path))
        yield client


def run_pod(client, name, script, **container):
    spec = {
        "restartPolicy": "Never",
        "nodeSelector": {real_node.REAL_LABEL: "true"},
        "terminationGracePeriodSeconds": 2,
        "containers": [
            {
                "name": "runner",
                "image": IMAGE,
                "imagePullPolicy": "Never",
                "args": [script],
                **container,
            }
        ],
    }
    metadata = {"name": name, "namespace": "real"}
    client.create({"apiVersion": "v1", "kind": "Pod", "metadata": metadata, "spec": spec})


def phase_of(client, name):
    pod = client.get(f"/api/v1/namespaces/real/pods/{name}")
    return (pod or {}).get("status", {}).get("phase"), pod


def ended(client, name):
    def look():
        phase, pod = phase_of(client, name)
        return pod if phase in {"Succeeded", "Failed"} else None

    pod = wait_for(f"the end of {name}", look)
    return pod["status"]["containerStatuses"][0]["state"]["terminated"]


def test_a_pod_ends_with_the_code_of_its_process(client):
    run_pod(client, "ten", "echo it runs; exit 10")
    assert ended(client, "ten")["exitCode"] == 10
    said = client.text("/api/v1/namespaces/real/pods/ten/log")
    assert said == "it runs\n"


def test_a_pod_beyond_its_memory_is_oomkilled(client):
    limits = {"resources": {"limits": {"memory": "48Mi"}}}
    run_pod(client, "greedy", "x=xxxxxxxx; while :; do x=$x$x; done", **limits)
    end = ended(client, "greedy")
    assert (end["reason"], end["exitCode"]) == ("OOMKilled", 137)


def test_a_pod_with_no_rights_at_all_runs(client):
    """As attempts do: not root, nothing to write, no capabilities, the default seccomp profile."""
    security = {
        "runAsNonRoot": True,
        "runAsUser": 10001,
        "readOnlyRootFilesystem": True,
        "allowPrivilegeEscalation": False,
        "capabilities": {"drop": ["ALL"]},
        "seccompProfile": {"type": "RuntimeDefault"},
    }
    run_pod(client, "bound", "[ $UID = 10001 ] && ! : > /x", securityContext=security)
    assert ended(client, "bound")["exitCode"] == 0


def test_a_pod_reaches_a_service_of_this_machine(cluster, client):
    with socket.create_server((cluster.host_address, 0)) as server:
        server.settimeout(PATIENCE_S)
        heard = []

        def answer():
            connection, _ = server.accept()
            with connection:
                heard.append(connection.recv(100))

        listener = threading.Thread(target=answer)
        listener.start()
        host, port = server.getsockname()
        run_pod(client, "caller", f"echo hello > /dev/tcp/{host}/{port}")
        listener.join()
    assert heard == [b"hello\n"]
    assert ended(client, "caller")["exitCode"] == 0


def test_a_pod_reaches_the_api_server_as_kubernetes_names_it(client):
    script = ": > /dev/tcp/$KUBERNETES_SERVICE_HOST/$KUBERNETES_SERVICE_PORT"
    run_pod(client, "in-cluster", script)
    assert ended(client, "in-cluster")["exitCode"] == 0


@pytest.mark.parametrize("component", ["kubelet", "containerd", "node-namespace", "api-relay"])
def test_a_killed_part_of_the_node_is_started_again(cluster, client, component):
    cluster.kill(component)
    assert {row.name: row.state for row in cluster.status()}[component] == "dead"
    cluster.repair()
    assert {row.state for row in cluster.status()} == {"healthy"}
    name = f"after-{component}"
    run_pod(client, name, "exit 0")
    assert ended(client, name)["exitCode"] == 0


def mounts() -> list[str]:
    return Path("/proc/self/mountinfo").read_text(encoding="utf-8").splitlines()


def cgroups(home: Home) -> set[Path]:
    own = f"hotfire-{real_node.token(home)}"
    return {path for path in Path("/sys/fs/cgroup").glob("*/*/") if path.name == own}


def links() -> set[str]:
    return {path.name for path in Path("/sys/class/net").iterdir()}


def test_down_leaves_nothing_even_with_pods_that_run(tmp_path):
    mounted = mounts()
    files = {place: sorted(Path(place).iterdir()) for place in ("/run", "/var/lib", "/var/log")}
    handle = ClusterHandle.start(tmp_path / "home", nodes=0, kueue=False, real_node=True)
    archive = tmp_path / "bash.tar"
    bash_image(archive)
    handle.load_image(archive)
    with handle.client() as client:
        metadata = {"name": "real"}
        client.create({"apiVersion": "v1", "kind": "Namespace", "metadata": metadata})
        path = "/api/v1/namespaces/real/serviceaccounts/default"
        wait_for("the default account", lambda: client.get(path))
        run_pod(client, "stubborn", "trap '' TERM; while :; do read -t 1 < /dev/zero; done")
        wait_for("the pod", lambda: phase_of(client, "stubborn")[0] == "Running")
    assert {row.state for row in handle.status()} == {"healthy"}
    bridge = real_node.network_of(handle.home).bridge
    assert cgroups(handle.home)
    interfaces = {bridge, *(path.name for path in Path(f"/sys/class/net/{bridge}/brif").iterdir())}
    assert len(interfaces) > 1
    handle.end()
    assert processes.marked(Home.at(tmp_path / "home")) == []
    assert [path.name for path in tmp_path.iterdir()] == ["bash.tar"]
    assert cgroups(handle.home) == set()
    assert mounts() == mounted
    wait_for("the end of the pod's interface", lambda: not interfaces & links())
    assert files == {place: sorted(Path(place).iterdir()) for place in files}
