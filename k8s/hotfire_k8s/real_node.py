"""One real node on this machine: kubelet, containerd and runc in a mount namespace of their own.

`/run`, `/var/lib` and `/var/log` are the node's own in that namespace, so every mount and every file
outside the cluster's home goes with its last process; so do the settings of the kernel that kubelet
and the network's plug-in find there as they want them (`TUNED`). Of the machine itself the node takes
a bridge and a branch of the cgroup tree; `remove` gives both back.
"""

from __future__ import annotations

import contextlib
import errno
import hashlib
import ipaddress
import json
import os
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from hotfire_infra.executors.kubernetes.fleet import labels_of
from hotfire_infra.executors.processes import PROC, ProcessIdentity, identify
from hotfire_k8s import node_configuration, processes
from hotfire_k8s.api import ApiClient
from hotfire_k8s.controlplane import LOOPBACK, SERVICE_ADDRESS, Access, answers
from hotfire_k8s.errors import ComponentError
from hotfire_k8s.home import Home, write_text
from hotfire_k8s.image_archives import write_archive
from hotfire_k8s.processes import Component
from hotfire_pipelines.catalogue import Catalogue

NAME = "hotfire-real"
KEEPER = "node-namespace"
POOL = "linux-hosts"
"""The pool of the catalogue that this machine is one of, where the catalogue has it."""
REAL_LABEL = "hotfire.dev/real"
PORT_NAMES = ["kubelet", "kubelet-health"]
CGROUPS = Path("/sys/fs/cgroup")
LINKS = Path("/sys/class/net")
TOOLS = ("runc", "ip", "unshare", "nsenter", "mount")
TOOL_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
CAP_SYS_ADMIN, CAP_NET_ADMIN, CAP_SYS_RESOURCE = 21, 12, 24
SUBNETS = ipaddress.IPv4Network("10.244.0.0/16")
"""Of it a cluster takes a /24 that nothing on this machine has yet."""
TUNED = {
    "vm/overcommit_memory": "1",
    "vm/panic_on_oom": "0",
    "kernel/panic": "10",
    "kernel/panic_on_oops": "1",
    "kernel/keys/root_maxkeys": "1000000",
    "kernel/keys/root_maxbytes": "25000000",
    "net/ipv4/ip_forward": "1",
}
"""What would be set for the whole machine and for good; files of the node cover it instead.

Nothing here needs them: pods reach each other and the machine over the bridge, without forwarding.
"""
PATIENCE_S = 120.0
REAPING_S = 10.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Network:
    """The bridge of a cluster's real node."""

    bridge: str
    subnet: str
    gateway: str


def why_not(home: Home) -> str | None:
    """Say in one sentence why this machine can have no real node; None if it can."""
    if os.geteuid() != 0:
        return "kubelet and containerd need root"
    held = _capabilities()
    for bit, name in ((CAP_SYS_ADMIN, "CAP_SYS_ADMIN"), (CAP_NET_ADMIN, "CAP_NET_ADMIN")):
        if not held & 1 << bit:
            return f"this process lacks {name}, so it may make no mounts and bridges"
    for tool in TOOLS:
        if shutil.which(tool, path=TOOL_PATH) is None:
            return f"{tool} is not installed (Debian: runc, iproute2, util-linux)"
    if not (node_configuration.CNI_PLUGINS / "bridge").exists():
        return f"{node_configuration.CNI_PLUGINS}/bridge is missing (Debian: containernetworking-plugins)"
    for place in ("/run", "/var/lib", "/var/log"):
        if home.folder.is_relative_to(place):
            return f"the cluster's home is below {place}, which the node covers with its own"
    for controller in ("memory", "cpu", "pids"):
        if not node_configuration.CGROUP_V2.exists() and not (CGROUPS / controller).is_dir():
            return f"the cgroup controller {controller} is not mounted below {CGROUPS}"
    return None


def _capabilities() -> int:
    text = (PROC / "self" / "status").read_text(encoding="ascii")
    return int(text.partition("CapEff:")[2].split()[0], 16)


def token(home: Home) -> str:
    """Return eight signs that stand for a cluster in names of the machine."""
    return hashlib.sha256(str(home.folder).encode()).hexdigest()[:8]


