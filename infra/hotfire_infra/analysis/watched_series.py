"""One watched series in the store: restored or read anew, given its point, written back."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from sqlalchemy import Connection

from hotfire_infra.analysis.canaries import (
    EVENT,
    CanaryLookup,
    event_words,
    explaining,
    is_event_words,
    loss_of,
)
from hotfire_infra.analysis.canaries import MOST as NEAREST
from hotfire_infra.analysis.change_tracking import (
    ChangeState,
    Effect,
    Followed,
    effect_of,
    means_around,
    take,
)
from hotfire_infra.analysis.judgements import is_of_machine, judgement_of
from hotfire_infra.analysis.operators import MOST, operators_of_change, parts_of, parts_words
from hotfire_infra.store.mainline import MainlineRun, comes_after, in_branch_order, mainline_runs
from hotfire_infra.store.queries_measurements import MeasurementRow, points_of_series
from hotfire_infra.store.series_changes import (
    ChangeRow,
    PointRow,
    StateRow,
    add_points,
    changes_of_series,
    forget_points,
    insert_change,
    positions_of,
    runs_at,
    update_change,
)
from hotfire_testframework.contract.metrics import METRICS
from hotfire_testframework.contract.ulid import new_ulid

if TYPE_CHECKING:
    from hotfire_infra.analysis.changepoints import Detector

VERSION = 1
"""Of how points are fed; another one makes every state anew."""
FOUND_LATER = "found when the series was read anew: nobody was told"
NOT_FOUND_AGAIN = "not found again when the series was read anew"


@dataclass(slots=True, kw_only=True)
class WatchedSeries:
    """A detector with what is recorded beside it."""

    connection: Connection
    row: MeasurementRow
    """Its newest point: what the series is of."""
    run: MainlineRun
    """The run whose point is taken."""
    detector: Detector
    points: int = 0
    last: int = 0
    """Run of the last point on the branch."""
    changes: list[Followed] = field(default_factory=list)
    is_anew: bool = False
    took: bool = False
    """Whether the run's point was taken, not skipped."""
    withdrawn_causes: list[str] = field(default_factory=list)
    """Of what was told and is not found again."""
    runs: dict[int, int] = field(default_factory=dict)
    """Run by position, as far as known here."""

    @property
    def key(self) -> str:
        """Its series key."""
        return self.row.series_key

    def append(self, row: MeasurementRow) -> PointRow:
        """Give the detector one run's point, unless something speaks against that."""
        self.last = row.run_id
        reason = objection(row)
        if reason:
            return PointRow(
                series_key=row.series_key, run_id=row.run_id, position=None, reason=reason
            )
        position = self.points
        take(self.detector, self.changes, row.value, row.machine, row.run_id)
        self.points += 1
        self.runs[position] = row.run_id
        self.took = self.took or row.run_id == self.run.id
        return PointRow(series_key=row.series_key, run_id=row.run_id, position=position)

    def effect(self, change: Followed) -> Effect:
        """Return how large a change is."""
        means = None
        if change.point.kind.value == "mix":
            values = self._values()
            means = means_around(values, change.point.index)
        return effect_of(change.point, judgement_of(self.row.metric), means)

    def _values(self) -> list[float]:
        rows = points_of_series(self.connection, [self.key], is_mainline=True)
        by_run = {run: row.value for run, row in points_by_run(rows).items() if row.valid}
        taken = runs_at(self.connection, self.key, range(self.points))
        return [by_run[taken[place]] for place in sorted(taken) if taken[place] in by_run]

    def interval(self, change: Followed) -> tuple[int, int | None, int]:
        """Return the runs of a change: first of the new level, last before it, last it may be."""
        point = change.point
        wanted = {point.index, point.low - 1, point.high}
        self.runs |= runs_at(self.connection, self.key, sorted(wanted - self.runs.keys()))
        return self.runs[point.index], self.runs.get(point.low - 1), self.runs[point.high]

    def explain_anew(self) -> None:
        """Let the last change be written again while more points tell more of its operators."""
        if parts_of(self.row.metric) and self.changes:
            last = self.changes[-1]
            is_young = self.points - last.point.index <= MOST
            last.is_stale = last.is_stale or (last.stands and is_young)

    def event(self, change: Followed, lookup: CanaryLookup) -> str:
        """Say which canary of the machine explains a change; empty where none does."""
        judgement = judgement_of(self.row.metric)
        size = self.effect(change).size
        is_level = change.point.kind.value in {"step", "drift", "mix"}
        if size is None or not is_level or not judgement.is_log or is_of_machine(self.row.metric):
            return ""
        index = change.point.index
        places = positions_of(self.connection, self.key, index - NEAREST, index + NEAREST - 1)
        old = [run for run, place in places.items() if index - NEAREST <= place < index]
        new = [run for run, place in places.items() if index <= place < index + NEAREST]
        moved = lookup.between(self.row.environment_class, old, new)
        loss = loss_of(math.log1p(size), judgement)
        one = explaining(loss, 0.0, judgement.margin, moved)
        return "" if one is None else event_words(one)

    def _operators(self, change: Followed) -> str:
        if change.point.kind.value not in {"step", "mix"} or not parts_of(self.row.metric):
            return ""
        found = operators_of_change(self.connection, self.row, change.point.index)
        return parts_words(found)

    def write(self, change: Followed) -> None:
        """Store a change as it is now; one that came and went unseen is nobody's business."""
        change.is_stale = False
        if change.id is None and not change.stands:
            return
        effect = self.effect(change)
        first, after, until = self.interval(change)
        point = change.point
        is_event = change.state is not ChangeState.ALERT and is_event_words(change.reason)
        values = {
            "kind": EVENT if is_event else point.kind.value,
            "position": point.index,
            "run_id": first,
            "after_run_id": after,
            "until_run_id": until,
            "before": point.before,
            "after": point.after,
            "confidence": point.confidence,
            "effect": effect.size,
            "direction": effect.course.value,
            "state": change.state.value,
            "reason": change.reason,
            "cause": change.cause,
            "withdrawn_run_id": change.withdrawn,
            "operators": self._operators(change) or None,
        }
        if change.id is not None:
            update_change(self.connection, change.id, values)
            return
        change.id = insert_change(
            self.connection,
            {
                **values,
                "ulid": new_ulid(),
                "series_key": self.key,
                "test_id": self.row.test_id,
                "variant_id": self.row.variant_id,
                "metric": self.row.metric,
                "noticed_run_id": change.noticed,
            },
        )

    def state(self) -> StateRow:
        """Return where the detector stands."""
        return StateRow(
            series_key=self.key,
            version=VERSION,
            run_id=self.last,
            points=self.points,
            state=self.detector.state(),
        )


