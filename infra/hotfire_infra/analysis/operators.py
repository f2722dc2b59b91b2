"""Which parts of a metric moved with it: the operators behind an end-to-end shift.

A part is a metric that the registry calls `part_of` another (`aestus.decode_time.attention` of
`aestus.decode_rate`), measured by the same test in the same process. One rule serves gates, changes of the
target branch and the comparison of two runs; these two know their spread only from A/A data.
"""

from __future__ import annotations

import math
import statistics
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from sqlalchemy import Connection

from hotfire_infra.analysis import student_t
from hotfire_infra.analysis.noise import floors_of
from hotfire_infra.analysis.noise_components import Spread
from hotfire_infra.store.queries_measurements import (
    MeasurementRow,
    measured_beside,
    points_of_series,
)
from hotfire_infra.store.series_changes import positions_of
from hotfire_testframework.contract.metrics import METRICS, Unit

DOUBT = 0.01
"""Chance, over all parts of a metric together, that one is named which did not move."""
SHARE = 0.1
"""Of the whole shift, below which a part is not worth a word."""
MOST = 20
"""Runs on either side of a change that are looked at, those nearest to it."""
FEWEST = 3
"""Runs before, below which the spread between runs is a guess without A/A data."""
NONE_ALONE = "no operator alone: what moved is spread over all of them"


@dataclass(frozen=True, slots=True, kw_only=True)
class PartShift:
    """A part that moved in the direction of the whole."""

    metric: str
    before: float
    after: float
    """Seconds."""
    share: float
    """Of the shift of the whole; parts that moved the other way can make it more than 1."""

    @property
    def words(self) -> str:
        """Return `attention +31 % (92 % of it)`."""
        name = self.metric.rsplit(".", 1)[-1]
        return (
            f"{name} {100 * (self.after / self.before - 1):+.0f} % ({100 * self.share:.0f} % of it)"
        )


def parts_of(metric: str) -> tuple[str, ...]:
    """Return the registered parts of a metric; none for most."""
    return tuple(str(one.name) for one in METRICS if one.part_of == metric)


def explaining(
    before: Mapping[str, Sequence[float]],
    after: Mapping[str, Sequence[float]],
    whole: float,
    known: Mapping[str, Spread] | None = None,
) -> tuple[PartShift, ...] | None:
    """Return the parts whose own shift explains a shift of the whole, the largest first.

    Values are seconds, one per run, by part; `whole` is the shift of the whole in seconds. A part
    counts if Student's two-sample interval of its logarithms, spread pooled (Student 1908; for one
    run after, Crawford & Howell 1998), excludes no change at `DOUBT` over all parts (Bonferroni).
    `known` spreads of parts, from A/A data, are pooled with what these runs show by their degrees of
    freedom. None: too little was measured to say.
    """
    known = known or {}
    shared = [
        part
        for part in before
        if (len(before[part]) >= FEWEST or part in known) and after.get(part) and whole != 0
    ]
    if not shared:
        return None
    moved = []
    for part in shared:
        old = [math.log(value) for value in before[part]]
        new = [math.log(value) for value in after[part]]
        shift = statistics.fmean(new) - statistics.fmean(old)
        if abs(shift) > _half_width(old, new, DOUBT / len(shared), known.get(part)):
            then, now = math.exp(statistics.fmean(old)), math.exp(statistics.fmean(new))
            share = (now - then) / whole
            if share >= SHARE:
                moved.append(PartShift(metric=part, before=then, after=now, share=share))
    return tuple(sorted(moved, key=lambda one: -one.share))


def _half_width(
    old: Sequence[float], new: Sequence[float], doubt: float, known: Spread | None
) -> float:
    freedom = len(old) + len(new) - 2
    squares = sum(
        math.fsum((value - statistics.fmean(some)) ** 2 for value in some) for some in (old, new)
    )
    if known is not None:
        freedom += known.freedom
        squares += known.freedom * known.sd**2
    error = math.sqrt(squares / freedom * (1 / len(old) + 1 / len(new)))
    return student_t.quantile(1 - doubt / 2, freedom) * error


def parts_words(moved: Sequence[PartShift] | None) -> str:
    """Return `operators: attention +31 % (92 % of it)`; empty where nothing can be said."""
    if moved is None:
        return ""
    return "operators: " + (", ".join(one.words for one in moved) or NONE_ALONE)


def operators_of_change(
    connection: Connection, newest: MeasurementRow, position: int
) -> tuple[PartShift, ...] | None:
    """Return the operators that explain a change at a position of a watched series, as known now.

    `newest` is a point of the series. O(its points).
    """
    parts = parts_of(newest.metric)
    if not parts:
        return None
    key = newest.series_key
    places = positions_of(connection, key, position - MOST, position + MOST - 1)
    points = points_of_series(connection, [key], is_mainline=True)
    whole = {one.run_id: one for one in points if one.valid and one.run_id in places}
    measured = measured_beside(connection, newest, parts, list(whole))
    old = [run for run in whole if places[run] < position]
    new = [run for run in whole if places[run] >= position]
    return _between(connection, measured, whole, old, new)


def operators_of_run(
    connection: Connection, row: MeasurementRow, earlier: Sequence[int]
) -> tuple[PartShift, ...] | None:
    """Return the operators that explain how a run's point differs from those of earlier runs."""
    parts = parts_of(row.metric)
    if not parts or not earlier:
        return None
    runs = [*earlier[-MOST:], row.run_id]
    points = points_of_series(connection, [row.series_key])
    whole = {one.run_id: one for one in points if one.valid and one.run_id in runs}
    whole[row.run_id] = row
    measured = measured_beside(connection, row, parts, runs)
    others = [run for run in whole if run != row.run_id]
    return _between(connection, measured, whole, others, [row.run_id])


def operators_of_pair(
    connection: Connection, before: MeasurementRow, after: MeasurementRow
) -> tuple[PartShift, ...] | None:
    """Return the operators that explain how one point of a series differs from another."""
    parts = parts_of(after.metric)
    if not parts:
        return None
    whole = {before.run_id: before, after.run_id: after}
    measured = measured_beside(connection, after, parts, list(whole))
    return _between(connection, measured, whole, [before.run_id], [after.run_id])


def _between(
    connection: Connection,
    measured: Sequence[MeasurementRow],
    whole: Mapping[int, MeasurementRow],
    old: Sequence[int],
    new: Sequence[int],
) -> tuple[PartShift, ...] | None:
    if not old or not new:
        return None
    before, after = dict[str, dict[int, float]](), dict[str, dict[int, float]]()
    for one in measured:
        if one.valid and one.value > 0:
            side = before if one.run_id in old else after
            side.setdefault(one.metric, {})[one.run_id] = one.value
    floors = floors_of(
        connection, {one.series_key: (one.metric, one.environment_class) for one in measured}
    )
    # Pooled over other series a spread may be that of others.
    own = {key: floor.spread for key, floor in floors.items() if floor.is_own}
    known = {one.metric: own[one.series_key] for one in measured if one.series_key in own}
    shift = _seconds([whole[run] for run in new]) - _seconds([whole[run] for run in old])
    return explaining(
        {part: list(values.values()) for part, values in before.items()},
        {part: list(values.values()) for part, values in after.items()},
        shift,
        known,
    )


def _seconds(rows: Sequence[MeasurementRow]) -> float:
    """Return the mean of a whole as a time: of a rate, its inverse."""
    is_time = rows[0].unit == Unit.SECOND.value
    return statistics.fmean(row.value if is_time else 1 / row.value for row in rows)
