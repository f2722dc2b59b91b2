"""`hotfire show`: a run, a cell or a test."""

from __future__ import annotations

import json
import re
import shlex
import sys
from dataclasses import asdict

from hotfire_infra.analysis.appearance import appearance
from hotfire_infra.analysis.causes import Cause, causes_of
from hotfire_infra.analysis.history import (
    CommandReports,
    SeriesHistory,
    TestHistory,
    TestOccurrence,
)
from hotfire_infra.analysis.order_words import hold_lines, order_words, succession_words
from hotfire_infra.analysis.quantities import count, duration, utc
from hotfire_infra.analysis.report import (
    AttemptNote,
    CellReport,
    FailedTest,
    RunReport,
    cell_document,
    run_document,
)
from hotfire_infra.cli.console import data, symbol
from hotfire_infra.cli.exit_codes import CliExit
from hotfire_infra.cli.finding import cell_of_failure, find_cell, suggest_test
from hotfire_infra.cli.lines import cell_line, closing_line, performance_lines, widths_of
from hotfire_infra.cli.problems import CliError
from hotfire_infra.cli.session import open_reports
from hotfire_infra.cli.verbs.kernel_errors import show_kernel_errors
from hotfire_infra.cli.verbs.show_series import change_lines, show_series
from hotfire_infra.errors import RunNotFoundError

_SERIES_KEY = re.compile(r"[0-9a-f]{8,64}")
SHOWN_CAUSES = 12
SHOWN_RESULTS = 12
LINES_OF_MESSAGE = 12


def show(what: str, ref: str, *, as_json: bool) -> int:
    """Find out what was named, print it, and return 0: to look is no verdict."""
    with open_reports() as reports:
        history = reports.test(what)
        if history is not None:
            _show_test(history, as_json=as_json)
            return CliExit.OK
        series = _series_called(reports, what)
        if series is not None:
            show_series(series, as_json=as_json)
            return CliExit.OK
        report = _run_called(reports, what)
        if report is not None:
            _show_run(report, as_json=as_json)
            return CliExit.OK
        if not reports.runs(1):
            raise CliError(
                "no run has been recorded here yet", next_command="hotfire run pre-merge"
            )
        report = reports.find(ref)
        cell = cell_of_failure(report, what) or find_cell(report, what)
        if cell is None:
            errors = reports.kernel_errors(what)
            if errors:
                show_kernel_errors(errors, as_json=as_json)
                return CliExit.OK
            raise suggest_test(reports, what, report.number)
        _show_cell(report, cell, as_json=as_json)
    return CliExit.OK


def _series_called(reports: CommandReports, what: str) -> SeriesHistory | None:
    name = what.rpartition("/p/")[2] if "/p/" in what else what
    return reports.series(name) if _SERIES_KEY.fullmatch(name) else None


def _run_called(reports: CommandReports, what: str) -> RunReport | None:
    name = what.rpartition("/r/")[2] if "/r/" in what else what
    try:
        return reports.find(name)
    except RunNotFoundError:
        return None


def _show_run(report: RunReport, *, as_json: bool) -> None:
    if as_json:
        data(json.dumps(run_document(report), ensure_ascii=False))
        return
    source = f"{report.source.short} {report.source.subject}".strip()
    data(f" run   {report.number}  {report.pipeline} @ {source}   {utc(report.created_ns)}")
    data(f" plan  {report.plan_digest[:12]}   {count(report.tasks, 'task')}")
    data(f" queue {order_words(report)}")
    for line in succession_words(report):
        data(f"   {line}")
    widths = widths_of(report)
    for cell in report.cells:
        data(cell_line(cell, widths, sys.stdout))
    for line in performance_lines(report, sys.stdout):
        data(line)
    _print_causes(report, causes_of(report.failures))
    for reason in report.reasons:
        data(f"   {reason}")
    for confirmation in report.confirmations:
        data(f"   reruns {confirmation.words}")
    for line in (line for hold in report.holds for line in hold_lines(hold)):
        data(f"   {line}")
    for notice in report.notices:
        data(f"   {notice.kind}: {notice.text}")
    data(closing_line(report, sys.stdout))


