"""Compare two runs: cells and failed tests by their verdicts, measurements by intervals."""

from __future__ import annotations

import math
import statistics
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from types import MappingProxyType

from hotfire_infra.analysis.accuracy.tasks import TaskComparison
from hotfire_infra.analysis.canaries import (
    CANARIES,
    CanaryShift,
    event_words,
    explaining,
    loss_of,
)
from hotfire_infra.analysis.comparison import (
    CONFIDENCE,
    Change,
    Comparison,
    Interval,
    Judgement,
    control_false_discoveries,
    judge_interval,
    within_runs_interval,
)
from hotfire_infra.analysis.judgements import is_of_machine, is_part, judgement_of
from hotfire_infra.analysis.noise import NOT_ENOUGH, NoiseFloor, noise_words
from hotfire_infra.analysis.performance import latest_of_series
from hotfire_infra.analysis.report import RunReport
from hotfire_infra.store.queries_measurements import MeasurementRow
from hotfire_testframework.contract.metrics import METRICS, Direction

Explain = Callable[[MeasurementRow, MeasurementRow], str]
PAIR = "A/A t"
"""The method that compares one run with one other by the spread between runs of the same code."""
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
    series: str = ""
    noise: str = ""
    """How far two runs of the same code differ here, or that nobody knows."""
    operators: str = ""
    """Which parts of the metric moved with it, where the shift is beyond noise."""
    is_sure: bool = False
    """Whether the shift is beyond what two runs of the same code differ by."""

    @property
    def why(self) -> str:
        """Return the reason with what supports and explains it."""
        noise = self.noise if self.is_sure else ""
        return "; ".join(one for one in (self.reason, noise, self.operators) if one)

    @property
    def is_worse(self) -> bool:
        """Whether it got worse by more than noise; parts only explain, machines are not the code."""
        is_news = not is_part(self.metric) and not is_of_machine(self.metric)
        return self.is_sure and self.change == Change.REGRESSED and is_news


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
        """Whether green became red anywhere, a declared gate on accuracy fails, or it is slower.

        Two runs alone never prove a slowdown: that takes A/A data, the spread between runs of the
        same code. Accuracy is compared item by item, so two runs are enough for it.
        """
        lost = any(one.is_gate and one.is_regressed for one in self.accuracy)
        slower = any(one.is_worse for one in self.metrics)
        return lost or slower or any(change.is_worse for change in self.tests)


def compare_runs(
    earlier: RunReport,
    later: RunReport,
    measured_earlier: Sequence[MeasurementRow],
    measured_later: Sequence[MeasurementRow],
    accuracy: Sequence[TaskComparison] = (),
    floors: Mapping[str, NoiseFloor] = MappingProxyType({}),
    explain: Explain = lambda _before, _after: "",
) -> RunComparison:
    """Compare `later` with `earlier`; `floors` by series key, `explain` says which parts moved."""
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
        metrics=_metrics(measured_earlier, measured_later, floors, explain),
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
    earlier: Sequence[MeasurementRow],
    later: Sequence[MeasurementRow],
    floors: Mapping[str, NoiseFloor],
    explain: Explain,
) -> tuple[MetricChange, ...]:
    before = latest_of_series(row for row in earlier if row.valid)
    after = latest_of_series(row for row in later if row.valid)
    shared = [key for key, row in after.items() if key in before and row.metric in METRICS]
    # Parts explain other metrics and are no news themselves.
    whole = [key for key in shared if not is_part(after[key].metric)]
    parts = [key for key in shared if is_part(after[key].metric)]
    found: dict[str, Comparison] = {}
    for some in (whole, parts):
        judged = [judge_pair(before[key], after[key], floors.get(key)) for key in some]
        found |= dict(zip(some, control_false_discoveries(judged), strict=True))
    moved = _moved_canaries(after, found)
    found |= {
        key: _beside_canaries(after[key], found[key], moved[after[key].environment_class])
        for key in found
        if after[key].environment_class in moved
    }
    return tuple(
        _metric(before[key], after[key], found[key], floors.get(key), explain) for key in shared
    )


def _moved_canaries(
    after: Mapping[str, MeasurementRow], found: Mapping[str, Comparison]
) -> dict[str, list[CanaryShift]]:
    """Return the canaries that moved by more than their own noise, by environment class."""
    moved: dict[str, list[CanaryShift]] = {}
    for key, one in found.items():
        row = after[key]
        if row.metric in CANARIES and _is_sure(one) and one.interval is not None:
            half_width = (one.interval.high - one.interval.low) / 2
            shift = CanaryShift(
                metric=row.metric, shift=one.interval.estimate, half_width=half_width
            )
            moved.setdefault(row.environment_class, []).append(shift)
    return moved


