"""What tasks take of a machine, asked along with what they require of it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

DEMAND = "demand"
"""Key beside those of `requires`; an executor that has one machine looks at it itself."""


def with_demand(
    requires: Mapping[str, Any],
    *,
    platform: str,
    demands: Iterable[Mapping[str, Any]],
    team: str = "",
) -> dict[str, Any]:
    """Return `requires` of a cell with the most that one of its tasks takes.

    `demands`: per task `cpus`, `memory_mib` (or None) and `exclusive`.
    """
    found = list(demands)
    most: dict[str, Any] = {
        "platform": platform,
        "cpus": max((int(one["cpus"]) for one in found), default=1),
        "memory_mib": max((int(one["memory_mib"] or 0) for one in found), default=0),
        "exclusive": any(one["exclusive"] for one in found),
        "team": team,
    }
    return {**requires, DEMAND: {name: value for name, value in most.items() if value}}
