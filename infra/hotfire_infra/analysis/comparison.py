"""Compare a point of a series with the earlier runs of the same series, as an interval."""

from __future__ import annotations

import math
import random
import statistics
from collections.abc import Sequence
from dataclasses import dataclass, replace
from enum import StrEnum

from hotfire_infra.analysis import student_t
from hotfire_testframework.contract.metrics import Direction, Scale

CONFIDENCE = 0.99
"""Two-sided level of every interval; high, because a run looks at dozens of series at once."""
MINIMUM_RUNS = 3
"""Earlier runs below which the spread between runs cannot be estimated (two degrees of freedom)."""
OLDEST = 3
"""Runs whose mean is the pinned reference."""
LEAST_REFERENCE = 8
"""Runs that passed below which there is none: its spread would be a guess."""
CREEP = "creep t"
"""The method that compares with the oldest runs, not with all earlier ones."""
_LAG = 3
_CUT = 3.0
RESAMPLES = 2000
"""Bootstrap resamples; the Monte Carlo error of a 0.5 % quantile is then about 0.16 points."""


class Change(StrEnum):
    """What a comparison says: each word is also an appearance."""

    REGRESSED = "regressed"
    IMPROVED = "improved"
    UNCHANGED = "unchanged"
    INCONCLUSIVE = "inconclusive"
    ENVIRONMENT = "environment"
    TOO_FEW = "too_few"
    NOT_COMPARABLE = "not_comparable"


@dataclass(frozen=True, slots=True, kw_only=True)
class Point:
    """One run's replicates of one metric, one value per process launch, and its probe."""

    run: int
    replicates: tuple[float, ...]
    probe: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Interval:
    """A shift new against earlier with its two-sided bounds.

    A natural log-ratio where the metric's scale is log, a difference where it is linear.
    """

    estimate: float
    low: float
    high: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Comparison:
    """A judged change: what it is called, why, the interval and what it rests on."""

    change: Change
    reason: str
    interval: Interval | None
    normalised: Interval | None
    earlier_runs: int
    replicates: int
    method: str
    p_value: float | None = None
    """Two-sided, of the interval between runs; None where there is none."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Judgement:
    """What a metric's registry entry says about comparing it."""

    direction: Direction
    smallest_effect: float
    """The smallest change that matters: a share on a log scale (0.02 is 2 %), else absolute."""
    scale: Scale = Scale.LOG

    @property
    def margin(self) -> float:
        """The smallest effect on the scale that levels are compared on."""
        return math.log1p(self.smallest_effect) if self.is_log else self.smallest_effect

    @property
    def is_log(self) -> bool:
        """Whether effects are ratios."""
        return self.scale is Scale.LOG

    @property
    def words(self) -> str:
        """The smallest effect as people write it."""
        return f"{self.smallest_effect * 100:g} %" if self.is_log else f"{self.smallest_effect:g}"

    def levels(self, values: Sequence[float]) -> tuple[float, ...]:
        """Put measured values on the scale: ln(x), or x itself where effects are differences."""
        return tuple(math.log(value) for value in values) if self.is_log else tuple(values)


def between_runs_interval(new: float, earlier: Sequence[float], confidence: float) -> Interval:
    """Interval for the shift of one new run against k ≥ 2 earlier runs.

    Estimates δ = E[y_new] - E[y_earlier] for y = ln(median of a run's replicates):
      δ̂ = y_new - ȳ,   δ̂ ± t_{k-1, 1-α/2} · s · √(1 + 1/k),   s² = Σ(y_i - ȳ)²/(k-1).
    Assumes runs exchangeable under no change, and y near normal with the same spread before and
    after; noise within a run is part of s, because each y_i carries its own.
    Reference: Crawford & Howell (1998), Clin. Neuropsychol. 12, 482; Hahn & Meeker (1991), 4.7.
    """
    k = len(earlier)
    spread = statistics.stdev(earlier)
    half = student_t.quantile((1 + confidence) / 2, k - 1) * spread * math.sqrt(1 + 1 / k)
    estimate = new - statistics.fmean(earlier)
    return Interval(estimate=estimate, low=estimate - half, high=estimate + half)


def shift_p_value(new: float, earlier: Sequence[float]) -> float:
    """Two-sided p-value of no shift, of the same t statistic as `between_runs_interval`.

    Earlier runs that agree exactly leave no doubt: 1 for the same value, 0 for any other.
    """
    k = len(earlier)
    estimate = new - statistics.fmean(earlier)
    error = statistics.stdev(earlier) * math.sqrt(1 + 1 / k)
    if error == 0:
        return 1.0 if math.isclose(estimate, 0, abs_tol=1e-12) else 0.0
    return 2 * (1 - student_t.cumulative(abs(estimate) / error, k - 1))


