"""What a run of a bisection brings to the store, and which sources travel with a run."""

from __future__ import annotations

from typing import Any

from hotfire_infra.analysis.questions import PURPOSE
from hotfire_infra.client.protocol import Question
from hotfire_infra.orchestrator.reuse import FRESH, OPTION, Scope
from hotfire_infra.store.confirmations import DEVICES
from hotfire_pipelines.plan import Plan


def asked_options(question: Question) -> dict[str, Any]:
    """Return the options of a run that a bisection asks for.

    Builds are taken over where their inputs are the same; what is asked must speak anew.
    """
    return {
        OPTION: Scope.ANY.value,
        FRESH: list(question.fresh),
        PURPOSE: dict(question.body),
        DEVICES: dict(question.devices),
    }


def wants_archive(plan: Plan) -> bool:
    """Say whether the merge base of a run may have to be executed for its gate."""
    confirms = any(gate.get("confirm") for gate in plan.policy.performance.values())
    return plan.policy.fails_on_merge_base == "rerun" or confirms
