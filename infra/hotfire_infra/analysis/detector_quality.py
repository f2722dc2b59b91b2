"""How good the change detector is on this store's own series.

Precision comes from what triage says of alerts, recall from canaries: steps that are multiplied into
stored points, which then take the way of production (machines, detector, states). Both carry the
interval that so few of them leave.
"""

from __future__ import annotations

import logging
import math
import random
import statistics
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise

from sqlalchemy import Connection

from hotfire_infra.analysis.change_tracking import Followed, take
from hotfire_infra.analysis.watched_series import objection, points_by_run
from hotfire_infra.store.database import Store
from hotfire_infra.store.mainline import in_branch_order, mainline_runs
from hotfire_infra.store.queries_measurements import points_of_series
from hotfire_infra.store.queries_quality import (
    CheckRow,
    add_check,
    label_counts,
    newest_checks,
    watched_keys,
)
from hotfire_testframework.contract.ulid import new_ulid

SIZES = ((0.5, 1.0), (1.0, 1.5), (1.5, 2.0), (2.0, 3.0), (3.0, 5.0))
"""Classes of injected steps, in scales of the series' own noise."""
FEWEST, LONGEST, MOST_SERIES = 60, 400, 200
"""Points of a series that is replayed, at least and at most; series of one check."""
HISTORY, TAIL = 30, 30
"""Points before and behind an injected step."""
MARGIN = 10
"""Points by which a found position may be off."""
REAL, NOT_REAL = frozenset({"true", "drift"}), frozenset({"false", "infra"})
"""Labels: a drift is real, and a machine's fault is no change of the code."""
EVERY_HOURS = 20
"""Once a day, whatever the hour."""
_Z = 1.959964

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class Share:
    """A share of few trials with its 95 % interval."""

    hits: int
    trials: int
    value: float | None
    """None of no trials."""
    interval: tuple[float, float]
    """Wilson's score interval (1927); everything where there were no trials."""

    @property
    def words(self) -> str:
        """Return `0.94 (0.83 … 0.98; 47 of 50)`."""
        if self.value is None:
            return "not known: none yet"
        low, high = self.interval
        return f"{self.value:.2f} ({low:.2f} … {high:.2f}; {self.hits} of {self.trials})"


def share(hits: int, trials: int) -> Share:
    """Return a share with its interval."""
    if trials == 0:
        return Share(hits=0, trials=0, value=None, interval=(0.0, 1.0))
    p, z2 = hits / trials, _Z * _Z
    centre = (p + z2 / (2 * trials)) / (1 + z2 / trials)
    half = _Z * math.sqrt(p * (1 - p) / trials + z2 / (4 * trials * trials)) / (1 + z2 / trials)
    interval = (max(0.0, centre - half), min(1.0, centre + half))
    return Share(hits=hits, trials=trials, value=p, interval=interval)


