"""Is B worse than A? Both run again on one device in blocks A B B A, and every block is looked at.

A block's difference (B + B - A - A) ÷ 2 holds no constant and no linear drift of the machine, so the
differences of blocks are taken for independent values about the effect, with a spread that nobody
knows. Their mean has a confidence sequence: an interval that holds the effect after *every* block at
once, with the stated probability, so that one may stop whenever it says enough.

The sequence inverts a t-test whose effect, in standard deviations, is mixed over N(0, g²), with the
right Haar prior on the spread. After n blocks with mean m and standard deviation s, t = √n·(m - θ)/s:
  E(θ) = (1 + n·g²)^(-1/2) · ((1 + t²/ν) ÷ (1 + t²/(ν·(1 + n·g²))))^(n/2),  ν = n - 1,
is a test martingale if the effect is θ, whatever the spread, so that P(E ever reaches 1/α) ≤ α.
References: Ville (1939); Lai (1976), Ann. Statist. 4, 265; Rouder et al. (2009), Psychon. Bull. Rev.
16, 225; Wang & Ramdas (2025), Sequential Analysis 44, 56 (anytime-valid t-tests).
"""

from __future__ import annotations

import math
import statistics
from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum

from hotfire_infra.analysis.comparison import CONFIDENCE, Interval

PATTERN = "ABBA"
"""Launches of one block: A is the parent, B the suspect."""
FALSE_CONFIRMATION = (1 - CONFIDENCE) / 2
"""Of a series that did not change, at most this share is ever confirmed: the lower end of the interval."""
FALSE_REFUTATION = 0.05
"""Of series that changed by the smallest effect, at most this share is ever refuted."""
PRIOR = 3.0
"""g: effects that are looked for, in standard deviations of a block. From 1 to 8 it costs or saves
less than one block at effects of 1 to 5."""


class Answer(StrEnum):
    """What reruns have come to."""

    CONFIRMED = "confirmed"
    """B is worse, and by at least the smallest effect that matters as far as one can tell."""
    REFUTED = "refuted"
    """A loss of the smallest effect that matters is excluded."""
    OPEN = "open"
    """More blocks are needed."""
    UNDECIDED = "undecided"
    """The budget is spent."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Judged:
    """The answer after some blocks; `interval` is of the loss: positive is worse."""

    answer: Answer
    interval: Interval | None
    """Valid however often one has looked; None where nothing is known yet."""
    confidence: float
    """Of the interval: `CONFIDENCE`, or what refutes where that excludes nothing yet."""
    blocks: int


def block_losses(levels: Sequence[float], *, larger_is_better: bool) -> tuple[float, ...]:
    """Return the loss of B in each whole block of launches in the order of PATTERN.

    `levels` are on the scale that is compared: logarithms where effects are ratios.
    """
    sign = -1.0 if larger_is_better else 1.0
    whole = len(levels) - len(levels) % len(PATTERN)
    return tuple(
        sign * (levels[at + 1] + levels[at + 2] - levels[at] - levels[at + 3]) / 2
        for at in range(0, whole, len(PATTERN))
    )


def log_evidence(values: Sequence[float], null: float) -> float:
    """Return ln of the e-value against the mean being `null`; 0 for fewer than two values."""
    n = len(values)
    if n < 2:
        return 0.0
    spread = statistics.stdev(values)
    off = statistics.fmean(values) - null
    shrink = 1 + n * PRIOR * PRIOR
    if spread == 0:
        # t → ∞, or no evidence at all where the mean is exactly the null.
        return 0.0 if off == 0 else (n - 1) / 2 * math.log(shrink)
    ratio = n * (off / spread) ** 2 / (n - 1)
    return (n * (math.log1p(ratio) - math.log1p(ratio / shrink)) - math.log(shrink)) / 2


def mean_interval(values: Sequence[float], error: float) -> Interval | None:
    """Return all means against which the evidence is below 1/`error`; None while that is all.

    t² < ν·(K - 1) ÷ (1 - K/(1 + n·g²)) with K = (√(1 + n·g²) ÷ error)^(2/n).
    """
    n = len(values)
    if n < 2:
        return None
    shrink = 1 + n * PRIOR * PRIOR
    # In logarithms: with few values and a small error K is beyond any float.
    log_k = (math.log(shrink) - 2 * math.log(error)) / n
    if log_k >= math.log(shrink):
        return None
    limit = math.expm1(log_k) / -math.expm1(log_k - math.log(shrink))
    half = statistics.stdev(values) * math.sqrt((n - 1) * limit / n)
    estimate = statistics.fmean(values)
    return Interval(estimate=estimate, low=estimate - half, high=estimate + half)


def judge(losses: Sequence[float], margin: float, *, series: int = 1) -> Judged:
    """Judge the losses of the blocks so far against the smallest effect that matters, `margin`.

    Confirmed: the interval excludes no loss, and the estimate is at least the margin: the word
    *regressed* of a comparison. Refuted: an interval with 2 × FALSE_REFUTATION ends below the
    margin. `series`: how many are judged by the same reruns, each then at its share of the error.
    """
    interval = mean_interval(losses, 2 * FALSE_CONFIRMATION / series)
    narrow = mean_interval(losses, 2 * FALSE_REFUTATION / series)
    answer = Answer.OPEN
    if interval is not None and interval.low > 0 and interval.estimate >= margin:
        answer = Answer.CONFIRMED
    elif narrow is not None and narrow.high < margin:
        answer = Answer.REFUTED
    return Judged(
        answer=answer,
        interval=interval or narrow,
        confidence=CONFIDENCE if interval else 1 - 2 * FALSE_REFUTATION,
        blocks=len(losses),
    )


def first_answer(losses: Sequence[float], margin: float, *, series: int = 1) -> Judged:
    """Judge block by block and keep the first answer: what was decided once is not taken back."""
    judged = judge(losses[:1], margin, series=series)
    for blocks in range(2, len(losses) + 1):
        judged = judge(losses[:blocks], margin, series=series)
        if judged.answer is not Answer.OPEN:
            break
    return judged
