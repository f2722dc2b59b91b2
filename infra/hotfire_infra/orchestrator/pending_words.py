"""Why a task waits, in sentences that stay the same while the reason does.

They are stored when they change; a figure that moves by itself (a place in the queue, an age) would
write a row per task and round.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from hotfire_infra.executors.protocol import Capacity, Need
from hotfire_infra.states import Priority

NAMED_RUNS = 2
"""Runs named in a sentence; more are counted."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Occupant:
    """Somebody who takes room."""

    run_number: int
    priority: Priority
    cpus: int
    is_exclusive: bool
    is_hold: bool


def capacity_words(need: Need, capacity: Capacity, occupants: Sequence[Occupant]) -> str:
    """Say that there is no room, and who has it."""
    who = _by_whom(occupants)
    if need.exclusive:
        return f"exclusive task waits for an idle machine: in use by {who}"
    if alone := [one for one in occupants if one.is_exclusive]:
        return f"waits for a slot: {_by_whom(alone)} has the machine to itself"
    taken = min(sum(one.cpus for one in occupants), capacity.cpus)
    slots = "a slot" if need.cpus == 1 else f"{min(need.cpus, capacity.cpus)} slots"
    return f"waits for {slots}: {taken} of {capacity.cpus} in use by {who}"


def kept_words(run_number: int, priority: Priority, need: Need) -> str:
    """Say that room is kept for somebody ahead."""
    what = "an idle machine" if need.exclusive else "a slot" if need.cpus == 1 else "more slots"
    return f"waits for run {run_number} ({priority}), which waits for {what}"


def cap_words(kind: str, name: str, cap: int, *, is_kept: bool) -> str:
    """Say that a cap is reached, or that what is left of it is kept for somebody ahead."""
    if is_kept:
        return (
            f"{kind} {name} has a cap of {cap}; what is left is kept for a task that waits longer"
        )
    return f"{kind} {name} is at its cap of {cap}"


def _by_whom(occupants: Iterable[Occupant]) -> str:
    runs = sorted({(one.is_hold, one.run_number, one.priority) for one in occupants})
    names = [
        f"a hold of run {number}" if is_hold else f"run {number} ({priority})"
        for is_hold, number, priority in runs
    ]
    if len(names) > NAMED_RUNS:
        return f"{', '.join(names[:NAMED_RUNS])} and {len(names) - NAMED_RUNS} more"
    return " and ".join(names) or "nobody"
