"""Scores of an implementation against the exact reference: inside the bound, and the same choices."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from hotfire_testframework.accuracy.oracle import Reference
from hotfire_testframework.accuracy.perplexity import F64, Int
from hotfire_testframework.accuracy.spread import Crowd, spread_of
from hotfire_testframework.numerics.errors import GoldenError

# Perplexity may differ from the reference by this share (the comparison with llama.cpp uses the same).
PERPLEXITY_SHARE = 0.005


@dataclass(frozen=True, slots=True, kw_only=True)
class Judgement:
    """Distance of every position to its reference, in units of the bound."""

    ratio: F64
    # Positions whose argmax differs although the gap of the reference exceeds its bound.
    wrong_choices: list[int]
    # Positions where the bound leaves the argmax open.
    undecided: int

    @property
    def worst(self) -> int:
        """The position furthest from its reference."""
        return int(self.ratio.argmax())

    @property
    def worst_ratio(self) -> float:
        """Error over bound at the worst position."""
        return float(self.ratio.max())


def part(reference: Reference, start: int, stop: int) -> Reference:
    """The positions start .. stop - 1 of a reference."""
    return Reference(**{name: getattr(reference, name)[start:stop] for name in Reference.__slots__})


def judge(reference: Reference, target: Int, logprob: F64, argmax: Int) -> Judgement:
    """Compare arrays of one length with the reference of the same positions."""
    if not np.array_equal(reference.target, target):
        raise GoldenError("the implementation scored other tokens than the reference")
    decided = reference.gap > reference.gap_bound
    ratio = np.abs(logprob - reference.logprob) / reference.logprob_bound
    # NaN is further away than anything.
    ratio = np.where(np.isnan(ratio), np.inf, ratio)
    wrong = np.flatnonzero(decided & (argmax != reference.argmax))
    return Judgement(
        ratio=ratio,
        wrong_choices=[int(each) for each in wrong],
        undecided=int(np.count_nonzero(~decided)),
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class CrowdJudgement:
    """All positions together, in units of what such roundings do together."""

    # Root mean square of deviation over spread, by its limit.
    rms_ratio: float
    # Mean deviation from the drawn mean, by its bound.
    shift_ratio: float


def judge_crowd(reference: Reference, crowd: Crowd, logprob: F64) -> CrowdJudgement:
    """Compare the scores of the whole text with the reference."""
    deviation = logprob - reference.logprob
    rms = np.sqrt(np.mean(np.square(deviation / spread_of(reference.logprob_bound, crowd.samples))))
    return CrowdJudgement(
        rms_ratio=float(rms) / crowd.rms_limit,
        shift_ratio=abs(float(deviation.mean()) - crowd.shift) / crowd.shift_bound,
    )


def columns(scores: dict[str, Any], which: slice = slice(None)) -> tuple[Int, F64, Int]:
    """Targets, log-probabilities and choices from the JSON of `aestus-run`."""
    return (
        np.asarray(scores["next"][which], np.int64),
        np.asarray([float(value) for value in scores["logprob"][which]], np.float64),
        np.asarray(scores["top1"][which], np.int64),
    )