def objection(row: MeasurementRow) -> str:
    """Say why a point is not taken; empty if it is."""
    if not row.valid:
        return row.reason or "not valid"
    if row.metric not in METRICS:
        return f"the metric {row.metric} is not registered any more"
    return ""


def points_by_run(rows: Iterable[MeasurementRow]) -> Mapping[int, MeasurementRow]:
    """Return one point per run of one series: the last valid one, else the last."""
    return {row.run_id: row for row in sorted(rows, key=lambda row: row.valid)}


@dataclass(frozen=True, slots=True, kw_only=True)
class Left:
    """How a series was left by the run before."""

    state: StateRow
    last: MainlineRun
    """The run of the last point on the branch."""
    changes: Sequence[ChangeRow]


def restored(
    connection: Connection, row: MeasurementRow, run: MainlineRun, left: Left | None
) -> WatchedSeries | None:
    """Return a series as it was left; None where it must be read anew to take this run's point."""
    from hotfire_infra.analysis.changepoints import Detector

    if left is None or left.state.version != VERSION or not comes_after(run, left.last):
        return None
    state = left.state
    try:
        detector = Detector.restore(state.state)
    except (ValueError, KeyError, TypeError, IndexError):
        return None
    rows = [
        one
        for one in left.changes
        if one.state != ChangeState.WITHDRAWN and one.position is not None
    ]
    rows.sort(key=lambda one: one.position or 0)
    current = detector.changepoints
    if [one.position for one in rows] != [point.index for point in current]:
        return None
    changes = [
        Followed(
            point=point,
            noticed=one.noticed_run_id,
            id=one.id,
            state=ChangeState(one.state),
            reason=one.reason,
            cause=one.cause,
        )
        for one, point in zip(rows, current, strict=True)
    ]
    return WatchedSeries(
        connection=connection,
        row=row,
        run=run,
        detector=detector,
        points=state.points,
        last=state.run_id,
        changes=changes,
    )


def read_anew(connection: Connection, row: MeasurementRow, run: MainlineRun) -> WatchedSeries:
    """Feed a new detector with all points of a series in the order of the branch.

    What was told before keeps its place where it is found again.
    """
    from hotfire_infra.analysis.changepoints import Detector

    series = WatchedSeries(
        connection=connection, row=row, run=run, detector=Detector(), is_anew=True
    )
    key = row.series_key
    by_run = points_by_run(points_of_series(connection, [key], is_mainline=True))
    order = in_branch_order(mainline_runs(connection, list(by_run)))
    points = [series.append(by_run[one.id]) for one in order]
    forget_points(connection, key)
    add_points(connection, points)
    known = [one for one in changes_of_series(connection, [key]) if one.state != "withdrawn"]
    _reconcile(series, known, {one.id: place for place, one in enumerate(order)})
    return series


def _reconcile(series: WatchedSeries, known: Iterable[ChangeRow], place: Mapping[int, int]) -> None:
    """Find recorded changes among those that the new detector has."""
    first = min(place, default=0)
    for row in known:
        if row.run_id < first:
            # Its points were pruned: nobody can look at it again, so it stays as it was.
            update_change(series.connection, row.id, {"position": None})
            continue
        match = _match(series, row, place)
        if match is None:
            gone: dict[str, Any] = {
                "state": ChangeState.WITHDRAWN.value,
                "withdrawn_run_id": series.run.id,
                "reason": NOT_FOUND_AGAIN,
                "position": None,
            }
            update_change(series.connection, row.id, gone)
            series.withdrawn_causes += [row.cause] if row.cause else []
        else:
            match.id, match.state = row.id, ChangeState(row.state)
            match.cause, match.noticed = row.cause, row.noticed_run_id
            match.reason = row.reason
    for change in series.changes:
        change.is_stale = True
        if change.id is None and change.noticed != series.run.id:
            change.reason = FOUND_LATER


def _match(series: WatchedSeries, row: ChangeRow, place: Mapping[int, int]) -> Followed | None:
    begin = place.get(row.after_run_id or 0, -1)
    end = place.get(row.until_run_id, place.get(row.run_id, -1))
    for change in series.changes:
        if change.id is not None or not change.stands:
            continue
        _, after, until = series.interval(change)
        if max(begin, place.get(after or 0, -1)) < min(end, place[until]):
            return change
    return None
