"""The machines of a catalogue's pools as nodes: labels, taints, what they offer; and fewer of them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from hotfire_infra.errors import InfraError
from hotfire_infra.executors.kubernetes.names import PLATFORM, PLATFORM_PREFIX, label_value
from hotfire_infra.executors.kubernetes.placement import (
    ARCH_LABEL,
    GPU_TAINT,
    OS_LABEL,
    device_resources,
    node_labels,
)
from hotfire_pipelines.catalogue import Catalogue
from hotfire_pipelines.pools import Pool

POOL_LABEL = "hotfire.dev/pool"
"""On a node and on a flavor of Kueue: the pool."""


class FleetTooSmallError(InfraError):
    """There are fewer machines than pools, and every pool needs one."""

    exit_code = 2


def labels_of(catalogue: Catalogue, name: str) -> dict[str, str]:
    """Return the labels of every node of a pool, but for its host name."""
    pool = catalogue.pools[name]
    found: dict[str, str] = {POOL_LABEL: name, PLATFORM: label_value(pool.serves[0])}
    for served in sorted(pool.serves):
        platform = catalogue[served]
        found |= node_labels(served, platform.dimensions, platform.run.to_json())
    return {**found, **pool.labels}


def flavor_labels(catalogue: Catalogue, name: str) -> dict[str, str]:
    """Return the labels by which Kueue knows the nodes of a pool: those that pods may select by.

    Kueue leaves a key out of account that no flavor has, so a flavor lacking one would be chosen
    for pods that its nodes cannot take.
    """
    keys = {POOL_LABEL, OS_LABEL, ARCH_LABEL}
    return {
        key: value
        for key, value in labels_of(catalogue, name).items()
        if key in keys or key.startswith(PLATFORM_PREFIX)
    }


def taints_of(pool: Pool) -> list[dict[str, str]]:
    """Return the taints of every node of a pool."""
    return [dict(GPU_TAINT)] if pool.gpus else []


def device_resource(catalogue: Catalogue, name: str) -> str | None:
    """Return what the device plugin calls one device of a pool; none: it has none."""
    pool = catalogue.pools[name]
    platform = catalogue[pool.serves[0]]
    kinds = [device.partition(":")[2] for device in platform.run.devices]
    system = labels_of(catalogue, name)[OS_LABEL]
    return next(iter(device_resources(system, kinds)), None)


def offer_of(catalogue: Catalogue, name: str) -> dict[str, str]:
    """Return what one node of a pool offers: quantities of cpu, memory and devices."""
    pool = catalogue.pools[name]
    resource = device_resource(catalogue, name)
    offer = {"cpu": str(pool.cpus), "memory": f"{pool.memory_gib}Gi"}
    return offer if resource is None else {**offer, resource: str(pool.devices)}


def scaled(catalogue: Catalogue, machines: int) -> Catalogue:
    """Return the catalogue with so many machines in all pools together, at least one in each."""
    pools = catalogue.pools
    if machines < len(pools):
        raise FleetTooSmallError(
            f"{machines} machines for {len(pools)} pools of {catalogue.file}; "
            f"take at least {len(pools)}"
        )
    shares = divided(machines - len(pools), {name: pool.machines for name, pool in pools.items()})
    return replace(catalogue, pools={name: _with(pools[name], 1 + shares[name]) for name in pools})


def divided(amount: int, weights: Mapping[str, float]) -> dict[str, int]:
    """Divide whole things by weights: the largest remainders get one more, ties by order.

    Weights must not be negative; where all are zero nobody gets anything.
    """
    total = sum(weights.values())
    if not total:
        return dict.fromkeys(weights, 0)
    exact = {name: amount * weight / total for name, weight in weights.items()}
    whole = {name: int(value) for name, value in exact.items()}
    by_remainder = sorted(weights, key=lambda name: whole[name] - exact[name])
    for name in by_remainder[: amount - sum(whole.values())]:
        whole[name] += 1
    return whole


def _with(pool: Pool, machines: int) -> Pool:
    return pool.model_copy(update={"machines": machines})
