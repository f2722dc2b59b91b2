"""What `benchmarks.cluster` has measured of one mode, as rows: ratios with their interval."""

from __future__ import annotations

import math
import statistics
from collections.abc import Sequence
from dataclasses import dataclass, field

from benchmarks.report import Row

CONFIDENCE = 0.9


@dataclass(slots=True, kw_only=True)
class Measured:
    """Sums over the blocks of one mode."""

    tasks: int = 0
    ratios: list[float] = field(default_factory=list)
    """Of two blocks each, one of either order: our rate divided by that of the peer."""
    ours_seconds: float = 0.0
    bare_seconds: float = 0.0
    service_cpu: float = 0.0
    executor_cpu: float = 0.0
    bare_cpu: float = 0.0
    requests: int = 0
    bare_requests: int = 0
    peak_mib: float = 0.0
    end_lags: list[float] = field(default_factory=list)
    """From the runner's last word to its end in the store, in seconds."""


def interval(values: Sequence[float]) -> tuple[float, float, float]:
    """Return an interval of the median by order statistics, and how sure it is.

    As narrow as it may be to hold the median with `CONFIDENCE`, whatever the distribution; of too
    few values the widest, with what that is worth.
    """
    ordered, count = sorted(values), len(values)
    place, sure = 0, 1 - 2 * 0.5**count
    outside = 0.5**count
    while place + 1 < count // 2:
        outside += math.comb(count, place + 1) * 0.5**count
        if 1 - 2 * outside < CONFIDENCE:
            break
        place, sure = place + 1, 1 - 2 * outside
    return ordered[place], ordered[count - 1 - place], sure


def in_words(ratios: Sequence[float]) -> str:
    """Return the median of ratios with its interval."""
    low, high, sure = interval(ratios)
    middle = statistics.median(ratios)
    return f"median ratio {middle:.3f}, {low:.3f} to {high:.3f} ({sure:.0%})"


def p99(values: Sequence[float]) -> float:
    """Return the 99th percentile."""
    return sorted(values)[int(0.99 * (len(values) - 1))]


def rate_rows(mode: str, found: Measured) -> list[Row]:
    """Return the rows of the blocks of a mode."""
    low, high, sure = interval(found.ratios)
    median = statistics.median(found.ratios)
    judged = Row(
        name=f"Jobs, created to harvested, {mode}: median of {len(found.ratios)} pairs of blocks, "
        f"{low:.3f} to {high:.3f} ({sure:.0%})",
        ours=median, peer=1.0, peer_name="bare client, no bookkeeping", unit="", goal=0.9,
        better="higher",
    )  # fmt: skip
    rate = Row(
        name=f"{found.tasks} Jobs, created to harvested, {mode}",
        ours=found.tasks / found.ours_seconds, peer=found.tasks / found.bare_seconds,
        peer_name="bare client", unit="1/s", goal=None, better="higher",
    )  # fmt: skip
    per_thousand = 1000 / found.tasks
    requests = found.requests / found.tasks
    return [
        judged,
        rate,
        plain_row(f"processor of the executor's threads, {mode}", found.executor_cpu * per_thousand,
             found.bare_cpu * per_thousand, "s per 1,000"),
        plain_row(f"processor of the whole service, {mode}", found.service_cpu * per_thousand,
             found.bare_cpu * per_thousand, "s per 1,000"),
        Row(name=f"requests to the API server, {mode}", ours=requests,
            peer=found.bare_requests / found.tasks, peer_name="bare client", unit="per task",
            goal="at most 6", better="lower", met=requests <= 6),
        plain_row(f"runner's last word to store, p99, {mode}", 1e3 * p99(found.end_lags), None, "ms"),
        plain_row(f"peak memory of the service, {mode}", found.peak_mib, None, "MiB"),
    ]  # fmt: skip


def plain_row(name: str, ours: float, peer: float | None, unit: str) -> Row:
    """Return a row without a goal; less is better."""
    return Row(
        name=name, ours=ours, peer=peer, peer_name=None if peer is None else "bare client",
        unit=unit, goal=None, better="lower",
    )  # fmt: skip
