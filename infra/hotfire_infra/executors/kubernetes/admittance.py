"""Whether this cluster could ever take an attempt, were nothing else running: else it fails at once.

A Job that asks for what no queue and no node has would wait for ever and look like one that waits
for its turn. Nodes in quarantine are left out, whatever their quota says; nodes that are only ill
count, for they come back. What cannot be read refuses nothing.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from hotfire_infra.errors import ClusterError
from hotfire_infra.executors.demands import DEMAND
from hotfire_infra.executors.kubernetes import names
from hotfire_infra.executors.kubernetes.cluster import Cluster, Trouble
from hotfire_infra.executors.kubernetes.jobs import placed, queue_of
from hotfire_infra.executors.kubernetes.placement import Placement
from hotfire_infra.executors.kubernetes.supply import (
    NodeKind,
    QueueSupply,
    Supply,
    Taint,
    read_nodes,
    read_queues,
)
from hotfire_infra.executors.protocol import Order
from hotfire_infra.sections.kubernetes import KubernetesSection

log = logging.getLogger(__name__)

FRESH_SECONDS = 60.0
RECENT_SECONDS = 5.0
"""A retry looks for another node: what was there a minute ago may have died with the first one."""
PATIENCE_SECONDS = 8.0
"""How long the first question waits for the first answer; no later one waits."""
MEBIBYTE = 2.0**20


@dataclass(frozen=True, slots=True, kw_only=True)
class Demand:
    """What one attempt takes."""

    platform: str
    resources: Mapping[str, float]
    placement: Placement
    queue: str


def demand_of(requires: Mapping[str, Any], section: KubernetesSection) -> Demand:
    """Return what a task with these requirements takes; what it does not say is the least."""
    said = requires.get(DEMAND) or {}
    platform = str(said.get("platform", ""))
    placement = placed(platform, requires, section)
    memory = int(said.get("memory_mib") or section.memory_mib)
    resources = {
        "cpu": float(said.get("cpus", 1)),
        "memory": memory * MEBIBYTE,
        **{name: float(count) for name, count in placement.devices.items()},
    }
    team, is_exclusive = str(said.get("team", "")), bool(said.get("exclusive"))
    queue = queue_of(section, team, is_exclusive=is_exclusive)
    return Demand(platform=platform, resources=resources, placement=placement, queue=queue)


def demand_of_order(order: Order, section: KubernetesSection) -> Demand:
    """Return what the attempt of an order takes."""
    spec = order.spec.spec
    said = {
        "platform": order.platform, "cpus": spec.cpus, "memory_mib": spec.memory_mib,
        "team": order.team, "exclusive": spec.exclusive,
    }  # fmt: skip
    return demand_of({**order.requires, DEMAND: said}, section)


def others_than(nodes: Collection[str], demand: Demand, supply: Supply) -> frozenset[str]:
    """Return the nodes beside these that answer now and may be given the demand."""
    queue = (supply.queues or {}).get(demand.queue)
    fitting = [
        kind
        for kind in supply.kinds or ()
        if not kind.is_out
        and _is_selected(kind, demand.placement)
        and _is_tolerated(kind, demand.placement)
        and _holds(kind, demand)
        and (queue is None or _has_quota(kind, demand, queue, supply))
    ]
    return frozenset(name for kind in fitting for name in kind.ready) - frozenset(nodes)


def _has_quota(kind: NodeKind, demand: Demand, queue: QueueSupply, supply: Supply) -> bool:
    """Whether a queue has a flavor for nodes of this kind that could ever admit the demand."""
    return any(
        _labels(flavor, supply).items() <= kind.labels.items()
        and all(
            name not in quotas or quotas[name].most >= value
            for name, value in demand.resources.items()
        )
        for group in queue.groups
        for flavor, quotas in group.items()
    )


def refusal_of(demand: Demand, supply: Supply) -> str | None:
    """Return why a demand can never be met, in one sentence; None if it can, or nobody knows."""
    if supply.kinds is not None and (why := _no_node(demand, supply.kinds)):
        return why
    queue = (supply.queues or {}).get(demand.queue)
    return None if queue is None else _no_quota(demand, queue, supply)


def _no_node(demand: Demand, kinds: Sequence[NodeKind]) -> str | None:
    whose = demand.platform or "this task"
    selected = [kind for kind in kinds if _is_selected(kind, demand.placement)]
    if not selected:
        labels = ", ".join(
            f"{key}={value}" for key, value in demand.placement.node_selector.items()
        )
        return f"no node of the cluster serves {whose}: none carries {labels}"
    open_to_us = [kind for kind in selected if _is_tolerated(kind, demand.placement)]
    if not open_to_us:
        taints = sorted({taint[0] for kind in selected for taint in kind.taints})
        return (
            f"every node that serves {whose} has a taint that its pods do not tolerate "
            f"({', '.join(taints)}); add it to tolerations in section kubernetes"
        )
    usable = [kind for kind in open_to_us if not kind.is_out]
    if not usable:
        count = sum(kind.count for kind in open_to_us)
        return f"all {count} nodes that serve {whose} are in quarantine (cordoned)"
    if any(_holds(kind, demand) for kind in usable):
        return None
    return _too_large(demand, usable, whose)


def _too_large(demand: Demand, usable: Sequence[NodeKind], whose: str) -> str:
    count = sum(kind.count for kind in usable)
    for name, wanted in demand.resources.items():
        largest = max(kind.allocatable.get(name, 0.0) for kind in usable)
        if largest < wanted:
            return (
                f"no node holds {_amount(name, wanted)}: the largest of {count} that serve "
                f"{whose} has {_amount(name, largest)}"
            )
    wanted_all = ", ".join(_amount(name, value) for name, value in demand.resources.items())
    return f"no single node of {count} that serve {whose} holds {wanted_all} together"


def _no_quota(demand: Demand, queue: QueueSupply, supply: Supply) -> str | None:
    for group in queue.groups:
        covered = {name for quotas in group.values() for name in quotas}
        asked = {name: value for name, value in demand.resources.items() if name in covered}
        if not asked:
            continue
        # As Kueue does it: what no flavor of the group speaks of decides nothing.
        keys = {key for flavor in group for key in _labels(flavor, supply)}
        fitting = {
            flavor: quotas
            for flavor, quotas in group.items()
            if _is_compatible(_labels(flavor, supply), keys, demand.placement)
        }
        if not fitting:
            return (
                f"no flavor of ClusterQueue {queue.name} is for nodes that serve "
                f"{demand.platform or 'this task'}"
            )
        if any(
            all(name in quotas and quotas[name].most >= value for name, value in asked.items())
            for quotas in fitting.values()
        ):
            continue
        return _above_quota(queue, fitting, asked)
    return _not_covered(demand, queue)


def _above_quota(queue: QueueSupply, fitting: Mapping[str, Any], asked: Mapping[str, float]) -> str:
    for name, value in asked.items():
        most = max(
            (quotas[name].most for quotas in fitting.values() if name in quotas), default=0.0
        )
        if most < value:
            return (
                f"ClusterQueue {queue.name} can never admit {_amount(name, value)}: its quota, with "
                f"all that it may borrow, is {_amount(name, most)}"
            )
    return f"no single flavor of ClusterQueue {queue.name} has quota for all that a task takes"


def _not_covered(demand: Demand, queue: QueueSupply) -> str | None:
    if not queue.groups:
        return None
    covered = {name for group in queue.groups for quotas in group.values() for name in quotas}
    missing = sorted(set(demand.resources) - covered)
    if not missing:
        return None
    return f"ClusterQueue {queue.name} has no quota for {', '.join(missing)}"


def _labels(flavor: str, supply: Supply) -> Mapping[str, str]:
    found = supply.flavors.get(flavor)
    return {} if found is None else found.labels


def _is_compatible(labels: Mapping[str, str], keys: Collection[str], placement: Placement) -> bool:
    """Whether Kueue would give a pod with this selector a flavor with these labels."""
    selector = placement.node_selector
    return all(labels.get(key) == value for key, value in selector.items() if key in keys)


def _is_selected(kind: NodeKind, placement: Placement) -> bool:
    return all(kind.labels.get(key) == value for key, value in placement.node_selector.items())


def _is_tolerated(kind: NodeKind, placement: Placement) -> bool:
    return all(
        taint[2] == "PreferNoSchedule"
        or any(_tolerates(one, taint) for one in placement.tolerations)
        for taint in kind.taints
    )


def _tolerates(toleration: Mapping[str, Any], taint: Taint) -> bool:
    key, value, effect = taint
    if toleration.get("effect") not in (None, effect):
        return False
    if toleration.get("key") not in (None, "", key):
        return False
    return toleration.get("operator") == "Exists" or toleration.get("value", "") == value


def _holds(kind: NodeKind, demand: Demand) -> bool:
    has = kind.allocatable
    return all(has.get(name, 0.0) >= value for name, value in demand.resources.items())


def _amount(name: str, value: float) -> str:
    if name == "memory":
        return f"{value / MEBIBYTE:,.0f} MiB of memory"
    if name == "cpu":
        return f"{value:g} cpus"
    return f"{value:g} {name}"


@dataclass(slots=True)
class Admittance:
    """Asks the cluster what it has, now and then, in a thread of its own."""

    section: KubernetesSection
    cluster: Cluster
    mono: Callable[[], float] = time.monotonic
    supply: Supply | None = None
    trouble: str = ""
    """Why something could not be read; for people."""
    _read_at: float = 0.0
    _first: threading.Event = field(default_factory=threading.Event)
    _lock: threading.Lock = field(default_factory=threading.Lock)
    _asking: threading.Lock = field(default_factory=threading.Lock)
    """Who waits for an answer: a wave of retries asks once."""
    _is_reading: bool = False

    def refusal(self, requires: Mapping[str, Any]) -> str | None:
        """Return why a task with these requirements can never run in this cluster."""
        if DEMAND not in requires:
            return None
        self._refresh()
        if not self._first.is_set():
            self._first.wait(PATIENCE_SECONDS)
        supply = self.supply
        return None if supply is None else refusal_of(demand_of(requires, self.section), supply)

    def avoidable(self, nodes: Collection[str], order: Order) -> Collection[str]:
        """Return these nodes if the order has another place to go now; asks, and waits for that."""
        if not nodes:
            return ()
        with self._asking:
            if self.supply is None or self.mono() - self._read_at >= RECENT_SECONDS:
                self._read()
        demand = demand_of_order(order, self.section)
        has_others = self.supply is not None and others_than(nodes, demand, self.supply)
        return nodes if has_others else ()

    def _refresh(self) -> None:
        with self._lock:
            is_old = self.mono() - self._read_at >= FRESH_SECONDS or not self._first.is_set()
            if self._is_reading or not is_old:
                return
            self._is_reading = True
        threading.Thread(target=self._read, name="hotfire-supply", daemon=True).start()

    def _read(self) -> None:
        try:
            self.supply = self.read()
        except Exception:
            log.exception("what the cluster has could not be read")
        finally:
            self._read_at = self.mono()
            self._is_reading = False
            self._first.set()

    def survey(self) -> None:
        """Ask now, for answers that follow; ClusterError where nodes cannot be looked at."""
        self._read()
        if self.supply is None or self.supply.kinds is None:
            raise ClusterError(
                f"what the cluster has is not known: {self.trouble}", trouble=Trouble.UNREACHABLE
            )

    def read(self) -> Supply:
        """Ask now; what is not answered is left out and noted in `trouble`."""
        troubles: list[str] = []
        kinds = flavors = queues = None
        try:
            kinds = read_nodes(self.cluster, by_name=self._selects_by_name())
        except ClusterError as error:
            troubles.append(f"nodes: {error}")
        if self.section.kueue != "no":
            try:
                flavors, queues = self._read_queues()
            except ClusterError as error:
                if error.trouble != Trouble.ABSENT:
                    troubles.append(f"queues: {error}")
        self.trouble = "; ".join(troubles)
        return Supply(kinds=kinds, flavors=flavors or {}, queues=queues)

    def _selects_by_name(self) -> bool:
        selectors = [one.node_selector for one in self.section.platforms.values()]
        return any(names.HOSTNAME in one for one in (self.section.node_selector, *selectors))

    def _read_queues(self) -> Any:
        return read_queues(self.cluster, self.section.namespace, names.KUEUE_VERSION)
