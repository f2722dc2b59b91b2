"""Which cells of a plan some machines cannot execute: each kind of requirement is asked once."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Protocol

from hotfire_infra.executors.demands import with_demand
from hotfire_infra.executors.protocol import Executor
from hotfire_pipelines.plan import Plan
from hotfire_testframework.contract.canonical import canonical_json

AT_ONCE = 20
"""Requirements in one question, which travels in an address."""
LONGEST = 4000
"""Characters of one."""

Ask = Callable[[Sequence[str]], Sequence[str | None]]
"""Of requirements as JSON texts: the reason for each, in order, or None where it can run."""


class Asking(Protocol):
    """One thing with requirements: a cell of a plan, a platform."""

    @property
    def key(self) -> str:
        """Its name in the answer."""

    @property
    def requires(self) -> Mapping[str, Any]:
        """What it asks of a machine."""


class Wanted(Protocol):
    """What has requirements: a plan, a catalogue of platforms."""

    @property
    def cells(self) -> Sequence[Asking]:
        """Each of them."""


def reasons_of(plan: Wanted, ask: Ask) -> Mapping[str, str]:
    """Return the reason for each cell that cannot be executed, by its key."""
    asked = _with_demands(plan) if isinstance(plan, Plan) else {}
    texts = {cell.key: _text(asked.get(cell.key, cell.requires)) for cell in plan.cells}
    whole = list(dict.fromkeys(texts.values()))
    answers: dict[str, str | None] = {}
    for start in range(0, len(whole), AT_ONCE):
        part = whole[start : start + AT_ONCE]
        answers.update(zip(part, ask(part), strict=True))
    found = {key: answers[text] for key, text in texts.items()}
    return {key: reason for key, reason in found.items() if reason is not None}


def _with_demands(plan: Plan) -> Mapping[str, Mapping[str, Any]]:
    """Return what each cell requires, with what its tasks take of a machine."""
    demands: dict[str, list[Mapping[str, Any]]] = {}
    for task in plan.tasks:
        spec = task.spec
        demand = {"cpus": spec.cpus, "memory_mib": spec.memory_mib, "exclusive": spec.exclusive}
        demands.setdefault(task.cell, []).append(demand)
    return {
        cell.key: with_demand(
            cell.requires, platform=cell.platform, demands=demands.get(cell.key, ())
        )
        for cell in plan.cells
    }


def refusals_of(executor: Executor, texts: Sequence[str]) -> Sequence[str | None]:
    """Return what an executor answers to requirements as JSON texts."""
    refused = (executor.can_execute(json.loads(text)) for text in texts)
    return [None if one is None else one.reason for one in refused]


def _text(requires: Mapping[str, Any]) -> str:
    return canonical_json(requires).decode("utf-8")
