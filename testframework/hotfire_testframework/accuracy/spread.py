"""From a few Monte Carlo runs to a bound on the error of an implementation.

Model: the error e of a quantity (a log-probability, a gap of logits) in one implementation is one
draw of a centred normal law with unknown sigma; N Monte Carlo runs are N more independent draws,
each measured against the exact value, so sigma is estimated with N degrees of freedom,
  s = sqrt(mean(d_i^2)),   e / s ~ Student t with N degrees of freedom,
and |e| <= t(N, p) * s + floor except with probability p. With p = 1e-6 a run of 3,570 tokens
raises a false alarm in 0.4 % of all implementations (not of all runs: an implementation is
deterministic). Rounding errors are not exactly independent draws; that the bound holds for the real
arithmetic and fails for anything coarser is a test, not an assumption.
Reference: Student (1908); Parker (1997), section 5, for the estimate of lost digits by repeated
runs.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

F64 = NDArray[np.float64]

SAMPLES = 8
# Two-sided quantiles of Student's t at p = 1e-6, by degrees of freedom.
QUANTILES = {
    7: 15.767009,
    8: 13.257135,
    11: 9.701425,
    12: 9.084693,
    14: 8.218043,
    15: 7.903234,
    16: 7.641511,
    31: 6.071976,
    32: 6.028333,
}
# Rounding of the reported value itself: a few u at the size of a log-probability.
FLOOR = 2.0**-20


def bound(deviations: F64) -> F64:
    """Bound `[...]` from the deviations `[samples, ...]` of Monte Carlo runs."""
    samples = len(deviations)
    if samples not in QUANTILES:
        raise ValueError(f"no quantile for {samples} samples; known are {sorted(QUANTILES)}")
    spread: F64 = np.sqrt(np.mean(np.square(deviations), axis=0))
    return QUANTILES[samples] * spread + FLOOR


def spread_of(bounds: F64, samples: int) -> F64:
    """The spread from which `bound` was made."""
    return (bounds - FLOOR) / QUANTILES[samples]


def lead_bound(deviations: F64, leads: F64) -> F64:
    """How large the gap to the second `[positions]` must be for the leader to stay ahead of all.

    From the deviations `[samples, positions, rivals]` and the exact leads `[positions, rivals]`,
    ascending. Rival j stays behind where lead_j > bound_j, that is where the gap exceeds
    bound_j - (lead_j - gap); further rivals than these count as the last with the largest bound.
    """
    bounds = bound(deviations)
    bounds[:, -1] = bounds.max(axis=1)
    needed: F64 = (bounds - (leads - leads[:, :1])).max(axis=1)
    return needed


@dataclass(frozen=True, slots=True, kw_only=True)
class Crowd:
    """What all positions of one implementation do together, far tighter than one alone can.

    The mean deviation lies within `shift_bound` of `shift`; the root mean square of the deviations,
    each in units of its own spread s, stays below `rms_limit`. Both from the same runs, each of
    them a normal law with unknown mean and sigma: a further draw differs from the mean of N by less
    than t(N - 1, p) * sigma * sqrt(1 + 1/N).
    """

    samples: int
    shift: float
    shift_bound: float
    rms_limit: float


def crowd(deviations: F64) -> Crowd:
    """Judge every run `[samples, positions]` by the spread of the others, and take the limits."""
    samples = len(deviations)
    squares = np.square(deviations)
    others = (squares.sum(axis=0) - squares) / (samples - 1)
    rms = np.sqrt(np.mean(squares / others, axis=1))
    shifts = deviations.mean(axis=1)
    return Crowd(
        samples=samples,
        shift=round(float(shifts.mean()), 6),
        shift_bound=round(_further(shifts), 6),
        rms_limit=round(float(rms.mean()) + _further(rms), 4),
    )


def _further(values: F64) -> float:
    """Distance from the mean of `values` within which one more stays."""
    samples = len(values)
    return float(QUANTILES[samples - 1] * values.std(ddof=1) * np.sqrt(1 + 1 / samples))