def network_of(home: Home) -> Network:
    """Return the cluster's network: the one chosen before, else a free one."""
    known = home.read("network.json")
    if known is None:
        taken = _addresses()
        wanted = int(token(home), 16)
        subnets = list(SUBNETS.subnets(new_prefix=24))
        for offset in range(len(subnets)):
            subnet = subnets[(wanted + offset) % len(subnets)]
            if not any(address in subnet for address in taken):
                break
        else:
            raise ComponentError(f"every part of {SUBNETS} is taken on this machine")
        known = {"bridge": f"hf{token(home)}", "subnet": str(subnet), "gateway": str(subnet[1])}
        home.write("network.json", known)
    return Network(**known)


def _addresses(*of: str) -> list[ipaddress.IPv4Address]:
    """Return the addresses of this machine, or of one device (`dev`, its name)."""
    shown = json.loads(_ip("-json", "-4", "address", "show", *of))
    return [ipaddress.IPv4Address(entry["local"]) for link in shown for entry in link["addr_info"]]


def _ip(*arguments: str) -> str:
    program = shutil.which("ip", path=TOOL_PATH) or "ip"
    done = subprocess.run([program, *arguments], capture_output=True, text=True)
    if done.returncode != 0:
        raise ComponentError(f"ip {' '.join(arguments)}: {done.stderr.strip()}")
    return done.stdout


def prepare(home: Home) -> Network:
    """Make bridge and cgroups; idempotent, ComponentError."""
    network = network_of(home)
    if not (LINKS / network.bridge).exists():
        _ip("link", "add", network.bridge, "type", "bridge")
    _ip("address", "replace", f"{network.gateway}/24", "dev", network.bridge)
    if ipaddress.IPv4Address(SERVICE_ADDRESS) not in _addresses():
        # So that what a pod asks of `kubernetes.default` arrives at the host, where a relay waits.
        _ip("address", "add", f"{SERVICE_ADDRESS}/32", "dev", network.bridge)
    _ip("link", "set", network.bridge, "up")
    for branch in _branches(home):
        branch.mkdir(exist_ok=True)
        _inherit_cpuset(branch)
    return network


def branches(home: Home) -> list[Path]:
    """Return what there is of the node's branches, in every hierarchy.

    Beside those made for it there is one that runc makes where both versions are mounted.
    """
    name = f"hotfire-{token(home)}"
    return [path for path in (CGROUPS / name, *sorted(CGROUPS.glob(f"*/{name}"))) if path.is_dir()]


def _branches(home: Home) -> list[Path]:
    """Return the node's branch of each cgroup hierarchy that Kubernetes uses."""
    name = f"hotfire-{token(home)}"
    if node_configuration.CGROUP_V2.exists():
        return [CGROUPS / name]
    mounted = (PROC / "self" / "mountinfo").read_text(encoding="utf-8").splitlines()
    hierarchies = {
        Path(line.split()[4]) for line in mounted if " - cgroup " in line and line.split()[3] == "/"
    }
    return sorted(path / name for path in hierarchies)


def _inherit_cpuset(branch: Path) -> None:
    """Give a new branch of cpuset (v1) its parent's processors: it begins with none."""
    for name in ("cpuset.cpus", "cpuset.mems"):
        if (branch / name).exists() and not (branch / name).read_text(encoding="ascii").strip():
            value = (branch.parent / name).read_text(encoding="ascii")
            (branch / name).write_text(value, encoding="ascii")


def components(
    access: Access, programs: Mapping[str, Path], ports: Mapping[str, int], network: Network
) -> list[list[Component]]:
    """Describe the processes inside the node's namespace, which has to be there (`keepers`)."""
    home = access.home
    folder = home.component("node")
    inside = _inside(home)
    may_lower = bool(_capabilities() & 1 << CAP_SYS_RESOURCE)
    runc = shutil.which("runc", path=TOOL_PATH) or "runc"
    text = node_configuration.containerd(folder, runc, may_lower_oom_score=may_lower)
    write_text(folder / "containerd.toml", text)
    (folder / "cni").mkdir(exist_ok=True)
    described = node_configuration.network(network.bridge, network.subnet, network.gateway)
    write_text(folder / "cni" / "hotfire.conflist", json.dumps(described, indent=2))
    containerd = Component(
        name="containerd",
        argv=(*inside, str(programs["containerd"]), "--config", str(folder / "containerd.toml")),
        is_healthy=lambda: _containerd_answers(home, programs),
        environment={"PATH": f"{programs['containerd-shim-runc-v2'].parent}:{TOOL_PATH}"},
        folder=folder,
    )
    return [[containerd], [_kubelet(access, programs, dict(ports), network)]]


