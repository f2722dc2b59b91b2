"""Quarantine of a flaky test: it keeps running, does not block, has an owner, and ends by itself.

It ends passed, when consecutive passes prove that the test is no flake any more; or expired, when its
time is over and nobody repaired it: then it blocks again, so that quarantine is no grave.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum

from hotfire_infra.analysis.flakes import LEVEL, FlakeRate, passes_needed

LIMIT = 0.01
"""A test that fails in less than this share of its runs needs no quarantine."""


class QuarantineState(StrEnum):
    """Where a quarantine stands; only an active one keeps a failure from blocking."""

    ACTIVE = "active"
    PASSED = "passed"
    EXPIRED = "expired"


@dataclass(frozen=True, slots=True, kw_only=True)
class Quarantine:
    """One test × variant, taken from what blocks."""

    test: str
    variant: str
    """Variant hash."""
    owner: str
    bug: str
    since_ns: int
    expires_ns: int
    limit: float = LIMIT
    confidence: float = LEVEL

    def __post_init__(self) -> None:
        if not self.owner.strip():
            raise ValueError(f"quarantine of {self.test} needs an owner")
        if self.expires_ns <= self.since_ns:
            raise ValueError(f"quarantine of {self.test} must expire after it begins")
        passes_needed(self.limit, self.confidence)

    @property
    def passes_needed(self) -> int:
        """Consecutive passes that end it."""
        return passes_needed(self.limit, self.confidence)


@dataclass(frozen=True, slots=True, kw_only=True)
class QuarantineProgress:
    """How far the exit test is."""

    state: QuarantineState
    passes: int
    """Consecutive ones, up to now or to the end."""
    needed: int

    @property
    def words(self) -> str:
        """One line for people."""
        return f"quarantine {self.state}: {self.passes:,} of {self.needed:,} passes in a row"


def progress_of(
    quarantine: Quarantine, tries: Iterable[tuple[int, bool]], now_ns: int
) -> QuarantineProgress:
    """Judge a quarantine by (time, failed) of passed and failed tries, oldest first.

    Tries before it began or after it expired do not count; the first run of passes that is long
    enough ends it for good.
    """
    passes, needed = 0, quarantine.passes_needed
    for at_ns, failed in tries:
        if not quarantine.since_ns <= at_ns < quarantine.expires_ns:
            continue
        passes = 0 if failed else passes + 1
        if passes >= needed:
            break
    if passes >= needed:
        state = QuarantineState.PASSED
    elif now_ns >= quarantine.expires_ns:
        state = QuarantineState.EXPIRED
    else:
        state = QuarantineState.ACTIVE
    return QuarantineProgress(state=state, passes=min(passes, needed), needed=needed)


def deserves_quarantine(rate: FlakeRate, limit: float = LIMIT, confidence: float = LEVEL) -> bool:
    """Whether a test fails by chance in more than `limit` of its runs, with that confidence."""
    return rate.failed > 0 and 1 - rate.below(limit) >= confidence
