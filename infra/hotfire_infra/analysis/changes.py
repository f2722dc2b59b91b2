"""A change as people read it: a share where the metric is a ratio, else a difference."""

from __future__ import annotations

from hotfire_infra.analysis.quantities import signed_percent, significant
from hotfire_testframework.contract.metrics import METRICS, Scale

Triple = tuple[float, float, float]
"""Estimate, low and high."""


def change_words(metric: str, interval: Triple | None) -> str:
    """Return `-5.0 % (-7.1 % … -2.8 %)`, or `+4 (+4 … +4)` for a metric on a linear scale."""
    if interval is None:
        return ""
    linear = metric in METRICS and METRICS.get(metric).scale is Scale.LINEAR
    estimate, low, high = (
        f"{'+' if v > 0 else ''}{significant(v)}" if linear else signed_percent(v) for v in interval
    )
    return f"{estimate} ({low} … {high})"
