"""From what a platform asks of a machine to what a pod asks of a node; pure.

The same values are the labels and taints of nodes and the flavors of Kueue, so that what is asked
for and what is offered cannot drift apart.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from hotfire_infra.executors.kubernetes.names import PLATFORM_PREFIX, label_value

ARCHITECTURES: Mapping[str, str] = {"x86_64": "amd64", "aarch64": "arm64"}
"""Ours → Kubernetes'."""
TEGRA = frozenset({"sm_53", "sm_62", "sm_72", "sm_87", "sm_101", "sm_110"})
"""GPUs of Jetson and Drive boards: the container toolkit serves them by its runtime class only."""
GPU = "nvidia.com/gpu"
MIG_PREFIX = "nvidia.com/mig-"
WINDOWS_GPU = "directx.microsoft.com/display"
GPU_PRODUCT = "nvidia.com/gpu.product"
GPU_TAINT: Mapping[str, str] = {"key": GPU, "value": "present", "effect": "NoSchedule"}
OS_LABEL = "kubernetes.io/os"
ARCH_LABEL = "kubernetes.io/arch"
RUNTIME_CLASS = "nvidia"
KUBERNETES = "kubernetes"


@dataclass(frozen=True, slots=True, kw_only=True)
class Placement:
    """Where a pod of one platform may run, and what of a node it takes beside processors."""

    os: str = "linux"
    """As Kubernetes names it."""
    node_selector: Mapping[str, str] = field(default_factory=dict)
    tolerations: Sequence[Mapping[str, Any]] = ()
    devices: Mapping[str, int] = field(default_factory=dict)
    """Extended resources: request and limit are the same."""
    runtime_class: str | None = None

    @property
    def is_windows(self) -> bool:
        """Whether the pod is one of Windows, for which half of the security context is forbidden."""
        return self.os == "windows"

    @property
    def needs_one_node(self) -> bool:
        """Whether several devices have to be on one node, which quota alone does not know."""
        return sum(self.devices.values()) > 1


def place(platform: str, requires: Mapping[str, Any]) -> Placement:
    """Return the placement of a cell: `requires` is what its plan says of the machine.

    What is only built for a platform may be built anywhere (then `reach` is missing) and goes by
    operating system and architecture alone.
    """
    facts = requires.get("facts", {})
    system = str(facts.get("os", "linux"))
    machine = str(facts.get("arch", ""))
    selector = {OS_LABEL: system}
    if machine:
        selector[ARCH_LABEL] = ARCHITECTURES.get(machine, machine)
    if platform and KUBERNETES in requires.get("reach", ()):
        selector[f"{PLATFORM_PREFIX}{label_value(platform)}"] = "true"
    kinds = [str(device).partition(":") for device in requires.get("devices", ())]
    devices = device_resources(system, [kind for _, _, kind in kinds], gpus_of(requires))
    is_tegra = machine == "aarch64" and any(kind in TEGRA for _, _, kind in kinds)
    return Placement(
        os=system,
        node_selector=selector,
        tolerations=(tolerate(GPU_TAINT),) if devices else (),
        devices=devices,
        runtime_class=RUNTIME_CLASS if is_tegra else None,
    )


def gpus_of(requires: Mapping[str, Any]) -> int:
    """Return how many devices of its kind a cell takes on one node."""
    return int(requires.get("device_count", 1))


def device_resources(system: str, kinds: Sequence[str], count: int = 1) -> dict[str, int]:
    """Return the extended resources for kinds as plans name them: `sm_90`, `mig-1g.10gb`, ``."""
    found: dict[str, int] = {}
    for kind in kinds:
        if kind.startswith("mig-"):
            name = MIG_PREFIX + kind.removeprefix("mig-")
        else:
            name = WINDOWS_GPU if system == "windows" else GPU
        found[name] = max(found.get(name, 0), count)
    return found


def tolerate(taint: Mapping[str, str]) -> dict[str, str]:
    """Return the toleration of exactly one taint."""
    return {
        "key": taint["key"],
        "operator": "Equal",
        "value": taint.get("value", ""),
        "effect": taint["effect"],
    }


def product_label(gpu: str) -> str:
    """Return the value of `nvidia.com/gpu.product` for a GPU as the catalogue names it.

    GPU feature discovery writes the name that the driver gives, with `-` for spaces.
    """
    return label_value(gpu.replace(" ", "-"))


def node_labels(
    platform: str, dimensions: Mapping[str, str], run: Mapping[str, Any]
) -> dict[str, str]:
    """Return the labels of a node that serves a platform of the catalogue.

    `dimensions` and `run` are the catalogue's; what `place` selects is among them.
    """
    facts = run.get("facts", {})
    machine = str(facts.get("arch", dimensions.get("arch", "x86_64")))
    system = str(facts.get("os", dimensions.get("os", "linux")))
    found = {
        OS_LABEL: system,
        ARCH_LABEL: ARCHITECTURES.get(machine, machine),
        f"{PLATFORM_PREFIX}{label_value(platform)}": "true",
    }
    if "gpu" in dimensions:
        found[GPU_PRODUCT] = product_label(dimensions["gpu"])
    return found


def seconds_up(seconds: float) -> int:
    """Return whole seconds, at least as long."""
    return max(1, math.ceil(seconds))
