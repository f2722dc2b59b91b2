"""New failure or known flake: what the tries of a test before say about its latest failure.

A test is whole or broken at each source. Whole it fails at an unknown rate, its flake rate; broken it
fails nearly always; between two sources it may break or be repaired. All of it is one hidden chain
whose two states are summed over exactly, for every rate of a grid at once (Rabiner, 1989, Proc. IEEE
77(2), 257), so that a broken week does not make a test a flake, nor a flake a broken one.
"""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from dataclasses import dataclass
from enum import StrEnum
from functools import lru_cache
from itertools import pairwise

from hotfire_infra.analysis.flake_changes import Rise, last_rise
from hotfire_infra.analysis.flakes import ALPHA, BETA, FlakeRate, incomplete_beta

BREAKS = 0.002
"""Chance that a source breaks a test that the one before left whole."""
REPAIRS = 0.1
PASSES_BROKEN = 0.01
"""Chance that a broken test passes."""
BROKEN_AT_FIRST = 0.01
SURE = 0.9
SEEN = 0.5
"""Expected earlier flakes from which a flake is a known one."""
FEW = 20
"""Tries below which a rate is the prior's rather than the test's, and is not shown."""
TRIES = 1500
"""Newest ones that are looked at; a rate of two years ago is another test's."""
POINTS = 61
RESCALED = 16
"""Tries after which the masses are made to sum to 1 again: long before they are too small."""
LOWEST, HIGHEST = 1e-5, 0.98


class FlakeKind(StrEnum):
    """What the latest failure of a test is."""

    NEW = "new failure"
    KNOWN = "known flake"
    FIRST = "first flake"
    """It passed again on the same source, and never did so before."""
    UNDECIDED = "undecided"
    NONE = "no failure"


@dataclass(frozen=True, slots=True)
class Try:
    """One passed or failed try; nothing else counts."""

    source: Hashable
    """Tries of one source share its state: a retry, a rerun, another run of the same commit."""
    failed: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class FlakeVerdict:
    """The latest failure of a test × variant, judged by its history."""

    kind: FlakeKind
    broken: float
    """Posterior probability that the newest source is broken."""
    rate: float
    low: float
    high: float
    """Posterior mean and 95 % interval of the rate of failures while it is whole."""
    runs: int
    failures: int
    flakes: float
    """Expected number of failures while it was whole."""
    rise: Rise | None = None

    @property
    def probability(self) -> float:
        """How sure the verdict is."""
        return self.broken if self.kind in {FlakeKind.NEW, FlakeKind.UNDECIDED} else 1 - self.broken


def judge(tries: Sequence[Try]) -> FlakeVerdict | None:
    """Judge the newest source of a test × variant; `tries` come oldest first. None without any.

    O(tries × points of the grid).
    """
    if not tries:
        return None
    rates, masses, broken = _filter(tries)
    mean = sum(rate * mass for rate, mass in zip(rates, masses, strict=True))
    whole = _whole(tries, mean)
    flakes = sum(share for share, one in zip(whole, tries, strict=True) if one.failed)
    newest = tries[-1].source
    earlier = sum(
        share
        for share, one in zip(whole, tries, strict=True)
        if one.failed and one.source != newest
    )
    rate = FlakeRate(
        failed=flakes if flakes >= SEEN else 0.0,
        passed=sum(share for share, one in zip(whole, tries, strict=True) if not one.failed),
    )
    low, high = rate.interval()
    return FlakeVerdict(
        kind=_kind([one.failed for one in tries if one.source == newest], broken, earlier),
        broken=broken,
        rate=rate.mean,
        low=low,
        high=high,
        runs=len(tries),
        failures=sum(one.failed for one in tries),
        flakes=flakes,
        # A break is no flake: only what it does while it is whole tells of a rise.
        rise=last_rise(
            one.failed
            for share, one in zip(whole, tries, strict=True)
            if share >= 0.5 or not one.failed
        ),
    )


def flake_words(verdict: FlakeVerdict) -> str:
    """Return the verdict as one line; empty where a test never failed.

    `fails in 0.7 % [0.3, 1.4] of 1,204 runs: known flake, p = 0.98`; an interval of 95 %.
    """
    if verdict.failures == 0:
        return ""
    if verdict.kind is FlakeKind.UNDECIDED and verdict.runs < FEW:
        tries = "1 try" if verdict.runs == 1 else f"{verdict.runs} tries"
        return f"new failure or flake: only {tries} known; run it again"
    low, rate, high = (100 * x for x in (verdict.low, verdict.rate, verdict.high))
    often = f"fails in {rate:.2g} % [{low:.2g}, {high:.2g}] of {verdict.runs:,} runs"
    if verdict.flakes < SEEN:
        often = f"never failed by chance in {verdict.runs:,} runs"
    if verdict.rise is not None:
        rise = verdict.rise
        often += f", {100 * rise.after:.2g} % since {verdict.runs - rise.since:,} runs ago"
    match verdict.kind:
        case FlakeKind.NONE:
            return often
        case FlakeKind.UNDECIDED:
            return f"{often}: new failure or flake, p(new) = {verdict.broken:.2f}; run it again"
        case _:
            return f"{often}: {verdict.kind}, p = {min(verdict.probability, 0.999):.3g}"


