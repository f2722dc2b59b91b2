"""The page of one run as a typed value: every text is ready to print."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass

from hotfire_dashboards.addresses import (
    cell_anchor,
    compare_address,
    run_address,
    series_address,
    test_address,
)
from hotfire_dashboards.commands import command
from hotfire_dashboards.series_page import ChangeLine, change_lines
from hotfire_infra.analysis.appearance import Appearance, appearance
from hotfire_infra.analysis.causes import Cause, causes_of
from hotfire_infra.analysis.cell_words import test_counts
from hotfire_infra.analysis.changes import change_words
from hotfire_infra.analysis.headline import coverage_line, headline, partial_coverage
from hotfire_infra.analysis.order_words import hold_lines, order_words, succession_words
from hotfire_infra.analysis.quantities import (
    count,
    duration,
    percent,
    quantity,
    utc,
)
from hotfire_infra.analysis.report import CellReport, FailedTest, PerformancePoint, RunReport

SHOWN_CAUSES = 12
"""Causes printed in full; beyond it the page says how many more there are."""


QUIET_CHANGES = frozenset({"unchanged", "too_few"})
MANY_SERIES = 12
"""Beyond it the series of a metric that did not move stand behind one line."""
HEAD_LINES = 6
"""Lines of a message in plain sight; the rest opens on request."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CellRow:
    """One line of the cell table; the columns and their order are those of `hotfire run`."""

    look: Appearance
    anchor: str
    task: str
    platform: str
    axes: str
    duration: str
    tests: str
    attempts: str
    note: str


@dataclass(frozen=True, slots=True, kw_only=True)
class MatrixCell:
    """A crossing of platform and task; `look` is None where nothing was planned."""

    look: Appearance | None
    anchor: str
    label: str
    count: str


