"""Kueue's objects of a catalogue: how much of each pool there is, and whose it is first.

One flavor per pool and one resource group with every resource: Kueue chooses a flavor per group, so
two groups could choose machines that no node is. What a pool lacks stands there as zero.
Every team has a queue that may borrow and can be preempted. Exclusive attempts of all teams share one
that never borrows, so nothing can be reclaimed from it, and that preempts nobody.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, Self

from hotfire_infra.errors import InfraError
from hotfire_infra.executors.kubernetes.fleet import (
    POOL_LABEL,
    device_resource,
    divided,
    flavor_labels,
    taints_of,
)
from hotfire_infra.executors.kubernetes.names import (
    HOSTNAME,
    KUEUE_GROUP,
    KUEUE_VERSION,
    NAMESPACE,
    PRIORITIES,
    TEAM,
    queue_name,
)
from hotfire_infra.sections.queue import DEFAULT_TEAM, QueueSection
from hotfire_pipelines.catalogue import Catalogue

Object = dict[str, Any]
Amounts = dict[str, int]
"""Resource → how much: cpus, GiB of memory, devices."""

MOST_FLAVORS = 64
MOST_RESOURCES = 64
MOST_QUOTAS = 512
"""Limits of one resource group; the last one is flavors × resources."""
EXCLUSIVE_QUEUE = "hotfire-exclusive"
COHORT = "hotfire"
LABELS: Mapping[str, str] = {"app.kubernetes.io/part-of": "hotfire"}


class QueueObjectsError(InfraError):
    """The catalogue or the queues cannot be said in Kueue's words."""

    exit_code = 2


@dataclass(frozen=True, slots=True, kw_only=True)
class QueueConfiguration:
    """Who shares the machines, and how."""

    teams: Mapping[str, float] = field(default_factory=dict)
    """Team → weight; `default`, for who is not listed, is always there."""
    namespace: str = NAMESPACE
    """Where the attempts' Jobs are; no other namespace may use these queues."""
    exclusive_share: float = 0.1
    """Of the machines of a pool, rounded down but at least one: promised to exclusive attempts.
    They are lent out while none waits."""
    quarantined: Mapping[str, int] = field(default_factory=dict)
    """Pool → devices that are taken out; machines, where a pool has no devices."""
    topology: bool = True
    """Whether Kueue looks at real nodes too, so that it admits no pod that none of them can hold."""

    @classmethod
    def of(cls, section: QueueSection, **rest: Any) -> Self:
        """Return it with the teams of a service's configuration."""
        return cls(teams={name: team.weight for name, team in section.teams.items()}, **rest)

    @property
    def weights(self) -> Mapping[str, float]:
        """Every team with its weight, in the order of their names."""
        return dict(sorted({DEFAULT_TEAM: 1.0, **self.teams}.items()))


def kueue_objects(catalogue: Catalogue, configuration: QueueConfiguration) -> list[Object]:
    """Return all objects, in the order in which they can be created; equal input, equal output.

    Raises QueueObjectsError where Kueue's limits do not hold them, where two teams would have one
    queue, and where a pool that is not declared has quarantined devices.
    """
    for pool in configuration.quarantined:
        if pool not in catalogue.pools:
            raise QueueObjectsError(
                f"{pool!r} has quarantined devices and is no pool of {catalogue.file}"
            )
    _check_limits(catalogue)
    return [
        *(_topologies(catalogue) if configuration.topology else ()),
        *(_flavor(catalogue, name, topology=configuration.topology) for name in catalogue.pools),
        _object("Cohort", COHORT, {}),
        *_cluster_queues(catalogue, configuration),
        *_priority_classes(),
        *_local_queues(configuration),
    ]


def capacity_of(catalogue: Catalogue, name: str, quarantined: int = 0) -> Amounts:
    """Return what a pool offers without its quarantined devices, or machines where it has none."""
    pool, resource = catalogue.pools[name], device_resource(catalogue, name)
    machines = max(0, pool.machines - (quarantined if resource is None else 0))
    amounts = {"cpu": machines * pool.cpus, "memory": machines * pool.memory_gib}
    if resource is not None:
        amounts[resource] = max(0, machines * pool.devices - quarantined)
    return amounts


def flavor_name(catalogue: Catalogue, name: str, *, topology: bool = True) -> str:
    """Return the name of a pool's flavor: it changes with what a flavor may not change.

    A flavor with a topology is immutable, so a pool that serves one platform more needs a new one.
    """
    pool = catalogue.pools[name]
    levels = pool.topology if topology else None
    words = repr((flavor_labels(catalogue, name), taints_of(pool), levels))
    return f"{name}-{hashlib.sha256(words.encode()).hexdigest()[:6]}"


def resources_of(catalogue: Catalogue) -> tuple[str, ...]:
    """Return every resource of any pool: cpu, memory, devices in the order of their names."""
    devices = {device_resource(catalogue, name) for name in catalogue.pools}
    return ("cpu", "memory", *sorted(name for name in devices if name is not None))


def _check_limits(catalogue: Catalogue) -> None:
    flavors, resources = len(catalogue.pools), len(resources_of(catalogue))
    if not flavors:
        raise QueueObjectsError(f"{catalogue.file} declares no pools, so there is nothing to share")
    found = (
        ("pools", flavors, MOST_FLAVORS),
        ("kinds of resources", resources, MOST_RESOURCES),
        ("pools × kinds of resources", flavors * resources, MOST_QUOTAS),
    )
    for what, number, most in found:
        if number > most:
            raise QueueObjectsError(
                f"{catalogue.file} has {number} {what}, and a resource group of Kueue holds {most}; "
                "join pools that are alike"
            )


