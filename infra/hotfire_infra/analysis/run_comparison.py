"""Compare two runs: cells and failed tests by their verdicts, measurements by intervals."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from hotfire_infra.analysis.accuracy.tasks import TaskComparison
from hotfire_infra.analysis.comparison import CONFIDENCE, Change, within_runs_interval
from hotfire_infra.analysis.judgements import judgement_of
from hotfire_infra.analysis.performance import latest_of_series
from hotfire_infra.analysis.report import RunReport
from hotfire_infra.store.queries_measurements import MeasurementRow
from hotfire_testframework.contract.metrics import METRICS, Direction

GREEN = frozenset({"passed", "flaky"})


@dataclass(frozen=True, slots=True, kw_only=True)
class TestChange:
    """A cell or test whose verdict is another one."""

    __test__ = False

    name: str
    before: str
    after: str

    @property
    def is_worse(self) -> bool:
        """Whether green became something else."""
        return self.before in GREEN and self.after not in GREEN


@dataclass(frozen=True, slots=True, kw_only=True)
class MetricChange:
    """One series in both runs."""

    test: str
    platform: str
    metric: str
    unit: str
    before: float
    after: float
    change: str
    reason: str
    interval: tuple[float, float, float] | None


@dataclass(frozen=True, slots=True, kw_only=True)
class RunComparison:
    """Everything that differs between two runs."""

    before: int
    after: int
    tests: tuple[TestChange, ...]
    metrics: tuple[MetricChange, ...]
    tests_compared: int
    accuracy: tuple[TaskComparison, ...] = ()

    @property
    def is_comparable(self) -> bool:
        """Whether the two share anything at all."""
        return bool(self.tests_compared or self.metrics or self.accuracy)

    @property
    def is_worse(self) -> bool:
        """Whether green became red anywhere, or a declared gate on accuracy fails.

        Two runs alone never prove a slowdown: the spread between runs is unknown to both.
        Accuracy is compared item by item, so two runs are enough for it.
        """
        lost = any(one.is_gate and one.is_regressed for one in self.accuracy)
        return lost or any(change.is_worse for change in self.tests)


def compare_runs(
    earlier: RunReport,
    later: RunReport,
    measured_earlier: Sequence[MeasurementRow],
    measured_later: Sequence[MeasurementRow],
    accuracy: Sequence[TaskComparison] = (),
) -> RunComparison:
    """Compare `later` with `earlier`."""
    before = {cell.key: cell.verdict or "missing" for cell in earlier.cells}
    after = {cell.key: cell.verdict or "missing" for cell in later.cells}
    shared = [key for key in before if key in after]
    cells = [
        TestChange(name=key, before=before[key], after=after[key])
        for key in shared
        if before[key] != after[key]
    ]
    return RunComparison(
        before=earlier.number,
        after=later.number,
        tests=(*cells, *_failed_tests(earlier, later)),
        metrics=_metrics(measured_earlier, measured_later),
        tests_compared=len(shared),
        accuracy=tuple(accuracy),
    )


def _failed_tests(earlier: RunReport, later: RunReport) -> tuple[TestChange, ...]:
    old = {(failure.cell, failure.test): failure.outcome for failure in earlier.failures}
    new = {(failure.cell, failure.test): failure.outcome for failure in later.failures}
    green_cells = {cell.key for cell in later.cells if cell.verdict in GREEN}
    appeared = [
        TestChange(name=test, before=old.get((cell, test), "passed"), after=outcome)
        for (cell, test), outcome in new.items()
        if old.get((cell, test)) != outcome
    ]
    mended = [
        TestChange(name=test, before=outcome, after="passed")
        for (cell, test), outcome in old.items()
        if (cell, test) not in new and cell in green_cells
    ]
    return (*appeared, *mended)


def _metrics(
    earlier: Sequence[MeasurementRow], later: Sequence[MeasurementRow]
) -> tuple[MetricChange, ...]:
    before = latest_of_series(row for row in earlier if row.valid)
    after = latest_of_series(row for row in later if row.valid)
    return tuple(
        _metric(before[key], row)
        for key, row in after.items()
        if key in before and row.metric in METRICS
    )


def _metric(before: MeasurementRow, after: MeasurementRow) -> MetricChange:
    judgement = judgement_of(after.metric)
    old = before.replicates or (before.value,)
    new = after.replicates or (after.value,)
    if judgement.is_log and min(*old, *new) <= 0:
        change, reason, interval = Change.NOT_COMPARABLE, "no positive replicates", None
    else:
        found = within_runs_interval(judgement.levels(new), judgement.levels(old), CONFIDENCE)
        interval = (found.estimate, found.low, found.high)
        margin = judgement.margin
        better = (found.estimate > 0) == (judgement.direction is Direction.LARGER)
        if -margin < found.low and found.high < margin:
            change, reason = Change.UNCHANGED, f"no change beyond {judgement.words}"
        elif judgement.is_log:
            side = "better" if better else "worse"
            change = Change.INCONCLUSIVE
            reason = f"looks {side}, but two runs do not know the spread between runs"
        else:
            change = Change.IMPROVED if better else Change.REGRESSED
            reason = "an exact count changed"
    return MetricChange(
        test=after.test,
        platform=after.platform,
        metric=after.metric,
        unit=after.unit,
        before=before.value,
        after=after.value,
        change=change,
        reason=reason,
        interval=interval,
    )
