"""Find what a word on the command line means: a cell of a run, or a test that is like it."""

from __future__ import annotations

import difflib
import shlex

from hotfire_infra.analysis.history import CommandReports
from hotfire_infra.analysis.report import CellReport, RunReport
from hotfire_infra.cli.problems import CliError


def find_cell(report: RunReport, words: str) -> CellReport | None:
    """Return the cell with this key, or the only one whose key holds the words; else None.

    Where several hold them, a word that is a task's whole name means that task: `suite` is not
    `board-suite`.
    """
    exact = [cell for cell in report.cells if cell.key == words]
    parts = words.split()
    near = [cell for cell in report.cells if all(part in cell.key for part in parts)]
    if len(near) > 1:
        near = [cell for cell in near if cell.key.partition("|")[0] in parts] or near
    if exact or len(near) == 1:
        return (exact or near)[0]
    if len(near) > 1:
        names = ", ".join(cell.key for cell in near[:5])
        raise CliError(
            f"{words!r} fits {len(near)} cells: {names}",
            next_command=f"hotfire show {shlex.quote(near[0].key)} --run {report.number}",
        )
    return None


def cell_of_failure(report: RunReport, test: str) -> CellReport | None:
    """Return the cell that has a verdict of this test, though it may never have begun in it."""
    keys = {failure.cell for failure in report.failures if failure.test == test}
    return next((cell for cell in report.cells if cell.key in keys), None)


def suggest_test(reports: CommandReports, text: str, run: int) -> CliError:
    """Return the error for a name that is neither a run, a cell nor a recorded test."""
    known = reports.similar_tests(text)
    nearest = difflib.get_close_matches(text, known, n=1, cutoff=0.5)
    hint = f"did you mean {nearest[0]!r}?" if nearest else "its exact name stands on the run's page"
    next_command = f"hotfire show {shlex.quote(nearest[0])}" if nearest else f"hotfire show {run}"
    return CliError(
        f"{text!r} is no run, no cell of run {run} and no recorded test; {hint}",
        next_command=next_command,
    )
