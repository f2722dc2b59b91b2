"""Accuracy of two runs, task by task: pairs, what changed, how sure, and what a gate says."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, replace

from sqlalchemy import Connection

from hotfire_infra.analysis.accuracy.differences import MeanDifference
from hotfire_infra.analysis.accuracy.gates import Decision, Gate, judge, points
from hotfire_infra.analysis.accuracy.multiplicity import alpha_per_check
from hotfire_infra.analysis.accuracy.pairs import Pairs
from hotfire_infra.analysis.quantities import count, significant
from hotfire_infra.store.queries_accuracy import PairedCounts, paired_counts

FALSE_FAILURES_PER_RUN = 0.01
"""Budget that tasks without a declared gate share: false alarms per comparison of two runs."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TaskComparison:
    """One task on one platform in two runs; drops are shares of the items."""

    task: str
    platform: str
    dataset: str
    pairs: int
    items: int
    """Fewer than pairs where items were decoded with several seeds."""
    better: int
    worse: int
    errored: int
    drop: float
    low: float
    high: float
    p_value: float
    """One-sided, of "no drop"."""
    decision: str
    reason: str
    tolerance: float
    alpha: float
    is_gate: bool
    """Whether the pipeline declares a gate for it; otherwise nothing of it blocks."""
    samples: tuple[int, int]
    """Of the earlier and the later run."""
    score_change: float | None = None
    """Mean difference of the scores, later - earlier, in their unit."""
    score_p_value: float | None = None
    """Two-sided, of Student's t over items."""

    @property
    def is_regressed(self) -> bool:
        """Whether its gate fails."""
        return self.decision == Decision.REGRESSED

    @property
    def line(self) -> str:
        """Everything a reader needs, in one line."""
        errored = f", {self.errored:,} errored" if self.errored else ""
        if self.decision == Decision.NOT_COMPARABLE:
            before, after = self.samples
            taken = f"{before:,} and {count(after, 'sample')}{errored}"
            return f"{self.task} on {self.platform}: not comparable ({self.reason}; {taken})"
        score = ""
        if self.score_change and self.score_p_value is not None:
            score = f"; score {self.score_change:+.2g} (p {significant(self.score_p_value, 2)})"
        return (
            f"{self.task} on {self.platform}: {count(self.pairs, 'pair')}, "
            f"{self.better + self.worse:,} discordant{errored}, drop {points(self.drop)} "
            f"[{self.low * 100:.2g}, {self.high * 100:.2g}], p {significant(self.p_value, 2)}: "
            f"{self.decision} ({self.reason}){score}"
        )


def compare_accuracy(
    connection: Connection, before_run: int, after_run: int, gates: Mapping[str, Gate] | None = None
) -> tuple[TaskComparison, ...]:
    """Compare all tasks that both runs ran; `gates` by task, `*` for those not named.

    Without a gate a task gets its share of `FALSE_FAILURES_PER_RUN`.
    """
    rows = paired_counts(connection, before_run, after_run)
    declared = gates or {}
    shared = Gate(
        alpha=alpha_per_check(
            false_failures_per_run=FALSE_FAILURES_PER_RUN, checks=max(1, len(rows))
        )
    )
    return tuple(_compared(row, declared, shared) for row in rows)


def _compared(row: PairedCounts, declared: Mapping[str, Gate], shared: Gate) -> TaskComparison:
    gate = declared.get(row.task) or declared.get("*")
    return replace(compare_task(row, gate or shared), is_gate=gate is not None)


def compare_task(row: PairedCounts, gate: Gate) -> TaskComparison:
    """Compare one task: McNemar on single pairs, Student's t on items with several seeds."""
    pairs = Pairs(n=row.pairs, better=row.better, worse=row.worse)
    judged = judge(pairs, gate)
    found = TaskComparison(
        task=row.task, platform=row.platform, dataset=row.dataset, pairs=row.pairs,
        items=row.items, better=row.better, worse=row.worse, errored=row.errored,
        drop=pairs.drop, low=judged.low, high=judged.high, p_value=judged.p_value,
        decision=judged.decision, reason=judged.reason, tolerance=gate.tolerance,
        alpha=gate.alpha, is_gate=False, samples=(row.samples_before, row.samples_after),
    )  # fmt: skip
    if 1 < row.items < row.pairs:
        found = _by_items(found, _mean(row.items, row.outcome_sum, row.outcome_squares), gate)
    if row.scored_items > 1:
        scores = _mean(row.scored_items, row.score_sum, row.score_squares)
        found = replace(found, score_change=scores.mean, score_p_value=scores.p_changed)
    return found


def _by_items(found: TaskComparison, mean: MeanDifference, gate: Gate) -> TaskComparison:
    """Judge by the items' means: pairs of one item under several seeds are not independent."""
    high, low = (-side for side in mean.interval(0.9))
    if high < gate.tolerance:
        decision, reason = Decision.UNCHANGED, f"no drop of {points(gate.tolerance)}"
    elif mean.p_worse <= gate.alpha:
        decision, reason = Decision.REGRESSED, f"a drop beyond chance (p ≤ {gate.alpha:.2g})"
    else:
        decision, reason = Decision.INCONCLUSIVE, "neither a drop nor its absence is shown"
    return replace(
        found, drop=-mean.mean, low=low, high=high, p_value=mean.p_worse, decision=decision,
        reason=f"{reason}; {count(found.items, 'item')} under several seeds",
    )  # fmt: skip


def _mean(n: int, total: float, squares: float) -> MeanDifference:
    """The mean of n independent differences from their sum and sum of squares."""
    mean = total / n
    variance = max(0.0, squares - n * mean * mean) / (n - 1)
    return MeanDifference(n=n, clusters=n, mean=mean, standard_error=math.sqrt(variance / n))
