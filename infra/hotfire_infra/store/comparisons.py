"""Write the comparisons of a run, once: what page, CLI and API read is what was judged then."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, delete, insert

from hotfire_infra.store.models import Comparison


@dataclass(frozen=True, slots=True, kw_only=True)
class NewComparison:
    """One comparison to record."""

    series_key: str
    test_id: int
    variant_id: int
    metric: str
    outcome: str
    estimate: float | None
    low: float | None
    high: float | None
    baseline_points: int
    reason: str
    body: Mapping[str, Any]


def record_comparisons(
    connection: Connection, run_id: int, comparisons: Iterable[NewComparison]
) -> None:
    """Replace the comparisons of a run; the caller owns the transaction."""
    connection.execute(delete(Comparison).where(Comparison.run_id == run_id))
    rows = [
        {
            "run_id": run_id,
            "series_key": one.series_key,
            "test_id": one.test_id,
            "variant_id": one.variant_id,
            "metric": one.metric,
            "outcome": one.outcome,
            "estimate": one.estimate,
            "low": one.low,
            "high": one.high,
            "baseline_points": one.baseline_points,
            "reason": one.reason,
            "body": dict(one.body),
        }
        for one in comparisons
    ]
    if rows:
        connection.execute(insert(Comparison), rows)
