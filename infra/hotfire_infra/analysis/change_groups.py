"""Changes of many series that one commit explains become one alert, in one sentence."""

from __future__ import annotations

import statistics
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from hotfire_infra.analysis.quantities import count, significant
from hotfire_infra.analysis.summaries import SHOWN
from hotfire_testframework.contract.metrics import METRICS, Scale

POSITION_CONFIDENCE = 95
"""Percent, of every interval of commits."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Commits:
    """Where a change lies: after one run of the branch and no later than another."""

    after: int | None
    """Surrogate of the last run before it; None: the series begins with it."""
    until: int
    after_revision: str | None
    until_revision: str

    @property
    def words(self) -> str:
        """`a1b2c3d..d4e5f6a`, as git reads it: without the first commit, with the last."""
        until = self.until_revision[:7]
        return f"{self.after_revision[:7]}..{until}" if self.after_revision else f"up to {until}"

    def overlaps(self, other: Commits) -> bool:
        """Whether one commit may lie in both."""
        return max(self.after or 0, other.after or 0) < min(self.until, other.until)


@dataclass(frozen=True, slots=True, kw_only=True)
class Moved:
    """One series' change, as an alert tells it."""

    test: str
    metric: str
    kind: str
    effect: float | None
    course: str
    commits: Commits


@dataclass(frozen=True, slots=True, kw_only=True)
class Group:
    """Changes that one commit explains."""

    members: tuple[int, ...]
    """Places in what was grouped."""
    commits: Commits
    """The sharpest of their intervals."""


def group(intervals: Sequence[Commits]) -> tuple[Group, ...]:
    """Split changes by their intervals into as few groups as there must be causes.

    The least number of points that pierce all intervals: by their ends, each interval joins the
    group whose first end it still holds (Gupta, Lee & Leung 1982, Networks 12, 459). O(n log n).
    """
    groups: list[list[int]] = []
    end = -1
    for place in sorted(range(len(intervals)), key=lambda i: (intervals[i].until, i)):
        one = intervals[place]
        if groups and (one.after or 0) < end:
            groups[-1].append(place)
        else:
            groups.append([place])
            end = one.until
    return tuple(
        Group(members=tuple(sorted(members)), commits=sharpest([intervals[i] for i in members]))
        for members in groups
    )


def sharpest(intervals: Sequence[Commits]) -> Commits:
    """Return the shortest interval, of several the first.

    Each holds the common cause with 95 %; what all of them share would with less.
    """
    return min(intervals, key=lambda one: one.until - (one.after or 0))


def alert_words(changes: Sequence[Moved], commits: Commits) -> str:
    """Return `decode -4.1 % (3 series) since a1b2c3d..d4e5f6a, 95 % sure of the interval`."""
    where = f"since {commits.words}, {POSITION_CONFIDENCE} % sure of the interval"
    return f"{moved_words(changes)} {where}"


def moved_words(changes: Sequence[Moved]) -> str:
    """Return what moved and by how much, what got worse first, series of a metric together."""
    by_metric: dict[tuple[str, str, str], list[Moved]] = {}
    for one in sorted(changes, key=lambda one: (one.course != "worse", one.metric)):
        by_metric.setdefault((one.course, one.metric, one.kind), []).append(one)
    return ", ".join(
        _metric_words(metric, kind, members) for (_, metric, kind), members in by_metric.items()
    )


def _metric_words(metric: str, kind: str, members: Sequence[Moved]) -> str:
    name = metric_word(metric)
    sizes = [one.effect for one in members if one.effect is not None]
    size = effect_words(metric, kind, statistics.median(sizes)) if sizes else "changed"
    tests = {one.test for one in members}
    where = (
        f"of {members[0].test.split('/', 2)[-1]}"
        if len(tests) == 1 and len(members) == 1
        else f"({count(len(members), 'series', 'series')})"
    )
    verb = {"drift": "drifting ", "variance": "noise ", "mix": "mean "}.get(kind, "")
    return f"{name} {verb}{size} {where}"


def metric_word(metric: str) -> str:
    """Return the word for a metric where people look first, else its name."""
    word = SHOWN.get(metric, "")
    return metric if not word or " " in word else word


def effect_words(metric: str, kind: str, effect: float | None) -> str:
    """Return `-4.1 %`, or `+8` for a metric whose effects are differences."""
    if effect is None:
        return ""
    is_linear = metric in METRICS and METRICS.get(metric).scale is Scale.LINEAR
    if is_linear and kind != "variance":
        # Counts are whole: `+8`, not `+8.00`.
        size = f"{effect:g}" if effect == round(effect) else significant(effect)
        return f"{'+' if effect > 0 else ''}{size}"
    return _percent(effect)


def _percent(share: float) -> str:
    return f"{share * 100:+.1f} %"


def overlapping(commits: Commits, others: Iterable[tuple[str, Commits]]) -> str | None:
    """Return the name of the first of `others` that one commit may share with `commits`."""
    return next((name for name, one in others if commits.overlaps(one)), None)
