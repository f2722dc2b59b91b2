"""What each machine adds to the level of a series that is watched observation by observation."""

from __future__ import annotations

from collections.abc import Hashable, Mapping
from typing import Any

import numpy as np

_TO_LEARN = 6
"""Observations of a machine before its offset is taken out of them."""
_KEPT = 48


class Machines:
    """Offsets of machines: medians of what each measured above the level."""

    def __init__(self) -> None:
        self._left: dict[Hashable, list[float]] = {}
        self._offsets: dict[Hashable, float] = {}

    def offset(self, machine: Hashable, value: float, level: float | None) -> float | None:
        """Return what to subtract, or None while too little is known of this machine.

        The first machine counts as 0: its observations make the level.
        """
        if not self._offsets:
            self._offsets[machine] = 0.0
        known = self._offsets.get(machine)
        if known is not None:
            return known
        if level is None:
            return None
        left = self._left.setdefault(machine, [])
        left.append(value - level)
        if len(left) < _TO_LEARN:
            return None
        self._offsets[machine] = float(np.median(left[-_KEPT:]))
        return self._offsets[machine]

    def scale(self, factor: float) -> None:
        """The values are no longer logarithms: an offset was a share of the level."""
        self._offsets = {name: offset * factor for name, offset in self._offsets.items()}
        self._left = {name: [one * factor for one in left] for name, left in self._left.items()}

    def state(self) -> dict[str, Any]:
        """Return the offsets as JSON takes them; machines must be names or numbers then."""
        return {
            "offsets": [[name, offset] for name, offset in self._offsets.items()],
            "left": [[name, left[-_KEPT:]] for name, left in self._left.items()],
        }

    @classmethod
    def restore(cls, state: Mapping[str, Any]) -> Machines:
        """Return what gave this state."""
        made = cls()
        made._offsets = dict(state["offsets"])
        made._left = {name: list(left) for name, left in state["left"]}
        return made
