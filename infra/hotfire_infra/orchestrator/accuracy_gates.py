"""Refuses a plan whose accuracy gates cannot see what they forbid."""

from __future__ import annotations

from hotfire_infra.analysis.accuracy.linting import facts_of_pipeline, lint
from hotfire_infra.errors import PlanRefusedError
from hotfire_infra.store.database import Store
from hotfire_pipelines.plan import Plan


def refuse_blind_gates(store: Store, plan: Plan) -> None:
    """Raise PlanRefusedError with every gate whose detectable drop exceeds its tolerance.

    Gates that the pipeline lets be blind (`blind: warning`) pass; whoever plans is told of them.
    """
    declared = plan.policy.accuracy
    if not declared:
        return
    with store.reading() as connection:
        known = facts_of_pipeline(connection, plan.pipeline)
    try:
        found = lint(declared, known)
    except ValueError as error:
        raise PlanRefusedError(str(error)) from error
    where = {one.task: f"{one.place}: " for one in plan.blind_gates}
    faults = [f"{where.get(one.task, '')}{one.fault}" for one in found if one.is_error]
    if faults:
        raise PlanRefusedError("; ".join(faults))
