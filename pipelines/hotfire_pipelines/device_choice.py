"""The cheapest platform that has all a task declares as sufficient: told, never chosen by itself."""

from __future__ import annotations

from hotfire_pipelines.catalogue import Catalogue, Execution, Platform
from hotfire_pipelines.demands import Sufficient
from hotfire_pipelines.load import Pipeline
from hotfire_pipelines.plan import Plan
from hotfire_pipelines.priced import Suggestion

SAME = ("os", "arch")
"""Dimensions that decide what can run at all."""


def suggest_devices(plan: Plan, pipeline: Pipeline, catalogue: Catalogue) -> tuple[Suggestion, ...]:
    """Return one suggestion per task and platform of the plan that a cheaper platform could serve.

    It has the same operating system and architecture, executes natively and needs a device.
    """
    found = []
    asked = sorted({(cell.task, cell.platform) for cell in plan.cells})
    for task, name in asked:
        definition = pipeline.tasks.get(task)
        if definition is None or definition.sufficient is None or name not in catalogue:
            continue
        now = catalogue[name]
        fitting = [
            (catalogue[other].price, other)
            for other in catalogue
            if _serves(catalogue[other], now, definition.sufficient)
            and catalogue[other].price < now.price
        ]
        if fitting:
            price, cheaper = min(fitting)
            found.append(
                Suggestion(
                    task=task,
                    platform=name,
                    sufficient=words_of(definition.sufficient),
                    cheaper=cheaper,
                    price=now.price,
                    cheaper_price=price,
                )
            )
    return tuple(found)


def words_of(sufficient: Sufficient) -> str:
    """Say what suffices: `24 GiB and compute capability 8.0`."""
    memory, capability = sufficient.gpu_memory_gib, sufficient.compute_capability
    parts = [
        "" if memory is None else f"{memory:g} GiB",
        "" if capability is None else f"compute capability {capability}",
    ]
    return " and ".join(part for part in parts if part) or "any GPU"


def _serves(platform: Platform, now: Platform, sufficient: Sufficient) -> bool:
    """Whether a platform certainly has it: a dimension that it does not state is not there."""
    mine, wanted = platform.dimensions, now.dimensions
    if platform.execution is not Execution.NATIVE or not platform.run.devices:
        return False
    if any(mine.get(name) != wanted.get(name) for name in SAME):
        return False
    if _number(mine.get("gpu_count")) < _number(wanted.get("gpu_count")):
        return False
    memory, capability = sufficient.gpu_memory_gib, sufficient.compute_capability
    if memory is not None and _number(mine.get("gpu_memory_gib"), absent=0.0) < memory:
        return False
    return capability is None or _version(mine.get("compute_capability", "0.0")) >= _version(
        capability
    )


def _number(text: str | None, absent: float = 1.0) -> float:
    try:
        return absent if text is None else float(text)
    except ValueError:
        return 0.0


def _version(text: str) -> tuple[int, ...]:
    parts = text.split(".")
    return tuple(int(part) for part in parts) if all(part.isdigit() for part in parts) else (0,)
