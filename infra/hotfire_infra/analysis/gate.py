"""The gate: one total table from (verdict, exoneration, requirement) to the verdict of a run.

Every reader takes its answer from here: CLI code, Jenkins result and commit status are columns of
one table. Trouble of the infrastructure is never red, and what did not run is never green.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from itertools import product

from hotfire_infra.states import RunVerdict
from hotfire_testframework.contract.outcomes import Verdict


class Effect(StrEnum):
    """What one cell does to its run."""

    GREEN = "green"
    NEUTRAL = "neutral"
    RED = "red"
    ERRORED = "errored"
    INCOMPLETE = "incomplete"


class Required(StrEnum):
    """What a platform that cannot execute here means."""

    ALWAYS = "always"
    WHEN_AVAILABLE = "when-available"


@dataclass(frozen=True, slots=True, kw_only=True)
class GateCell:
    """What the gate looks at of one cell."""

    key: str
    verdict: Verdict
    required: Required = Required.ALWAYS
    is_exonerated: bool = False
    """Every failing test of the cell has a recorded reason not to block."""
    reason: str = ""
    failure_class: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class GateDecision:
    """The verdict of a run and why; no reasons means passed."""

    verdict: RunVerdict
    reasons: tuple[str, ...]


def _effect(verdict: Verdict, is_exonerated: bool, required: Required) -> Effect:
    match verdict:
        case Verdict.PASSED | Verdict.FLAKY:
            return Effect.GREEN
        case Verdict.SKIPPED:
            return Effect.NEUTRAL
        case Verdict.FAILED:
            return Effect.NEUTRAL if is_exonerated else Effect.RED
        case Verdict.ERRORED:
            # An exoneration speaks of a test's failure; here the test was not asked.
            return Effect.ERRORED
        case Verdict.PRECLUDED | Verdict.MISSING:
            return Effect.INCOMPLETE
        case Verdict.NOT_EXECUTABLE:
            is_optional = required is Required.WHEN_AVAILABLE
            return Effect.NEUTRAL if is_optional else Effect.INCOMPLETE


TABLE: Mapping[tuple[Verdict, bool, Required], Effect] = {
    key: _effect(*key) for key in product(Verdict, (False, True), Required)
}
"""Total: a new word in either set is a type error above and a missing row in a test."""

_WORST_FIRST = (
    (Effect.RED, RunVerdict.FAILED),
    (Effect.ERRORED, RunVerdict.ERRORED),
    (Effect.INCOMPLETE, RunVerdict.INCOMPLETE),
)

CLI_CODE: Mapping[RunVerdict, int] = {
    RunVerdict.PASSED: 0,
    RunVerdict.FAILED: 1,
    RunVerdict.ERRORED: 3,
    RunVerdict.INCOMPLETE: 3,
    RunVerdict.CANCELLED: 3,
}
JENKINS_RESULT: Mapping[RunVerdict, str] = {
    RunVerdict.PASSED: "SUCCESS",
    RunVerdict.FAILED: "FAILURE",
    RunVerdict.ERRORED: "NOT_BUILT",
    RunVerdict.INCOMPLETE: "NOT_BUILT",
    RunVerdict.CANCELLED: "ABORTED",
}
COMMIT_STATUS: Mapping[RunVerdict, str] = {
    RunVerdict.PASSED: "success",
    RunVerdict.FAILED: "failure",
    RunVerdict.ERRORED: "error",
    RunVerdict.INCOMPLETE: "error",
    RunVerdict.CANCELLED: "error",
}


def decide(
    cells: Sequence[GateCell], *, is_cancelled: bool = False, regressions: Sequence[str] = ()
) -> GateDecision:
    """Return the verdict of a run: that of its worst cell, and at least one cell must be green.

    `regressions`: sentences about measured regressions that block; each makes the run failed.
    """
    if is_cancelled:
        return GateDecision(verdict=RunVerdict.CANCELLED, reasons=("the run was cancelled",))
    effects = {cell.key: _effect_of(cell) for cell in cells}
    reasons = [*regressions, *(_sentence(c) for c in cells if effects[c.key] in _BLOCKING)]
    found = set(effects.values()) | ({Effect.RED} if regressions else set())
    for effect, verdict in _WORST_FIRST:
        if effect in found:
            return GateDecision(verdict=verdict, reasons=tuple(reasons))
    if Effect.GREEN not in found:
        nothing = "no cell of this run was executed and passed"
        return GateDecision(verdict=RunVerdict.INCOMPLETE, reasons=(nothing,))
    return GateDecision(verdict=RunVerdict.PASSED, reasons=())


_BLOCKING = {effect for effect, _ in _WORST_FIRST}


def _effect_of(cell: GateCell) -> Effect:
    return TABLE[cell.verdict, cell.is_exonerated, cell.required]


def _sentence(cell: GateCell) -> str:
    kind = f" ({cell.failure_class})" if cell.failure_class else ""
    why = f": {cell.reason}" if cell.reason else ""
    return f"{cell.key} {cell.verdict}{kind}{why}".replace("\n", " ")
