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

    def figures(self) -> dict[str, float]:
        """What the plan freezes."""
        return {} if self.tolerance is None else {"tolerance": self.tolerance}


def check_metrics(gates: dict[str, PerformanceGate]) -> dict[str, PerformanceGate]:
    """Refuse a gate on a metric that nobody registered, with the nearest that is."""
    for name in gates:
        if name != EVERY:
            try:
                METRICS.get(name)
            except MetricError as error:
                raise ValueError(str(error)) from error
    return gates
