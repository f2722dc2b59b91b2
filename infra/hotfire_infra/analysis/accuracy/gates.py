"""An accuracy gate: what it declares, whether it can keep that, and what two runs say to it.

A gate that cannot see the drop it forbids is worse than none: it is green either way. So a gate
whose minimum detectable effect exceeds its tolerance is refused, with the number of items it needs.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from enum import StrEnum
from statistics import NormalDist

from hotfire_infra.analysis.accuracy.pairs import Pairs, interval, p_worse, score
from hotfire_infra.analysis.accuracy.planning import (
    detectable,
    pairs_needed_exactly,
    unpaired_detectable,
)

DISCORDANCE = 0.02
"""Expected where nothing was measured: reruns of one model scatter like 1.3 to 3.7 %."""
EQUIVALENCE_LEVEL = 0.05
"""Of "a drop of the tolerance is excluded": an error here passes one, as power 0.8 does too."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Gate:
    """What a drop of accuracy may cost; shares, so 0.01 is one point."""

    tolerance: float = 0.01
    """The drop that must not pass."""
    alpha: float = 2e-4
    """Probability that the gate fails though nothing changed."""
    power: float = 0.8
    """Probability that a drop of the tolerance fails it."""
    discordance: float = DISCORDANCE
    """Share of items whose outcome changes though nothing is wrong."""

    def __post_init__(self) -> None:
        """Refuse figures that no gate has, by name and value."""
        for name in ("tolerance", "alpha", "power", "discordance"):
            value = getattr(self, name)
            if not (0 < value < 1):
                raise ValueError(f"{name} is {value!r}, expected a share between 0 and 1")
        if self.alpha >= self.power:
            raise ValueError(
                f"alpha {self.alpha!r} is not below power {self.power!r}: a coin would do as well"
            )


@dataclass(frozen=True, slots=True, kw_only=True)
class Inspection:
    """What a gate with so many items can see."""

    detectable: float
    """The smallest drop that fails it with the declared power; infinite where none does."""
    items_needed: int
    fault: str
    """Why the gate is refused; empty where it keeps what it declares."""


def inspect(gate: Gate, *, items: int, name: str = "accuracy", source: str = "") -> Inspection:
    """Compare the drop that `items` pairs can show with the one that the gate declares.

    `source` says where the discordance comes from, if the gate does not declare it.
    """
    found = detectable(n=items, discordance=gate.discordance, alpha=gate.alpha, power=gate.power)
    needed = pairs_needed_exactly(
        drop=gate.tolerance, discordance=gate.discordance, alpha=gate.alpha, power=gate.power
    )
    fault = ""
    # The search for the detectable drop stops within a thousandth, and power rises in small saws.
    if found > gate.tolerance * 1.005 and items < needed:
        sees = f"show a drop of {points(found)} at best" if math.isfinite(found) else "show none"
        fault = (
            f"gate {name}: tolerates {points(gate.tolerance)}, but {_items(items)} at "
            f"{gate.discordance * 100:.3g} % discordance{f' ({source})' if source else ''} {sees} "
            f"(alpha {gate.alpha:g}, power {gate.power:g}): {needed:,} items are needed, or a "
            f"tolerance it can keep{_kept(found)}"
        )
    return Inspection(detectable=found, items_needed=needed, fault=fault)


def _kept(drop: float) -> str:
    """The tolerance to write instead, rounded up to two digits."""
    if not drop < 1:
        return ""
    unit = 10.0 ** (math.floor(math.log10(drop)) - 1)
    return f" ({math.ceil(drop / unit - 1e-9) * unit:.2g})"


def inspect_unpaired(
    *, tolerance: float, items: int, sigma: float, alpha: float, power: float, name: str
) -> str:
    """Say why a threshold on one run's mean is refused, or an empty string.

    For gates against a number instead of a run, TensorRT-LLM's reference files: `tolerance` and
    σ are in points of 0..100 there. n = 2σ²·((z₁₋α + z_power)/θ)².
    """
    found = unpaired_detectable(n=items, sigma=sigma, alpha=alpha, power=power)
    if found <= tolerance:
        return ""
    needed = math.ceil(items * (found / tolerance) ** 2)
    return (
        f"gate {name}: tolerates {tolerance:g}, but {_items(items)} against a reference show a "
        f"change of {found:.3g} at best (alpha {alpha:g}, power {power:g}): {needed:,} items are "
        "needed, or pairs with a run"
    )


class Decision(StrEnum):
    """What two runs' pairs say to a gate."""

    REGRESSED = "regressed"
    """A drop is certain, and one of the tolerance is not excluded: the gate fails."""
    UNCHANGED = "unchanged"
    """A drop of the tolerance is excluded: equivalent for the gate, even if a small one is real."""
    IMPROVED = "improved"
    """Better beyond doubt."""
    INCONCLUSIVE = "inconclusive"
    """Neither is shown: too few pairs, or too many of them discordant."""
    NOT_COMPARABLE = "not_comparable"
    """No pair has equal keys."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Judgement:
    """A gate's answer with everything it rests on; shares, positive where accuracy was lost."""

    decision: Decision
    reason: str
    pairs: Pairs
    p_value: float
    """One-sided, of "no drop"."""
    low: float
    high: float
    """Interval of the drop, level 1 - 2·`EQUIVALENCE_LEVEL` = 90 %."""


def judge(pairs: Pairs, gate: Gate) -> Judgement:
    """Decide on a gate; the drop is tested at its α, equivalence at `EQUIVALENCE_LEVEL`.

    A drop fails the gate when the exact McNemar test is certain of it and Tango's score does not
    exclude one of the tolerance: a tiny certain drop in very many items passes, as declared.
    """
    low, high = interval(pairs, 1 - 2 * EQUIVALENCE_LEVEL)
    p_value = p_worse(pairs)
    decision, reason = _decide(pairs, gate, p_value)
    return Judgement(
        decision=decision, reason=reason, pairs=pairs, p_value=p_value, low=low, high=high
    )


def _decide(pairs: Pairs, gate: Gate, p_value: float) -> tuple[Decision, str]:
    if pairs.n == 0:
        return Decision.NOT_COMPARABLE, "no item has equal keys in both runs"
    if NormalDist().cdf(score(pairs, gate.tolerance)) <= EQUIVALENCE_LEVEL:
        gained = p_worse(Pairs(n=pairs.n, better=pairs.worse, worse=pairs.better))
        if gained <= gate.alpha:
            return Decision.IMPROVED, "better beyond doubt"
        if p_value <= gate.alpha:
            return Decision.UNCHANGED, f"a drop, but below {points(gate.tolerance)}"
        return Decision.UNCHANGED, f"no drop of {points(gate.tolerance)}"
    if p_value <= gate.alpha:
        return Decision.REGRESSED, f"a drop beyond chance (p ≤ {gate.alpha:.2g})"
    seen = detectable(
        n=pairs.n,
        discordance=pairs.discordance or gate.discordance,
        alpha=gate.alpha,
        power=gate.power,
    )
    return Decision.INCONCLUSIVE, f"these pairs show a drop of {points(seen)} at best"


def points(share: float) -> str:
    """Print a share as points of accuracy: 0.0125 is `1.25 points`."""
    if not math.isfinite(share):
        return "no size"
    number = f"{share * 100:.3g}"
    return f"{number} point" if number in {"1", "-1"} else f"{number} points"


def _items(count: int) -> str:
    return f"{count:,} item" if count == 1 else f"{count:,} items"