def keepers(access: Access, network: Network) -> list[Component]:
    """Describe what the node stands on: its mount namespace and its way to the API server."""
    return [_keeper(access.home), _relay(access, network)]


def _keeper(home: Home) -> Component:
    """Describe the process that holds the mount namespace."""
    ready = home.component("node") / "namespace"
    settings = "\n".join(f"cover {name} {value}" for name, value in TUNED.items())
    script = f"""\
rm -f {ready}
mount --make-rshared /
for place in /run /var/lib /var/log; do mount -t tmpfs -o mode=0755 hotfire $place; done
mkdir -p /run/netns /var/lib/cni /var/log/containers
cover() {{
  [ -e /proc/sys/$1 ] || return 0
  mkdir -p /run/settings/${{1%/*}}
  echo $2 > /run/settings/$1
  mount --bind /run/settings/$1 /proc/sys/$1
}}
{settings}
echo $$ > {ready}
exec sleep infinity
"""
    unshare = shutil.which("unshare", path=TOOL_PATH) or "unshare"
    argv = (unshare, "--mount", "--propagation", "slave", "/bin/sh", "-euc", script)

    def is_healthy() -> bool:
        record = processes.recorded(home, KEEPER)
        with contextlib.suppress(OSError):
            # The pid tells this keeper's word from that of one before it.
            return record is not None and ready.read_text().strip() == str(record["pid"])
        return False

    return Component(name=KEEPER, argv=argv, is_healthy=is_healthy, environment={"PATH": TOOL_PATH})


def _inside(home: Home) -> tuple[str, ...]:
    """Return the words before a command that make it run in the node's mount namespace."""
    record = processes.recorded(home, KEEPER)
    pid = 0 if record is None else processes.identity_of(record).pid
    nsenter = shutil.which("nsenter", path=TOOL_PATH) or "nsenter"
    return (nsenter, f"--mount=/proc/{pid}/ns/mnt", "--")


def _containerd_answers(home: Home, programs: Mapping[str, Path]) -> bool:
    try:
        ctr(home, programs["ctr"], "version")
    except ComponentError:
        return False
    return True


def ctr(home: Home, program: Path, *arguments: str) -> str:
    """Run containerd's own client in the node's namespace; ComponentError."""
    whole = [*_inside(home), str(program), "--address", str(node_configuration.SOCKET)]
    done = subprocess.run(
        [*whole, "--namespace", "k8s.io", *arguments],
        capture_output=True,
        text=True,
        stdin=subprocess.DEVNULL,
        env={"PATH": TOOL_PATH, processes.MARK: str(home.folder)},
    )
    if done.returncode != 0:
        raise ComponentError(f"ctr {' '.join(arguments)}: {done.stderr.strip()[-300:]}")
    return done.stdout


def _relay(access: Access, network: Network) -> Component:
    """Describe what brings pods to the API server, which listens on loopback only."""
    target = access.server.removeprefix("https://")
    listen = [f"{network.gateway}:6443"]
    # Another cluster of this machine may hold the Service's address.
    is_there = (LINKS / network.bridge).exists()
    if is_there and ipaddress.IPv4Address(SERVICE_ADDRESS) in _addresses("dev", network.bridge):
        listen.append(f"{SERVICE_ADDRESS}:443")
    argv = (sys.executable, "-m", "hotfire_k8s.relay", "--to", target, *listen)

    def is_healthy() -> bool:
        with contextlib.suppress(OSError), socket.create_connection((network.gateway, 6443), 2):
            return True
        return False

    return Component(name="api-relay", argv=argv, is_healthy=is_healthy)


