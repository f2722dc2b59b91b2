"""The chi-square distribution for whole degrees of freedom, by its finite series."""

from __future__ import annotations

import math
import statistics

MANY = 300
"""Degrees of freedom from which on the series is not worth its length."""


def beyond(value: float, degrees: int) -> float:
    """Return P(X > value) for X of the chi-square distribution with `degrees` ≥ 1.

      ν even:  e^(-x/2) · (1 + x/2 + … + (x/2)^(ν/2-1)/(ν/2-1)!)
      ν odd:   2·Q(√x) + 2·φ(√x) · (√x + x^(3/2)/3 + … + x^(ν/2-1)/(1·3·…·(ν-2)))
    with the normal density φ and its tail Q, in logarithms. Reference: Abramowitz & Stegun (1964),
    26.4.4 and 26.4.5. Complexity O(ν).
    """
    if value <= 0:
        return 1.0
    half = value / 2
    if degrees % 2:
        total = math.erfc(math.sqrt(half))
        log_term = -half + 0.5 * math.log(2 * value / math.pi)
        terms, step = (degrees - 1) // 2, 1
    else:
        total = 0.0
        log_term, terms, step = -half, degrees // 2, 0
    for k in range(1, terms + 1):
        total += math.exp(log_term)
        log_term += math.log(value / (2 * k + step))
    return min(1.0, total)


def quantile(probability: float, degrees: int) -> float:
    """Return x with P(X ≤ x) = `probability`, 0 < probability < 1, by bisection to 1e-12.

    Beyond MANY degrees by the cube of a normal quantile, ν·(1 - 2/(9ν) + z·√(2/(9ν)))³, which is off by
    less than 1e-5 there (Wilson & Hilferty 1931; Abramowitz & Stegun 26.4.17).
    """
    if not 0 < probability < 1 or degrees < 1:
        raise ValueError(f"no quantile for probability {probability!r} and {degrees!r} degrees")
    if degrees > MANY:
        share = 2 / (9 * degrees)
        normal = statistics.NormalDist().inv_cdf(probability)
        return float(degrees * (1 - share + normal * math.sqrt(share)) ** 3)
    low, high = 0.0, float(degrees)
    while beyond(high, degrees) > 1 - probability:
        high *= 2
    while high - low > 1e-12 * high:
        middle = (low + high) / 2
        if beyond(middle, degrees) > 1 - probability:
            low = middle
        else:
            high = middle
    return (low + high) / 2