def _kind(newest: Sequence[bool], broken: float, earlier: float) -> FlakeKind:
    if not any(newest):
        return FlakeKind.NONE
    if broken >= SURE:
        return FlakeKind.NEW
    if broken <= 1 - SURE and earlier >= SEEN:
        return FlakeKind.KNOWN
    if broken <= 1 - SURE and not all(newest):
        return FlakeKind.FIRST
    return FlakeKind.UNDECIDED


@lru_cache(maxsize=1)
def _grid() -> tuple[tuple[float, ...], tuple[float, ...]]:
    """Return rates at equal steps of log-odds, and the prior's mass around each."""
    first, last = LOWEST / (1 - LOWEST), HIGHEST / (1 - HIGHEST)
    odds = [first * (last / first) ** (i / (POINTS - 1)) for i in range(POINTS)]
    rates = tuple(value / (1 + value) for value in odds)
    step = (last / first) ** (0.5 / (POINTS - 1))
    edges = [value * step / (1 + value * step) for value in odds[:-1]]
    below = [0.0, *(incomplete_beta(edge, ALPHA, BETA) for edge in edges), 1.0]
    return rates, tuple(high - low for low, high in pairwise(below))


def _filter(tries: Sequence[Try]) -> tuple[tuple[float, ...], list[float], float]:
    """Return the grid, the posterior of the rate, and the probability of being broken now."""
    rates, prior = _grid()
    steps = {
        (failed, is_new): _step(rates, failed, is_new) for failed in (0, 1) for is_new in (0, 1)
    }
    whole = [mass * (1 - BROKEN_AT_FIRST) for mass in prior]
    broken = [mass * BROKEN_AT_FIRST for mass in prior]
    source = tries[0].source
    for place, one in enumerate(tries):
        stay, repair, crack, last = steps[one.failed, one.source != source]
        source = one.source
        whole, broken = (
            [w * s + b * r for w, b, s, r in zip(whole, broken, stay, repair, strict=True)],
            [w * crack + b * last for w, b in zip(whole, broken, strict=True)],
        )
        if place % RESCALED == 0:
            total = sum(whole) + sum(broken)
            whole = [w / total for w in whole]
            broken = [b / total for b in broken]
    total = sum(whole) + sum(broken)
    masses = [(w + b) / total for w, b in zip(whole, broken, strict=True)]
    return rates, masses, sum(broken) / total


def _step(
    rates: Sequence[float], failed: int, is_new: int
) -> tuple[list[float], list[float], float, float]:
    """Return what one try multiplies by: whole to whole, broken to whole, whole to broken, broken on.

    The move between sources (none within one) and the likelihood of the try in one.
    """
    breaks, repairs = (BREAKS, REPAIRS) if is_new else (0.0, 0.0)
    on_whole = [rate if failed else 1 - rate for rate in rates]
    on_broken = 1 - PASSES_BROKEN if failed else PASSES_BROKEN
    return (
        [(1 - breaks) * share for share in on_whole],
        [repairs * share for share in on_whole],
        breaks * on_broken,
        (1 - repairs) * on_broken,
    )


def _whole(tries: Sequence[Try], rate: float) -> list[float]:
    """Return the probability of being whole at each try, by all tries (forward and backward)."""
    seen = [(rate, 1 - PASSES_BROKEN) if one.failed else (1 - rate, PASSES_BROKEN) for one in tries]
    changed = [
        place > 0 and one.source != tries[place - 1].source for place, one in enumerate(tries)
    ]
    forward: list[tuple[float, float]] = []
    whole, broken = 1 - BROKEN_AT_FIRST, BROKEN_AT_FIRST
    for (on_whole, on_broken), is_new in zip(seen, changed, strict=True):
        if is_new:
            whole, broken = (
                whole * (1 - BREAKS) + broken * REPAIRS,
                whole * BREAKS + broken * (1 - REPAIRS),
            )
        whole, broken = whole * on_whole, broken * on_broken
        total = whole + broken
        whole, broken = whole / total, broken / total
        forward.append((whole, broken))
    shares = []
    later, later_broken = 1.0, 1.0
    for place in range(len(tries) - 1, -1, -1):
        whole, broken = forward[place][0] * later, forward[place][1] * later_broken
        shares.append(whole / (whole + broken))
        later, later_broken = later * seen[place][0], later_broken * seen[place][1]
        if changed[place]:
            later, later_broken = (
                later * (1 - BREAKS) + later_broken * BREAKS,
                later * REPAIRS + later_broken * (1 - REPAIRS),
            )
        total = later + later_broken
        later, later_broken = later / total, later_broken / total
    return shares[::-1]
