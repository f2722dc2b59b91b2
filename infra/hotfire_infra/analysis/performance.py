"""Compare what a run measured with the earlier runs of the same series, and record it."""

from __future__ import annotations

import json
import math
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence, Set
from dataclasses import dataclass, replace

from sqlalchemy import Connection, delete, insert, select

from hotfire_infra.analysis.canaries import CanaryLookup, against_canaries
from hotfire_infra.analysis.change_groups import moved_words
from hotfire_infra.analysis.change_reports import commits_of, moved_of
from hotfire_infra.analysis.changes import change_words
from hotfire_infra.analysis.comparison import (
    MINIMUM_RUNS,
    OLDEST,
    Change,
    Comparison,
    Point,
    compare,
    control_false_discoveries,
    with_reference,
)
from hotfire_infra.analysis.confirmations import answers_of_run
from hotfire_infra.analysis.gate_confirmation import with_answers
from hotfire_infra.analysis.judgements import is_of_machine, is_part, judgement_of
from hotfire_infra.analysis.noise import (
    NoiseFloor,
    against_noise,
    floors_of,
    is_inside_noise,
    noise_words,
)
from hotfire_infra.analysis.operators import operators_of_run, parts_words
from hotfire_infra.analysis.quantities import count
from hotfire_infra.store.comparisons import NewComparison, record_comparisons
from hotfire_infra.store.database import Store
from hotfire_infra.store.mainline import on_mainline, passed_on_mainline
from hotfire_infra.store.models import Finding, Run
from hotfire_infra.store.queries_measurements import (
    MeasurementRow,
    measurements_of_run,
    points_of_series,
)
from hotfire_infra.store.references import Reference, acceptances_of, references_of
from hotfire_infra.store.series_changes import changes_of_series
from hotfire_testframework.contract.metrics import METRICS

BLIND = "performance-gate"
"""Kind of the finding that a gate saw nothing."""
LONGEST_BASELINE = 20
"""Earlier runs a point is compared with: enough for a spread, few enough to follow a machine."""


def compare_run(
    connection: Connection, run_id: int, gates: Mapping[str, float] | None = None
) -> tuple[NewComparison, ...]:
    """Judge and record every valid measurement of a run; called once, when it is finalized.

    `gates`: tolerance by metric, as `declared_gates` returns it.
    """
    points = latest_of_series(row for row in measurements_of_run(connection, run_id) if row.valid)
    rows = [row for row in points.values() if row.metric in METRICS]
    earlier = _earlier_points(connection, tuple(points), run_id)
    floors = floors_of(
        connection, {row.series_key: (row.metric, row.environment_class) for row in rows}
    )
    comparisons = []
    lookup = CanaryLookup.over(connection)
    # Parts explain other metrics, canaries the machine: no news themselves, they make nothing else
    # less certain.
    for some in _families(rows):
        baselines = [earlier.get(row.series_key, Baseline()) for row in some]
        judged = control_false_discoveries(
            [
                against_canaries(
                    against_noise(_judged(row, one, gates or {}), floors.get(row.series_key)),
                    row,
                    one.runs,
                    lookup,
                )
                for row, one in zip(some, baselines, strict=True)
            ]
        )
        comparisons += [
            _record(row, _explained(connection, row, one, baseline), floors.get(row.series_key))
            for row, one, baseline in zip(some, judged, baselines, strict=True)
        ]
    told = with_answers(comparisons, answers_of_run(connection, run_id))
    record_comparisons(connection, run_id, told)
    return told


def _families(rows: Sequence[MeasurementRow]) -> tuple[list[MeasurementRow], ...]:
    """Split points by what they say: the code, what explains it, the machine."""
    families: tuple[list[MeasurementRow], ...] = ([], [], [])
    for row in rows:
        families[2 if is_of_machine(row.metric) else int(is_part(row.metric))].append(row)
    return families


def _explained(
    connection: Connection, row: MeasurementRow, found: Comparison, baseline: Baseline
) -> Comparison:
    """Add to the reason which operators moved, where they were measured."""
    if found.change not in {Change.REGRESSED, Change.IMPROVED}:
        return found
    words = parts_words(operators_of_run(connection, row, baseline.runs))
    return replace(found, reason=f"{found.reason}; {words}") if words else found


