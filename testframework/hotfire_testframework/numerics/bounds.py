"""Error bounds of float32 kernels against a float64 reference on the same inputs.

Dot product in the 8-lane order of Aestus: lane j sums the terms j, 8 + j, … one after the other,
then three levels of additions join the lanes. With u = 2^-24 and n = ceil(K / 8):
  rigorous       each term passes 1 product, at most n - 1 additions in its lane (the first one,
  to +0,
                 is exact) and 3 in the tree: |C - R| <= (n + 3) u |A||B| + O(u^2)
                 (Higham, *Accuracy and Stability of Numerical Algorithms*, 2002, section 3.1)
  probabilistic  independent errors of mean zero grow like the square root of the number of
  operations:
                 |C - R| <= c sqrt(n + 8) u |A||B| with c = 6 (Higham & Mary, *A New Approach to
                 Probabilistic Rounding Error Analysis*, SISC 2019, theorem 2.4: failure <= 2
                 exp(-c^2 / 2) per element, 3e-8)
The smaller of the two holds; `u |R|` covers the store, `TINY` per term the underflow of products.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

F64 = NDArray[np.float64]

UNIT = 2.0**-24
TINY = 2.0**-149  # smallest float32: one underflowed operation errs by at most half of it
LANES = 8
CONFIDENCE = 6.0


def dot_growth(terms: int) -> float:
    """Factor g with |C - R| <= g u |A||B| for `terms` terms in the 8-lane order."""
    lane = math.ceil(terms / LANES)
    return min(lane + 3.0, CONFIDENCE * math.sqrt(lane + LANES))


def dot_bound(magnitude: F64, result: F64, terms: int) -> F64:
    """Bound for dot products with `magnitude` = |A||B| and exact `result`."""
    return UNIT * (dot_growth(terms) * magnitude + np.abs(result)) + (terms + 1) * TINY


@dataclass(frozen=True, slots=True, kw_only=True)
class Comparison:
    """How far an output is from its reference; `where` is the flat index of the worst."""

    count: int
    ratio: float
    max_ulp: float
    max_absolute: float
    max_relative: float
    where: int
    nonfinite: int

    @property
    def passed(self) -> bool:
        """Within the bound everywhere."""
        return self.ratio <= 1.0


def compare(output: NDArray[np.float32], value: F64, bound: F64) -> Comparison:
    """Compare float32 `output` with `value` ± `bound`; wrong NaN or infinity: ratio inf."""
    actual = output.astype(np.float64).reshape(-1)
    expected, allowed = value.reshape(-1), np.broadcast_to(bound, value.shape).reshape(-1)
    if actual.size == 0:
        return Comparison(
            count=0, ratio=0, max_ulp=0, max_absolute=0, max_relative=0, where=-1, nonfinite=0
        )
    finite = np.isfinite(expected)
    same = np.where(np.isnan(expected), np.isnan(actual), actual == expected)
    with np.errstate(invalid="ignore", divide="ignore", over="ignore"):
        error = np.where(finite, np.abs(actual - expected), 0.0)
        ratio = np.where(error == 0, 0.0, error / allowed)
        ratio = np.where(finite, ratio, np.where(same, 0.0, np.inf))
        # An output that is not finite where it should be has no error to divide.
        ratio = np.where(np.isnan(ratio), np.inf, ratio)
        relative = np.where(error == 0, 0.0, error / np.abs(expected))
        spacing = np.spacing(np.abs(expected).astype(np.float32)).astype(np.float64)
        ulp = np.where(error == 0, 0.0, error / spacing)
    return Comparison(
        count=actual.size,
        ratio=float(ratio.max()),
        max_ulp=float(np.nanmax(ulp, initial=0.0)),
        max_absolute=float(np.nanmax(error, initial=0.0)),
        max_relative=float(np.nanmax(relative[finite], initial=0.0)),
        where=int(ratio.argmax()),
        nonfinite=int(np.count_nonzero(~np.isfinite(actual))),
    )
