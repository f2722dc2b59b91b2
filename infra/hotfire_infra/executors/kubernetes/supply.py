"""What a cluster has, by its nodes and by Kueue's quotas: as numbers, read now and then."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from hotfire_infra.executors.kubernetes import names
from hotfire_infra.executors.kubernetes.cluster import Cluster, Object
from hotfire_infra.executors.kubernetes.sightings import quantity

PAGE = 500
_PASSING_TAINTS = frozenset({"node.kubernetes.io/not-ready", "node.kubernetes.io/unreachable"})
"""They come and go with the node's health: what is ill today may serve tomorrow."""
_CORDON = "node.kubernetes.io/unschedulable"

Taint = tuple[str, str, str]
"""Key, value, effect."""


@dataclass(frozen=True, slots=True, kw_only=True)
class NodeKind:
    """Nodes that are alike in all that placement asks for."""

    labels: Mapping[str, str]
    taints: tuple[Taint, ...]
    allocatable: Mapping[str, float]
    """What one of them offers: devices that its plugin calls unhealthy are left out there."""
    is_out: bool
    """In quarantine: nothing new is put there."""
    count: int
    ready: frozenset[str] = frozenset()
    """Names of those that answer now."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Flavor:
    """A ResourceFlavor: which nodes a quota is for."""

    name: str
    labels: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Quota:
    """What one ClusterQueue may admit of one resource in one flavor, at most."""

    nominal: float
    most: float
    """With all that it may borrow of its cohort."""


@dataclass(frozen=True, slots=True, kw_only=True)
class QueueSupply:
    """A ClusterQueue with its resource groups: each a set of flavors with quotas by resource."""

    name: str
    groups: Sequence[Mapping[str, Mapping[str, Quota]]]
    """Per group: flavor → resource → quota."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Supply:
    """Everything that was read; what could not be read is none and refuses nothing."""

    kinds: tuple[NodeKind, ...] | None = None
    flavors: Mapping[str, Flavor] = field(default_factory=dict)
    queues: Mapping[str, QueueSupply] | None = None
    """By name of the LocalQueue; none: the cluster has no Kueue, or nobody may look."""


def read_nodes(cluster: Cluster, *, by_name: bool = False) -> tuple[NodeKind, ...]:
    """Return the nodes by kind; a thousand of them are a dozen kinds.

    `by_name`: somebody selects nodes by their names, so that each is a kind of its own.
    """
    counted: dict[tuple[Any, ...], int] = {}
    ready: dict[tuple[Any, ...], set[str]] = {}
    query = {"limit": str(PAGE)}
    while True:
        page = cluster.get("/api/v1/nodes", **query)
        for node in page.get("items") or ():
            key = _kind_of(node, by_name=by_name)
            counted[key] = counted.get(key, 0) + 1
            if _is_ready(node):
                ready.setdefault(key, set()).add(_name(node))
        token = (page.get("metadata") or {}).get("continue")
        if not token:
            break
        query["continue"] = str(token)
    return tuple(
        NodeKind(
            labels=dict(key[0]), taints=key[1], allocatable=dict(key[2]), is_out=key[3],
            count=count, ready=frozenset(ready.get(key, ())),
        )
        for key, count in counted.items()
    )  # fmt: skip


def _is_ready(node: Object) -> bool:
    """Whether a node answers now; one that does not say is believed to."""
    taints = {one.get("key") for one in (node.get("spec") or {}).get("taints") or ()}
    conditions = (node.get("status") or {}).get("conditions") or ()
    is_silent = any(
        one.get("type") == "Ready" and one.get("status") != "True" for one in conditions
    )
    return not (taints & _PASSING_TAINTS or is_silent)