def _beside_canaries(
    row: MeasurementRow, found: Comparison, moved: Sequence[CanaryShift]
) -> Comparison:
    """Name the machine beside a change: it explains all of it, or moved as well."""
    judgement, interval = judgement_of(row.metric), found.interval
    if not _is_sure(found) or interval is None:
        return found
    if is_of_machine(row.metric) or is_part(row.metric) or not judgement.is_log:
        return found
    loss, half_width = loss_of(interval.estimate, judgement), (interval.high - interval.low) / 2
    one = explaining(loss, half_width, judgement.margin, moved)
    if one is not None:
        return replace(found, change=Change.ENVIRONMENT, reason=event_words(one))
    words = ", ".join(canary.words for canary in moved)
    reason = f"the machine moved too, but does not explain it: {words}"
    return replace(found, reason="; ".join(part for part in (found.reason, reason) if part))


def _is_sure(found: Comparison) -> bool:
    return found.method == PAIR and found.change in {Change.REGRESSED, Change.IMPROVED}


def judge_pair(
    before: MeasurementRow, after: MeasurementRow, floor: NoiseFloor | None
) -> Comparison:
    """Compare one point with another of its series.

    With a floor: d = y_after - y_before ± t_ν · s · √2, where s is the spread between runs of the same
    code with its ν degrees of freedom (Student 1908; `noise_components`). Without one the spread
    between runs is unknown, and nothing but an exact count is called changed.
    """
    judgement = judgement_of(after.metric)
    old, new = before.replicates or (before.value,), after.replicates or (after.value,)
    if judgement.is_log and min(*old, *new) <= 0:
        return _pair(Change.NOT_COMPARABLE, "no positive replicates", None, len(new), "none")
    levels = judgement.levels(new), judgement.levels(old)
    if floor is None:
        interval = within_runs_interval(*levels, CONFIDENCE)
        return _pair(
            *_without_spread(interval, judgement), interval, len(new), "within-runs bootstrap"
        )
    estimate = statistics.median(levels[0]) - statistics.median(levels[1])
    limit = floor.spread.limit()
    interval = Interval(estimate=estimate, low=estimate - limit, high=estimate + limit)
    twin = _without_the_machine(before, after, interval, judgement)
    change, reason = judge_interval(interval, twin, judgement)
    if interval.low <= 0 <= interval.high and change is Change.INCONCLUSIVE:
        reason = f"inside the {floor.words()}"
    p_value = floor.spread.p_value(estimate)
    return _pair(change, reason, interval, len(new), PAIR, p_value)


def _without_spread(interval: Interval, judgement: Judgement) -> tuple[Change, str]:
    margin = judgement.margin
    better = (interval.estimate > 0) == (judgement.direction is Direction.LARGER)
    if -margin < interval.low and interval.high < margin:
        return Change.UNCHANGED, f"no change beyond {judgement.words}"
    if judgement.is_log:
        side = "better" if better else "worse"
        why = f"looks {side}, but two runs do not know the spread between runs: {NOT_ENOUGH}"
        return Change.INCONCLUSIVE, why
    return (Change.IMPROVED if better else Change.REGRESSED), "an exact count changed"


def _without_the_machine(
    before: MeasurementRow, after: MeasurementRow, interval: Interval, judgement: Judgement
) -> Interval | None:
    """Return the interval with the machine's probe divided out, where both have one."""
    if not judgement.is_log or not before.probe or not after.probe:
        return None
    sign = 1.0 if judgement.direction is Direction.SMALLER else -1.0
    shift = sign * math.log(after.probe / before.probe)
    return Interval(
        estimate=interval.estimate + shift, low=interval.low + shift, high=interval.high + shift
    )


def _pair(
    change: Change,
    reason: str,
    interval: Interval | None,
    replicates: int,
    method: str,
    p_value: float | None = None,
) -> Comparison:
    return Comparison(
        change=change, reason=reason, interval=interval, normalised=None, earlier_runs=1,
        replicates=replicates, method=method, p_value=p_value,
    )  # fmt: skip


def _metric(
    before: MeasurementRow,
    after: MeasurementRow,
    found: Comparison,
    floor: NoiseFloor | None,
    explain: Explain,
) -> MetricChange:
    interval = found.interval
    is_sure = _is_sure(found)
    return MetricChange(
        test=after.test,
        platform=after.platform,
        metric=after.metric,
        unit=after.unit,
        before=before.value,
        after=after.value,
        change=found.change,
        reason=found.reason,
        interval=(interval.estimate, interval.low, interval.high) if interval else None,
        series=after.series_key,
        noise=noise_words(found, floor) if interval else "",
        operators=explain(before, after) if is_sure else "",
        is_sure=is_sure,
    )