def _print_causes(report: RunReport, causes: tuple[Cause, ...]) -> None:
    for cause in causes[:SHOWN_CAUSES]:
        _print_failure(report, cause.example, cause.others)
    if len(causes) > SHOWN_CAUSES:
        data(f"\n and {count(len(causes) - SHOWN_CAUSES, 'more cause')}: {report.url}")


def _print_failure(report: RunReport, failure: FailedTest, others: int) -> None:
    look = appearance(failure.outcome)
    blame = f" ({failure.failure_class})" if failure.failure_class else ""
    data(f"\n {symbol(look, sys.stdout)} {failure.test}   {look.word}{blame}   {failure.cell}")
    for line in failure.message.strip().splitlines()[:LINES_OF_MESSAGE]:
        data(f"     {line}")
    if others:
        data(f"     … and {count(others, 'more test')} say the same")
    if failure.cluster:
        data(f"     cluster {failure.cluster}")
    if failure.flake:
        data(f"     {failure.flake}")
    if failure.exoneration:
        data(f"     does not block: {failure.exoneration}")
    if failure.not_waived:
        data(f"     not waived: {failure.not_waived}")
    data(f"   {repro_command(failure.test, report.number)}")


def repro_command(test: str, run: int) -> str:
    """Return the command that reproduces a test, as the shell reads it."""
    return f"hotfire repro {shlex.quote(test)} --run {run}"


def _show_cell(report: RunReport, cell: CellReport, *, as_json: bool) -> None:
    if as_json:
        data(json.dumps(cell_document(cell), ensure_ascii=False))
        return
    data(f" cell  {cell.key}   of run {report.number}")
    data(cell_line(cell, widths_of(report), sys.stdout))
    _print_causes(report, causes_of(cell.failures))
    for note in cell.notes:
        _print_attempt(note)
    if cell.attempts:
        data(f"\n hotfire logs {report.number} {shlex.quote(cell.key)}")
        data(f" hotfire repro {shlex.quote(cell.key)} --run {report.number}")


def _print_attempt(note: AttemptNote) -> None:
    where = f" on {note.device}" if note.device else ""
    what = "" if note.purpose == "result" else f" ({note.purpose}, never counted)"
    data(f"\n attempt {note.number} of {note.task}{where}: {note.state}{what}   {note.reason}")
    if note.failure_class:
        sure = "" if note.confidence is None else f", confidence {note.confidence:.2f}"
        data(f"   {note.failure_class}, by {note.source}{sure}")
    for item in note.evidence:
        data(
            f"   evidence {item.kind} ({item.failure_class}, {item.source}, "
            f"{item.confidence:.2f})  {item.detail}".rstrip()
        )


def _show_test(history: TestHistory, *, as_json: bool) -> None:
    if as_json:
        data(json.dumps(asdict(history), ensure_ascii=False))
        return
    data(f" test  {history.test}")
    for one in history.occurrences[:SHOWN_RESULTS]:
        data(_result_line(one))
    hidden = len(history.occurrences) - SHOWN_RESULTS
    if hidden > 0:
        data(f"   and {count(hidden, 'earlier result')}")
    newest = [one for one in history.occurrences if one.run == history.occurrences[0].run]
    shown = next((one for one in newest if one.outcome not in {"passed", "skipped"}), newest[0])
    for line in shown.message.strip().splitlines():
        data(f"     {line}")
    for note in history.flakes:
        axes = " ".join(value for _, value in sorted(note.variant.items()))
        data(f"   {note.words}   {axes}".rstrip())
    for words in history.quarantines:
        data(f"   {words}")
    for line in (line for change in history.changes for line in change_lines(change)):
        data(line)
    for key, words in history.series:
        data(f"   series {words}   hotfire show {key[:16]}")
    data(f"   {repro_command(history.test, shown.run)}")


def _result_line(one: TestOccurrence) -> str:
    look = appearance(one.outcome)
    evidence = ", ".join(f"{key} {value}" for key, value in one.evidence.items())
    return (
        f" {symbol(look, sys.stdout)} run {one.run}  {one.platform}  {look.word}  "
        f"{duration(one.duration_ns)}  {evidence}"
    ).rstrip()
