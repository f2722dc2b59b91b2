"""A run's place in the queue, its successor and its holds, in words for terminal and pages."""

from __future__ import annotations

import shlex

from hotfire_infra.analysis.quantities import NANOSECONDS, duration
from hotfire_infra.analysis.report import HoldReport, RunReport

DEFAULT_TEAM = "default"
UNTRUSTED = (
    "its tasks get no secrets, and trusted runs take no result over from it (--untrusted, or asked "
    "for below `access.trusted_role` of the service)"
)


def order_words(report: RunReport) -> str:
    """Return `pre-merge · team vision · change fix-x`; the default team goes without saying."""
    parts = [report.priority]
    if report.team != DEFAULT_TEAM:
        parts.append(f"team {report.team}")
    if report.change:
        parts.append(f"change {report.change}")
    return " · ".join(parts)


def succession_words(report: RunReport) -> tuple[str, ...]:
    """Say which run ended this one, and which ones this one ended."""
    lines = []
    if report.superseded_by is not None:
        lines.append(f"superseded by run {report.superseded_by}")
    if report.supersedes:
        runs = ", ".join(str(number) for number in report.supersedes)
        lines.append(
            f"supersedes run {runs}" if len(report.supersedes) == 1 else f"supersedes runs {runs}"
        )
    return tuple(lines)


def hold_lines(hold: HoldReport) -> tuple[str, ...]:
    """Say what is kept, for how long, and how to get in; or why it is not."""
    if hold.refusal:
        return (f"{hold.cell}, attempt {hold.attempt_number}: {hold.refusal}",)
    left = duration(hold.seconds_left * NANOSECONDS) if hold.seconds_left else "no time"
    who = f"attempt {hold.attempt_number}, for {hold.held_by} until {hold.until}"
    return (
        f"held: {hold.cell}, {who} ({left} left)",
        f"  cd {shlex.quote(hold.directory)}",
        f"  hotfire repro {shlex.quote(hold.cell)} --run {hold.run}",
        f"  hotfire holds release {hold.id}",
    )
