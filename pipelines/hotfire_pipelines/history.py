"""What earlier runs tell a plan about a cell: durations, set-up, and its last shards.

Filled by whoever has a store; nothing here reads one.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from hotfire_pipelines.durations import Measured


@dataclass(frozen=True, slots=True, kw_only=True)
class CellHistory:
    """Of the newest runs of a pipeline, on one platform."""

    tests: Mapping[str, Measured] = field(default_factory=dict)
    """By test identifier; passed tests only, because failures end early."""
    setup: Measured | None = None
    """What an attempt takes beside its tests."""
    shards: tuple[tuple[str, ...], ...] = ()
    """Case lines by shard as the last finished run planned them."""
    is_own: bool = True
    """False: of a cell of the same task and platform with other axis values, a neighbour."""


Recorded = Callable[[str, str, str], CellHistory | None]
"""Of (cell key, task, platform): what is recorded, or None where nothing is."""