@dataclass(frozen=True, slots=True, kw_only=True)
class Recall:
    """What became of the steps of one class."""

    low: float
    high: float
    """Scales."""
    found: Share
    delay: float | None
    """Median of points from the step to its alert."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Quality:
    """What one check found."""

    id: str
    checked_ns: int
    series: int
    """Stored series with enough points; of none there is no recall."""
    precision: Share
    """Of the alerts that had a label by then."""
    recalls: tuple[Recall, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class DetectorQuality:
    """What labels say of the detector now, and what each check found, newest first."""

    precision: Share
    checks: tuple[Quality, ...]


def keep_checked(store: Store) -> Quality | None:
    """Check the detector unless that was done within the last `EVERY_HOURS`; None: nothing was due.

    For whoever comes once a day, and again after each restart. What cannot be checked yet is not
    recorded: a store without a series that is long enough, or a machine without numpy.
    """
    with store.reading() as connection:
        last = newest_checks(connection, limit=1)
        has_series = bool(watched_keys(connection, points=FEWEST, limit=1))
    now_ns = store.clock.wall_ns()
    if not has_series or (last and now_ns - last[0].checked_ns < EVERY_HOURS * 3600 * 10**9):
        return None
    try:
        found = check_detector(store, now_ns % 2**31)
    except ImportError as error:
        log.warning("the change detector cannot be checked: %s; install hotfire[numerics]", error)
        return None
    log.info("the change detector was checked on %d stored series", found.series)
    return found


def check_detector(store: Store, seed: int) -> Quality:
    """Inject steps into stored series, watch them as in production, and record what was found.

    Reads; what it writes is the check alone. About 10 ms for each series.
    """
    with store.reading() as connection:
        keys = watched_keys(connection, points=FEWEST, limit=MOST_SERIES)
        histories = [_history(connection, key) for key in keys]
    usable = [one for one in histories if len(one) >= FEWEST]
    draw = random.Random(seed)
    trials = [trial for one in usable for trial in _trials(one, draw)]
    counts = [
        {
            "low": low,
            "high": high,
            "found": sum(delay is not None for delay in delays),
            "injected": len(delays),
            "delay": _median([delay for delay in delays if delay is not None]),
        }
        for (low, high) in SIZES
        for delays in [[delay for size, delay in trials if low <= size < high]]
    ]
    with store.writing() as connection:
        row = CheckRow(
            ulid=new_ulid(), checked_ns=store.clock.wall_ns(), seed=seed, series=len(usable),
            body={"classes": counts, "labels": dict(label_counts(connection))},
        )  # fmt: skip
        add_check(connection, row)
    return quality_of(row)


def precision(connection: Connection) -> Share:
    """Return the share of labelled alerts that were real."""
    return share_of_labels(label_counts(connection))


def share_of_labels(counts: Mapping[str, int]) -> Share:
    """Return what labels, by how often each was given, say of precision."""
    real = sum(counts.get(label, 0) for label in REAL)
    return share(real, real + sum(counts.get(label, 0) for label in NOT_REAL))


def detector_quality(connection: Connection, *, limit: int = 20) -> DetectorQuality:
    """Return the precision that labels give now, and the checks made last."""
    known = tuple(quality_of(row) for row in newest_checks(connection, limit=limit))
    return DetectorQuality(precision=precision(connection), checks=known)


def quality_of(row: CheckRow) -> Quality:
    """Return a recorded check as people see it."""
    return Quality(
        id=row.ulid,
        checked_ns=row.checked_ns,
        series=row.series,
        # Checks before labels were kept with them know none.
        precision=share_of_labels(row.body.get("labels", {})),
        recalls=tuple(
            Recall(
                low=one["low"],
                high=one["high"],
                found=share(one["found"], one["injected"]),
                delay=one["delay"],
            )
            for one in row.body["classes"]
        ),
    )


def _history(connection: Connection, key: str) -> list[tuple[float, str]]:
    rows = points_by_run(points_of_series(connection, [key], is_mainline=True))
    order = in_branch_order(mainline_runs(connection, list(rows)))
    points = [rows[run.id] for run in order]
    taken = [(row.value, row.machine) for row in points if not objection(row) and row.value > 0]
    return taken[-LONGEST:]


def _trials(
    points: Sequence[tuple[float, str]], draw: random.Random
) -> list[tuple[float, int | None]]:
    """Return (size, delay) of one step of each class; None: it was not found.

    What the series without it shows at that place is no find.
    """
    scale = _scale([value for value, _ in points])
    if scale <= 0:
        return []
    known = {place for _, place in _alerts(points)}
    found: list[tuple[float, int | None]] = []
    for low, high in SIZES:
        begin = draw.randrange(HISTORY, len(points) - TAIL + 1)
        size = draw.uniform(low, high)
        factor = math.exp(draw.choice((-1, 1)) * size * scale)
        moved = [
            (value * factor if place >= begin else value, machine)
            for place, (value, machine) in enumerate(points)
        ]
        told = [
            when - begin + 1
            for when, place in _alerts(moved)
            if abs(place - begin) <= MARGIN and place not in known and when >= begin
        ]
        found.append((size, min(told, default=None)))
    return found


def _alerts(points: Sequence[tuple[float, str]]) -> list[tuple[int, int]]:
    """Return (when, where) of what watching the points would have told."""
    from hotfire_infra.analysis.changepoints import Detector

    detector, changes, told = Detector(), list[Followed](), list[tuple[int, int]]()
    for when, (value, machine) in enumerate(points):
        before = len(changes)
        take(detector, changes, value, machine, when)
        told += [(when, one.point.index) for one in changes[before:]]
    return told


def _scale(values: Sequence[float]) -> float:
    """Return the scale of the noise from differences of neighbours, which steps hardly touch."""
    logs = [math.log(value) for value in values]
    steps = [abs(after - before) for before, after in pairwise(logs)]
    return 1.4826 * statistics.median(steps) / math.sqrt(2)


def _median(values: Sequence[int]) -> float | None:
    return statistics.median(values) if values else None