@dataclass(frozen=True, slots=True, kw_only=True)
class MatrixRow:
    """All tasks of one platform."""

    platform: str
    cells: tuple[MatrixCell, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class FailureRow:
    """A test that is not green, its message and the command that reproduces it."""

    look: Appearance
    test: str
    address: str
    where: str
    others: str
    message: str
    rest: str
    rest_words: str
    repro: str
    excuse: str
    """Why it does not block; empty if it does."""
    flake: str
    """How often it fails by chance, and whether this looks like it."""
    cluster: str
    """Id of the failures that say the same, and since when there are such."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PerformanceRow:
    """One measured value beside what the earlier runs say about it."""

    look: Appearance
    test: str
    name: str
    address: str
    platform: str
    metric: str
    value: str
    change: str
    normalised: str
    reason: str
    basis: str


@dataclass(frozen=True, slots=True, kw_only=True)
class QuietSeries:
    """Many series of one metric with nothing to say: a line that opens."""

    summary: str
    rows: tuple[PerformanceRow, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class CoverageRow:
    """Line coverage of one language; `width` is 0..100 for the meter."""

    language: str
    share: str
    width: str
    lines: str
    files: str


@dataclass(frozen=True, slots=True, kw_only=True)
class RunPage:
    """Everything the template of a run prints."""

    title: str
    address: str
    compare_address: str
    """Of the comparison with the run that it retries, else with the one before it."""
    look: Appearance
    live: bool
    headline: str
    coverage_line: str
    reasons: tuple[str, ...]
    notices: tuple[str, ...]
    facts: tuple[tuple[str, str], ...]
    tasks: tuple[str, ...]
    matrix: tuple[MatrixRow, ...]
    failures: tuple[FailureRow, ...]
    failures_summary: str
    more_causes: str
    cells: tuple[CellRow, ...]
    cells_summary: str
    changes: tuple[ChangeLine, ...]
    reruns: tuple[str, ...]
    """What was run again, interleaved, to be sure."""
    performance: tuple[PerformanceRow, ...]
    quiet: tuple[QuietSeries, ...]
    performance_empty: str
    coverage: tuple[CoverageRow, ...]
    coverage_title: str
    coverage_note: str
    coverage_empty: str
    commands: tuple[tuple[str, str], ...]


def run_page(report: RunReport) -> RunPage:
    """Build the page of a run."""
    tasks = tuple(dict.fromkeys(cell.task for cell in report.cells))
    causes = causes_of(report.failures)
    hidden = len(causes) - SHOWN_CAUSES
    loud, quiet = _by_interest(report.performance)
    return RunPage(
        title=f"{report.pipeline} #{report.number}",
        address=run_address(report.number),
        compare_address=_compare_address(report),
        look=appearance(report.word),
        live=not report.is_final,
        headline=headline(report),
        coverage_line=coverage_line(report),
        reasons=report.reasons,
        notices=tuple(f"{notice.kind}: {notice.text}" for notice in report.notices),
        facts=_facts(report),
        tasks=tasks,
        matrix=tuple(_matrix_row(report, platform, tasks) for platform in report.platforms),
        failures=tuple(_failure_row(report, cause) for cause in causes[:SHOWN_CAUSES]),
        failures_summary=_failures_summary(len(report.failures), len(causes)),
        more_causes=f"and {count(hidden, 'more cause')}" if hidden > 0 else "",
        cells=tuple(_cell_row(cell) for cell in report.cells),
        cells_summary=_cells_summary(report),
        changes=change_lines(report.changes),
        reruns=tuple(one.words for one in report.confirmations),
        performance=tuple(_performance_row(point) for point in loud),
        quiet=tuple(_quiet_series(metric, points) for metric, points in quiet.items()),
        performance_empty=_empty(report, "No measurement was recorded: no performance cell ran"),
        coverage=tuple(
            CoverageRow(
                language=one.language,
                share=percent(one.share),
                width=f"{one.share * 100:.1f}",
                lines=f"{one.hit_lines:,} of {one.executable_lines:,} lines",
                files=_files(one.files, one.never_loaded),
            )
            for one in report.coverage
        ),
        coverage_title="Partial coverage" if partial_coverage(report) else "Coverage",
        coverage_note=_coverage_note(report),
        coverage_empty=_empty(report, "No coverage was recorded: no coverage cell ran"),
        commands=_commands(report),
    )


def _coverage_note(report: RunReport) -> str:
    note = "lines, all suites and platforms together"
    why = partial_coverage(report)
    return f"{note}; of a part of the tests: {why}, which is no drop" if why else note


def _facts(report: RunReport) -> tuple[tuple[str, str], ...]:
    expected = report.tests_expected
    facts = [
        ("source", f"{report.source.short} {report.source.subject}".strip()),
        ("started", utc(report.created_ns)),
        ("duration", duration(report.duration_ns) or "still going"),
        ("plan", f"{len(report.cells)} cells, {report.tasks} tasks"),
        ("queue", order_words(report)),
        ("tests expected", f"{expected:,}" if expected is not None else "not known before it runs"),
        ("plan digest", report.plan_digest[:12]),
        ("run id", report.ulid),
    ]
    facts.extend(("succession", words) for words in succession_words(report))
    facts.extend(("machine", hold_lines(hold)[0]) for hold in report.holds)
    if report.merge_base is not None:
        facts.append(("merge base", report.merge_base[:7]))
    if report.parent_number is not None:
        facts.append(("retry of", f"#{report.parent_number}"))
    return tuple(facts)


def _cells_summary(report: RunReport) -> str:
    counts = Counter(cell.word for cell in report.cells)
    words = (f"{n} {appearance(word).word}" for word, n in sorted(counts.items()))
    return f"{count(len(report.cells), 'cell')}: " + ", ".join(words)


def _matrix_row(report: RunReport, platform: str, tasks: tuple[str, ...]) -> MatrixRow:
    here = [cell for cell in report.cells if cell.platform == platform]
    return MatrixRow(
        platform=platform,
        cells=tuple(_matrix_cell([c for c in here if c.task == task], task) for task in tasks),
    )


# The worst word of several cells in one crossing is the one to look at.
_WORST_FIRST = ("failed", "errored", "missing", "flaky", "running", "queued", "waiting", "passed")


def _matrix_cell(cells: list[CellReport], task: str) -> MatrixCell:
    if not cells:
        return MatrixCell(look=None, anchor="", label=f"{task}: not planned", count="")
    rank = {word: place for place, word in enumerate(_WORST_FIRST)}
    worst = min(cells, key=lambda cell: rank.get(cell.word, len(rank)))
    look = appearance(worst.word)
    return MatrixCell(
        look=look,
        anchor=cell_anchor(worst.key),
        label=f"{task} on {worst.platform}: {look.word}",
        count=f" {len(cells)}" if len(cells) > 1 else "",
    )


def _cell_row(cell: CellReport) -> CellRow:
    return CellRow(
        look=appearance(cell.word),
        anchor=cell_anchor(cell.key),
        task=cell.task,
        platform=cell.platform,
        axes=cell.axes,
        duration=duration(cell.duration_ns),
        tests=test_counts(cell),
        attempts=str(cell.attempts) if cell.attempts else "",
        note=cell.note,
    )


def _failure_row(report: RunReport, cause: Cause) -> FailureRow:
    failure = cause.example
    lines = failure.message.strip().splitlines()
    # Of what is over nothing more will be known: a cancelled or lost test has no class.
    blame = failure.failure_class or ("" if report.is_final else "class not known yet")
    blame = " · ".join(filter(None, (failure.outcome, blame)))
    cells = ", ".join(cause.cells[:4]) + (" …" if len(cause.cells) > 4 else "")
    return FailureRow(
        look=appearance(failure.outcome),
        test=failure.test,
        address=test_address(failure.test),
        where=f"{blame} · {cells}",
        others=f"and {count(cause.others, 'more test')} say the same" if cause.others else "",
        message="\n".join(lines[:HEAD_LINES]) or "the test left no message",
        rest="\n".join(lines[HEAD_LINES:]),
        rest_words=f"{count(len(lines) - HEAD_LINES, 'more line')}",
        repro=command("repro", failure.test, "--run", str(report.number)),
        excuse=_excuse(failure),
        flake=failure.flake,
        cluster=failure.cluster,
    )


def _excuse(failure: FailedTest) -> str:
    if failure.exoneration:
        return f"does not block: {failure.exoneration}"
    return f"not waived: {failure.not_waived}" if failure.not_waived else ""


def _failures_summary(tests: int, causes: int) -> str:
    return f"{count(tests, 'test')}, {count(causes, 'cause')}"


def _by_interest(
    points: tuple[PerformancePoint, ...],
) -> tuple[list[PerformancePoint], dict[str, list[PerformancePoint]]]:
    """Split off the metrics with many series (registers per kernel and GPU) that did not move."""
    quiet: dict[str, list[PerformancePoint]] = {}
    for point in points:
        if point.valid and point.change in QUIET_CHANGES:
            quiet.setdefault(point.metric, []).append(point)
    quiet = {metric: found for metric, found in quiet.items() if len(found) > MANY_SERIES}
    folded = {id(point) for found in quiet.values() for point in found}
    return [point for point in points if id(point) not in folded], quiet


def _quiet_series(metric: str, points: list[PerformancePoint]) -> QuietSeries:
    return QuietSeries(
        summary=f"{metric}: {count(len(points), 'series', 'series')} without a change",
        rows=tuple(_performance_row(point) for point in points),
    )


def _compare_address(report: RunReport) -> str:
    before = report.parent_number or report.number - 1
    is_known = report.is_final and before > 0
    return compare_address(before, report.number) if is_known else ""


def _performance_row(point: PerformancePoint) -> PerformanceRow:
    invalid = "" if point.valid else f"not valid: {point.invalid_reason or 'no reason recorded'}"
    return PerformanceRow(
        look=appearance(point.change if point.valid else "not_comparable"),
        test=point.test,
        name=point.test.split("/", 2)[-1],
        address=series_address(point.series) if point.series else "",
        platform=point.platform,
        metric=point.metric,
        value=quantity(point.value, point.unit),
        change=change_words(point.metric, point.interval),
        normalised=change_words(point.metric, point.normalised),
        reason=invalid or point.change_reason,
        basis=_basis(point),
    )


def _basis(point: PerformancePoint) -> str:
    runs = count(point.earlier_runs, "earlier run")
    basis = f"{runs}, {count(point.replicates, 'replicate')}"
    return f"{basis}; {point.noise}" if point.noise else basis


def _files(files: int, never_loaded: int) -> str:
    text = count(files, "file")
    return f"{text}, {never_loaded} never loaded" if never_loaded else text


def _empty(report: RunReport, why: str) -> str:
    return f"{why}." if report.is_final else f"{why} yet."


def _commands(report: RunReport) -> tuple[tuple[str, str], ...]:
    number = str(report.number)
    if not report.is_final:
        return (
            ("follow it", command("watch", number)),
            ("stop it", command("cancel", number)),
        )
    return (
        ("the same in a terminal", command("show", number)),
        ("for a program", command("show", number, "-o", "json")),
        ("run what was not green again", command("retry", number)),
    )
