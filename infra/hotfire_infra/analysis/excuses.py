"""A recorded reason why a failing verdict does not block, as every door prints it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True, kw_only=True)
class Exonerated:
    """One failing verdict of a run, the reason, and what it rests on."""

    cell: str
    test: str
    kind: str
    """`fails-on-merge-base`, `waiver`, `known-issue` or `quarantine`."""
    reason: str
    evidence: Mapping[str, Any]
