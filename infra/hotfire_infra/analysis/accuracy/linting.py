"""Can the accuracy gates of a pipeline see what they forbid? By what its runs measured, before it runs."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Any

from sqlalchemy import Connection

from hotfire_infra.analysis.accuracy.gates import Decision, Gate, inspect
from hotfire_infra.analysis.accuracy.recording import gate_of
from hotfire_infra.store.queries_accuracy import (
    RecordedComparison,
    items_of_tasks,
    recorded_comparisons,
)

ENOUGH_PAIRS = 200
"""From so many pairs on the measured discordance counts, below the one that the gate declares."""
RUNS = 20
"""Newest runs that passed whose comparisons are read."""
_CHANGED = frozenset({Decision.REGRESSED.value, Decision.IMPROVED.value})
OTHERS = "*"
"""Of a gate: all tasks that no other gate names."""
WARNING = "warning"


@dataclass(frozen=True, slots=True, kw_only=True)
class TaskFacts:
    """What a pipeline's runs measured of one accuracy task, on the platform that is worst for its gate."""

    task: str
    items: int | None = None
    """Samples in the last run that passed."""
    pairs: int = 0
    """Of runs between which nothing changed beyond chance."""
    discordant: int = 0
    runs: int = 0

    @property
    def discordance(self) -> float | None:
        """Share of pairs that differ though nothing is wrong; None: too few pairs.

        The mean of what a flat prior leaves (Laplace's rule): of no discordant pair it is not 0.
        """
        return (self.discordant + 1) / (self.pairs + 2) if self.pairs >= ENOUGH_PAIRS else None


@dataclass(frozen=True, slots=True, kw_only=True)
class Blindness:
    """A gate that cannot see its tolerance."""

    task: str
    fault: str
    is_error: bool
    """Else the pipeline declares that it is only to be told."""


def facts_of_pipeline(connection: Connection, pipeline: str) -> tuple[TaskFacts, ...]:
    """Return what is known of each accuracy task of a pipeline, by name."""
    found = {
        one.task: one for one in _discordances(recorded_comparisons(connection, pipeline, RUNS))
    }
    for task, items in items_of_tasks(connection, pipeline).items():
        found[task] = replace(found.get(task, TaskFacts(task=task)), items=items)
    return tuple(found[task] for task in sorted(found))


def _discordances(rows: Iterable[RecordedComparison]) -> Iterable[TaskFacts]:
    by_platform: dict[tuple[str, str], TaskFacts] = {}
    for row in rows:
        # What changed for good, either way, is no chance.
        if row.decision in _CHANGED:
            continue
        key = (row.task, row.platform)
        before = by_platform.get(key, TaskFacts(task=row.task))
        by_platform[key] = replace(
            before,
            pairs=before.pairs + row.pairs,
            discordant=before.discordant + row.discordant,
            runs=before.runs + 1,
        )
    worst: dict[str, TaskFacts] = {}
    for (task, _), facts in sorted(by_platform.items()):
        other = worst.get(task)
        if other is None or (facts.discordance or 0.0) > (other.discordance or 0.0):
            worst[task] = facts
    return worst.values()


def lint(
    declared: Mapping[str, Mapping[str, Any]], facts: Iterable[TaskFacts]
) -> tuple[Blindness, ...]:
    """Return the gates, as a plan has them, whose detectable drop exceeds their tolerance.

    A task that neither declares its items nor ever ran is let through: its second run is judged.
    ValueError: figures that no gate has.
    """
    known = {one.task: one for one in facts}
    found = []
    for task, said in declared.items():
        try:
            gate = gate_of(said)
        except (TypeError, ValueError) as error:
            raise ValueError(f"gate {task}: {error}") from error
        others = [one for name, one in known.items() if name not in declared]
        about = others if task == OTHERS else [known.get(task, TaskFacts(task=task))]
        faults = [fault for one in about if (fault := _fault(gate, said, one, task))]
        if faults:
            is_error = said.get("blind") != WARNING
            found += [Blindness(task=task, fault=fault, is_error=is_error) for fault in faults]
    return tuple(found)


def _fault(gate: Gate, said: Mapping[str, Any], facts: TaskFacts, task: str) -> str:
    items = said.get("items", facts.items)
    if items is None:
        return ""
    name = task if task == facts.task else f"{task} ({facts.task})"
    measured = facts.discordance
    if measured is None:
        return inspect(gate, items=int(items), name=name).fault
    source = f"measured: {facts.discordant:,} of {facts.pairs:,} pairs"
    gate = replace(gate, discordance=measured)
    return inspect(gate, items=int(items), name=name, source=source).fault
