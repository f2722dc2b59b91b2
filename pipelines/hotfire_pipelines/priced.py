"""The price of a plan as values: GPU-hours, node-hours, wall time, with ranges and what they rest on."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class Basis(StrEnum):
    """What a duration rests on."""

    MEASURED = "measured"
    """Recorded attempts of this very task."""
    NEIGHBOURS = "neighbours"
    """Recorded attempts of other cells of the task on the same platform."""
    DECLARED = "declared"
    """What the pipeline says."""
    NOTHING = "nothing"
    """No machine at hand executes it, or what it waits for: it takes none."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Range:
    """A figure that is not certain: expected in 80 of 100 cases between `low` and `high`."""

    low: float
    expected: float
    high: float


@dataclass(frozen=True, slots=True, kw_only=True)
class PricedTask:
    """What one task takes."""

    task: str
    cell: str
    seconds: Range
    gpus: int
    nodes: float
    """Share of a machine: by CPUs, 1 when it takes the machine alone."""
    basis: Basis
    samples: int = 0
    """Attempts that the duration rests on."""
    pipelines: tuple[str, ...] = ()
    """Other pipelines whose attempts are among them."""

    @property
    def gpu_hours(self) -> float:
        """Expected hours of GPUs."""
        return self.gpus * self.seconds.expected / 3600

    @property
    def node_hours(self) -> float:
        """Expected hours of machines."""
        return self.nodes * self.seconds.expected / 3600


@dataclass(frozen=True, slots=True, kw_only=True)
class PlannedBudget:
    """What the pipeline allows a run."""

    gpu_hours: float | None = None
    node_hours: float | None = None
    wall_seconds: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Suggestion:
    """A cheaper platform that has all a task declares as sufficient; never applied by itself."""

    task: str
    platform: str
    sufficient: str
    """What the task could do with, in words."""
    cheaper: str
    """The platform that has it."""
    price: float
    """Relative price of a device of `platform` for an hour."""
    cheaper_price: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Price:
    """What a plan is expected to take; outside the digest."""

    gpu_hours: Range
    node_hours: Range
    wall_seconds: Range
    """On `slots` CPUs and one machine of each kind of device."""
    slots: int
    measured: float
    """Share of the node-hours that rests on recorded attempts, 0..1."""
    tasks: tuple[PricedTask, ...] = ()
    budget: PlannedBudget = PlannedBudget()
    suggestions: tuple[Suggestion, ...] = ()
