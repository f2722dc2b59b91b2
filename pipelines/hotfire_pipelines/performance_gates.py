"""What a pipeline declares about performance: the loss that must not pass."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from hotfire_pipelines.strict import Strict
from hotfire_testframework.contract.metrics import METRICS
from hotfire_testframework.errors import MetricError

EVERY = "*"
"""All metrics that are not named."""


class PerformanceGate(Strict):
    """A gate on one metric: a series that regressed by more than it tolerates fails the run."""

    tolerance: Annotated[float, Field(gt=0)] | None = None
    """The loss that must not pass: a share, or a difference where the metric is linear; none, and never
    less than: the metric's smallest effect that matters."""

    confirm: Annotated[float, Field(gt=0, le=1440)] | None = None
    """Minutes of the machine: what would fail the run is run again first, interleaved with what it is
    compared with, and fails only if that does not refute it; none: one run is enough."""

    def figures(self) -> dict[str, float]:
        """What the plan freezes."""
        said = {"tolerance": self.tolerance, "confirm": self.confirm}
        return {name: value for name, value in said.items() if value is not None}


def check_metrics(gates: dict[str, PerformanceGate]) -> dict[str, PerformanceGate]:
    """Refuse a gate on a metric that nobody registered, with the nearest that is."""
    for name in gates:
        if name != EVERY:
            try:
                METRICS.get(name)
            except MetricError as error:
                raise ValueError(str(error)) from error
    return gates
