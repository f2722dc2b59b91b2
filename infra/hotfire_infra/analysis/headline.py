"""The one sentence of a run: on how many platforms, how many cells, what is missing."""

from __future__ import annotations

from hotfire_infra.analysis.quantities import percent
from hotfire_infra.analysis.report import CellReport, RunReport

GREEN = frozenset({"passed", "flaky"})
RED = frozenset({"failed"})
IDLE = frozenset({"not_executable", "skipped"})


def headline(report: RunReport) -> str:
    """Return `passed on 3 of 4 platforms, 23 of 24 cells, none missing.` for any run.

    A platform passes when at least one of its cells passed and none is red, lost or missing.
    """
    platforms = report.platforms
    passed = sum(_platform_passed(report.cells, name) for name in platforms)
    cells = sum(cell.verdict in GREEN for cell in report.cells)
    if not report.is_final:
        decided = sum(cell.verdict is not None for cell in report.cells)
        return f"{report.state}: {decided} of {len(report.cells)} cells decided"
    parts = [f"{cells} of {len(report.cells)} cells", *_trouble(report.cells), _missing(report)]
    on = f" on {passed} of {len(platforms)} platforms" if platforms else ""
    word = report.verdict or report.state
    lead = f"{word}{on}" if word == "passed" else f"{word}: passed{on}"
    return ", ".join([lead, *parts]) + "."


def coverage_line(report: RunReport) -> str:
    """Return `coverage 91.2 % C++, 94.0 % Python`, or an empty string when none was recorded."""
    if not report.coverage:
        return ""
    return "coverage " + ", ".join(f"{percent(c.share)} {c.language}" for c in report.coverage)


def _platform_passed(cells: tuple[CellReport, ...], platform: str) -> bool:
    verdicts = {cell.verdict for cell in cells if cell.platform == platform}
    return bool(verdicts & GREEN) and verdicts <= GREEN | IDLE


def _trouble(cells: tuple[CellReport, ...]) -> list[str]:
    failed = sum(cell.verdict == "failed" for cell in cells)
    errored = sum(cell.verdict == "errored" for cell in cells)
    return [f"{n} {word}" for n, word in ((failed, "failed"), (errored, "errored")) if n]


def _missing(report: RunReport) -> str:
    missing = report.totals.get("missing", 0)
    return f"{missing} missing" if missing else "none missing"
