"""What a plan leaves to the next one: what its budget could not afford, and what did not execute."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from itertools import combinations

from hotfire_pipelines.expansion import Debt
from hotfire_pipelines.freeze import debt_of
from hotfire_pipelines.load import Pipeline
from hotfire_pipelines.plan import Plan

Part = frozenset[tuple[str, str]]


def arrears_of(
    pipeline: Pipeline, plan: Plan, executed: Collection[str]
) -> dict[str, tuple[Debt, ...]]:
    """Return by task what the next plan should pay first; `executed`: keys of cells with an answer.

    A cell that was planned and not executed (no machine for it, lost, not selected) has paid nothing.
    What it would have covered is owed anew, at the age of one plan however often that happens: older
    debt goes before it, so that what no machine can execute does not use up the budget.
    """
    owed = debt_of(plan)
    for item in plan.coverage:
        task = pipeline.tasks.get(item.task)
        if task is None or task.matrix.max_cells is None:
            continue
        paid: set[Part] = set()
        unpaid: dict[Part, None] = {}
        cells = [(cell.task, cell.key, cell.variant) for cell in plan.cells]
        cells += [(cell.task, cell.key, cell.variant) for cell in plan.unselected]
        for name, key, variant in cells:
            if name != item.task:
                continue
            parts = _parts(pipeline, tuple(task.matrix.axes), variant, item.strength)
            if key in executed:
                paid.update(parts)
            else:
                unpaid.update(dict.fromkeys(parts))
        known = {frozenset(debt.assignment.items()) for debt in owed.get(item.task, ())}
        more = (Debt(assignment=dict(part)) for part in unpaid if part not in paid | known)
        owed[item.task] = (*owed.get(item.task, ()), *more)
    return owed


def _parts(
    pipeline: Pipeline, axes: tuple[str, ...], variant: Mapping[str, str], strength: int
) -> Iterator[Part]:
    """Yield the combinations of a cell; nothing of one that the matrix of today could not have."""
    declared = pipeline.definition.axes
    # A variant leaves out what is at its default.
    values = {axis: variant.get(axis, declared[axis].default) for axis in axes if axis in declared}
    row = {axis: value for axis, value in values.items() if value is not None}
    if len(row) == len(axes):
        yield from map(frozenset, combinations(row.items(), strength))
