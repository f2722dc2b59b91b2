"""How a plan was narrowed to a change, in lines: what changed, what was in doubt, what is left out."""

from __future__ import annotations

from collections.abc import Iterator

from hotfire_infra.analysis.quantities import count
from hotfire_infra.cli.exit_codes import CliExit
from hotfire_infra.cli.problems import CliError
from hotfire_pipelines.explain import short
from hotfire_pipelines.plan import Plan
from hotfire_pipelines.selected import PlannedSelection

SHOWN_FILES = 20
SHOWN_DOUBTS = 5


def selection_lines(plan: Plan) -> Iterator[str]:
    """Yield the changed files with their meaning, then the doubts, then how much is left out."""
    selection = plan.selection
    if selection is None:
        return
    base = f" ({selection.base[:7]})" if selection.base else ""
    files = count(len(selection.files), "file")
    yield f" changes {files} since {selection.since}{base}"
    for file in selection.files[:SHOWN_FILES]:
        yield f"   {file.path}  {file.kind}, {file.meaning}"
    if len(selection.files) > SHOWN_FILES:
        yield f"   and {len(selection.files) - SHOWN_FILES} more: -o json lists them"
    for doubt in selection.doubts[:SHOWN_DOUBTS]:
        yield f" in doubt: {doubt}"
    if len(selection.doubts) > SHOWN_DOUBTS:
        yield f" and {len(selection.doubts) - SHOWN_DOUBTS} more doubts"
    yield _outcome(plan, selection)
    for cell in plan.cells:
        told = selection.tests.get(cell.key)
        if told is not None and told.doubt:
            yield f" tests of {short(cell)}: all, in doubt: {told.doubt}"
        elif told is not None:
            left = len(plan.unconcerned(cell))
            yield f" tests of {short(cell)}: {count(left, 'test')} left out: {told.proof}"


def unselected_lines(plan: Plan) -> Iterator[str]:
    """Yield the cells that are left out, those with one reason together."""
    cells: dict[str, list[str]] = {}
    for cell in plan.unselected:
        cells.setdefault(why_not(plan, cell.key), []).append(short(cell))
    for reason, names in cells.items():
        yield f"   – {', '.join(names)}: {reason}"


def why_not(plan: Plan, key: str) -> str:
    """Return why a cell is not selected."""
    reasons = plan.selection.reasons.get(key, ()) if plan.selection else ()
    return "; ".join(reasons) or "the plan does not say why"


def nothing_selected(plan: Plan) -> CliError:
    """Return the answer to a run without a cell: it is nobody's fault, and there is no verdict."""
    since = plan.selection.since if plan.selection else ""
    return CliError(
        f"no cell of {plan.pipeline} is selected: nothing that changed since {since} concerns it",
        next_command=f"hotfire plan {plan.pipeline} --changed-since {since}",
        code=CliExit.NOTHING_SELECTED,
    )


def _outcome(plan: Plan, selection: PlannedSelection) -> str:
    total = len(plan.cells) + len(plan.unselected)
    if selection.doubts:
        return f" selected all {count(total, 'cell')}: in doubt nothing is left out"
    left = f", {len(plan.unselected)} not selected" if plan.unselected else ""
    return f" selected {len(plan.cells)} of {count(total, 'cell')}{left}"