def _kubelet(
    access: Access, programs: Mapping[str, Path], ports: dict[str, int], network: Network
) -> Component:
    home, folder = access.home, access.home.component("node")
    pair = access.authority.issue("kubelet", f"system:node:{NAME}", groups=["system:nodes"])
    serving = access.authority.issue("kubelet-serving", NAME, addresses=[NAME, network.gateway])
    kubeconfig = access.kubeconfig(folder / "kubeconfig", pair)
    configuration = node_configuration.kubelet(
        folder,
        access.authority.pair.certificate,
        serving,
        ports,
        f"/hotfire-{token(home)}",
        network.gateway,
    )
    write_text(folder / "kubelet.json", json.dumps(configuration, indent=2))
    argv = (
        *_inside(home),
        str(programs["kubelet"]),
        f"--config={folder / 'kubelet.json'}",
        f"--kubeconfig={kubeconfig}",
        f"--hostname-override={NAME}",
        f"--node-ip={network.gateway}",
        f"--root-dir={folder / 'kubelet'}",
        f"--cert-dir={folder / 'kubelet-certificates'}",
        "--v=1",
    )
    health = answers(f"http://{LOOPBACK}:{ports['kubelet-health']}/healthz")
    return Component(
        name="kubelet",
        argv=argv,
        is_healthy=health,
        environment={"PATH": TOOL_PATH},
        folder=folder,
        patience_s=PATIENCE_S,
    )


def load_pause_image(home: Home, programs: Mapping[str, Path]) -> None:
    """Give containerd the image of the process that holds a pod's namespaces; idempotent."""
    archive = home.component("node") / "pause.tar"
    name = node_configuration.PAUSE_IMAGE
    write_archive(archive, name, {"pause": programs["pause"]}, ["/pause"])
    load_image(home, programs["ctr"], archive)


def load_image(home: Home, program: Path, archive: Path) -> None:
    """Import an image archive (docker or OCI) into the node; ComponentError."""
    ctr(home, program, "images", "import", "--local", str(archive.resolve()))


def wait_until_ready(client: ApiClient, catalogue: Catalogue) -> None:
    """Return when the node is ready and carries the labels of its pool; ComponentError."""
    deadline = time.monotonic() + PATIENCE_S
    path = f"/api/v1/nodes/{NAME}"
    while True:
        node = client.get(path)
        conditions = [] if node is None else node["status"].get("conditions", [])
        if any(item["type"] == "Ready" and item["status"] == "True" for item in conditions):
            break
        if time.monotonic() > deadline:
            said = [item["message"] for item in conditions if item["type"] == "Ready"]
            raise ComponentError(f"the real node is not ready: {said or 'it did not register'}")
        time.sleep(0.2)
    labels = labels_of(catalogue, POOL) if POOL in catalogue.pools else {}
    client.merge(path, {"metadata": {"labels": {**labels, REAL_LABEL: "true"}}})


def end_inside(home: Home) -> None:
    """End kubelet, containerd, their shims and all containers; idempotent, ComponentError."""
    processes.stop(home, ["kubelet", "containerd"])
    shims = [who for who in processes.marked(home) if _program(who).startswith("containerd-shim")]
    processes.end(shims, grace_s=2)
    # Twice: what is born while the first sweep goes on is found by the second.
    for _ in range(2):
        processes.end(_members(branches(home)), grace_s=2)


def _program(who: ProcessIdentity) -> str:
    with contextlib.suppress(OSError):
        return (PROC / str(who.pid) / "exe").readlink().name
    return ""


def remove(home: Home) -> None:
    """End what is left of the node and give bridge and cgroups back; idempotent."""
    if os.geteuid() != 0:
        return
    end_inside(home)
    for branch in branches(home):
        for path in sorted(branch.rglob("*/"), key=lambda path: -len(path.parts)):
            _remove_cgroup(path)
        _remove_cgroup(branch)
    bridge = f"hf{token(home)}"
    if (LINKS / bridge).exists():
        _ip("link", "delete", bridge)


def _remove_cgroup(path: Path) -> None:
    """Remove a cgroup without children; the dead count as members until they are reaped."""
    deadline = time.monotonic() + REAPING_S
    while True:
        try:
            path.rmdir()
        except FileNotFoundError:
            return
        except OSError as error:
            if error.errno != errno.EBUSY or time.monotonic() > deadline:
                raise ComponentError(f"{path}: {error.strerror}") from error
            time.sleep(0.05)
        else:
            return


def _members(places: list[Path]) -> list[ProcessIdentity]:
    found = set()
    for place in places:
        for listing in place.rglob("cgroup.procs"):
            with contextlib.suppress(OSError):
                found |= {int(pid) for pid in listing.read_text(encoding="ascii").split()}
    return [identify(pid) for pid in sorted(found)]