def analyse_performance(store: Store, run_id: int) -> tuple[str, ...]:
    """Step of the finalizer: compare, record, and return the sentences of the gates that fail.

    Only a gate that the pipeline declares blocks; what has regressed is said of every series, and
    is the same word on the page, in the API, on the command line and in the gate.
    """
    with store.writing() as connection:
        gates = declared_gates(store, connection, run_id)
        compared = compare_run(connection, run_id, gates)
        _say_what_no_gate_saw(connection, run_id, compared, gates)
        names = {row.series_key: row for row in measurements_of_run(connection, run_id)}
        lost = [one for one in compared if one.outcome == Change.REGRESSED and fails(one, gates)]
        known = _open_alerts(connection, [one.series_key for one in lost])
    return tuple(
        _sentence(one, names[one.series_key], known.get(one.series_key, "")) for one in lost
    )


def declared_gates(store: Store, connection: Connection, run_id: int) -> Mapping[str, float]:
    """Return the loss that the pipeline of a run tolerates, by metric, on the scale of comparisons."""
    digest = connection.execute(select(Run.plan_sha256).where(Run.id == run_id)).scalar()
    plan = {} if digest is None else json.loads(store.blobs.read(digest))
    said = plan.get("policy", {}).get("performance", {})
    found = {}
    for metric in METRICS:
        is_apart = metric.part_of is not None or metric.of_machine
        gate = said.get(metric.name, None if is_apart else said.get("*"))
        if gate is not None:
            judgement = judgement_of(metric.name)
            tolerance = gate.get("tolerance", 0.0)
            limit = math.log1p(tolerance) if judgement.is_log else tolerance
            found[str(metric.name)] = max(judgement.margin, limit)
    return found


def _say_what_no_gate_saw(
    connection: Connection,
    run_id: int,
    compared: Sequence[NewComparison],
    gates: Mapping[str, float],
) -> None:
    """Leave a notice where a gate is green because it has nothing to compare with."""
    gated = [one for one in compared if one.metric in gates]
    unjudged = {Change.TOO_FEW, Change.NOT_COMPARABLE, Change.ENVIRONMENT}
    blind = [one for one in gated if one.outcome in unjudged or is_inside_noise(one.reason)]
    connection.execute(delete(Finding).where(Finding.run_id == run_id, Finding.kind == BLIND))
    if blind:
        text = (
            f"{len(blind)} of {count(len(gated), 'gated series', 'gated series')} could not be "
            f"judged, for instance {blind[0].metric}: {blind[0].reason}"
        )
        row = insert(Finding).values(run_id=run_id, kind=BLIND, text=text, body={})
        connection.execute(row)


def fails(one: NewComparison, gates: Mapping[str, float]) -> bool:
    """Say whether a series that regressed did so by more than a declared gate tolerates."""
    limit = gates.get(one.metric)
    return limit is not None and one.estimate is not None and abs(one.estimate) >= limit


def _sentence(one: NewComparison, row: MeasurementRow, known: str) -> str:
    interval = (one.estimate or 0.0, one.low or 0.0, one.high or 0.0)
    name = row.test.split("/", 2)[-1]
    words = change_words(one.metric, interval)
    where = f"{one.metric} of {name} on {row.platform}"
    already = f"; the target branch has: {known}" if known else ""
    return f"performance regressed: {where} {words}, {one.body['noise']}, {one.reason}{already}"


def _open_alerts(connection: Connection, keys: Sequence[str]) -> Mapping[str, str]:
    """Return the last standing alert of each series that got worse on the target branch."""
    rows = changes_of_series(connection, keys)
    accepted = acceptances_of(connection, [row.id for row in rows])
    return {
        row.series_key: f"{moved_words([moved_of(row)])} since {commits_of(row).words}"
        for row in rows
        if row.state == "alert" and row.direction == "worse" and row.id not in accepted
    }


def latest_of_series(rows: Iterable[MeasurementRow]) -> Mapping[str, MeasurementRow]:
    """Keep one point per series: a retried attempt replaces the one before it."""
    return {row.series_key: row for row in rows if row.series_key}


