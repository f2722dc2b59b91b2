"""What a wish over HTTP is worth: class, team and trust are decided here, whoever says what.

A client sends the plan too, so what a plan declares is a wish like any other.
"""

from __future__ import annotations

from dataclasses import replace

from hotfire_infra.api.access import Principal
from hotfire_infra.api.problems import ApiError
from hotfire_infra.orchestrator.run_order import LEAST_ROLE, RunOrder, priority_of
from hotfire_infra.sections.access import AccessSection
from hotfire_infra.sections.queue import DEFAULT_TEAM
from hotfire_infra.states import Priority, Role
from hotfire_pipelines.plan import Plan

LONGEST_NAME = 200
LONGEST_HOLD_SECONDS = 31 * 86_400
"""The operator's `holds.longest_hours` is shorter; this keeps the number one that a row can hold."""


def place_in_queue(principal: Principal, plan: Plan, order: RunOrder) -> RunOrder:
    """Return the place in the queue that this principal may have; ApiError 403 and 422."""
    priority = priority_of(plan, order)
    if not may_ask_for(principal, priority):
        least = LEAST_ROLE[priority]
        asked = "asked for" if order.priority is not None else "what the plan declares"
        raise ApiError(
            403,
            f"runs of class {priority} are asked for by {least}s; it is {asked} here",
            remedy=f"ask for a class of yours: `--priority {highest_class(principal)}`",
            kind="forbidden",
        )
    team = _team(principal, order.team)
    if max(len(team), len(order.change or "")) > LONGEST_NAME:
        raise ApiError(
            422,
            f"team and change have at most {LONGEST_NAME} signs",
            remedy="shorten them",
            kind="invalid",
        )
    hold_seconds = min(max(order.hold_seconds, 0), LONGEST_HOLD_SECONDS)
    return replace(order, team=team, hold_seconds=hold_seconds)


def place_of_retry(principal: Principal, before: RunOrder) -> RunOrder:
    """Return the place of a retry: the old run's, as far as this principal may have it."""
    allowed = before.priority is None or may_ask_for(principal, before.priority)
    priority = before.priority if allowed else highest_class(principal)
    return replace(before, priority=priority, team=principal.team or before.team)


def may_ask_for(principal: Principal, priority: Priority) -> bool:
    """Say whether a run of this class may be asked for by this principal."""
    return principal.may(LEAST_ROLE[priority])


def highest_class(principal: Principal) -> Priority:
    """Return the most urgent class that this principal may ask for."""
    # Most urgent first, and developers may always ask for theirs.
    allowed = [one for one in Priority if may_ask_for(principal, one)]
    return allowed[0] if allowed else Priority.BACKFILL


def _team(principal: Principal, asked: str) -> str:
    if principal.team is not None:
        # A team's token uses its team's share, whatever it says.
        return principal.team
    if asked != DEFAULT_TEAM and not principal.may(Role.OPERATOR):
        raise ApiError(
            403,
            f"{principal.actor} is of no team and cannot use the share of {asked[:60]!r}",
            remedy="leave the team out, or use a token of that team",
            kind="forbidden",
        )
    return asked


def makes_trusted_runs(principal: Principal, section: AccessSection) -> bool:
    """Say whether runs of this principal may be given secrets.

    On open loopback everybody is the user who serves, an admin.
    """
    if principal.may(section.trusted_role):
        return True
    return principal.actor in {f"token:{name}" for name in section.trusted_tokens}
