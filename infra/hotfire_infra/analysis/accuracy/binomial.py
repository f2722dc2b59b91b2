"""Tails of the binomial distribution: exact for a fair coin, to rounding for any other."""

from __future__ import annotations

import math
from functools import lru_cache


def fair_tail(k: int, n: int) -> float:
    """Return P(X ≥ k) for X ~ Bin(n, ½), exactly: Σ C(n, i) / 2ⁿ over i = k … n.

    Whole numbers until the last division, so the result is the nearest float. Complexity O(n).
    """
    if k <= 0:
        return 1.0
    if k > n:
        return 0.0
    term, total = 1, 1  # C(n, n)
    for i in range(n, k, -1):
        term = term * i // (n - i + 1)
        total += term
    return total / (1 << n)


def fair_mass(k: int, n: int) -> float:
    """Return P(X = k) for X ~ Bin(n, ½), exactly."""
    return math.comb(n, k) / (1 << n) if 0 <= k <= n else 0.0


@lru_cache(maxsize=65536)
def fair_critical(n: int, alpha: float) -> int:
    """Return the smallest k with P(X ≥ k) ≤ alpha for X ~ Bin(n, ½); n + 1 where none has it."""
    limit = alpha * (1 << n) if n < 1000 else int(alpha * 2**53) << (n - 53)
    term, total, k = 1, 0, n + 1
    while k > 0:
        total += term
        if total > limit:
            return k
        k -= 1
        term = term * k // (n - k + 1)
    return k


def log_mass(k: int, n: int, p: float) -> float:
    """Return ln P(X = k) for X ~ Bin(n, p), 0 ≤ k ≤ n."""
    if p <= 0 or p >= 1:
        return 0.0 if k == (n if p >= 1 else 0) else -math.inf
    choose = math.lgamma(n + 1) - math.lgamma(k + 1) - math.lgamma(n - k + 1)
    return choose + k * math.log(p) + (n - k) * math.log1p(-p)


def tail(k: int, n: int, p: float) -> float:
    """Return P(X ≥ k) for X ~ Bin(n, p), relative error about 1e-12; complexity O(n)."""
    if k <= 0:
        return 1.0
    if k > n:
        return 0.0
    if p <= 0 or p >= 1:
        return float(p >= 1)
    if k < n * p:
        return 1.0 - tail(n - k + 1, n, 1 - p)
    term = math.exp(log_mass(k, n, p))
    terms = [term]
    for i in range(k, n):
        term *= (n - i) / (i + 1) * p / (1 - p)
        terms.append(term)
        if term < terms[0] * 1e-17:
            break
    return math.fsum(terms)
