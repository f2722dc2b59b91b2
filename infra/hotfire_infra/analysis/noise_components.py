"""Noise of a series from measuring the same code again (A/A): within and between processes, between
runs of one build, between builds of one code. Sums of squares add up over codes, series and machines.

Each pair of stages is a one-way random model with classes of unequal size, y_ij = μ + b_i + e_ij, and
its ANOVA estimators: with SSE and SSB the sums of squares within and between a classes of n_i, N = Σ n_i,
  σ̂²_e = MSE = SSE / (N - a),   σ̂²_b = max(0, (MSB - MSE) / n₀),   n₀ = (N - Σ n_i²/N) / (a - 1).
Of several independent groups (codes), sums of squares, degrees of freedom and N - Σ n_i²/N are added.
Reference: Searle, Casella & McCulloch (1992), Variance Components, 3.6; Snedecor & Cochran (1989), 13.3
and 13.7. A sum of variances has Satterthwaite's degrees of freedom (1946, Biometrics Bull. 2, 110).
"""

from __future__ import annotations

import math
import statistics
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from hotfire_infra.analysis import chi_square, student_t
from hotfire_infra.analysis.comparison import CONFIDENCE

LEAST_FREEDOM = 5
"""Degrees of freedom between runs below which a floor is a guess; a pair of runs gives one."""
MANY = 300
"""Degrees of freedom from which on Student's t is taken for that of so many."""
SURE = 0.95
"""Level of the interval of a noise."""


@dataclass(frozen=True, slots=True, kw_only=True)
class OneWay:
    """Sums of a one-way random model, within and between its classes."""

    within_squares: float = 0.0
    within_freedom: int = 0
    between_squares: float = 0.0
    between_freedom: int = 0
    size: float = 0.0
    """Σ over groups of N - Σ n²/N: n₀ times the degrees of freedom between classes."""

    def __add__(self, other: OneWay) -> OneWay:
        return OneWay(
            within_squares=self.within_squares + other.within_squares,
            within_freedom=self.within_freedom + other.within_freedom,
            between_squares=self.between_squares + other.between_squares,
            between_freedom=self.between_freedom + other.between_freedom,
            size=self.size + other.size,
        )

    @property
    def within(self) -> float | None:
        """Return the variance within classes; None where no class has two values."""
        return self.within_squares / self.within_freedom if self.within_freedom else None

    @property
    def between(self) -> float | None:
        """Return the variance of classes beyond that of their values; None without two classes.

        Where no class has two values it holds that of one value too: the two cannot be told apart.
        """
        if not self.between_freedom:
            return None
        mean_square = self.between_squares / self.between_freedom
        return max(0.0, (mean_square - (self.within or 0.0)) * self.between_freedom / self.size)


