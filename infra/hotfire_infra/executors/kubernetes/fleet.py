"""A fleet in small: the pools of a catalogue with fewer machines, in the same proportions."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from hotfire_infra.errors import InfraError
from hotfire_pipelines.catalogue import Catalogue
from hotfire_pipelines.pools import Pool


class FleetTooSmallError(InfraError):
    """There are fewer machines than pools, and every pool needs one."""

    exit_code = 2


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
