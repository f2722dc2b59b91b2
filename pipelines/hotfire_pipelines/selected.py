"""What selection leaves in a plan: the cells it left out, and why each cell is in or out."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True, kw_only=True)
class PlannedOmission:
    """A cell of the pipeline that was not selected; part of the digest, so that none is lost."""

    key: str
    task: str
    platform: str
    variant: Mapping[str, str]


@dataclass(frozen=True, slots=True, kw_only=True)
class PlannedFile:
    """A changed file, and what it meant for the selection."""

    path: str
    kind: str
    """added, untracked, modified, deleted or a submodule."""
    meaning: str
    """`rule 2`, `ignored: paths-ignore`, or a doubt."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PlannedTests:
    """What is known of the single tests of a selected cell."""

    proof: str = ""
    """Why those that the cell leaves out are left out."""
    reasons: Mapping[str, str] = field(default_factory=dict)
    """Why each of the others is in."""
    doubt: str = ""
    """Why none is left out."""
    share: float = 1.0
    """Part of the whole cell's expected time that is left, set-up included."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PlannedSelection:
    """How a plan was narrowed to a change; an explanation, not part of the digest."""

    since: str
    base: str | None = None
    """Commit that the source was compared with."""
    files: tuple[PlannedFile, ...] = ()
    doubts: tuple[str, ...] = ()
    """Any of them selected everything."""
    reasons: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    """Why each cell is selected or not, by its key."""
    tests: Mapping[str, PlannedTests] = field(default_factory=dict)
    """By cell, where coverage tells its tests apart, or might."""
