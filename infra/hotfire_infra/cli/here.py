"""Which cells of a plan this machine cannot execute, and why: asked where a plan is looked at.

It is no part of the plan, which is the same everywhere; the executor answers again when a run starts.
"""

from __future__ import annotations

from collections.abc import Mapping

from hotfire_infra.executors.probing import Machine
from hotfire_infra.settings import executables_path, read_settings
from hotfire_pipelines.plan import Plan


def reasons_here(plan: Plan, machine: Machine | None = None) -> Mapping[str, str]:
    """Return the reason for each cell that cannot be executed, by its key.

    Nothing where a service runs the plans: its machines are not this one.
    """
    if machine is None:
        settings = read_settings()
        if settings.server is not None:
            return {}
        machine = Machine(path=executables_path(), cache=settings.cache)
    found = {cell.key: machine.missing(cell.requires) for cell in plan.cells}
    return {key: reason for key, reason in found.items() if reason is not None}


def here_line(plan: Plan, reasons: Mapping[str, str]) -> str | None:
    """Say how much of a plan is not executable here; None: all is, or nobody was asked."""
    if not reasons:
        return None
    whole = {cell.platform for cell in plan.cells}
    without = whole - {cell.platform for cell in plan.cells if cell.key not in reasons}
    return (
        f" not executable here: {len(reasons)} of {len(plan.cells)} cells, "
        f"{len(without)} of {len(whole)} platforms wholly; hotfire config doctor tells them all"
    )
