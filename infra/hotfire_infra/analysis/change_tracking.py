"""What a detector says of a series, kept in step with what was recorded of it; no store in here."""

from __future__ import annotations

import math
import statistics
from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING

from hotfire_infra.analysis.accuracy.multiplicity import benjamini_hochberg
from hotfire_infra.analysis.comparison import Judgement
from hotfire_testframework.contract.metrics import Direction

if TYPE_CHECKING:  # Numba takes a second to import: only who appends points pays for it.
    from hotfire_infra.analysis.changepoints import Changepoint, Detector

FALSE_DISCOVERIES = 0.05
"""Of the series that a run calls changed, at most this share is expected to be noise."""
ARL0 = 20_000.0
"""Points of an unchanged series between two false alarms, in the mean."""
NEIGHBOURHOOD = 50
"""Points on either side of a change of mixture that its means are taken over."""


class ChangeState(StrEnum):
    """What became of a change."""

    ALERT = "alert"
    """Somebody was told."""
    RECORDED = "recorded"
    """It is real for all that is known, and nobody was told: for its size, or among many series."""
    WITHDRAWN = "withdrawn"
    """Later points disprove it."""


class Course(StrEnum):
    """Whether a change is good, by the metric's declared direction."""

    WORSE = "worse"
    BETTER = "better"
    NEITHER = "neither"


@dataclass(slots=True, kw_only=True)
class Followed:
    """One change of a series: as the detector has it now, and as it stands in the store."""

    point: Changepoint
    noticed: int
    """Run whose point revealed it."""
    id: int | None = None
    state: ChangeState = ChangeState.RECORDED
    reason: str = ""
    """Why nobody was told."""
    cause: str | None = None
    withdrawn: int | None = None
    """Run whose point disproved it."""
    is_stale: bool = False
    """What is stored of it is not what is known now."""

    @property
    def stands(self) -> bool:
        """Whether nothing has disproved it."""
        return self.withdrawn is None

    def withdraw(self, run: int) -> None:
        """Note that a run's point disproved it."""
        self.withdrawn, self.state, self.is_stale = run, ChangeState.WITHDRAWN, True


def take(detector: Detector, changes: list[Followed], value: float, machine: str, run: int) -> None:
    """Append a point and bring `changes`, oldest first, in step with what the detector says."""
    for alert in detector.append(value, machine or None):
        if alert.withdraws is not None:
            for one in changes:
                if one.stands and one.point.index == alert.withdraws:
                    one.withdraw(run)
    standing = [one for one in changes if one.stands]
    current = detector.changepoints
    for one, point in zip(standing, current, strict=False):
        if one.point != point:
            one.point, one.is_stale = point, True
    for one in standing[len(current) :]:
        one.withdraw(run)
    changes.extend(
        Followed(point=point, noticed=run, is_stale=True) for point in current[len(standing) :]
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Effect:
    """How large a change is and what that means."""

    size: float | None
    """Share of the level before, or a difference where the metric is linear; None: it has no size."""
    course: Course
    is_important: bool
    reason: str
    """Why it is not important."""


def effect_of(
    point: Changepoint, judgement: Judgement, means: tuple[float, float] | None = None
) -> Effect:
    """Hold a change against the metric's direction and the smallest effect that matters.

    `means` before and after stand in for the levels of a change of mixture, whose `before` and
    `after` are shares of a mode.
    """
    if point.kind.value == "variance":
        return _spread_effect(point, judgement)
    before, after = means or (point.before, point.after)
    is_share = judgement.is_log and before > 0 and after > 0
    size = after / before - 1 if is_share else after - before
    if after == before or (judgement.is_log and not is_share):
        return Effect(size=None, course=Course.NEITHER, is_important=False, reason="it has no size")
    is_better = (after > before) == (judgement.direction is Direction.LARGER)
    # An exact count that moves by the smallest effect moves by enough.
    moved = abs(math.log1p(size)) if is_share else abs(size)
    is_important = moved >= judgement.margin
    return Effect(
        size=size,
        course=Course.BETTER if is_better else Course.WORSE,
        is_important=is_important,
        reason="" if is_important else f"below {judgement.words}, the smallest effect that matters",
    )


def _spread_effect(point: Changepoint, judgement: Judgement) -> Effect:
    """More noise matters once it hides the smallest effect from a single run."""
    is_worse = point.after > point.before
    is_important = is_worse and point.after >= judgement.margin
    why = "a single run still shows" if is_worse else "a single run shows better than before"
    return Effect(
        size=point.after / point.before - 1 if point.before > 0 else None,
        course=Course.WORSE if is_worse else Course.BETTER,
        is_important=is_important,
        reason="" if is_important else f"{why} {judgement.words}, the smallest effect that matters",
    )


def means_around(values: Sequence[float], index: int) -> tuple[float, float]:
    """Return the means of the points before and from `index` on, of `NEIGHBOURHOOD` at most."""
    before = values[max(0, index - NEIGHBOURHOOD) : index]
    after = values[index : index + NEIGHBOURHOOD]
    return statistics.fmean(before), statistics.fmean(after)


def p_value(confidence: float, arl0: float = ARL0) -> float:
    """Return how likely a series without any change would raise this alert at this run.

    The detector alarms falsely at one point in `arl0`; its confidence may bound that better. The
    smaller of two p-values, doubled, is one (Bonferroni).
    """
    return min(1.0, 2 * min(1 / arl0, 1 - confidence))


def stands_out(p_values: Sequence[float], series: int) -> tuple[bool, ...]:
    """Say which changes survive that `series` series were looked at, at `FALSE_DISCOVERIES`."""
    unchanged = [1.0] * (series - len(p_values))
    adjusted = benjamini_hochberg([*p_values, *unchanged])
    return tuple(value <= FALSE_DISCOVERIES for value in adjusted[: len(p_values)])