def within_runs_interval(
    new: Sequence[float], earlier: Sequence[float], confidence: float, seed: int = 0
) -> Interval:
    """Percentile bootstrap of median(new) - median(earlier) over process launches.

    Both hold levels, so the difference is the log-ratio on a log scale. Knows nothing of the
    spread between runs: a lower bound of the uncertainty. Complexity O(resamples · (n + m)).
    Reference: Efron & Tibshirani (1993), 13.3.
    """
    draw = random.Random(seed)
    shifts = sorted(
        _resampled_median(new, draw) - _resampled_median(earlier, draw) for _ in range(RESAMPLES)
    )
    tail = math.floor((1 - confidence) / 2 * RESAMPLES)
    estimate = statistics.median(new) - statistics.median(earlier)
    return Interval(estimate=estimate, low=shifts[tail], high=shifts[-1 - tail])


def _resampled_median(values: Sequence[float], draw: random.Random) -> float:
    return statistics.median(draw.choices(values, k=len(values)))


def compare(new: Point, earlier: Sequence[Point], judgement: Judgement) -> Comparison:
    """Judge `new` against the earlier points of its own series (oldest first, valid ones only).

    Three and more earlier runs: the interval between runs decides. Fewer: the interval within the
    runs is shown and the answer is `too_few`, because a machine differs from itself between runs.
    The probe-normalised twin must agree before anything is called regressed or improved.
    """
    if not _is_usable(new, judgement):
        return _without_interval(Change.NOT_COMPARABLE, "no usable replicates", new, earlier)
    usable = [point for point in earlier if _is_usable(point, judgement)]
    if not usable:
        return _without_interval(Change.TOO_FEW, "first run of this series", new, usable)
    if len(usable) < MINIMUM_RUNS:
        return _too_few(new, usable, judgement)
    levels = [_level(point, judgement) for point in usable]
    interval = between_runs_interval(_level(new, judgement), levels, CONFIDENCE)
    twin = _normalised_twin(new, usable, judgement)
    change, reason = judge_interval(interval, twin, judgement)
    return Comparison(
        change=change, reason=reason, interval=interval, normalised=twin,
        earlier_runs=len(usable), replicates=len(new.replicates), method="between-runs t",
        p_value=shift_p_value(_level(new, judgement), levels),
    )  # fmt: skip


def _is_usable(point: Point, judgement: Judgement) -> bool:
    """Replicates exist and have a level: a logarithm needs them positive."""
    finite = all(math.isfinite(value) for value in point.replicates)
    return bool(point.replicates) and finite and (not judgement.is_log or min(point.replicates) > 0)


def _level(point: Point, judgement: Judgement) -> float:
    return statistics.median(judgement.levels(point.replicates))


def _normalised_twin(new: Point, earlier: Sequence[Point], judgement: Judgement) -> Interval | None:
    """The same interval on value ÷ probe (a rate) or value × probe (a time).

    The probe is a rate of the machine (bytes per second) measured beside the point: a shift that
    both share belongs to the machine. Without three probed earlier runs there is no twin.
    """
    probed = [point for point in earlier if point.probe]
    if not judgement.is_log or not new.probe or len(probed) < MINIMUM_RUNS:
        return None
    sign = 1.0 if judgement.direction is Direction.SMALLER else -1.0
    levels = [_level(p, judgement) + sign * math.log(p.probe) for p in probed if p.probe]
    level = _level(new, judgement) + sign * math.log(new.probe)
    return between_runs_interval(level, levels, CONFIDENCE)


def judge_interval(
    interval: Interval, twin: Interval | None, judgement: Judgement
) -> tuple[Change, str]:
    """Interval against zero (is it real?) and against the smallest effect (does it matter?)."""
    margin = judgement.margin
    if -margin < interval.low and interval.high < margin:
        return Change.UNCHANGED, f"no change beyond {judgement.words}"
    if interval.low <= 0 <= interval.high:
        return Change.INCONCLUSIVE, "the interval holds both no change and one that matters"
    if abs(interval.estimate) < margin:
        return Change.INCONCLUSIVE, f"changed, but by less than {judgement.words}"
    if twin is not None and (twin.low <= 0 <= twin.high or twin.estimate * interval.estimate < 0):
        return Change.INCONCLUSIVE, "the machine's own probe moved with it"
    better = (interval.estimate > 0) == (judgement.direction is Direction.LARGER)
    return (Change.IMPROVED if better else Change.REGRESSED), "the interval excludes no change"


def _too_few(new: Point, earlier: Sequence[Point], judgement: Judgement) -> Comparison:
    pooled = [value for point in earlier for value in point.replicates]
    have = f"{len(earlier)} earlier run{'s' if len(earlier) > 1 else ''} of {MINIMUM_RUNS} needed"
    return Comparison(
        change=Change.TOO_FEW,
        reason=f"{have}: the spread between runs is unknown",
        interval=within_runs_interval(
            judgement.levels(new.replicates), judgement.levels(pooled), CONFIDENCE
        ),
        normalised=None,
        earlier_runs=len(earlier),
        replicates=len(new.replicates),
        method="within-runs bootstrap",
    )


