"""The A/A noise floor of series: kept up to date at the end of each run, and said in words.

A series has its own floor where its code was measured often enough; before that it has the one of its
metric on its kind of device. What is below the floor is no news; what is beyond it is not noise of
measuring again, but may still be a machine that has changed.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, replace

from sqlalchemy import Connection

from hotfire_infra.analysis.comparison import CREEP, OLDEST, Change, Comparison, Judgement
from hotfire_infra.analysis.judgements import judgement_of
from hotfire_infra.analysis.noise_components import (
    Component,
    Measured,
    NoiseSums,
    OneWay,
    Spread,
    between_component,
    noise_sums,
    spread_of,
    within_component,
)
from hotfire_infra.analysis.quantities import count, significant, utc
from hotfire_infra.store.database import Store
from hotfire_infra.store.noise import (
    NoiseRow,
    RepeatedPoint,
    forget_noise,
    noise_of_kinds,
    noise_of_series,
    repeated_points,
    repeated_series,
    stale_series,
    write_noise,
)
from hotfire_infra.store.postgres import serialise
from hotfire_infra.store.queries_measurements import MeasurementRow
from hotfire_testframework.contract.metrics import METRICS

NOT_ENOUGH = "not enough A/A data"
_INSIDE = "inside the "


@dataclass(frozen=True, slots=True, kw_only=True)
class NoiseFloor:
    """How far two runs of the same code differ, and how that is known."""

    metric: str
    spread: Spread
    is_own: bool
    """Of the series itself; else of its metric on its kind of device."""
    attempts: int
    codes: int
    updated_ns: int

    def words(self, earlier: int = 1) -> str:
        """Return `A/A noise ±1.8 % (14 attempts of 5 sources, 2026-11-21)`, of one run against some."""
        size = effect_words(self.metric, self.spread.limit(earlier))
        whose = "" if self.is_own else ", all series of the metric"
        known = f"{count(self.attempts, 'attempt')} of {count(self.codes, 'source')}"
        rebuilt = "" if self.spread.has_builds else ", rebuilds not in it"
        return f"A/A noise ±{size} ({known}{whose}{rebuilt}, {utc(self.updated_ns)[:10]})"


def effect_words(metric: str, shift: float) -> str:
    """Return a shift on the scale of levels without its sign: `1.8 %`, or `2` on a linear scale."""
    if METRICS.get(metric).scale.value == "log":
        return f"{significant(100 * math.expm1(abs(shift)), 2)} %"
    return significant(abs(shift), 2)


def watch_noise(store: Store, run_id: int) -> tuple[str, ...]:
    """Step of the finalizer: take a run's points of code that was measured before; blocks nothing.

    What is written follows from the stored points alone, so that it can be repeated after a crash.
    """
    with store.reading() as connection:
        keys = {*repeated_series(connection, run_id), *stale_series(connection, run_id)}
    if keys:
        with store.writing() as connection:
            serialise(connection, "noise")
            now = store.clock.wall_ns()
            for key in sorted(keys):
                _take(connection, key, run_id, now)
    return ()


def _take(connection: Connection, key: str, run_id: int, now: int) -> None:
    (metric, environment), points = repeated_points(connection, key)
    sums = NoiseSums()
    if metric in METRICS:
        judgement = judgement_of(metric)
        sums = noise_sums(one for point in points if (one := _measured(point, judgement)))
    if not sums.codes:
        forget_noise(connection, key)
        return
    write_noise(connection, key, run_id, _row(metric, environment, now, sums))


def _measured(point: RepeatedPoint, judgement: Judgement) -> Measured | None:
    finite = all(math.isfinite(value) for value in point.replicates)
    if not finite or (judgement.is_log and min(point.replicates) <= 0):
        return None
    levels = judgement.levels(point.replicates)
    processes: dict[int, list[float]] = {}
    # Where nobody said which process a replicate is of, each is taken for one.
    launches = point.launches if len(point.launches) == len(levels) else range(len(levels))
    for launch, level in zip(launches, levels, strict=True):
        processes.setdefault(launch, []).append(level)
    return Measured(
        code=f"{point.source_stamp_id} {point.beside}",
        build=point.action_digest or "",
        processes=tuple(tuple(one) for one in processes.values()),
    )


def _row(metric: str, environment: str, now: int, sums: NoiseSums) -> NoiseRow:
    processes, builds = sums.processes, sums.builds
    return NoiseRow(
        metric=metric,
        environment_class=environment,
        updated_ns=now,
        attempts=sums.attempts,
        codes=sums.codes,
        within_squares=processes.within_squares,
        within_freedom=processes.within_freedom,
        process_squares=processes.between_squares,
        process_freedom=processes.between_freedom,
        process_size=processes.size,
        run_squares=builds.within_squares,
        run_freedom=builds.within_freedom,
        build_squares=builds.between_squares,
        build_freedom=builds.between_freedom,
        build_size=builds.size,
    )


def _sums(row: NoiseRow) -> NoiseSums:
    return NoiseSums(
        processes=OneWay(
            within_squares=row.within_squares,
            within_freedom=row.within_freedom,
            between_squares=row.process_squares,
            between_freedom=row.process_freedom,
            size=row.process_size,
        ),
        builds=OneWay(
            within_squares=row.run_squares,
            within_freedom=row.run_freedom,
            between_squares=row.build_squares,
            between_freedom=row.build_freedom,
            size=row.build_size,
        ),
        attempts=row.attempts,
        codes=row.codes,
    )


def floors_of(
    connection: Connection, series: Mapping[str, tuple[str, str]]
) -> Mapping[str, NoiseFloor]:
    """Return the floors that are known of series, given as key → (metric, environment class)."""
    own = noise_of_series(connection, list(series))
    found = {key: floor for key, row in own.items() if (floor := _floor(row, is_own=True))}
    rest = {key: kind for key, kind in series.items() if key not in found}
    if rest:
        kinds = noise_of_kinds(connection, sorted({metric for metric, _ in rest.values()}))
        shared = {(row.metric, row.environment_class): _floor(row, is_own=False) for row in kinds}
        found |= {key: floor for key, kind in rest.items() if (floor := shared.get(kind))}
    return found


def words_of_series(connection: Connection, point: MeasurementRow) -> str:
    """Return what is known of the noise of a point's series, or that it is not enough."""
    kind = (point.metric, point.environment_class)
    floor = floors_of(connection, {point.series_key: kind}).get(point.series_key)
    return floor.words() if floor else NOT_ENOUGH


