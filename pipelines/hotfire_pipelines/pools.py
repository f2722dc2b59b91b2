"""Pools of a cluster: sets of interchangeable machines, how many they are and what one offers.

They say where the platforms of a catalogue run on Kubernetes. What is tested does not depend on
them, so they are no part of a plan.
"""

from collections.abc import Mapping
from typing import Annotated

from pydantic import Field, StringConstraints

from hotfire_pipelines.document import Document
from hotfire_pipelines.errors import InvalidValueError, UnknownNameError, suggest
from hotfire_pipelines.strict import Name, Strict

MOST_PLATFORMS = 5
"""Of one pool: Kueue lets a flavor have eight node labels; pool, system and architecture take three."""

_PREFIX = r"^([a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*/)?"
LabelKey = Annotated[
    str, StringConstraints(pattern=_PREFIX + r"[A-Za-z0-9]([-A-Za-z0-9_.]{0,61}[A-Za-z0-9])?$")
]
LabelValue = Annotated[
    str, StringConstraints(pattern=r"^([A-Za-z0-9]([-A-Za-z0-9_.]{0,61}[A-Za-z0-9])?)?$")
]
PoolName = Annotated[str, StringConstraints(pattern=r"^[a-z0-9]([-a-z0-9.]{0,50}[a-z0-9])?$")]


class Mig(Strict):
    """How each GPU of a pool is cut; the same everywhere in it and never changed while it works."""

    profile: Annotated[str, StringConstraints(pattern=r"^[1-7]g\.[1-9][0-9]{0,2}gb$")]
    """As the driver calls it: `1g.18gb`."""
    instances: Annotated[int, Field(ge=1, le=7)]
    """Of one GPU."""


class Pool(Strict):
    """Interchangeable machines of a cluster under one policy."""

    description: str = ""
    """For readers."""
    serves: Annotated[tuple[Name, ...], Field(min_length=1, max_length=MOST_PLATFORMS)]
    """Platforms that execute on them."""
    machines: Annotated[int, Field(ge=1, le=100_000)]
    """How many there are."""
    cpus: Annotated[int, Field(ge=1)]
    """Of one machine, those that its system keeps for itself left out."""
    memory_gib: Annotated[int, Field(ge=1)]
    """Of one machine, what its system keeps for itself left out."""
    gpus: Annotated[int, Field(ge=0, le=64)] = 0
    """Of one machine."""
    mig: Mig | None = None
    """How its GPUs are cut; none: a task gets whole ones."""
    labels: dict[LabelKey, LabelValue] = Field(default={})
    """Further labels of its nodes."""
    topology: tuple[LabelKey, ...] = ()
    """Labels of the levels above one machine, the widest first: zone, rack."""

    @property
    def devices(self) -> int:
        """Schedulable devices of one machine: GPUs, or MIG instances."""
        return self.gpus * (1 if self.mig is None else self.mig.instances)


def check_pools(
    document: Document, pools: Mapping[str, Pool], asked: Mapping[str, tuple[str, ...] | None]
) -> None:
    """Raise for a pool that cannot serve what it names.

    `asked`: of each platform the devices that it needs; None: Kubernetes does not reach it.
    """
    for name, pool in pools.items():
        if pool.mig is not None and not pool.gpus:
            raise InvalidValueError(
                document.at("pools", name, "mig"),
                f"pool {name!r} has no GPU that could be cut",
                "Add `gpus:` or remove `mig:`.",
            )
        for index, platform in enumerate(pool.serves):
            place = document.at("pools", name, "serves", index)
            if platform not in asked:
                raise UnknownNameError(
                    place,
                    f"pool {name!r} serves {platform!r}, which is not declared",
                    suggest(platform, asked),
                )
            devices = asked[platform]
            if devices is None:
                raise InvalidValueError(
                    place,
                    f"pool {name!r} serves {platform!r}, which Kubernetes does not reach",
                    "Add kubernetes to its `reach:`, or leave it out here.",
                )
            if trouble := _mismatch(pool, devices):
                raise InvalidValueError(
                    place,
                    f"pool {name!r} serves {platform!r}, which {trouble}",
                    "Name a pool with such machines, or a platform of its own for them.",
                )


def _mismatch(pool: Pool, devices: tuple[str, ...]) -> str:
    """Say what is wrong with serving a platform that needs these devices; empty: nothing."""
    slices = [device.partition(":")[2] for device in devices if ":mig-" in device]
    cut = [] if pool.mig is None else [f"mig-{pool.mig.profile}"]
    if not devices and pool.gpus:
        return "needs no device and would hold one back"
    if devices and not pool.gpus:
        return f"needs {devices[0]}, and these machines have no GPU"
    if slices != cut:
        there = cut[0] if cut else "whole GPUs"
        return f"needs {devices[0]}, and these machines offer {there}"
    return ""
