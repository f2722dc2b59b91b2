"""`hotfire compare A B`: what became worse, better or cannot be told between two runs."""

from __future__ import annotations

import json
import sys
from dataclasses import asdict

from hotfire_infra.analysis.appearance import appearance
from hotfire_infra.analysis.changes import change_words
from hotfire_infra.analysis.run_comparison import MetricChange, RunComparison, TestChange
from hotfire_infra.cli.console import data, progress, symbol
from hotfire_infra.cli.exit_codes import CliExit
from hotfire_infra.cli.session import open_reports


def compare(before: str, after: str, *, show_all: bool, as_json: bool) -> int:
    """Print what changed between two runs; 0 no worse, 1 worse, 6 nothing to compare."""
    with open_reports() as reports:
        comparison = reports.comparison(before, after)
    if as_json:
        data(json.dumps(asdict(comparison), ensure_ascii=False))
    else:
        _print(comparison, show_all=show_all)
    if comparison.is_worse:
        return CliExit.RED
    return CliExit.OK if comparison.is_comparable else CliExit.INCONCLUSIVE


def _print(comparison: RunComparison, *, show_all: bool) -> None:
    data(f" run {comparison.before} → run {comparison.after}")
    for change in comparison.tests:
        data(_test_line(change))
    shown = [one for one in comparison.metrics if show_all or one.change != "unchanged"]
    for metric in shown:
        data(_metric_line(metric))
    for task in comparison.accuracy:
        data(f" {symbol(appearance(task.decision), sys.stdout)} {task.line}")
    if not comparison.tests:
        data(f"   no test changed ({comparison.tests_compared:,} cells compared)")
    if not comparison.metrics:
        progress("no series was measured in both runs: performance cannot be compared")


def _test_line(change: TestChange) -> str:
    look = appearance(change.after)
    return (
        f" {symbol(look, sys.stdout)} {change.name}   "
        f"{appearance(change.before).word} → {look.word}"
    )


def _metric_line(metric: MetricChange) -> str:
    look = appearance(metric.change)
    words = change_words(metric.metric, metric.interval)
    return (
        f" {symbol(look, sys.stdout)} {metric.metric}  {metric.test.split('/', 2)[-1]}  "
        f"{metric.platform}  {words}: {look.word} ({metric.why})"
    )
