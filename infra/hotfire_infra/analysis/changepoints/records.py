"""What a detector says."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class ChangeKind(StrEnum):
    """How a series changed."""

    STEP = "step"
    DRIFT = "drift"
    VARIANCE = "variance"
    MIX = "mix"


@dataclass(frozen=True, slots=True, kw_only=True)
class Changepoint:
    """A change of level, slope, spread or mixture."""

    index: int
    """Position of the first observation of what is new; of a drift, where it begins."""
    low: int
    high: int
    """95 % interval for the position, both ends included."""
    kind: ChangeKind
    before: float
    after: float
    """Level on either side in the unit of the values; of a drift, its two ends; of a mixture, the shares
    of the higher mode; of a change of variance, the standard deviations (where values are positive, as
    shares of the level)."""
    confidence: float
    """1 - the probability of so strong a change in a segment of this length without any (0 … 1)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Alert:
    """What an appended observation revealed."""

    index: int
    low: int
    high: int
    kind: ChangeKind
    withdraws: int | None = None
    """Index of an earlier alert that later observations disprove; None: this one is new."""
