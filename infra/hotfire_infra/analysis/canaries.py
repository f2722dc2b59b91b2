"""Environment events: canaries that moved with a shift say that the machine did it, not the code.

Canaries are fixed work beside every performance attempt (`hotfire_testframework.measuring.canary`), in
series of their own. A shift of another series, at the same runs and on the same kind of device, is an
environment event if a canary moved the same way, beyond its own noise, and what it leaves of the shift
is no more than noise or no more than matters.
"""

from __future__ import annotations

import math
import statistics
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from sqlalchemy import Connection

from hotfire_infra.analysis import student_t
from hotfire_infra.analysis.comparison import Change, Comparison, Judgement
from hotfire_infra.analysis.judgements import is_of_machine, judgement_of
from hotfire_infra.store.queries_measurements import MeasurementRow, measured_in_runs
from hotfire_testframework.contract.metrics import METRICS, Direction

CANARIES = tuple(str(one.name) for one in METRICS if one.name.startswith("canary."))
DOUBT = 0.01
"""Chance, over all canaries together, that one is said to have moved which did not."""
MOST = 20
"""Runs on either side of a change that are looked at, those nearest to it."""
FEWEST = 3
"""Runs before, below which the spread of a canary is a guess."""
EVENT = "environment"
"""Kind of a change that the machine explains."""
_EVENT = "environment event: the machine's "


@dataclass(frozen=True, slots=True, kw_only=True)
class CanaryShift:
    """A canary that moved; logarithms of its time."""

    metric: str
    shift: float
    """Positive: the machine became slower."""
    half_width: float
    """Of the interval of the shift."""

    @property
    def words(self) -> str:
        """Return `memory canary +22 %`."""
        name = self.metric.removeprefix("canary.").removesuffix("_time")
        return f"{name} canary {100 * math.expm1(self.shift):+.0f} %"


def shifts(
    before: Mapping[str, Sequence[float]], after: Mapping[str, Sequence[float]]
) -> tuple[CanaryShift, ...]:
    """Return the canaries that moved, the largest shift first; values are seconds, one per run.

    Student's two-sample interval of the logarithms, spread pooled (Student 1908; for one run after,
    Crawford & Howell 1998), at `DOUBT` over all canaries (Bonferroni), has to exclude no change, and
    the shift has to matter.
    """
    shared = [one for one in before if len(before[one]) >= FEWEST and after.get(one)]
    found = []
    for metric in shared:
        old = [math.log(value) for value in before[metric]]
        new = [math.log(value) for value in after[metric]]
        shift = statistics.fmean(new) - statistics.fmean(old)
        freedom = len(old) + len(new) - 2
        squares = sum(
            math.fsum((value - statistics.fmean(some)) ** 2 for value in some)
            for some in (old, new)
        )
        error = math.sqrt(squares / freedom * (1 / len(old) + 1 / len(new)))
        half = student_t.quantile(1 - DOUBT / len(shared) / 2, freedom) * error
        if abs(shift) > max(half, judgement_of(metric).margin):
            found.append(CanaryShift(metric=metric, shift=shift, half_width=half))
    return tuple(sorted(found, key=lambda one: -abs(one.shift)))


def explaining(
    loss: float, half_width: float, margin: float, moved: Sequence[CanaryShift]
) -> CanaryShift | None:
    """Return the canary that leaves nothing of a shift; None where the machine does not explain it.

    `loss` is on a log scale, positive is worse. What remains without the canary, loss - shift, is noise
    within the root of both squared half widths, and does not matter below `margin`; where the canary
    moved by more than the series did, nothing remains.
    """
    for one in moved:
        if one.shift * loss <= 0:
            continue
        left = math.copysign(1.0, loss) * (loss - one.shift)
        if left <= max(margin, math.hypot(half_width, one.half_width)):
            return one
    return None


def loss_of(estimate: float, judgement: Judgement) -> float:
    """Return a shift of levels as a loss: positive is worse."""
    return estimate if judgement.direction is Direction.SMALLER else -estimate


def event_words(one: CanaryShift) -> str:
    """Return the reason of an environment event."""
    return f"{_EVENT}{one.words} in the same runs"


def is_event_words(reason: str) -> bool:
    """Return whether a reason is that of an environment event."""
    return reason.startswith(_EVENT)


@dataclass(slots=True, kw_only=True)
class CanaryLookup:
    """What canaries did between runs, each pair of groups read once."""

    connection: Connection
    _known: dict[tuple[str, tuple[int, ...], tuple[int, ...]], tuple[CanaryShift, ...]]

    @classmethod
    def over(cls, connection: Connection) -> CanaryLookup:
        """Begin with nothing read."""
        return cls(connection=connection, _known={})

    def between(
        self, environment_class: str, old: Sequence[int], new: Sequence[int]
    ) -> tuple[CanaryShift, ...]:
        """Return the canaries that moved from some runs to others on one kind of device."""
        key = (environment_class, tuple(sorted(old))[-MOST:], tuple(sorted(new))[:MOST])
        if key not in self._known:
            self._known[key] = self._read(*key)
        return self._known[key]

    def _read(
        self, environment_class: str, old: Sequence[int], new: Sequence[int]
    ) -> tuple[CanaryShift, ...]:
        if len(old) < FEWEST or not new:
            return ()
        sides: tuple[dict[str, dict[int, float]], ...] = ({}, {})
        rows = measured_in_runs(self.connection, CANARIES, environment_class, [*old, *new])
        newest = {row.metric: row.series_key for row in rows}
        for row in rows:
            if row.valid and row.value > 0 and row.series_key == newest[row.metric]:
                side = sides[row.run_id in new]
                side.setdefault(row.metric, {})[row.run_id] = row.value
        before, after = (
            {metric: list(values.values()) for metric, values in side.items()} for side in sides
        )
        return shifts(before, after)


def against_canaries(
    found: Comparison, row: MeasurementRow, earlier: Sequence[int], lookup: CanaryLookup
) -> Comparison:
    """Call a change an environment event where the machine's canaries explain it."""
    judgement = judgement_of(row.metric)
    interval = found.interval
    if found.change not in {Change.REGRESSED, Change.IMPROVED} or interval is None:
        return found
    if is_of_machine(row.metric) or not judgement.is_log:
        return found
    moved = lookup.between(row.environment_class, earlier, [row.run_id])
    half_width = (interval.high - interval.low) / 2
    loss = loss_of(interval.estimate, judgement)
    one = explaining(loss, half_width, judgement.margin, moved)
    if one is not None:
        return replace(found, change=Change.ENVIRONMENT, reason=event_words(one))
    return found
