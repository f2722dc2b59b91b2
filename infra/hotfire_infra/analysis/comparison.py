"""Compare a point of a series with the earlier runs of the same series, as an interval."""

from __future__ import annotations

import math
import random
import statistics
from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum

from hotfire_infra.analysis import student_t

CONFIDENCE = 0.99
"""Two-sided level of every interval; high, because a run looks at dozens of series at once."""
MINIMUM_RUNS = 3
"""Earlier runs below which the spread between runs cannot be estimated (two degrees of freedom)."""
RESAMPLES = 2000
"""Bootstrap resamples; the Monte Carlo error of a 0.5 % quantile is then about 0.16 points."""


class Direction(StrEnum):
    """Which way a metric is better; a point without one is never called regressed."""

    HIGHER = "higher"
    LOWER = "lower"
    NONE = "none"


class Change(StrEnum):
    """What a comparison says: each word is also an appearance."""

    REGRESSED = "regressed"
    IMPROVED = "improved"
    UNCHANGED = "unchanged"
    INCONCLUSIVE = "inconclusive"
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
    """A log-ratio new ÷ earlier with its two-sided bounds, all in natural logarithms."""

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


@dataclass(frozen=True, slots=True, kw_only=True)
class Judgement:
    """What a metric's registry entry says about comparing it."""

    direction: Direction
    smallest_effect: float
    """The smallest relative change that matters, as a share: 0.02 is 2 %."""


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


def within_runs_interval(
    new: Sequence[float], earlier: Sequence[float], confidence: float, seed: int = 0
) -> Interval:
    """Percentile bootstrap of ln(median(new) / median(earlier)) over process launches.

    Knows nothing of the spread between runs, so it is a lower bound of the uncertainty.
    Complexity O(resamples · (n + m)). Reference: Efron & Tibshirani (1993), 13.3.
    """
    draw = random.Random(seed)
    ratios = sorted(
        math.log(_resampled_median(new, draw) / _resampled_median(earlier, draw))
        for _ in range(RESAMPLES)
    )
    tail = math.floor((1 - confidence) / 2 * RESAMPLES)
    estimate = math.log(statistics.median(new) / statistics.median(earlier))
    return Interval(estimate=estimate, low=ratios[tail], high=ratios[-1 - tail])


def _resampled_median(values: Sequence[float], draw: random.Random) -> float:
    return statistics.median(draw.choices(values, k=len(values)))


def compare(new: Point, earlier: Sequence[Point], judgement: Judgement) -> Comparison:
    """Judge `new` against the earlier points of its own series (oldest first, valid ones only).

    Three and more earlier runs: the interval between runs decides. Fewer: the interval within the
    runs is shown and the answer is `too_few`, because a machine differs from itself between runs.
    The probe-normalised twin must agree before anything is called regressed or improved.
    """
    if not new.replicates or any(value <= 0 for value in new.replicates):
        return _without_interval(Change.NOT_COMPARABLE, "no positive replicates", new, earlier)
    usable = [point for point in earlier if point.replicates and min(point.replicates) > 0]
    if not usable:
        return _without_interval(Change.TOO_FEW, "first run of this series", new, usable)
    if len(usable) < MINIMUM_RUNS:
        return _too_few(new, usable)
    interval = between_runs_interval(_level(new), [_level(point) for point in usable], CONFIDENCE)
    twin = _normalised_twin(new, usable, judgement.direction)
    change, reason = _judge(interval, twin, judgement)
    return Comparison(
        change=change, reason=reason, interval=interval, normalised=twin,
        earlier_runs=len(usable), replicates=len(new.replicates), method="between-runs t",
    )  # fmt: skip


def _level(point: Point) -> float:
    return math.log(statistics.median(point.replicates))


def _normalised_twin(new: Point, earlier: Sequence[Point], direction: Direction) -> Interval | None:
    """The same interval on value ÷ probe (a rate) or value × probe (a time).

    The probe is a rate of the machine (bytes per second) measured beside the point: a shift that
    both share belongs to the machine.
    """
    probed = [point for point in earlier if point.probe]
    if not new.probe or len(probed) < MINIMUM_RUNS:
        return None
    sign = 1.0 if direction is Direction.LOWER else -1.0
    levels = [_level(p) + sign * math.log(p.probe) for p in probed if p.probe]
    return between_runs_interval(_level(new) + sign * math.log(new.probe), levels, CONFIDENCE)


def _judge(interval: Interval, twin: Interval | None, judgement: Judgement) -> tuple[Change, str]:
    """Interval against zero (is it real?) and against the smallest effect (does it matter?)."""
    margin = math.log1p(judgement.smallest_effect)
    if -margin < interval.low and interval.high < margin:
        return Change.UNCHANGED, f"no change beyond {judgement.smallest_effect:.0%}"
    if interval.low <= 0 <= interval.high:
        return Change.INCONCLUSIVE, "the interval holds both no change and one that matters"
    if abs(interval.estimate) < margin:
        return (
            Change.INCONCLUSIVE,
            f"a change, but its size is below {judgement.smallest_effect:.0%}",
        )
    if twin is not None and (twin.low <= 0 <= twin.high or twin.estimate * interval.estimate < 0):
        return Change.INCONCLUSIVE, "the machine's own probe moved with it"
    return _direction_of(interval, judgement.direction)


def _direction_of(interval: Interval, direction: Direction) -> tuple[Change, str]:
    if direction is Direction.NONE:
        return Change.INCONCLUSIVE, "changed, and the metric has no better direction"
    better = (interval.estimate > 0) == (direction is Direction.HIGHER)
    return (Change.IMPROVED if better else Change.REGRESSED), "the interval excludes no change"


def _too_few(new: Point, earlier: Sequence[Point]) -> Comparison:
    pooled = [value for point in earlier for value in point.replicates]
    have = f"{len(earlier)} earlier run{'s' if len(earlier) > 1 else ''} of {MINIMUM_RUNS} needed"
    return Comparison(
        change=Change.TOO_FEW,
        reason=f"{have}: the spread between runs is unknown",
        interval=within_runs_interval(new.replicates, pooled, CONFIDENCE),
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
