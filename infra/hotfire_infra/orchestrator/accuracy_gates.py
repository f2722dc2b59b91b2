"""Refuses a plan whose accuracy gates cannot see what they forbid."""

from __future__ import annotations

from hotfire_infra.analysis.accuracy.gates import inspect
from hotfire_infra.analysis.accuracy.recording import gate_of
from hotfire_infra.errors import PlanRefusedError
from hotfire_infra.store.database import Store
from hotfire_infra.store.queries_accuracy import items_of_tasks
from hotfire_pipelines.plan import Plan


def refuse_blind_gates(store: Store, plan: Plan) -> None:
    """Raise PlanRefusedError with every gate whose detectable drop exceeds its tolerance.

    A task that neither declares its items nor ever ran is let through: its second run is judged.
    """
    declared = plan.policy.accuracy
    if not declared:
        return
    with store.reading() as connection:
        known = items_of_tasks(connection, plan.pipeline)
    faults = []
    for task, said in declared.items():
        others = [size for name, size in known.items() if name not in declared]
        fewest = min(others, default=None) if task == "*" else known.get(task)
        items = said.get("items", fewest)
        try:
            gate = gate_of(said)
        except (TypeError, ValueError) as error:
            raise PlanRefusedError(f"gate {task}: {error}") from error
        if items is not None:
            faults.append(inspect(gate, items=int(items), name=task).fault)
    if any(faults):
        raise PlanRefusedError("; ".join(fault for fault in faults if fault))
