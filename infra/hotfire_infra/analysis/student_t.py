"""Student's t distribution for whole degrees of freedom, by its finite series."""

from __future__ import annotations

import math


def cumulative(t: float, degrees: int) -> float:
    """Return P(T ≤ t) for T of Student's distribution with `degrees` ≥ 1 degrees of freedom.

    With θ = atan(t/√ν) the two-sided probability A(t|ν) = P(|T| ≤ |t|) is
      ν = 1:   2θ/π
      ν odd:   2/π · (θ + sinθ · (cosθ + 2/3·cos³θ + … + (2·4·…·(ν-3))/(3·5·…·(ν-2))·cos^(ν-2)θ))
      ν even:  sinθ · (1 + 1/2·cos²θ + … + (1·3·…·(ν-3))/(2·4·…·(ν-2))·cos^(ν-2)θ)
    Reference: Abramowitz & Stegun (1964), 26.7.3 and 26.7.4. Complexity O(ν).
    """
    theta = math.atan(abs(t) / math.sqrt(degrees))
    sine, cosine = math.sin(theta), math.cos(theta)
    if degrees == 1:
        inside = 2 * theta / math.pi
    elif degrees % 2:
        inside = 2 / math.pi * (theta + sine * _series(cosine, degrees, first=cosine, odd=True))
    else:
        inside = sine * _series(cosine, degrees, first=1.0, odd=False)
    return 0.5 + math.copysign(inside / 2, t)


def _series(cosine: float, degrees: int, *, first: float, odd: bool) -> float:
    term, total = first, first
    for k in range(2 if odd else 1, degrees - 2, 2):
        term *= cosine * cosine * k / (k + 1)
        total += term
    return total


def quantile(probability: float, degrees: int) -> float:
    """Return t with P(T ≤ t) = `probability`, 0.5 ≤ probability < 1, by bisection to 1e-12."""
    if not 0.5 <= probability < 1 or degrees < 1:
        raise ValueError(f"no quantile for probability {probability!r} and {degrees!r} degrees")
    low, high = 0.0, 1.0
    while cumulative(high, degrees) < probability:
        high *= 2
    while high - low > 1e-12 * max(1.0, high):
        middle = (low + high) / 2
        if cumulative(middle, degrees) < probability:
            low = middle
        else:
            high = middle
    return (low + high) / 2
