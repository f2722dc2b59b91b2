"""Step of the finalizer: give every measured series its new point, and say what that reveals.

Only runs of the target branch itself are points of a watched series; a change is compared with it.
"""

from __future__ import annotations

import logging
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence

from sqlalchemy import Connection, insert, select, update

from hotfire_infra.analysis.canaries import CanaryLookup
from hotfire_infra.analysis.change_groups import (
    Commits,
    Moved,
    alert_words,
    group,
    overlapping,
    sharpest,
)
from hotfire_infra.analysis.change_reports import commits_of, moved_of
from hotfire_infra.analysis.change_tracking import (
    ChangeState,
    Followed,
    p_value,
    stands_out,
)
from hotfire_infra.analysis.judgements import is_of_machine, is_part
from hotfire_infra.analysis.watched_series import (
    Left,
    WatchedSeries,
    points_by_run,
    read_anew,
    restored,
)
from hotfire_infra.store.database import Store
from hotfire_infra.store.mainline import MainlineRun, mainline_runs
from hotfire_infra.store.models import Finding
from hotfire_infra.store.postgres import serialise
from hotfire_infra.store.queries_measurements import MeasurementRow, measurements_of_run
from hotfire_infra.store.series_changes import (
    ChangeRow,
    add_points,
    changes_of_causes,
    changes_of_series,
    newest_changes,
    series_of_run,
    states_of,
    write_states,
)
from hotfire_testframework.contract.ulid import new_ulid

log = logging.getLogger(__name__)

CHANGE = "change"
"""Kind of the finding that an alert is."""
WITHDRAWN = "change-withdrawn"
OPEN_ALERTS = 200
"""Newest alerts among which the cause of a new one is looked for."""


def watch_series(store: Store, run_id: int) -> tuple[str, ...]:
    """Take a run's points, record changes, leave notices; nothing here blocks.

    All of it is one transaction, and what was taken once is not taken again, so that the step can
    be repeated after a crash.
    """
    with store.reading() as connection:
        found = mainline_runs(connection, [run_id])
        rows = newest_points(measurements_of_run(connection, run_id)) if found else ()
        # Parts explain other metrics: what they did stands with a change of those.
        rows = tuple(row for row in rows if not is_part(row.metric))
    if rows and _has_detector():
        with store.writing() as connection:
            serialise(connection, "series")
            _watch(connection, found[0], rows)
    return ()


def newest_points(rows: Sequence[MeasurementRow]) -> tuple[MeasurementRow, ...]:
    """Return one point per series of one run: the last valid one, else the last."""
    by_series: dict[str, list[MeasurementRow]] = {}
    for row in rows:
        if row.series_key:
            by_series.setdefault(row.series_key, []).append(row)
    return tuple(row for many in by_series.values() for row in points_by_run(many).values())


def _has_detector() -> bool:
    """Import it before a transaction begins: the first import takes seconds."""
    try:
        import hotfire_infra.analysis.changepoints  # noqa: F401
    except ImportError as error:
        log.warning(
            "series are not watched for changes: %s; install hotfire[numerics], the next run on "
            "the target branch then catches up", error,
        )  # fmt: skip
        return False
    return True


def _watch(connection: Connection, run: MainlineRun, rows: Sequence[MeasurementRow]) -> None:
    keys = [row.series_key for row in rows]
    taken = series_of_run(connection, run.id, keys)
    known = _left(connection, keys)
    watched, points = [], []
    for row in rows:
        if row.series_key in taken and row.series_key in known:
            continue
        series = restored(connection, row, run, known.get(row.series_key))
        if series is None:
            series = read_anew(connection, row, run)
        else:
            points.append(series.append(row))
        watched.append(series)
    add_points(connection, points)
    write_states(connection, [series.state() for series in watched])
    _judge(connection, run, watched)


def _left(connection: Connection, keys: Sequence[str]) -> Mapping[str, Left]:
    """Return how each series was left, as far as anybody watched it."""
    states = states_of(connection, keys)
    last = {one.id: one for one in mainline_runs(connection, {s.run_id for s in states.values()})}
    changes: dict[str, list[ChangeRow]] = defaultdict(list)
    for row in changes_of_series(connection, keys):
        changes[row.series_key].append(row)
    return {
        key: Left(state=state, last=last[state.run_id], changes=changes[key])
        for key, state in states.items()
        if state.run_id in last
    }