def latest_points(rows: Iterable[MeasurementRow]) -> tuple[MeasurementRow, ...]:
    """Keep one point per series, and per cell, test and metric where no series is named yet."""
    latest = {
        (row.series_key, "" if row.series_key else f"{row.cell_key} {row.test} {row.metric}"): row
        for row in rows
    }
    return tuple(latest.values())


@dataclass(frozen=True, slots=True, kw_only=True)
class Baseline:
    """What a point is compared with, oldest first."""

    recent: tuple[Point, ...] = ()
    passed: tuple[Point, ...] = ()
    """Of the last runs of the target branch that passed; the oldest are the pinned reference."""
    runs: tuple[int, ...] = ()
    """Surrogates of the runs of `recent`."""


def _judged(row: MeasurementRow, baseline: Baseline, gates: Mapping[str, float]) -> Comparison:
    judgement = judgement_of(row.metric)
    point = _point(row)
    found = compare(point, baseline.recent, judgement)
    if found.change is not Change.REGRESSED:
        return with_reference(found, point, baseline.passed, judgement)
    limit = gates.get(row.metric, 0.0)
    # Worse than the last runs by less than the gate tolerates: what went before may add to it.
    crept = with_reference(
        replace(found, change=Change.INCONCLUSIVE), point, baseline.passed, judgement
    )
    more = crept.interval if crept.change is Change.REGRESSED else None
    is_within = found.interval is not None and abs(found.interval.estimate) < limit
    return crept if is_within and more is not None and abs(more.estimate) >= limit else found


def _earlier_points(
    connection: Connection, keys: tuple[str, ...], run_id: int
) -> Mapping[str, Baseline]:
    """Return the earlier points of each series: those of the target branch that passed, if enough.

    A series that has too few of these is compared with whatever was measured before.
    """
    by_series: dict[str, dict[int, Point]] = defaultdict(dict)
    if keys:
        for row in points_of_series(connection, keys, before_run=run_id):
            if row.valid:
                by_series[row.series_key][row.run_id] = _point(row)
    runs = {run for points in by_series.values() for run in points}
    good = passed_on_mainline(connection, runs)
    accepted = references_of(connection, keys)
    on_branch = on_mainline(connection, runs) if accepted else frozenset()
    return {
        key: _since_accepted(points, good, on_branch, accepted[key])
        if key in accepted
        else _baseline(points, good)
        for key, points in by_series.items()
    }


def _since_accepted(
    points: Mapping[int, Point], good: Set[int], on_branch: Set[int], reference: Reference
) -> Baseline:
    """Return the baseline since a shift was accepted; its first runs stay the pinned reference."""
    since = {run: point for run, point in points.items() if run >= reference.begin}
    # What was accepted counts, although its gate failed for that very shift.
    told = {run for run in since if run <= reference.until and run in on_branch}
    found = _baseline(since, good | told)
    passed = [run for run in since if run in good | told]
    pinned = (*passed[:OLDEST], *passed[OLDEST:][-(LONGEST_BASELINE - OLDEST) :])
    return replace(found, passed=tuple(since[run] for run in pinned))


def _baseline(points: Mapping[int, Point], good: Set[int]) -> Baseline:
    passed = [run for run in points if run in good][-LONGEST_BASELINE:]
    recent = passed if len(passed) >= MINIMUM_RUNS else list(points)[-LONGEST_BASELINE:]
    return Baseline(
        recent=tuple(points[run] for run in recent),
        passed=tuple(points[run] for run in passed),
        runs=tuple(recent),
    )


def _point(row: MeasurementRow) -> Point:
    return Point(run=row.run_number, replicates=row.replicates or (row.value,), probe=row.probe)


def _record(row: MeasurementRow, comparison: Comparison, floor: NoiseFloor | None) -> NewComparison:
    interval, twin = comparison.interval, comparison.normalised
    return NewComparison(
        series_key=row.series_key,
        test_id=row.test_id,
        variant_id=row.variant_id,
        metric=row.metric,
        outcome=comparison.change,
        estimate=interval.estimate if interval else None,
        low=interval.low if interval else None,
        high=interval.high if interval else None,
        baseline_points=comparison.earlier_runs,
        reason=comparison.reason,
        body={
            "method": comparison.method,
            "replicates": comparison.replicates,
            "normalised": [twin.estimate, twin.low, twin.high] if twin else None,
            "noise": noise_words(comparison, floor) if interval else "",
        },
    )
