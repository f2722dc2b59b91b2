"""Up, down and status of a cluster: idempotent, repairs what is half dead, leaves nothing behind."""

from __future__ import annotations

import shutil
import sys
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from hotfire_infra.executors.kubernetes.kueue_objects import QueueConfiguration, kueue_objects
from hotfire_infra.executors.kubernetes.placement import RUNTIME_CLASS
from hotfire_k8s import (
    adopting,
    building,
    controlplane,
    kueue_process,
    kwok,
    nodes,
    processes,
    real_node,
)
from hotfire_k8s.api import ApiClient
from hotfire_k8s.controlplane import Access
from hotfire_k8s.errors import ClusterError, ClusterUsageError, ComponentError
from hotfire_k8s.home import Home
from hotfire_k8s.processes import Component
from hotfire_k8s.products import CONTROL_PLANE, REAL_NODE
from hotfire_pipelines.catalogue import Catalogue

Say = Callable[[str], None]

NAMESPACE = "hotfire"
BASE: tuple[Mapping[str, Any], ...] = (
    {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": NAMESPACE}},
    # Admission refuses the pods of Jetson and Drive without it; the operator of a fleet brings it.
    {
        "apiVersion": "node.k8s.io/v1",
        "kind": "RuntimeClass",
        "metadata": {"name": RUNTIME_CLASS},
        "handler": RUNTIME_CLASS,
    },
)
"""What every cluster has; laid by each `up`, so that what was deleted comes back."""
DESCRIPTION = "cluster.json"
STATE = "state.json"
"""What a cluster was asked to be; written before anything starts."""
ENDING_ORDER = (
    ["kubelet"],
    ["kueue", "kwok", "kube-controller-manager", "kube-scheduler"],
    ["kube-apiserver"],
)
"""Nobody shall wait for somebody who is gone already; the API server would for etcd, ten seconds."""
LAST_GRACE_S = 3.0
"""What is taken away for good needs no long good-bye."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """What a cluster shall be; None: as it is, or the default."""

    nodes: int | None = None
    """Simulated nodes; default 1,000."""
    kueue: bool | None = None
    """Whether Kueue runs; default yes."""
    queues: bool | None = None
    """Whether the catalogue's queues are there from the start; default yes, where Kueue runs."""
    real_node: bool | None = None
    """Whether this machine is a node too; default where it can be."""
    owner: str | None = None
    """A process (`str(ProcessIdentity)`) that the cluster shall not outlive; default none."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """A request with everything decided."""

    nodes: int
    kueue: bool
    queues: bool
    why_no_real_node: str | None
    """None: there is one."""
    owner: str | None

    def programs(self) -> list[str]:
        """Return what has to be built, the longest first."""
        real = REAL_NODE if self.why_no_real_node is None else ()
        return [*CONTROL_PLANE, *(["kueue"] if self.kueue else []), *real]


def decide(home: Home, request: Request, before: Mapping[str, Any]) -> Wanted:
    """Fill a request up from what the cluster was asked to be before; ClusterUsageError."""
    kueue = before.get("kueue", True) if request.kueue is None else request.kueue
    if before.get("kueue") and not kueue:
        raise ClusterUsageError(
            "this cluster has Kueue, which cannot be taken out of it: make cluster-down, then up "
            "without it"
        )
    number = before.get("nodes", nodes.DEFAULT) if request.nodes is None else request.nodes
    queues = before.get("queues", True) if request.queues is None else request.queues
    return Wanted(
        nodes=number,
        kueue=kueue,
        queues=queues and kueue and number > 0,
        why_no_real_node=_why_no_real_node(home, request.real_node, before),
        owner=request.owner or before.get("owner"),
    )


def _why_no_real_node(home: Home, asked: bool | None, before: Mapping[str, Any]) -> str | None:
    has_one = "why_no_real_node" in before and before["why_no_real_node"] is None
    if asked is False and has_one:
        raise ClusterUsageError(
            "this cluster has a real node, which cannot be taken out of it: make cluster-down, then "
            "up without it"
        )
    if asked is False:
        return "it was not asked for"
    if asked is None and "why_no_real_node" in before:
        return str(before["why_no_real_node"]) if not has_one else None
    why = real_node.why_not(home)
    if why is not None and asked:
        raise ClusterError(f"this machine cannot be a node: {why}")
    return why


def adopt(home: Home, kubeconfig: Path, say: Say) -> dict[str, Any]:
    """Describe a cluster of somebody else as if it were ours; nothing of it is changed."""
    with home.only_command(say):
        if home.read(STATE) is not None:
            raise ClusterUsageError(f"{home.folder} is a cluster of ours: make cluster-down first")
        description = adopting.describe(home, kubeconfig)
        home.write(DESCRIPTION, description)
        return description


def up(home: Home, request: Request, say: Say) -> dict[str, Any]:
    """Bring a cluster up, or what is missing of it; returns its description. ClusterError."""
    with home.only_command(say):
        before = home.read(STATE) or {}
        if (home.read(DESCRIPTION) or {}).get("adopted"):
            raise ClusterUsageError(f"{home.folder} names a cluster of somebody else: down first")
        wanted = decide(home, request, before)
        catalogue = nodes.catalogue_of(wanted.nodes) if wanted.nodes else None
        programs = building.ensure_programs(wanted.programs(), say)
        home.write(STATE, asdict(wanted))
        try:
            return _bring_up(home, wanted, programs, catalogue, say)
        except ComponentError as error:
            if not before and "address already in use" not in str(error):
                raise
            say(f"{error}")
            say("this cannot be repaired: taking the cluster away and making it anew")
            _take_away(home, keep_folder=True)
            home.write(
                STATE, {"nodes": wanted.nodes, "kueue": wanted.kueue, "queues": wanted.queues}
            )
            return _bring_up(home, wanted, programs, catalogue, say)


def _bring_up(
    home: Home,
    wanted: Wanted,
    programs: Mapping[str, Path],
    catalogue: Catalogue | None,
    say: Say,
) -> dict[str, Any]:
    ports = home.ports(_port_names())
    access = controlplane.make_access(home, ports)
    network = real_node.prepare(home) if wanted.why_no_real_node is None else None
    started = 0
    for group in _groups(access, wanted, programs, ports):
        if wanted.kueue and group[0].name == controlplane.CONTROLLER_MANAGER:
            # Before it: its garbage collector looks for new kinds only twice a minute, and until
            # then a Workload whose Job is gone keeps its quota.
            with access.client() as client:
                kueue_process.install(access, client, ports)
        started += _ensure_running(home, group, say)
    access.kubeconfig(home.kubeconfig, access.admin())
    with access.client() as client:
        for manifest in BASE:
            client.create(dict(manifest))
        if catalogue is not None:
            _add_nodes(client, catalogue, wanted.nodes, say)
            if wanted.queues:
                _add_queues(client, catalogue)
                say(f"queues of {len(catalogue.pools)} pools in namespace {NAMESPACE}")
        if network is not None:
            started += _start_real_node(access, client, programs, ports, network, say)
    if not started:
        say("it was running already")
    description = {
        "server": access.server,
        "kubeconfig": str(home.kubeconfig),
        "versions": dict(building.versions(list(programs))),
        "kueue": wanted.kueue,
        "nodes": wanted.nodes,
        "real_node": None if network is None else real_node.NAME,
        "why_no_real_node": wanted.why_no_real_node,
        "host_address": controlplane.LOOPBACK if network is None else network.gateway,
    }
    home.write(DESCRIPTION, description)
    return description


def _start_real_node(
    access: Access,
    client: ApiClient,
    programs: Mapping[str, Path],
    ports: Mapping[str, int],
    network: real_node.Network,
    say: Say,
) -> int:
    """Make this machine a node, or what is missing of it; how many processes that took."""
    home = access.home
    keepers = real_node.keepers(access, network)
    if not processes.is_running(home, keepers[0]):
        # What lived in a namespace that nobody keeps cannot be reached by a new containerd.
        real_node.end_inside(home)
    started = _ensure_running(home, keepers, say)
    containerd, kubelet = real_node.components(access, programs, ports, network)
    if _ensure_running(home, containerd, say):
        real_node.load_pause_image(home, programs)
        started += 1
    started += _ensure_running(home, kubelet, say)
    real_node.wait_until_ready(client, nodes.catalogue())
    say(f"the real node {real_node.NAME} is ready")
    return started


def _port_names() -> list[str]:
    return [
        *controlplane.PORT_NAMES,
        kwok.NAME,
        *kueue_process.PORT_NAMES,
        *real_node.PORT_NAMES,
    ]


def _groups(
    access: Access, wanted: Wanted, programs: Mapping[str, Path], ports: Mapping[str, int]
) -> list[list[Component]]:
    """Describe the control plane: those of a group may start at once, and need the group before."""
    home = access.home
    is_real = wanted.why_no_real_node is None
    addresses = (real_node.network_of(home).gateway,) if is_real else ()
    guards = [_guard(home, wanted.owner)] if wanted.owner else []
    groups = [
        # The guard first: it takes away what an interrupted command leaves, too.
        [*guards, controlplane.etcd(access, programs, ports)],
        [controlplane.api_server(access, programs, ports, addresses)],
        [
            controlplane.controller_manager(access, programs, ports, wanted.nodes),
            controlplane.scheduler(access, programs, ports),
            kwok.kwok(access, programs, ports, wanted.nodes),
        ],
    ]
    if wanted.kueue:
        groups.append([kueue_process.kueue(access, programs, ports)])
    return groups


def _guard(home: Home, owner: str) -> Component:
    """Describe the process that takes the cluster away when its owner has ended."""
    argv = (sys.executable, "-m", "hotfire_k8s.guard", f"--home={home.folder}", f"--owner={owner}")
    return Component(name="guard", argv=argv, is_healthy=lambda: True)


def _ensure_running(home: Home, group: list[Component], say: Say) -> int:
    """Start those that do not run, as they are described now; how many that were."""
    dead = [
        component
        for component in group
        if not processes.is_running(home, component) or not processes.answers_soon(component)
    ]
    # One that lives but was started differently, or hangs, has to go first.
    processes.stop(home, [component.name for component in dead])
    for component in dead:
        processes.start(home, component)
    processes.wait_until_healthy(home, group)
    if dead:
        say(f"{', '.join(component.name for component in dead)} up")
    return len(dead)


def _add_nodes(client: ApiClient, catalogue: Catalogue, number: int, say: Say) -> None:
    created, deleted = nodes.reconcile(client, nodes.simulated(catalogue))
    if created or deleted:
        said = f", {deleted} deleted" if deleted else ""
        say(f"{created} of {number} simulated nodes created{said}")
    nodes.wait_until_ready(client, number)
    say(f"{number} simulated nodes ready")


def _add_queues(client: ApiClient, catalogue: Catalogue) -> None:
    for manifest in kueue_objects(catalogue, QueueConfiguration(namespace=NAMESPACE)):
        client.apply(manifest)


@dataclass(frozen=True, slots=True, kw_only=True)
class Health:
    """What one component is like now."""

    name: str
    state: str
    """`healthy`, `unhealthy` (it runs and does not answer), or `dead`."""
    note: str = ""


def status(home: Home, say: Say) -> list[Health]:
    """Look at every component that was started; empty where there is no cluster."""
    if not home.folder.exists():
        return []
    with home.only_command(say):
        if adopted := (home.read(DESCRIPTION) or {}).get("adopted"):
            is_ready = adopting.is_ready(home.kubeconfig)
            state = "healthy" if is_ready else "unhealthy"
            return [Health(name="kube-apiserver", state=state, note=f"of {adopted}")]
        before = home.read(STATE)
        return [] if before is None else _look_at_all(home, before)


def _look_at_all(home: Home, state: Mapping[str, Any]) -> list[Health]:
    wanted = decide(home, Request(), state)
    cache = building.program_cache()
    programs = {program: cache.path(program) for program in wanted.programs()}
    ports = home.ports(_port_names())
    access = controlplane.make_access(home, ports)
    groups = _groups(access, wanted, programs, ports)
    if wanted.why_no_real_node is None:
        network = real_node.network_of(home)
        groups.append(real_node.keepers(access, network))
        groups += real_node.components(access, programs, ports, network)
    return [_look_at(home, component) for group in groups for component in group]


def _look_at(home: Home, component: Component) -> Health:
    record = processes.recorded(home, component.name)
    if record is None:
        return Health(name=component.name, state="dead", note="never started")
    who = processes.identity_of(record)
    if not who.is_alive():
        words = processes.last_words(home, component.name)
        return Health(name=component.name, state="dead", note=f"pid {who.pid} ended: {words}")
    state = "healthy" if component.is_healthy() else "unhealthy"
    return Health(name=component.name, state=state, note=f"pid {who.pid}")


def load_image(home: Home, archive: Path) -> None:
    """Import an image archive (docker or OCI) into the real node; ClusterError."""
    description = home.read(DESCRIPTION) or {}
    if not description.get("real_node"):
        why = description.get("why_no_real_node", "there is no cluster")
        raise ClusterUsageError(f"{home.folder} has no real node to take {archive}: {why}")
    if not archive.is_file():
        raise ClusterUsageError(f"{archive} is no file")
    real_node.load_image(home, building.program_cache().path("ctr"), archive)


def down(home: Home, say: Say) -> int:
    """Take a cluster away, whatever state it is in; how many processes were ended. ClusterError."""
    if not home.folder.exists() and not processes.marked(home):
        say(f"there is no cluster at {home.folder}")
        return 0
    with home.only_command(say):
        ended = _take_away(home, keep_folder=False)
    say(f"{ended} processes ended, {home.folder} is gone")
    return ended


def _take_away(home: Home, *, keep_folder: bool) -> int:
    """End every process of the cluster, then delete its files; only with the lock held."""
    alive = len(processes.marked(home))
    for group in (*ENDING_ORDER, processes.names(home)):
        processes.stop(home, group, LAST_GRACE_S)
    processes.end_marked(home, LAST_GRACE_S)
    real_node.remove(home)
    for entry in list(home.folder.iterdir()):
        if entry.is_dir() and not entry.is_symlink():
            shutil.rmtree(entry)
        else:
            entry.unlink()
    if not keep_folder:
        home.folder.rmdir()
    return alive
