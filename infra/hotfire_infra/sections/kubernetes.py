"""Section `kubernetes`: the cluster that carries attempts out; without it this machine does."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field

LabelMap = Mapping[str, str]
Address = Annotated[str, Field(pattern=r"^https?://[^\s/]+(/[^\s]*)?$")]


class TolerationSection(BaseModel):
    """A taint that pods of attempts put up with."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    key: str
    """Of the taint."""
    operator: Literal["Equal", "Exists"] = "Equal"
    """`Exists`: whatever its value is."""
    value: str = ""
    """Of the taint."""
    effect: Literal["NoSchedule", "PreferNoSchedule", "NoExecute"] | None = None
    """None: every effect."""


class PlatformPlaceSection(BaseModel):
    """What a platform needs in this cluster beyond what the catalogue says of it."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    image: str | None = None
    """Instead of the section's."""
    node_selector: LabelMap = Field(default_factory=dict)
    """Labels that its nodes carry, beside what the catalogue implies."""
    tolerations: tuple[TolerationSection, ...] = ()
    """Taints of its nodes, beside those of the section."""
    resources: Mapping[str, int] | None = None
    """Extended resources instead of those that the catalogue implies: `{ci/tegra-gpu: 1}`."""
    runtime_class: str | None = None
    """Instead of what the catalogue implies."""


class KubernetesLimitsSection(BaseModel):
    """How much is asked of the cluster at once, and how long is waited for it."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    backlog: int = Field(default=1000, ge=1)
    """Attempts that are in the cluster at once, those among them that wait there for their turn."""
    requests_per_second: float = Field(default=500, gt=0)
    """To the API server, watches left out; three make a task. What protects the server is its own priority
    and fairness, which is obeyed, and that no more than `connections` are under way at once."""
    connections: int = Field(default=8, ge=1, le=64)
    """Requests under way at once."""
    start_minutes: float = Field(default=15, gt=0)
    """From a node to a running container: pulling the image, above all."""
    submit_minutes: float = Field(default=30, gt=0)
    """How long a Job that the cluster refuses to take is offered again."""
    stuck_seconds: float = Field(default=120, ge=1)
    """A pod that should have ended so long ago is on a dead node, and is removed by force."""
    margin_seconds: float = Field(default=600, ge=0)
    """On top of the runner's own limit before the pod's deadline: fetching, pulling, uploading."""
    upload_seconds: float = Field(default=10, ge=0)
    """On top of the runner's grace before the pod is killed."""
    keep_seconds: int = Field(default=3600, ge=60)
    """How long a finished Job stays that nobody removes."""


class KubernetesSection(BaseModel):
    """Where the cluster is, and how pods of attempts look there."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    service_url: Address
    """Where pods reach this service; with http:// their tokens go there without encryption."""
    image: str
    """With the runner at `/opt/hotfire/runner.pyz`; for platforms that name none."""
    checks_runner: bool = True
    """Whether an image with another runner than this service's runs nothing."""
    kubeconfig: Path | None = None
    """None: the service account of the pod that this service runs in."""
    context: str | None = None
    """Of the kubeconfig; none: its current one."""
    namespace: Annotated[str, Field(pattern=r"^[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?$")] = "hotfire"
    """Where Jobs, pods and Secrets of attempts are made."""
    kueue: Literal["auto", "yes", "no"] = "auto"
    """Whether Jobs wait in Kueue's queues; `auto`: if the cluster has Kueue."""
    queue: str = "{team}"
    """LocalQueue, `{team}` being the run's team; exclusive tasks go to the one with `-exclusive`."""
    image_pull_policy: Literal["Always", "IfNotPresent", "Never"] = "IfNotPresent"
    """Of every pod; `Never` where images are loaded onto the nodes."""
    image_pull_secrets: tuple[str, ...] = ()
    """Names of Secrets in the namespace, for a registry that asks for a password."""
    platforms: Mapping[str, PlatformPlaceSection] = Field(default_factory=dict)
    """By name of the platform."""
    node_selector: LabelMap = Field(default_factory=dict)
    """Labels that every node carries on which attempts may run."""
    tolerations: tuple[TolerationSection, ...] = ()
    """Taints that every attempt puts up with; that of GPU nodes is among them for GPU tasks."""
    pod_annotations: LabelMap = Field(default_factory=dict)
    """Further annotations of every pod, for what else works in this cluster."""
    run_as: int = Field(default=10001, ge=1)
    """User and group of the pod; never root."""
    cache: str = "/opt/hotfire/cache"
    """Where the images keep toolchains, `{cache}` of commands."""
    memory_mib: int = Field(default=512, ge=16)
    """Asked for a task that does not say how much it needs."""
    limits: KubernetesLimitsSection = KubernetesLimitsSection()
    """How much is asked of the cluster at once, and how long is waited for it."""
