"""The lines of a run as the terminal prints them: plan, cell, performance, headline."""

from __future__ import annotations

from typing import TextIO

from hotfire_infra.analysis.appearance import appearance
from hotfire_infra.analysis.cell_words import test_counts
from hotfire_infra.analysis.changes import change_words
from hotfire_infra.analysis.headline import coverage_line, headline
from hotfire_infra.analysis.quantities import count, duration, quantity
from hotfire_infra.analysis.report import CellReport, PerformancePoint, RunReport
from hotfire_infra.cli.console import paint, symbol
from hotfire_pipelines.plan import Plan

ALWAYS_SHOWN = frozenset({"aestus.decode_rate", "aestus.prefill_rate"})
"""Metrics whose comparison is printed even when nothing changed."""
DURATION_WIDTH = 11
"""Of the longest duration below an hour, `59 min 59 s`."""
CHANGED = frozenset({"regressed", "improved", "environment"})


def plan_line(plan: Plan, subject: str = "") -> str:
    """Return ` plan  pre-merge @ 3f2a91c   4 platforms   24 cells, 31 tasks, …`."""
    source = plan.source.revision[:7] + ("+" if plan.source.patch_digest else "")
    known = [plan.expected(cell) for cell in plan.cells]
    expected = sum(len(tests) for tests in known if tests is not None)
    unknown = sum(tests is None for tests in known)
    parts = [count(len(plan.cells), "cell"), count(len(plan.tasks), "task")]
    if expected:
        parts.append(f"{count(expected, 'test')} expected")
    if unknown:
        parts.append(f"{count(unknown, 'cell')} without an inventory yet")
    if plan.estimate is not None:
        parts.append(f"est. {duration(round(plan.estimate.seconds * 1e9))}")
    platforms = count(len(plan.platforms), "platform")
    words = f"{plan.pipeline} @ {source}{' ' + subject if subject else ''}"
    return f" plan  {words}   {platforms}   {', '.join(parts)}"


def durations_lines(plan: Plan) -> list[str]:
    """Say what shards were cut by: ` durations: 1,204 measured on this platform, 12 unknown`."""
    asked_in_vain = [f" in doubt: {sentence}" for sentence in plan.unanswered]
    if not plan.durations:
        return asked_in_vain
    platforms = {cell.platform for cell in plan.cells if cell.key in _cells_with_durations(plan)}
    where = "this platform" if len(platforms) == 1 else "their platforms"
    measured = sum(one.measured for one in plan.durations)
    near = sum(one.neighbours for one in plan.durations)
    unknown = sum(one.unknown for one in plan.durations)
    parts = [
        f"{measured:,} measured on {where}",
        f"{near:,} estimated from neighbours" if near else "",
        f"{unknown:,} unknown, as declared" if unknown else "",
    ]
    lenders = sorted({name for one in plan.durations for name in one.pipelines})
    if lenders:
        parts[0] += f" (runs of {', '.join(lenders)} too)"
    return [*asked_in_vain, f" durations: {', '.join(part for part in parts if part)}"]


def blind_gate_lines(plan: Plan) -> list[str]:
    """Say which accuracy gates cannot see what they forbid, and where they are declared."""
    return [
        f" {'error' if one.is_error else 'warning'}: {one.place}: {one.fault}"
        for one in plan.blind_gates
    ]


def _cells_with_durations(plan: Plan) -> set[str]:
    return {one.cell for one in plan.durations}


def cell_columns(cell: CellReport) -> tuple[str, ...]:
    """Return the columns of a cell after its state; order and words are those of the page."""
    return (
        cell.task,
        cell.platform,
        cell.axes,
        duration(cell.duration_ns),
        test_counts(cell),
        cell.note,
    )


def widths_of(report: RunReport) -> tuple[int, int, int]:
    """Return the widths of task, platform and variant, so that lines printed one by one align."""
    return (
        max((len(cell.task) for cell in report.cells), default=0),
        max((len(cell.platform) for cell in report.cells), default=0),
        max((len(cell.axes) for cell in report.cells), default=0),
    )


def cell_line(cell: CellReport, widths: tuple[int, int, int], stream: TextIO) -> str:
    """Return ` ✓ kernels  linux-x86_64  release  12 s  1,940 passed  worst error …`."""
    task, platform, axes, took, tests, note = cell_columns(cell)
    look = appearance(cell.word)
    columns = (
        task.ljust(widths[0]),
        platform.ljust(widths[1]),
        axes.ljust(widths[2]),
        took.rjust(DURATION_WIDTH),
    )
    # Without counts the symbol needs its word: `not executable here: no NVIDIA device`.
    words = "" if tests or look.symbol == "✓" else look.word
    tail = "   ".join(part for part in (tests, ": ".join(filter(None, (words, note)))) if part)
    return f" {symbol(look, stream)} {'  '.join(columns)}   {tail}".rstrip()


def performance_lines(report: RunReport, stream: TextIO) -> list[str]:
    """Return one line per comparison people want: the rates, and whatever changed."""
    shown = [
        point
        for point in report.performance
        if point.valid and (point.metric in ALWAYS_SHOWN or point.change in CHANGED)
    ]
    return [_performance_line(point, stream) for point in shown]


def _performance_line(point: PerformancePoint, stream: TextIO) -> str:
    look = appearance(point.change)
    change = change_words(point.metric, point.interval) or "nothing to compare with"
    runs = f" against {count(point.earlier_runs, 'earlier run')}" if point.earlier_runs else ""
    name = point.test.split("/", 2)[-1]
    value = quantity(point.value, point.unit)
    return (
        f" {symbol(look, stream)} {point.metric}  {name}  {point.platform}  {value}  "
        f"{change}{runs}: {look.word} ({point.change_reason})"
    )


def closing_line(report: RunReport, stream: TextIO) -> str:
    """Return the headline with coverage and address."""
    parts = (paint(headline(report), appearance(report.word).tone, stream), coverage_line(report))
    return " " + "   ".join(part for part in (*parts, report.url) if part)
