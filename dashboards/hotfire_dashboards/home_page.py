"""The home page: what is running, what is red, and the runs before."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from hotfire_dashboards.addresses import run_address
from hotfire_dashboards.commands import command
from hotfire_infra.analysis.appearance import Appearance, appearance
from hotfire_infra.analysis.history import RunSummary
from hotfire_infra.analysis.quantities import duration, utc


@dataclass(frozen=True, slots=True, kw_only=True)
class RunRow:
    """One run; columns and order are those of `hotfire ps`."""

    look: Appearance
    address: str
    number: str
    pipeline: str
    source: str
    subject: str
    started: str
    duration: str
    cells: str
    headline: str


@dataclass(frozen=True, slots=True, kw_only=True)
class HomePage:
    """Everything the template of the home page prints."""

    lead: str
    latest: RunRow | None
    rows: tuple[RunRow, ...]
    live: bool
    start_command: str
    address: str = "/"


def home_page(runs: Sequence[RunSummary]) -> HomePage:
    """Build the home page from the newest runs."""
    rows = tuple(run_row(run) for run in runs)
    return HomePage(
        lead=_lead(runs),
        latest=rows[0] if rows else None,
        rows=rows,
        live=any(run.verdict is None for run in runs),
        start_command=command("run", "pre-merge"),
    )


def run_row(run: RunSummary) -> RunRow:
    """Build one line of the list of runs."""
    words = ", ".join(f"{n} {appearance(v).word}" for v, n in sorted(run.totals.items()))
    return RunRow(
        look=appearance(run.word),
        address=run_address(run.number),
        number=f"#{run.number}",
        pipeline=run.pipeline,
        source=run.source.short,
        subject=run.source.subject,
        started=utc(run.created_ns),
        duration=duration(run.duration_ns),
        cells=" · ".join(part for part in (words, run.note) if part),
        headline=run.headline,
    )


def _lead(runs: Sequence[RunSummary]) -> str:
    if not runs:
        return "No run has been recorded in this store yet."
    going = sum(run.verdict is None for run in runs)
    latest = runs[0]
    ended = next((run for run in runs if run.verdict is not None), None)
    parts = [f"{going} running." if going else ""]
    if ended:
        parts.append(f"The latest finished run, #{ended.number}, is {appearance(ended.word).word}.")
    elif not going:
        parts.append(f"Run #{latest.number} is {latest.state}.")
    return " ".join(part for part in parts if part)
