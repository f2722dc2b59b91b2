"""Which cells of a plan the machines that would run it cannot execute, and why.

It is no part of the plan, which is the same everywhere; the executor answers again when a run starts.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from hotfire_infra.cli.session import open_session
from hotfire_infra.client import Client
from hotfire_infra.errors import InfraError
from hotfire_infra.executors.probing import Machine
from hotfire_infra.settings import executables_path, read_settings
from hotfire_pipelines.plan import Plan


@dataclass(frozen=True, slots=True, kw_only=True)
class Here:
    """The answer of the machines at hand."""

    reasons: Mapping[str, str] = field(default_factory=dict)
    """Key of each cell that they cannot execute → why."""
    silence: str = ""
    """Why nobody answered; then `reasons` says nothing."""


def ask_here(plan: Plan, client: Client | None = None) -> Here:
    """Ask who would run the plan: `client`, else the service that is named, else this machine.

    A plan is worth reading without the answer, so a question that fails is no error.
    """
    try:
        if client is not None:
            return Here(reasons=client.not_executable(plan))
        if read_settings().server is not None:
            with open_session() as session:
                return Here(reasons=session.client.not_executable(plan))
    except InfraError as error:
        return Here(silence=str(error))
    return Here(reasons=reasons_on(plan, this_machine().missing))


def this_machine() -> Machine:
    """Return the machine of this process."""
    return Machine(path=executables_path(), cache=read_settings().cache)


def reasons_on(
    plan: Plan, missing: Callable[[Mapping[str, object]], str | None]
) -> Mapping[str, str]:
    """Return the reason for each cell that cannot be executed, by its key."""
    found = {cell.key: missing(cell.requires) for cell in plan.cells}
    return {key: reason for key, reason in found.items() if reason is not None}


def here_line(plan: Plan, here: Here) -> str | None:
    """Say how much of a plan is not executable here; None: all is."""
    if here.silence:
        return f" whether its cells are executable is not known: {here.silence}"
    if not here.reasons:
        return None
    whole = {cell.platform for cell in plan.cells}
    without = whole - {cell.platform for cell in plan.cells if cell.key not in here.reasons}
    return (
        f" not executable here: {len(here.reasons)} of {len(plan.cells)} cells, "
        f"{len(without)} of {len(whole)} platforms wholly; -o json has every reason"
    )
