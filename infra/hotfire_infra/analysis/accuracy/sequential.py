"""Tests on pairs that may be looked at after every item, and stopped when they have decided.

Two processes on the counts of pairs, each a non-negative supermartingale that starts at 1 under
its null hypothesis, so that by Ville's inequality it ever reaches 1/α with probability at most α,
however often one looks (Ramdas et al. 2023, Statistical Science 38, 576). Items must come in an
order that does not depend on their outcomes: shuffled by a seed, never hardest first.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from enum import StrEnum

from hotfire_infra.analysis.accuracy.binomial import fair_tail
from hotfire_infra.analysis.accuracy.pairs import Pairs, p_worse

STAKES = (0.03, 0.06, 0.12, 0.2, 0.3, 0.42, 0.56, 0.72, 0.88, 0.99)
"""Shares of the largest stake that the bets mix: small ones suit many discordant pairs."""


class Answer(StrEnum):
    """What a sequential test has come to."""

    DROPPED = "dropped"
    """Accuracy dropped: the false-alarm probability is at most α."""
    HELD = "held"
    """A drop of the tolerance is excluded: missed with probability at most β."""
    OPEN = "open"
    """More pairs are needed."""
    UNDECIDED = "undecided"
    """The budget is spent."""


def evidence_of_drop(pairs: Pairs) -> float:
    """Return ln of the e-value against "no drop": P(worse | discordant) ≤ ½ at every pair.

    The bet Π (2q)^c (2(1 - q))^b on a share q of worse pairs, mixed uniformly over q in (½, 1):
      E = 2^(D+1) · B(c + 1, b + 1) · P(Bin(D + 1, ½) ≤ c),  D = b + c.
    Robbins (1970), Ann. Math. Stat. 41, 1397 (mixtures); for a coin, Waudby-Smith & Ramdas (2024).
    """
    b, c, total = pairs.better, pairs.worse, pairs.discordant
    beta = math.lgamma(c + 1) + math.lgamma(b + 1) - math.lgamma(total + 2)
    # P(X ≤ c) = P(X ≥ D + 1 - c): a fair coin is symmetric.
    return (total + 1) * math.log(2) + beta + math.log(fair_tail(total + 1 - c, total + 1))


def evidence_against(pairs: Pairs, drop: float) -> float:
    """Return ln of the e-value against "the drop is at least `drop`" (-1 < drop < 1).

    A pair is worth X = 1 (worse), -1 (better) or 0; the null says E[X | past] ≥ θ. Betting the
    stake λ multiplies wealth by 1 + λ(θ - X), mixed over `STAKES` of the largest, 1/(1 - θ).
    Waudby-Smith & Ramdas (2024), JRSS B 86, 1. Uses all pairs: without a single discordant one
    it still grows, by about θ a pair.
    """
    same = pairs.n - pairs.discordant
    logs = []
    for share in STAKES:
        stake = share / (1 - drop)
        logs.append(
            pairs.worse * math.log1p(stake * (drop - 1))
            + pairs.better * math.log1p(stake * (drop + 1))
            + same * math.log1p(stake * drop)
        )
    largest = max(logs)
    return largest + math.log(math.fsum(math.exp(one - largest) for one in logs) / len(logs))


def confidence_sequence(pairs: Pairs, confidence: float) -> tuple[float, float]:
    """Interval for the drop that holds at every look at once: drops that no bet has ruined."""
    limit = math.log(2 / (1 - confidence))
    mirrored = Pairs(n=pairs.n, better=pairs.worse, worse=pairs.better)
    return -_least_excluded(mirrored, limit), _least_excluded(pairs, limit)


def _least_excluded(pairs: Pairs, limit: float) -> float:
    """The smallest θ with evidence against "at least θ", which rises with θ; 1 where none has."""
    low, high = -1 + 1e-9, 1 - 1e-9
    if evidence_against(pairs, high) < limit:
        return 1.0
    for _ in range(50):
        middle = (low + high) / 2
        if evidence_against(pairs, middle) >= limit:
            high = middle
        else:
            low = middle
    return high


@dataclass(frozen=True, slots=True, kw_only=True)
class SequentialTest:
    """Watches one task until accuracy has dropped or held, or `budget` pairs are spent.

    Its state is the counts: nothing else need be stored between looks. α is split: `final` of it
    buys one exact McNemar test when the budget is spent, which is the stronger test of a fixed
    number, and the rest an alarm at any time. Both together raise a false alarm with at most α.
    """

    tolerance: float
    """The drop that must not be missed, a share of the items: 0.01 is one point."""
    alpha: float
    beta: float = 0.05
    budget: int = 4000
    final: float = 0.9

    def answer(self, pairs: Pairs) -> Answer:
        """Return what the pairs so far say. Look as often as you like, but stop at an answer."""
        if evidence_of_drop(pairs) >= -math.log(self.alpha * (1 - self.final)):
            return Answer.DROPPED
        if evidence_against(pairs, self.tolerance) >= -math.log(self.beta):
            return Answer.HELD
        if pairs.n < self.budget:
            return Answer.OPEN
        is_worse = p_worse(pairs) <= self.alpha * self.final
        return Answer.DROPPED if is_worse else Answer.UNDECIDED


@dataclass(frozen=True, slots=True, kw_only=True)
class RatioTest:
    """Wald's sequential probability ratio test on discordant pairs, for one drop and discordance.

    Of a share q = (1 + θ/δ)/2 of worse pairs against ½: Λ = c·ln 2q + b·ln 2(1 - q); dropped from
    ln((1 - β)/α) on, held down to ln(β/(1 - α)). Wald (1945), Ann. Math. Stat. 16, 117. Needs the
    discordance beforehand; `SequentialTest` does not.
    """

    drop: float
    discordance: float
    alpha: float
    beta: float

    @property
    def share(self) -> float:
        """Of worse among discordant pairs, under the drop."""
        return (1 + self.drop / self.discordance) / 2

    def answer(self, pairs: Pairs) -> Answer:
        """Return what the pairs so far say."""
        up, down = self._steps
        ratio = pairs.worse * up + (pairs.better * down if pairs.better else 0.0)
        if ratio >= math.log((1 - self.beta) / self.alpha):
            return Answer.DROPPED
        return Answer.HELD if ratio <= math.log(self.beta / (1 - self.alpha)) else Answer.OPEN

    def expected_pairs(self) -> float:
        """Return Wald's approximate mean number of pairs where nothing changed (no overshoot)."""
        up, down = math.log((1 - self.beta) / self.alpha), math.log(self.beta / (1 - self.alpha))
        drift = sum(self._steps) / 2
        return (self.alpha * up + (1 - self.alpha) * down) / drift / self.discordance

    @property
    def _steps(self) -> tuple[float, float]:
        """What a worse and a better pair add; one better pair refutes a share of 1."""
        refuted = self.share >= 1
        return math.log(2 * self.share), -math.inf if refuted else math.log(2 * (1 - self.share))
