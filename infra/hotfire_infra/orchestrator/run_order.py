"""What a run brings to the queue: priority, team, change, hold; asked for, declared or by default."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from hotfire_infra.sections.queue import DEFAULT_TEAM
from hotfire_infra.states import Priority, Role
from hotfire_pipelines.plan import Plan

NEVER_SUPERSEDED = frozenset({Priority.NIGHTLY, Priority.BACKFILL})
"""Their runs are a record of days, not of a change; so is whatever is called `release`."""
RELEASE = "release"

LEAST_ROLE: Mapping[Priority, Role] = {
    Priority.GATE: Role.OPERATOR,
    Priority.PRE_MERGE: Role.DEVELOPER,
    Priority.DEVELOPER: Role.DEVELOPER,
    Priority.NIGHTLY: Role.OPERATOR,
    Priority.BACKFILL: Role.DEVELOPER,
}
"""Who may ask a service for a class, by name or by a plan that declares it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RunOrder:
    """What was asked for with a run; None: what the pipeline says."""

    priority: Priority | None = None
    team: str = DEFAULT_TEAM
    change: str | None = None
    """Branch or change request; a newer run of the same pipeline and change supersedes this one."""
    hold_seconds: int = 0
    """How long the machine of a failed attempt is kept."""


def priority_of(plan: Plan, order: RunOrder) -> Priority:
    """Return the class of a run: asked for, declared by the pipeline, of its name, `developer`."""
    if order.priority is not None:
        return order.priority
    declared = plan.order.priority if plan.order else None
    for word in (declared, plan.pipeline):
        if word in set(Priority):
            return Priority(word)
    return Priority.DEVELOPER


def supersedes(plan: Plan, priority: Priority) -> bool:
    """Say whether a run of this plan ends the unfinished older ones of its change."""
    declared = plan.order.supersede if plan.order else None
    if declared is not None:
        return declared
    return priority not in NEVER_SUPERSEDED and plan.pipeline != RELEASE
