"""Whether a test has begun to fail more often: a sequential test with a stated rate of false alarms.

Shiryaev–Roberts over a grid of rates that the test may have now, between which nobody has to choose:
with no change R − n is a martingale, so runs to a false alarm are E[R at the alarm], and the threshold
is what remains to calibrate: how far the last failure carries R beyond it.
References: Roberts (1966), Technometrics 8(3), 411; Pollak (1987), Ann. Statist. 15(2), 749.
"""

from __future__ import annotations

import math
from bisect import bisect_left
from collections.abc import Iterable
from dataclasses import dataclass

from hotfire_infra.analysis.flakes import FlakeRate

ARL0 = 10_000.0
RATES = 6
LEAST, MOST = 1e-4, 0.4
"""Rates before the change for which the threshold is calibrated; others are taken as the nearest."""
OVERSHOOT = (
    (1e-4, 0.6627),
    (5e-4, 0.2949),
    (2e-3, 0.3398),
    (5e-3, 0.4958),
    (0.02, 0.5008),
    (0.05, 0.5542),
    (0.1, 0.5810),
    (0.2, 0.6070),
    (0.4, 0.7113),
)
"""(rate before, threshold ÷ ARL0), from 2,000 simulated alarms each at an ARL0 of 10,000 runs."""
FIRST_LOOK = 64
"""Runs from which the rate before is first learned."""
NEXT_LOOK = 1.25
"""It is learned again whenever so many times more runs are known."""


class RateRise:
    """Watches tries of one test for a rise of its rate of failures from `before`.

    `arl0` is the mean number of runs to a false alarm when the rate stays as it was. State: twelve
    numbers; O(1) a run.
    """

    def __init__(self, before: float, *, arl0: float = ARL0) -> None:
        if not 0 < before < 1 or arl0 < 1:
            raise ValueError(
                f"a rate between 0 and 1 and an arl0 of runs, not {before!r}, {arl0!r}"
            )
        before = min(max(before, LEAST), MOST)
        odds = before / (1 - before)
        low, high = 4 * odds, max(1.0, 16 * odds)
        steps = [low * (high / low) ** (i / (RATES - 1)) for i in range(RATES)]
        after = [step / (1 + step) for step in steps]
        self._fails = [rate / before for rate in after]
        self._passes = [(1 - rate) / (1 - before) for rate in after]
        self._terms = [0.0] * RATES
        self._highest = [0.0] * RATES
        self._began = [0] * RATES
        self._threshold = arl0 * _overshoot(before)
        self.runs = 0

    def go_on_from(self, other: RateRise) -> RateRise:
        """Take over what another watch of the same test has seen; return this one.

        Whatever rates R was summed for, on average it is the number of runs while nothing changes.
        """
        self._terms, self._highest = list(other._terms), list(other._highest)
        self._began, self.runs = list(other._began), other.runs
        return self

    @property
    def statistic(self) -> float:
        """R ÷ its threshold: an alarm at 1."""
        return sum(self._terms) / RATES / self._threshold

    @property
    def since(self) -> int:
        """The likeliest first run of the new rate, by the rate that explains it best; from 0."""
        best = max(range(RATES), key=self._highest.__getitem__)
        return self._began[best]

    def append(self, failed: bool) -> bool:
        """Take in one try; return whether the rate has risen."""
        ratios = self._fails if failed else self._passes
        for i, ratio in enumerate(ratios):
            self._terms[i] = (1 + self._terms[i]) * ratio
            if self._highest[i] <= 0:
                self._highest[i], self._began[i] = 0.0, self.runs
            self._highest[i] += math.log(ratio)
        self.runs += 1
        return self.statistic >= 1


@dataclass(frozen=True, slots=True, kw_only=True)
class Rise:
    """A rise that was noticed."""

    at: int
    """Run at which it was noticed, from 0."""
    since: int
    """Its likeliest first run."""
    before: float
    after: float
    """Rates before and since."""


def last_rise(tries: Iterable[bool], *, arl0: float = ARL0) -> Rise | None:
    """Return the last rise in the tries (True: failed), oldest first.

    The rate before is learned from all tries since the last rise, anew after every quarter more, so
    that a rise must show against what was known before it.
    """
    seen = list(tries)
    found: Rise | None = None
    start, watch, learned = 0, None, 0
    for place, failed in enumerate(seen):
        known = place - start
        if known >= FIRST_LOOK and (watch is None or known >= NEXT_LOOK * learned):
            better = RateRise(_rate(seen[start:place]).mean, arl0=arl0)
            watch, learned = better if watch is None else better.go_on_from(watch), known
        if watch is None or not watch.append(failed):
            continue
        since = max(start + 1, place + 1 - watch.runs + watch.since)
        found = Rise(
            at=place,
            since=since,
            before=_rate(seen[start:since]).mean,
            after=_rate(seen[since : place + 1]).mean,
        )
        start, watch, learned = since, None, 0
    return found


def _rate(tries: list[bool]) -> FlakeRate:
    failed = sum(tries)
    return FlakeRate(failed=failed, passed=len(tries) - failed)


def _overshoot(before: float) -> float:
    """Interpolate the calibration over ln(rate)."""
    rates = [rate for rate, _ in OVERSHOOT]
    place = bisect_left(rates, before)
    if place == 0 or before >= rates[-1]:
        return OVERSHOOT[min(place, len(rates) - 1)][1]
    (low, first), (high, last) = OVERSHOOT[place - 1], OVERSHOOT[place]
    share = math.log(before / low) / math.log(high / low)
    return first + share * (last - first)
