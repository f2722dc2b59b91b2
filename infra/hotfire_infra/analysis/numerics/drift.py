"""Finds a rise of a level by ranks alone, with a stated rate of false alarms.

Errors of kernels have no distribution that one could name: mostly they repeat exactly, since inputs
are seeded and arithmetic is deterministic, and on some devices they scatter. So only the rank of a
value among its past is used, which asks for nothing but exchangeability where nothing changed.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

ARL0 = 2_000.0
"""Runs between false alarms of one group, at the least: with 100 groups, one in 20 runs."""
LEAST_HISTORY = 5
"""Values before the first that may be judged: the highest of few is no news."""
POWERS = (2, 5, 12, 30)
"""Bets on a high rank, mixed: the small ones pay on a few per cent, the large ones on records."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Alarm:
    """A rise that chance does not explain."""

    index: int
    """Of the value at which it was noticed."""
    begin: int
    """Of the first value of the rise, at or after the last point that was no evidence of one."""
    before: float
    """Median of the values before it began."""
    after: float
    """Median of the values since."""


def payout(share: float) -> float:
    """What a bet of 1 on a high rank pays where `share` of the past lies below: Σ κ·u^(κ-1) / 4.

    Its mean over a uniform share is 1, and it is convex, so that a tie put at its middle rank pays
    no more than one broken at random: constant series never gain.
    """
    return sum(power * share ** (power - 1) for power in POWERS) / len(POWERS)


def alarms(values: Sequence[float], *, arl0: float = ARL0) -> tuple[Alarm, ...]:
    """Return the rises of a series, oldest first; the search begins anew behind each.

    Each value has the rank u_t = (below + equal/2) / t among the t values since the last alarm, itself
    included. Under exchangeability ranks are independent and uniform (Vovk, Gammerman & Shafer
    2005, Algorithmic Learning in a Random World, 2.2), so payouts are e-values given the past, and
      M_t = max(M_{t-1}, 1) · payout(u_t)
    reaches arl0 on average no sooner than after arl0 values: an e-detector of CUSUM type (Shin, Ramdas &
    Rinaldo 2024, New England J. Stat. Data Sci. 2, 229, theorem 2.4). Complexity O(n²).
    """
    found: list[Alarm] = []
    start, evidence, quiet = 0, 0.0, 0
    for index, value in enumerate(values):
        past = values[start:index]
        if len(past) < LEAST_HISTORY:
            quiet = index
            continue
        below = sum(one < value for one in past)
        equal = 1 + sum(one == value for one in past)
        if evidence <= 1:
            evidence, quiet = 1.0, index
        evidence *= payout((below + equal / 2) / (len(past) + 1))
        if evidence >= arl0:
            begin = _begin(values, start, quiet, index)
            found.append(
                Alarm(
                    index=index, begin=begin, before=_median(values[start:begin]),
                    after=_median(values[begin : index + 1]),
                )
            )  # fmt: skip
            start, evidence = begin, 0.0
    return tuple(found)


def _begin(values: Sequence[float], start: int, quiet: int, index: int) -> int:
    """The split within the rise that divides low from high best.

    Most pairs of an earlier and a later value that rise, less those that fall: Pettitt (1979), Applied
    Statistics 28, 126.
    """

    def rises(split: int) -> int:
        later = values[split : index + 1]
        return sum((low < high) - (low > high) for low in values[start:split] for high in later)

    return max(range(max(quiet, start + 1), index + 1), key=rises)


def _median(values: Iterable[float]) -> float:
    ordered = sorted(values)
    middle = len(ordered) // 2
    return ordered[middle] if len(ordered) % 2 else (ordered[middle - 1] + ordered[middle]) / 2
