"""The one sentence of a run: on how many platforms, how many cells, what is missing."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import Protocol

from hotfire_infra.analysis.quantities import count, percent
from hotfire_infra.analysis.report import RunReport
from hotfire_infra.store.queries_unselected import NOT_SELECTED

GREEN = frozenset({"passed", "flaky"})


class JudgedCell(Protocol):
    """What the sentence needs of a cell, as a row of the store or as part of a report."""

    @property
    def key(self) -> str:
        """The cell's key."""

    @property
    def platform(self) -> str:
        """The cell's platform."""

    @property
    def verdict(self) -> str | None:
        """The cell's verdict; None until it reports."""


def headline(report: RunReport) -> str:
    """Return the sentence of any run, finished or not."""
    if not report.is_final:
        decided = sum(cell.verdict is not None for cell in report.cells)
        return f"{report.state}: {decided} of {len(report.cells)} cells decided"
    excused = {cell.key for cell in report.cells if cell.is_excused}
    word = report.verdict or report.state
    return final_headline(report.cells, word, excused, _not_selected(report))


def _not_selected(report: RunReport) -> int:
    """Return how many cells the plan did not select for its change."""
    return sum(
        len(cells)
        for notice in report.notices
        if notice.kind == NOT_SELECTED and isinstance(cells := notice.body.get("cells"), list)
    )


def final_headline(
    cells: Sequence[JudgedCell],
    word: str,
    excused: Collection[str] = frozenset(),
    left_out: int = 0,
) -> str:
    """Return `passed on 3 of 4 platforms, 23 of 24 cells, none missing.` for a finished run.

    A platform passes when at least one of its cells passed and no other is anything but skipped:
    what was only built for it, and could not be executed here, has not passed.
    `word` is the verdict of the run; any but `passed` is said first. `excused` are the keys of cells
    whose failures are all exonerated: they keep no platform from passing, and are no pass. `left_out`
    is the number of cells that the plan did not select for its change: they have no verdict.
    """
    judged = [cell for cell in cells if cell.key not in excused] if excused else cells
    platforms = sorted({cell.platform for cell in cells if cell.platform})
    passed = sum(_platform_passed(judged, name) for name in platforms)
    green = sum(cell.verdict in GREEN for cell in cells)
    trouble = [*_trouble(judged), *([f"{len(excused)} exonerated"] if excused else [])]
    parts = [f"{green} of {len(cells)} cells", *trouble, _missing(cells)]
    on = f" on {passed} of {len(platforms)} platforms" if platforms else ""
    lead = f"{word}{on}" if word == "passed" else f"{word}: passed{on}"
    unselected = [f"{left_out} not selected"] if left_out else []
    return ", ".join([lead, *parts, *unselected]) + "."


def coverage_line(report: RunReport) -> str:
    """Return `coverage 91.2 % C++, 94.0 % Python`, or an empty string when none was recorded.

    What a change left out ran nothing, so that such a share is no drop: it is called partial.
    """
    if not report.coverage:
        return ""
    shares = ", ".join(f"{percent(c.share)} {c.language}" for c in report.coverage)
    why = partial_coverage(report)
    return f"partial coverage {shares} ({why})" if why else f"coverage {shares}"


def partial_coverage(report: RunReport) -> str:
    """Return `12 tests left out, 3 cells not selected`; empty where all tests were asked to run."""
    cells = _not_selected(report)
    tests = max((one.left_out for one in report.coverage), default=0)
    parts = [
        f"{count(tests, 'test')} left out" if tests else "",
        f"{count(cells, 'cell')} not selected" if cells else "",
    ]
    return ", ".join(part for part in parts if part)


def _platform_passed(cells: Sequence[JudgedCell], platform: str) -> bool:
    verdicts = {cell.verdict for cell in cells if cell.platform == platform}
    return bool(verdicts & GREEN) and verdicts <= GREEN | {"skipped"}


def _trouble(cells: Sequence[JudgedCell]) -> list[str]:
    failed = sum(cell.verdict == "failed" for cell in cells)
    errored = sum(cell.verdict == "errored" for cell in cells)
    return [f"{n} {word}" for n, word in ((failed, "failed"), (errored, "errored")) if n]


def _missing(cells: Sequence[JudgedCell]) -> str:
    missing = sum(cell.verdict in (None, "missing") for cell in cells)
    return f"{missing} missing" if missing else "none missing"
