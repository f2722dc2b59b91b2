"""How each registered metric is judged: its direction, its scale, and what matters of it."""

from __future__ import annotations

from hotfire_infra.analysis.comparison import Judgement
from hotfire_testframework.contract.metrics import METRICS


def judgement_of(metric: str) -> Judgement:
    """Return how a registered metric is judged."""
    entry = METRICS.get(metric)
    return Judgement(
        direction=entry.direction, smallest_effect=entry.smallest_effect, scale=entry.scale
    )


def is_part(metric: str) -> bool:
    """Return whether a metric is registered as a share of another."""
    return metric in METRICS and METRICS.get(metric).part_of is not None


def is_of_machine(metric: str) -> bool:
    """Return whether a metric is registered as one of the machine, not of what is tested on it."""
    return metric in METRICS and METRICS.get(metric).of_machine