def _object(kind: str, name: str, spec: Object | None, **rest: Any) -> Object:
    metadata = {"name": name, "labels": dict(LABELS), **rest.pop("metadata", {})}
    base = {"apiVersion": f"{KUEUE_GROUP}/{KUEUE_VERSION}", "kind": kind, "metadata": metadata}
    return {**base, **({} if spec is None else {"spec": spec}), **rest}


def _topologies(catalogue: Catalogue) -> Iterable[Object]:
    distinct = dict.fromkeys(pool.topology for pool in catalogue.pools.values())
    for levels in sorted(distinct):
        labels = [{"nodeLabel": level} for level in (*levels, HOSTNAME)]
        yield _object("Topology", _topology_name(levels), {"levels": labels})


def _topology_name(levels: tuple[str, ...]) -> str:
    # Levels cannot be changed either.
    if not levels:
        return "hotfire-hosts"
    return f"hotfire-hosts-{hashlib.sha256(repr(levels).encode()).hexdigest()[:6]}"


def _flavor(catalogue: Catalogue, name: str, *, topology: bool) -> Object:
    pool = catalogue.pools[name]
    spec: Object = {"nodeLabels": flavor_labels(catalogue, name)}
    if taints := taints_of(pool):
        # So that what needs no GPU is not admitted to machines that would not take it.
        spec["nodeTaints"] = taints
    if topology:
        spec["topologyName"] = _topology_name(pool.topology)
    labels = {**LABELS, POOL_LABEL: name}
    flavor = flavor_name(catalogue, name, topology=topology)
    return _object("ResourceFlavor", flavor, spec, metadata={"labels": labels})


def _cluster_queues(catalogue: Catalogue, configuration: QueueConfiguration) -> Iterable[Object]:
    exclusive: dict[str, Amounts] = {}
    shares: dict[str, dict[str, Amounts]] = {team: {} for team in configuration.weights}
    for name in catalogue.pools:
        whole = capacity_of(catalogue, name, configuration.quarantined.get(name, 0))
        promised = _promised(catalogue, name, configuration.exclusive_share)
        exclusive[name] = {what: min(amount, promised[what]) for what, amount in whole.items()}
        for resource, amount in whole.items():
            rest = divided(amount - exclusive[name][resource], configuration.weights)
            for team, part in rest.items():
                shares[team].setdefault(name, {})[resource] = part
    for team, weight in configuration.weights.items():
        yield _cluster_queue(
            catalogue,
            configuration,
            team_queue(team),
            shares[team],
            preemption={"withinClusterQueue": "LowerPriority", "reclaimWithinCohort": "Any"},
            fairSharing={"weight": f"{weight:g}"},
        )
    yield _cluster_queue(
        catalogue,
        configuration,
        EXCLUSIVE_QUEUE,
        exclusive,
        preemption={"withinClusterQueue": "Never", "reclaimWithinCohort": "Never"},
        limits={"borrowingLimit": "0"},
    )


def _promised(catalogue: Catalogue, name: str, share: float) -> Amounts:
    """Return what exclusive attempts are promised, in whole machines: they take nothing less."""
    every = catalogue.pools[name].machines
    machines = max(1, int(every * share)) if share else 0
    return {
        what: amount * machines // every for what, amount in capacity_of(catalogue, name).items()
    }


def _cluster_queue(
    catalogue: Catalogue,
    configuration: QueueConfiguration,
    name: str,
    quotas: Mapping[str, Amounts],
    *,
    preemption: Object,
    limits: Mapping[str, str] | None = None,
    **rest: Object,
) -> Object:
    covered = resources_of(catalogue)
    flavors = [
        {
            "name": flavor_name(catalogue, pool, topology=configuration.topology),
            "resources": [
                {
                    "name": resource,
                    "nominalQuota": _quantity(quotas[pool], resource),
                    **(limits or {}),
                }
                for resource in covered
            ],
        }
        for pool in catalogue.pools
    ]
    spec: Object = {
        "cohortName": COHORT,
        "queueingStrategy": "BestEffortFIFO",
        "namespaceSelector": {
            "matchLabels": {"kubernetes.io/metadata.name": configuration.namespace}
        },
        "resourceGroups": [{"coveredResources": list(covered), "flavors": flavors}],
        "flavorFungibility": {"whenCanBorrow": "TryNextFlavor", "whenCanPreempt": "TryNextFlavor"},
        "preemption": preemption,
        **rest,
    }
    return _object("ClusterQueue", name, spec)


def _quantity(amounts: Amounts, resource: str) -> str:
    amount = amounts.get(resource, 0)
    return f"{amount}Gi" if resource == "memory" and amount else str(amount)


def team_queue(team: str) -> str:
    """Return the ClusterQueue of a team."""
    return f"hotfire-team-{queue_name('{team}', team, is_exclusive=False)}"


def _priority_classes() -> Iterable[Object]:
    for priority, value in PRIORITIES.items():
        yield _object("WorkloadPriorityClass", priority.value, None, value=value)


def _local_queues(configuration: QueueConfiguration) -> Iterable[Object]:
    owners: dict[str, str] = {}
    for team in configuration.weights:
        for is_exclusive in (False, True):
            name = queue_name("{team}", team, is_exclusive=is_exclusive)
            owner = owners.setdefault(name, team)
            if owner != team:
                raise QueueObjectsError(
                    f"the teams {owner!r} and {team!r} would share the queue {name!r}; rename one"
                )
            target = EXCLUSIVE_QUEUE if is_exclusive else team_queue(team)
            metadata = {"namespace": configuration.namespace, "annotations": {TEAM: team}}
            yield _object("LocalQueue", name, {"clusterQueue": target}, metadata=metadata)