def _without_interval(
    change: Change, reason: str, new: Point, earlier: Sequence[Point]
) -> Comparison:
    return Comparison(
        change=change, reason=reason, interval=None, normalised=None,
        earlier_runs=len(earlier), replicates=len(new.replicates), method="none",
    )  # fmt: skip


def creep_interval(
    new: float, earlier: Sequence[float], confidence: float
) -> tuple[Interval, float]:
    """Interval for the shift of a run against the oldest of k ≥ 8 earlier ones, and its p-value.

    Estimates δ = E[y_new] - E[y_oldest] with the mean of the oldest three. The spread comes from
    differences, s² = mean of (y_{i+3} - y_i)² / 2, which a slow creep hardly enters (von Neumann
    et al. 1941, Ann. Math. Stat. 12, 153); over three runs, so that noise that lasts from run to
    run does not hide in neighbours. Differences beyond three medians are cut there (Winsor): a
    step in between is in three of them, and must not pass for noise.
      δ̂ ± t · s · √(1 + 1/3), with ⌊(k-3)/2⌋ degrees of freedom, calibrated: tests/infra/analysis.
    """
    k = len(earlier)
    steps = [abs(b - a) for a, b in zip(earlier, earlier[_LAG:], strict=False)]
    most = _CUT * statistics.median(steps)
    spread = math.sqrt(math.fsum(min(one, most) ** 2 for one in steps) / (2 * len(steps)))
    error = spread * math.sqrt(1 + 1 / OLDEST)
    estimate = new - statistics.fmean(earlier[:OLDEST])
    freedom = max(2, (k - _LAG) // 2)
    half = student_t.quantile((1 + confidence) / 2, freedom) * error
    if error == 0:
        p = 1.0 if math.isclose(estimate, 0, abs_tol=1e-12) else 0.0
    else:
        p = 2 * (1 - student_t.cumulative(abs(estimate) / error, freedom))
    return Interval(estimate=estimate, low=estimate - half, high=estimate + half), p


def with_reference(
    found: Comparison, new: Point, reference: Sequence[Point], judgement: Judgement
) -> Comparison:
    """Hold a point that is not worse than the last runs against the oldest of `reference` too.

    So small steps add up, and a target branch that regressed already disarms no gate. `reference`
    are the runs that passed, oldest first; with fewer than `LEAST_REFERENCE` nothing is added.
    """
    usable = [point for point in reference if _is_usable(point, judgement)]
    enough = len(usable) >= LEAST_REFERENCE and _is_usable(new, judgement)
    if not enough or found.change is Change.REGRESSED:
        return found
    interval, p = creep_interval(
        _level(new, judgement), [_level(point, judgement) for point in usable], CONFIDENCE
    )
    worse = (interval.estimate < 0) == (judgement.direction is Direction.LARGER)
    if not worse or interval.low <= 0 <= interval.high:
        return found
    if abs(interval.estimate) < judgement.margin or _is_the_machine(new, usable, judgement):
        return found
    oldest = f"runs {usable[0].run} to {usable[OLDEST - 1].run}"
    return replace(
        found,
        change=Change.REGRESSED,
        reason=f"against {oldest}, the oldest of the last {len(usable)} that passed",
        interval=interval,
        normalised=None,
        method=CREEP,
        # The second look at one series: Bonferroni.
        p_value=min(1.0, 2 * p),
    )


def _is_the_machine(new: Point, earlier: Sequence[Point], judgement: Judgement) -> bool:
    """Whether the shift is gone once the machine's probe is divided out."""
    probed = [point for point in earlier if point.probe]
    if not judgement.is_log or not new.probe or len(probed) < LEAST_REFERENCE:
        return False
    sign = 1.0 if judgement.direction is Direction.SMALLER else -1.0
    levels = [_level(p, judgement) + sign * math.log(p.probe) for p in probed if p.probe]
    level = _level(new, judgement) + sign * math.log(new.probe)
    twin, _ = creep_interval(level, levels, CONFIDENCE)
    return twin.low <= 0 <= twin.high


def control_false_discoveries(
    comparisons: Sequence[Comparison], rate: float = 1 - CONFIDENCE
) -> tuple[Comparison, ...]:
    """Take back changes that do not survive looking at many series at once.

    Benjamini & Hochberg (1995): with m p-values in order, the changes up to the largest i with
    p_(i) ≤ i·rate/m stay; of those called a change, at most `rate` are expected to be noise.
    Assumes the series independent or positively dependent. Complexity O(m log m).
    """
    ordered = sorted(one.p_value for one in comparisons if one.p_value is not None)
    m = len(ordered)
    limit = max((p for i, p in enumerate(ordered, start=1) if p <= i * rate / m), default=-1.0)
    called = {Change.REGRESSED, Change.IMPROVED}
    return tuple(
        replace(one, change=Change.INCONCLUSIVE, reason=f"does not stand out among {m} series")
        if one.change in called and (one.p_value is None or one.p_value > limit)
        else one
        for one in comparisons
    )
