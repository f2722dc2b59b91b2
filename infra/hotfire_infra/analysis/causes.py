"""Failures that say the same are one cause: show one of them, count the rest."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass

from hotfire_infra.analysis.report import FailedTest

# What differs from test to test though the cause is one: ids, addresses, numbers.
_PARTICULAR = re.compile(r"\b[0-9A-Z]{26}\b|0x[0-9a-fA-F]+|-?\d+(?:\.\d+)?(?:e[-+]?\d+)?")


@dataclass(frozen=True, slots=True, kw_only=True)
class Cause:
    """Failures whose outcome, first line and excuse agree, particulars aside."""

    example: FailedTest
    tests: int
    cells: tuple[str, ...]

    @property
    def others(self) -> int:
        """How many more say the same."""
        return self.tests - 1


def normalised(line: str) -> str:
    """Return the line without its particulars: `error 3.71 at 5` and `error 4 at 17` agree."""
    return _PARTICULAR.sub("#", line)


def causes_of(failures: Iterable[FailedTest]) -> tuple[Cause, ...]:
    """Group failures, in the order of the first of each; failed before errored before the rest."""
    groups: dict[tuple[str, str, str], list[FailedTest]] = {}
    for failure in failures:
        # Without a message there is nothing to agree on but the test itself.
        words = normalised(failure.first_line) or failure.test
        # What blocks and what does not are never shown as one.
        excuse = failure.exoneration or failure.not_waived
        groups.setdefault((failure.outcome, words, excuse), []).append(failure)
    causes = [
        Cause(
            example=members[0],
            tests=len(members),
            cells=tuple(dict.fromkeys(member.cell for member in members)),
        )
        for members in groups.values()
    ]
    rank = {"failed": 0, "errored": 1}
    return tuple(sorted(causes, key=lambda cause: rank.get(cause.example.outcome, 2)))
