"""Narrow a frozen plan to some tests: the tasks that hold them, what these need, nothing else."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace

from hotfire_pipelines.plan import Plan, PlannedCell, PlannedTask, inventory_digest
from hotfire_testframework.contract.canonical import canonical_sha256
from hotfire_testframework.contract.outcomes import Harness

SEPARABLE = "HOTFIRE_SEPARABLE"
"""A variable of a task's environment: `yes` says that each of its tests measures the same alone."""


def is_separable(task: PlannedTask) -> bool:
    """Return whether a suite says of itself that its tests do not need each other."""
    return task.spec.env.get(SEPARABLE) == "yes" and can_leave_out(task)


def can_leave_out(task: PlannedTask) -> bool:
    """Return whether single tests of a task can be left out by name."""
    return task.spec.harness is Harness.PYTEST and not task.spec.tests


def keeping(plan: Plan, wanted: Mapping[str, Callable[[str], bool]]) -> Plan:
    """Return a plan in which some cells, by key, run only the tests that are wanted.

    A cell of which no tests are known, or none is wanted, stays as it is: nothing is lost by guess.
    """
    cells: dict[str, PlannedCell] = {}
    tasks: dict[str, PlannedTask] = {}
    inventories = dict(plan.inventories)
    for cell in plan.cells:
        is_wanted, known = wanted.get(cell.key), plan.expected(cell)
        mine = [task for task in plan.tasks if task.cell == cell.key]
        if is_wanted is None or known is None or not all(can_leave_out(task) for task in mine):
            continue
        kept = tuple(test for test in known if is_wanted(test))
        if not kept or kept == known:
            continue
        rest = tuple(test for test in known if not is_wanted(test))
        digest = inventory_digest(kept)
        inventories[digest] = kept
        cells[cell.key] = replace(cell, inventory=digest, left_out=cell.left_out + len(rest))
        for task in mine:
            spec = replace(task.spec, leave_out=tuple(sorted({*task.spec.leave_out, *rest})))
            # Another request: no result of the whole stands for it.
            asked = {"part of": task.requested_digest, "tests": list(kept)}
            tasks[task.key] = replace(task, spec=spec, requested_digest=canonical_sha256(asked))
    narrowed = tuple(cells.get(cell.key, cell) for cell in plan.cells)
    used = {cell.inventory for cell in narrowed}
    return replace(
        plan,
        cells=narrowed,
        tasks=tuple(tasks.get(task.key, task) for task in plan.tasks),
        inventories={key: tests for key, tests in inventories.items() if key in used},
    )
