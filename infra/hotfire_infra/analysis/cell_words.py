"""Counts of a cell as words, the same in every door."""

from __future__ import annotations

from hotfire_infra.analysis.report import CellReport

ORDER = ("failed", "errored", "missing", "flaky", "passed", "skipped", "precluded")
"""Verdicts in the order people care about them."""


def test_counts(cell: CellReport) -> str:
    """Return `2 failed, 1,938 passed`; empty when nothing ran."""
    return ", ".join(f"{cell.tests[word]:,} {word}" for word in ORDER if cell.tests.get(word))
