"""From a few Monte Carlo runs to a bound on the error of a float32 implementation.

Model: the error e of a quantity (a log-probability, a gap of logits) in one float32
implementation is one draw of a centred normal law with unknown sigma; N Monte Carlo runs are N
more independent draws, each measured against the exact value, so sigma is estimated with N
degrees of freedom,
  s = sqrt(mean(d_i^2)),   e / s ~ Student t with N degrees of freedom,
and |e| <= t(N, p) * s + floor except with probability p. With p = 1e-6 a run of 3,570 tokens
raises a false alarm in 0.4 % of all implementations (not of all runs: an implementation is
deterministic). Rounding errors are not exactly independent draws; that the bound holds for real
float32 arithmetic and fails for anything coarser is a test, not an assumption.
Reference: Student (1908); Parker (1997), section 5, for the estimate of lost digits by repeated
runs.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

F64 = NDArray[np.float64]

SAMPLES = 8
# Two-sided quantile of Student's t with 8 degrees of freedom at p = 1e-6.
QUANTILE = 13.257135
# Rounding of the reported value itself: a few u at the size of a log-probability.
FLOOR = 2.0**-20


def bound(deviations: F64) -> F64:
    """Bound `[positions]` from the deviations `[SAMPLES, positions]` of Monte Carlo runs."""
    if len(deviations) != SAMPLES:
        raise ValueError(f"the quantile belongs to {SAMPLES} samples, not {len(deviations)}")
    spread: F64 = np.sqrt(np.mean(np.square(deviations), axis=0))
    return QUANTILE * spread + FLOOR