def _judge(connection: Connection, run: MainlineRun, watched: Sequence[WatchedSeries]) -> None:
    """Decide which changes are worth a notice, and write all that are new or not as they were."""
    for series in watched:
        series.explain_anew()
    stale = [(series, one) for series in watched for one in series.changes if one.is_stale]
    candidates = [
        (series, one)
        for series, one in stale
        if one.stands and one.state is ChangeState.RECORDED and _is_news(series, one, run)
    ]
    lookup = CanaryLookup.over(connection)
    p_values = [p_value(one.point.confidence, s.detector.arl0) for s, one in candidates]
    looked_at = sum(series.took for series in watched)
    survives = stands_out(p_values, max(looked_at, len(p_values)))
    told = []
    for (series, one), is_real in zip(candidates, survives, strict=True):
        effect = series.effect(one)
        event = series.event(one, lookup) if effect.is_important and is_real else ""
        if event:
            one.reason = event
        elif effect.is_important and is_real:
            one.state, one.reason = ChangeState.ALERT, ""
            told.append((series, one))
        else:
            one.reason = effect.reason or f"does not stand out among {looked_at} series"
    _join_causes(connection, told)
    for series, one in stale:
        series.write(one)
    read_anew_too = (cause for series in watched for cause in series.withdrawn_causes)
    causes = [one.cause for _, one in stale if one.cause]
    _tell(connection, run, dict.fromkeys([*causes, *read_anew_too]))


def _is_news(series: WatchedSeries, change: Followed, run: MainlineRun) -> bool:
    """A change of this run's point, or an earlier one that what came since has made larger."""
    return change.noticed == run.id or (not series.is_anew and change is series.changes[-1])


def _join_causes(connection: Connection, told: Sequence[tuple[WatchedSeries, Followed]]) -> None:
    """Group what is told over series: one cause for all that one commit explains."""
    moved = [_moved(connection, series, one) for series, one in told]
    alerts = newest_changes(connection, limit=OPEN_ALERTS, states=(ChangeState.ALERT,))
    known = [
        (str(row.cause), commits_of(row), is_of_machine(row.metric)) for row in alerts if row.cause
    ]
    # What the machine did has no commit for its cause, and is an alert of its own.
    for is_machine in (False, True):
        mine = [at for at, one in enumerate(moved) if is_of_machine(one.metric) is is_machine]
        before = [(name, at) for name, at, is_its in known if is_its is is_machine]
        for found in group([moved[at].commits for at in mine]):
            # The rest of what another run noticed first: the same alert, not a second one.
            cause = overlapping(found.commits, before) or new_ulid()
            for place in found.members:
                told[mine[place]][1].cause = cause


def _moved(connection: Connection, series: WatchedSeries, change: Followed) -> Moved:
    effect = series.effect(change)
    _, after, until = series.interval(change)
    ends = mainline_runs(connection, [one for one in (after, until) if one is not None])
    revisions = {one.id: one.revision for one in ends}
    return Moved(
        test=series.row.test,
        metric=series.row.metric,
        kind=change.point.kind.value,
        effect=effect.size,
        course=effect.course.value,
        commits=Commits(
            after=after,
            until=until,
            after_revision=None if after is None else revisions[after],
            until_revision=revisions[until],
        ),
    )


def _tell(connection: Connection, run: MainlineRun, causes: Iterable[str]) -> None:
    """Leave one finding for each cause at the run that noticed it first, as it is known now."""
    for cause in causes:
        rows = changes_of_causes(connection, [cause])
        _replace(connection, min(row.noticed_run_id for row in rows), CHANGE, cause, words_of(rows))
        gone = [row for row in rows if row.withdrawn_run_id == run.id]
        if gone and not any(row.state == ChangeState.ALERT for row in rows):
            text = f"{words_of(rows)}; run {rows[0].noticed_run_number} had noticed it"
            _replace(connection, run.id, WITHDRAWN, cause, text)


def _replace(connection: Connection, run_id: int, kind: str, cause: str, text: str) -> None:
    query = select(Finding.id, Finding.body).where(Finding.run_id == run_id, Finding.kind == kind)
    for row in connection.execute(query).all():
        if (row.body or {}).get("cause") == cause:
            connection.execute(update(Finding).where(Finding.id == row.id).values(text=text))
            return
    body = {"cause": cause}
    connection.execute(insert(Finding).values(run_id=run_id, kind=kind, text=text, body=body))


def words_of(rows: Sequence[ChangeRow]) -> str:
    """Return the sentence of an alert from its changes, and that it was withdrawn if all were."""
    standing = [row for row in rows if row.state != ChangeState.WITHDRAWN]
    moved = [moved_of(row) for row in standing or rows]
    text = alert_words(moved, sharpest([one.commits for one in moved]))
    if all(is_of_machine(row.metric) for row in rows):
        text = f"environment event: {text}; it is of the machine, not of a commit"
    # One cause, one explanation: that of the first series which has one.
    text += next((f"; {row.operators}" for row in standing if row.operators), "")
    if standing:
        return text
    last = max(row.withdrawn_run_number or 0 for row in rows)
    return f"withdrawn by run {last}, later points disprove it: {text}"
