"""What earlier runs tell a plan about a cell: durations, set-up, and its last shards.

Filled by whoever has a store; nothing here reads one.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from hotfire_pipelines.durations import Measured
from hotfire_testframework.contract.canonical import canonical_sha256

_DEFINING = ("harness", "command", "env", "launcher", "emulated", "module", "paths", "args")


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
    pipelines: tuple[str, ...] = ()
    """Other pipelines whose runs count too: the same cell, with the same definition."""


Recorded = Callable[[str, str, str, str], CellHistory | None]
"""Of (cell key, task, platform, definition): what is recorded, or None where nothing is."""


def definition_of(spec: Mapping[str, Any]) -> str:
    """Return a digest of how a task runs its tests, from its spec as JSON, and not of which ones.

    Tests of the same cell with the same definition take equally long, whichever pipeline asks.
    """
    return canonical_sha256({name: spec[name] for name in _DEFINING if spec.get(name)})