def one_way(classes: Iterable[Sequence[float]]) -> OneWay:
    """Return the sums of one group of classes; O(values)."""
    filled = [tuple(one) for one in classes if one]
    total = sum(len(one) for one in filled)
    if total == 0:
        return OneWay()
    mean = math.fsum(value for one in filled for value in one) / total
    means = [statistics.fmean(one) for one in filled]
    return OneWay(
        within_squares=math.fsum(
            (value - middle) ** 2
            for one, middle in zip(filled, means, strict=True)
            for value in one
        ),
        within_freedom=total - len(filled),
        between_squares=math.fsum(
            len(one) * (middle - mean) ** 2 for one, middle in zip(filled, means, strict=True)
        ),
        between_freedom=len(filled) - 1,
        size=total - sum(len(one) ** 2 for one in filled) / total,
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Measured:
    """What one attempt measured of a series, on the scale on which levels are compared."""

    code: str
    """Of its source: equal where the code is."""
    build: str
    """Equal where what was executed is, bit by bit."""
    processes: tuple[tuple[float, ...], ...]

    @property
    def level(self) -> float:
        """The median of its replicates, as comparisons take it."""
        return statistics.median(value for process in self.processes for value in process)


@dataclass(frozen=True, slots=True, kw_only=True)
class NoiseSums:
    """What is known of the noise of one series, or of several together."""

    processes: OneWay = OneWay()
    """Replicates in processes, of one attempt."""
    builds: OneWay = OneWay()
    """Levels of attempts in builds, of one code."""
    attempts: int = 0
    """Of code that was measured at least twice."""
    codes: int = 0

    def __add__(self, other: NoiseSums) -> NoiseSums:
        return NoiseSums(
            processes=self.processes + other.processes,
            builds=self.builds + other.builds,
            attempts=self.attempts + other.attempts,
            codes=self.codes + other.codes,
        )


def noise_sums(measured: Iterable[Measured]) -> NoiseSums:
    """Return the sums over all code that was measured at least twice."""
    by_code: dict[str, dict[str, list[Measured]]] = {}
    for one in measured:
        by_code.setdefault(one.code, {}).setdefault(one.build, []).append(one)
    found = NoiseSums()
    for builds in by_code.values():
        attempts = [one for many in builds.values() for one in many]
        if len(attempts) < 2:
            continue
        inside = OneWay()
        for one in attempts:
            inside += one_way(one.processes)
        levels = [[one.level for one in many] for many in builds.values()]
        found += NoiseSums(
            processes=inside, builds=one_way(levels), attempts=len(attempts), codes=1
        )
    return found


@dataclass(frozen=True, slots=True, kw_only=True)
class Component:
    """One source of noise as a standard deviation on the scale of levels."""

    sd: float
    freedom: int
    low: float | None = None
    high: float | None = None
    """Of its 95 % interval; None of a component that is a difference of two mean squares."""


def component(variance: float, freedom: int) -> Component:
    """Return a mean square as people read it, with the interval s·√(ν/χ²_ν) of a normal sample."""
    tail = (1 - SURE) / 2
    squares = variance * freedom
    return Component(
        sd=math.sqrt(variance),
        freedom=freedom,
        low=math.sqrt(squares / chi_square.quantile(1 - tail, freedom)),
        high=math.sqrt(squares / chi_square.quantile(tail, freedom)),
    )


def within_component(sums: OneWay) -> Component | None:
    """Return the noise within classes; None where no class has two values."""
    return None if sums.within is None else component(sums.within, sums.within_freedom)


def between_component(sums: OneWay) -> Component | None:
    """Return the noise between classes beyond that within them; None without two classes."""
    variance = sums.between
    if variance is None:
        return None
    if sums.within is None:
        return component(variance, sums.between_freedom)
    return Component(sd=math.sqrt(variance), freedom=sums.between_freedom)


@dataclass(frozen=True, slots=True, kw_only=True)
class Spread:
    """The standard deviation of one run's level about what its code would give in the mean."""

    sd: float
    freedom: int
    """Whole degrees of freedom, Satterthwaite's rounded down."""
    has_builds: bool
    """Whether rebuilding the same code is in it."""

    def limit(self, earlier: int = 1, confidence: float = CONFIDENCE) -> float:
        """Return the largest shift that noise alone reaches, of one run against `earlier` others.

        t_ν · s · √(1 + 1/k), as in `comparison.between_runs_interval`: in 1 % of pairs it is beyond.
        """
        return student_t.quantile((1 + confidence) / 2, self._known) * self.error(earlier)

    def p_value(self, shift: float) -> float:
        """Return the two-sided p-value of no shift between one run and another."""
        error = self.error()
        if error == 0:
            return 1.0 if math.isclose(shift, 0, abs_tol=1e-12) else 0.0
        return 2 * (1 - student_t.cumulative(abs(shift) / error, self._known))

    @property
    def _known(self) -> int:
        """Degrees of freedom that are worth their time: with more, t is larger by less than 1 %."""
        return min(self.freedom, MANY)

    def error(self, earlier: int = 1) -> float:
        """Return the standard error of one run against the mean of some others."""
        return self.sd * math.sqrt(1 + 1 / earlier)


def spread_of(sums: NoiseSums) -> Spread | None:
    """Return the spread between runs whose builds may differ; None where too little is known.

    σ² = σ_run² + σ_build² = MSE·(1 - 1/n₀) + MSB/n₀ where builds were compared and differ by more
    than runs do. Where they differ by less, the squares of both are pooled, as restricted maximum
    likelihood does (Searle et al., 3.8); without two attempts of one build MSB holds both.
    """
    builds = sums.builds
    if builds.within_freedom + builds.between_freedom < LEAST_FREEDOM:
        return None
    if builds.within is None:
        variance = builds.between_squares / builds.between_freedom
        return Spread(sd=math.sqrt(variance), freedom=builds.between_freedom, has_builds=True)
    between = builds.between
    if not between:
        freedom = builds.within_freedom + (builds.between_freedom if between == 0 else 0)
        squares = builds.within_squares + (builds.between_squares if between == 0 else 0.0)
        return Spread(
            sd=math.sqrt(squares / freedom), freedom=freedom, has_builds=between is not None
        )
    share = builds.between_freedom / builds.size
    parts = (
        (builds.within * (1 - share), builds.within_freedom),
        (builds.between_squares / builds.between_freedom * share, builds.between_freedom),
    )
    variance = math.fsum(part for part, _ in parts)
    mixed = variance**2 / math.fsum(part**2 / degrees for part, degrees in parts)
    return Spread(sd=math.sqrt(variance), freedom=max(1, math.floor(mixed)), has_builds=True)
