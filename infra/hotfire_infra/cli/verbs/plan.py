"""`hotfire plan`: what a run would do."""

from __future__ import annotations

from hotfire_infra.analysis.quantities import count, duration
from hotfire_infra.cli.console import data, progress, table
from hotfire_infra.cli.exit_codes import CliExit
from hotfire_infra.cli.lines import plan_line
from hotfire_infra.cli.session import open_session
from hotfire_pipelines.plan import Plan, PlannedCell, PlannedCoverage

HEADER = ("TASK", "PLATFORM", "VARIANT", "SHARDS", "TESTS", "ESTIMATE", "NOTE")


def plan(pipeline: str, *, as_json: bool) -> int:
    """Print the plan; it stores and starts nothing."""
    with open_session() as session:
        print_plan(session.client.plan(pipeline), as_json=as_json)
    return CliExit.OK


def print_plan(frozen: Plan, *, as_json: bool) -> None:
    """Print a plan as one JSON document, or as a table of its cells."""
    if as_json:
        data(frozen.to_json())
        return
    data(table(HEADER, [_row(frozen, cell) for cell in frozen.cells], frozenset({3, 4, 5})))
    progress(plan_line(frozen))
    for coverage in frozen.coverage:
        progress(_coverage_line(coverage))
    progress(f" digest {frozen.digest}")


def _coverage_line(coverage: PlannedCoverage) -> str:
    """Say how much of a matrix is covered, and what becomes of the rest."""
    owed = sum(gap.age > 0 for gap in coverage.uncovered)
    unproven = sum(not gap.proven and not gap.age for gap in coverage.uncovered)
    forbidden = len(coverage.uncovered) - owed - unproven
    total = coverage.covered + len(coverage.uncovered)
    rest = [
        f"{forbidden:,} forbidden" if forbidden else "",
        f"{owed:,} left to the next run" if owed else "",
        f"{unproven:,} not proven" if unproven else "",
    ]
    said = "".join(f", {part}" for part in rest if part)
    return (
        f" {coverage.task}: {coverage.covered:,} of {total:,} combinations "
        f"of {count(coverage.strength, 'value')} covered{said}"
    )


def _row(frozen: Plan, cell: PlannedCell) -> tuple[str, ...]:
    tasks = [task for task in frozen.tasks if task.cell == cell.key]
    expected = frozen.expected(cell)
    by_task = frozen.estimate.by_task if frozen.estimate else {}
    seconds = sum(by_task.get(task.key, 0.0) for task in tasks)
    hidden = {"platform", "execution"}
    notes = [
        "emulated" if cell.variant.get("execution") == "emulated" else "",
        "required: when-available" if cell.required == "when-available" else "",
        f"{count(cell.left_out, 'test')} left out by the budget" if cell.left_out else "",
    ]
    return (
        cell.task,
        cell.platform,
        " ".join(value for axis, value in sorted(cell.variant.items()) if axis not in hidden),
        str(len(tasks)),
        "not known yet" if expected is None else f"{len(expected):,}",
        duration(round(seconds * 1e9)) if seconds else "",
        " · ".join(note for note in notes if note),
    )
