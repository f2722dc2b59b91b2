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

MOST_PLATFORMS = 7
"""Of one pool: Kueue lets a flavor have eight node labels, and one names the pool."""

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
    gpu_resource: LabelKey = "nvidia.com/gpu"
    """What the device plugin calls a whole GPU."""
    labels: dict[LabelKey, LabelValue] = Field(default={})
    """Further labels of its nodes."""
    topology: tuple[LabelKey, ...] = ()
    """Labels of the levels above one machine, the widest first: zone, rack."""

    @property
    def devices(self) -> int:
        """Schedulable devices of one machine: GPUs, or MIG instances."""
        return self.gpus * (1 if self.mig is None else self.mig.instances)


def check_pools(
    document: Document, pools: Mapping[str, Pool], asks_device: Mapping[str, bool | None]
) -> None:
    """Raise for a pool that cannot serve what it names.

    `asks_device`: of each platform whether it needs a device; None: Kubernetes does not reach it.
    """
    first: dict[str, str] = {}
    for name, pool in pools.items():
        if pool.mig is not None and not pool.gpus:
            raise InvalidValueError(
                document.at("pools", name, "mig"),
                f"pool {name!r} has no GPU that could be cut",
                "Add `gpus:` or remove `mig:`.",
            )
        for index, platform in enumerate(pool.serves):
            place = document.at("pools", name, "serves", index)
            if platform not in asks_device:
                raise UnknownNameError(
                    place,
                    f"pool {name!r} serves {platform!r}, which is not declared",
                    suggest(platform, asks_device),
                )
            asks = asks_device[platform]
            if asks is None:
                raise InvalidValueError(
                    place,
                    f"pool {name!r} serves {platform!r}, which Kubernetes does not reach",
                    "Add kubernetes to its `reach:`, or leave it out here.",
                )
            if asks != bool(pool.gpus):
                fact = "needs a device" if asks else "needs none and would hold back a device"
                raise InvalidValueError(
                    place,
                    f"pool {name!r} with {pool.gpus} GPUs serves {platform!r}, which {fact}",
                    "Name a pool with such machines.",
                )
            other = pools[first.setdefault(platform, name)]
            if (other.mig, other.gpu_resource) != (pool.mig, pool.gpu_resource):
                raise InvalidValueError(
                    place,
                    f"{platform!r} would ask for other devices in {name!r} than in "
                    f"{first[platform]!r}",
                    "Declare a platform of its own for differently cut GPUs.",
                )