def _kind_of(node: Object, *, by_name: bool) -> tuple[Any, ...]:
    meta, spec = node.get("metadata") or {}, node.get("spec") or {}
    labels = meta.get("labels") or {}
    left_out = () if by_name else (names.HOSTNAME,)
    own = tuple(sorted((key, str(value)) for key, value in labels.items() if key not in left_out))
    taints = tuple(
        sorted(
            (str(one.get("key")), str(one.get("value") or ""), str(one.get("effect")))
            for one in spec.get("taints") or ()
            if one.get("key") not in _PASSING_TAINTS | {_CORDON}
        )
    )
    allocatable = (node.get("status") or {}).get("allocatable") or {}
    has = tuple(sorted((key, quantity(value)) for key, value in allocatable.items()))
    return own, taints, has, bool(spec.get("unschedulable"))


def read_queues(
    cluster: Cluster, namespace: str, version: str
) -> tuple[Mapping[str, Flavor], Mapping[str, QueueSupply]]:
    """Return flavors, and by LocalQueue what its ClusterQueue may admit."""
    base = f"/apis/{names.KUEUE_GROUP}/{version}"
    flavors = {
        _name(one): Flavor(name=_name(one), labels=_spec(one).get("nodeLabels") or {})
        for one in _items(cluster, f"{base}/resourceflavors")
    }
    everyone = {_name(one): _spec(one) for one in _items(cluster, f"{base}/clusterqueues")}
    cohorts = {_name(one): _spec(one) for one in _items(cluster, f"{base}/cohorts")}
    supplies = {name: queue_supply(name, everyone, cohorts) for name in everyone}
    queues = {}
    for one in _items(cluster, f"{base}/namespaces/{namespace}/localqueues"):
        target = str(_spec(one).get("clusterQueue", ""))
        if target in supplies:
            queues[_name(one)] = supplies[target]
    return flavors, queues


def queue_supply(
    name: str, everyone: Mapping[str, Object], cohorts: Mapping[str, Object]
) -> QueueSupply:
    """Return what a ClusterQueue may admit: its own quota and what its cohorts can lend."""
    spec = everyone[name]
    root = _root(_cohort(spec), cohorts)
    others: list[Object] = []
    if root:
        others = [
            other
            for key, other in everyone.items()
            if key != name and _root(_cohort(other), cohorts) == root
        ]
        others += [one for key, one in cohorts.items() if _root(key, cohorts) == root]
    groups = [
        {
            str(flavor.get("name")): {
                str(one.get("name")): _quota(one, str(flavor.get("name")), others)
                for one in flavor.get("resources") or ()
            }
            for flavor in group.get("flavors") or ()
        }
        for group in spec.get("resourceGroups") or ()
    ]
    return QueueSupply(name=name, groups=groups)


def _root(cohort: str, cohorts: Mapping[str, Object]) -> str:
    """Return the cohort at the top: quota is lent along the whole tree."""
    for _ in cohorts:
        spec = cohorts.get(cohort) or {}
        parent = str(spec.get("parentName") or spec.get("parent") or "")
        if not parent:
            break
        cohort = parent
    return cohort


def _quota(one: Object, flavor: str, others: Sequence[Object]) -> Quota:
    nominal = quantity(one.get("nominalQuota", 0))
    lendable = sum(_lent(other, flavor, str(one.get("name"))) for other in others)
    limit = one.get("borrowingLimit")
    if limit is not None:
        lendable = min(lendable, quantity(limit))
    return Quota(nominal=nominal, most=nominal + lendable)


def _lent(spec: Object, flavor: str, resource: str) -> float:
    for group in spec.get("resourceGroups") or ():
        for one in group.get("flavors") or ():
            if one.get("name") != flavor:
                continue
            for found in one.get("resources") or ():
                if found.get("name") == resource:
                    nominal = quantity(found.get("nominalQuota", 0))
                    limit = found.get("lendingLimit")
                    return nominal if limit is None else min(nominal, quantity(limit))
    return 0.0


def _cohort(spec: Object) -> str:
    return str(spec.get("cohortName") or spec.get("cohort") or "")


def _items(cluster: Cluster, path: str) -> Iterable[Object]:
    found: Iterable[Object] = cluster.get(path).get("items") or ()
    return found


def _spec(one: Object) -> Object:
    found: Object = one.get("spec") or {}
    return found


def _name(one: Object) -> str:
    return str((one.get("metadata") or {}).get("name", ""))
