"""`hotfire ps`: the newest runs."""

from __future__ import annotations

import json
from dataclasses import asdict

from hotfire_infra.analysis.appearance import appearance
from hotfire_infra.analysis.history import RunSummary
from hotfire_infra.analysis.quantities import duration, utc
from hotfire_infra.cli.console import data, progress, table
from hotfire_infra.cli.exit_codes import CliExit
from hotfire_infra.cli.session import open_reports

HEADER = ("STATE", "RUN", "PIPELINE", "SOURCE", "STARTED", "DURATION", "CELLS")


def ps(limit: int, *, as_json: bool) -> int:
    """Print the newest runs; an empty store is a sentence, not an empty table."""
    with open_reports() as reports:
        runs = reports.runs(limit)
    if as_json:
        data(json.dumps({"runs": [asdict(run) for run in runs]}, ensure_ascii=False))
    elif runs:
        data(table(HEADER, [_row(run) for run in runs], frozenset({1, 5})))
    else:
        progress("no run has been recorded here yet; start one with `hotfire run pre-merge`")
    return CliExit.OK


def _row(run: RunSummary) -> tuple[str, ...]:
    look = appearance(run.word)
    cells = ", ".join(f"{n} {appearance(word).word}" for word, n in sorted(run.totals.items()))
    cells = " · ".join(part for part in (cells, run.note) if part)
    return (
        f"{look.symbol} {look.word}",
        str(run.number),
        run.pipeline,
        f"{run.source.short} {run.source.subject}".strip(),
        utc(run.created_ns),
        duration(run.duration_ns),
        cells,
    )