def against_noise(found: Comparison, floor: NoiseFloor | None) -> Comparison:
    """Take a change back that measuring the same code again makes as well, and say so."""
    if found.change not in {Change.REGRESSED, Change.IMPROVED} or found.interval is None:
        return found
    # The noise of other series is said, and acquits nothing: this one may be far calmer.
    if (
        floor is None
        or not floor.is_own
        or abs(found.interval.estimate) > floor.spread.limit(_earlier(found))
    ):
        return found
    return replace(
        found, change=Change.INCONCLUSIVE, reason=f"{_INSIDE}{noise_words(found, floor)}"
    )


def is_inside_noise(reason: str) -> bool:
    """Return whether a reason says that runs of the same code differ by as much."""
    return reason.startswith(_INSIDE)


def noise_words(found: Comparison, floor: NoiseFloor | None) -> str:
    """Return the floor that a comparison is held against, or that there is none."""
    return floor.words(_earlier(found)) if floor else NOT_ENOUGH


def _earlier(found: Comparison) -> int:
    """Return how many runs the mean is of that a new one was compared with."""
    return OLDEST if found.method == CREEP else max(1, found.earlier_runs)


def _floor(row: NoiseRow, *, is_own: bool) -> NoiseFloor | None:
    spread = spread_of(_sums(row)) if row.metric in METRICS else None
    if spread is None:
        return None
    return NoiseFloor(
        metric=row.metric,
        spread=spread,
        is_own=is_own,
        attempts=row.attempts,
        codes=row.codes,
        updated_ns=row.updated_ns,
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class NoiseReport:
    """The noise of one metric on one kind of device, by where it comes from.

    Standard deviations are of logarithms where effects are ratios: 0.01 is 1 %.
    """

    metric: str
    environment: str
    series: int
    attempts: int
    """Of code that was measured at least twice."""
    codes: int
    within: Component | None
    """Between replicates of one process."""
    processes: Component | None
    """Between processes of one attempt."""
    runs: Component | None
    """Between attempts of one build."""
    builds: Component | None
    """Between builds of one code: its layout."""
    floor: float | None
    """Shift between two runs that noise alone exceeds in 1 % of pairs; None: not enough A/A data."""
    words: str
    updated_ns: int


def noise_reports(connection: Connection) -> tuple[NoiseReport, ...]:
    """Return the noise of each metric on each kind of device; O(series), summed by the database."""
    return tuple(noise_report(row) for row in noise_of_kinds(connection) if row.metric in METRICS)


def noise_report(row: NoiseRow) -> NoiseReport:
    """Return sums as people read them."""
    sums = _sums(row)
    floor = _floor(row, is_own=True)
    return NoiseReport(
        metric=row.metric,
        environment=row.environment_class,
        series=row.series,
        attempts=row.attempts,
        codes=row.codes,
        within=within_component(sums.processes),
        processes=between_component(sums.processes),
        runs=within_component(sums.builds),
        builds=between_component(sums.builds),
        floor=floor.spread.limit() if floor else None,
        words=floor.words() if floor else NOT_ENOUGH,
        updated_ns=row.updated_ns,
    )


def component_words(metric: str, one: Component | None) -> str:
    """Return `0.8 % (0.6 … 1.2, n = 12)`; a dash where it is not known."""
    if one is None:
        return "–"
    known = f"{one.freedom} d. f."
    if one.low is None or one.high is None:
        return f"{effect_words(metric, one.sd)} ({known})"
    ends = f"{effect_words(metric, one.low)} … {effect_words(metric, one.high)}"
    return f"{effect_words(metric, one.sd)} ({ends}; {known})"
