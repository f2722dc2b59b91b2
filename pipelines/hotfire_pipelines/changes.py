"""What differs between a base and the source under test, and what coverage knows of the base."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from enum import StrEnum


class ChangeKind(StrEnum):
    """What happened to a file."""

    ADDED = "added"
    UNTRACKED = "untracked"
    MODIFIED = "modified"
    DELETED = "deleted"
    SUBMODULE = "a submodule"


@dataclass(frozen=True, slots=True, kw_only=True)
class Change:
    """One file, from the root of the source with `/`; a rename is a deletion and an addition."""

    path: str
    kind: ChangeKind = ChangeKind.MODIFIED
    moved_to: str | None = None
    """Of a deletion: where the content went."""
    sha256: str | None = None
    """Content at the base; None where there was none or it is not known."""
    lines: tuple[int, ...] | None = None
    """Lines of the base that changed, and the neighbours of what was put in; None: not known."""
    bodies: tuple[tuple[int, int], ...] | None = None
    """Of Python: first and last line, at the base, of the functions' bodies that differ; none
    where only comments do. None: something else differs too, or it is not known."""


@dataclass(frozen=True, slots=True, kw_only=True)
class LineFacts:
    """What one suite executed of one file on one platform, in the newest run that measured it.

    Bit i (from the least significant) of the masks is line i + 1.
    """

    run: int
    revision: str
    suite: str
    platform: str
    path: str
    sha256: str
    executable: int
    hit: int


@dataclass(frozen=True, slots=True, kw_only=True)
class FileContexts:
    """Which tests ran one file: bit i of `tests` is the one at i of those with a context."""

    path: str
    sha256: str
    tests: int
    """Those that ran a line of a function's body."""
    shared: int
    """Lines of bodies that ran for no test alone; bit i is line i + 1."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ContextFacts:
    """Which tests of a cell ran which of the changed files, in the newest run that told them apart."""

    run: int
    revision: str
    suite: str
    platform: str
    cell: str
    definition: str
    """How the cell ran its tests then (`history.definition_of`)."""
    tests: tuple[str, ...]
    """Those with a context of their own: of every other one nothing is known."""
    files: tuple[FileContexts, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Changes:
    """What changed since a base, with all that could not be found out."""

    since: str
    """As it was asked for: a branch or revision."""
    base: str | None = None
    """The merge base's commit."""
    files: tuple[Change, ...] = ()
    doubts: tuple[str, ...] = ()
    """Why `files` may be incomplete: one sentence each; any of them selects everything."""
    facts: tuple[LineFacts, ...] = ()
    """Coverage of the changed files, if the store has any."""
    contexts: tuple[ContextFacts, ...] = ()
    """The same by test."""
    between: Mapping[str, tuple[Change, ...]] = field(default_factory=dict)
    """Revision of a run with coverage → what changed from it to the base."""


def lines_of_mask(mask: int) -> Iterator[int]:
    """Yield the lines of a bitmap, lowest first."""
    while mask:
        lowest = mask & -mask
        yield lowest.bit_length()
        mask ^= lowest


def mask_of_lines(lines: Iterable[int]) -> int:
    """Return the bitmap of lines."""
    mask = 0
    for line in lines:
        mask |= 1 << (line - 1)
    return mask
