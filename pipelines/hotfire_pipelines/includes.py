"""Reads a pipeline file with the files that it includes, as if they were one."""

from __future__ import annotations

import difflib
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TypeVar

from hotfire_pipelines.document import Document, Place, is_file, names_beside, read_document
from hotfire_pipelines.errors import (
    DependencyCycleError,
    DuplicateNameError,
    InvalidValueError,
    Location,
    UnknownNameError,
    suggest,
)

INCLUDE = "include"
SECTIONS = ("axes", "required", "models", "tasks")
SELECTION = "selection"
"""Its lists go on behind those of the files before; all rules count together anyway."""
_PARTS = (*SECTIONS, SELECTION)
MAXIMUM_FILES = 64

Mark = TypeVar("Mark")


def read_with_includes(path: Path) -> Document:
    """Parse `path` and what its `include:` lists name, relative to the file that names them.

    Included files lie below the folder of `path`, and hold axes, required, models, tasks and a
    selection; a name that two files declare is an error that tells both places. A file that is
    reached twice counts once, a circle is an error. Anchors are of one file.
    """
    document = read_document(path)
    if not isinstance(document.value, dict) or INCLUDE not in document.value:
        return document
    collected = _Collected(root=path.parent.resolve(), whole=dict(document.value))
    collected.take_marks(document, ())
    collected.follow(document, path, (path.resolve(),))
    return Document(
        file=document.file,
        value=collected.whole,
        keys=collected.keys,
        values=collected.values,
        written=collected.written,
        openings=collected.openings,
    )


@dataclass(slots=True)
class _Collected:
    """What the files say together, and where each part of it stands."""

    root: Path
    whole: dict[str, object]
    keys: dict[Place, Location] = field(default_factory=dict)
    values: dict[Place, Location] = field(default_factory=dict)
    written: dict[Place, str] = field(default_factory=dict)
    openings: dict[Place, int] = field(default_factory=dict)
    seen: set[Path] = field(default_factory=set)

    def take_marks(self, document: Document, below: Place) -> None:
        """Remember the places of a file's part, but for those that are known."""
        _take(self.keys, document.keys, below)
        _take(self.values, document.values, below)
        _take(self.written, document.written, below)
        _take(self.openings, document.openings, below)

    def follow(self, document: Document, file: Path, chain: tuple[Path, ...]) -> None:
        """Add what the files in the `include:` list of a document say."""
        value = document.value
        listed = value.get(INCLUDE) if isinstance(value, dict) else None
        if not isinstance(listed, list):
            return  # The schema refuses it where it is the pipeline's own; parts are checked.
        for index, name in enumerate(listed):
            if not isinstance(name, str) or not name:
                continue
            where = document.at(INCLUDE, index)
            if name in listed[:index]:
                raise DuplicateNameError(where, f"{name!r} is included twice", "Remove one.")
            found = inside(self.root, file, name, where)
            if found in chain:
                circle = " → ".join(path.name for path in (*chain[chain.index(found) :], found))
                raise DependencyCycleError(
                    where, f"files include each other: {circle}", "Remove one `include:`."
                )
            if found in self.seen:
                continue
            self.seen.add(found)
            if len(self.seen) > MAXIMUM_FILES:
                raise InvalidValueError(
                    where, f"more than {MAXIMUM_FILES} files are included", "Join some of them."
                )
            part = self._read(file.parent / name, where)
            self._add(part)
            self.follow(part, file.parent / name, (*chain, found))

    def _read(self, path: Path, where: Location) -> Document:
        if not is_file(path):
            beside = names_beside(path, "*.yaml")
            nearest = difflib.get_close_matches(path.name, beside, n=1)
            remedy = f"Did you mean {nearest[0]!r}?" if nearest else "Check the path."
            raise UnknownNameError(where, f"there is no file {path.name!r} to include", remedy)
        part = read_document(path)
        if not isinstance(part.value, dict):
            raise InvalidValueError(
                part.at(), "an included file is a mapping", f"Write {', '.join(_PARTS)}."
            )
        for key in part.value:
            if key not in (*_PARTS, INCLUDE):
                raise UnknownNameError(
                    part.key(key),
                    f"unknown key {key!r} in an included file",
                    suggest(key, (*_PARTS, INCLUDE)),
                )
        listed = part.value.get(INCLUDE, [])
        if not isinstance(listed, list) or not all(isinstance(item, str) for item in listed):
            raise InvalidValueError(
                part.at(INCLUDE), "`include:` is no list of file names", "Write [file.yaml]."
            )
        return part

    def _add(self, part: Document) -> None:
        values = part.value
        assert isinstance(values, dict)
        for section in SECTIONS:
            if section in values:
                self.whole[section] = self._join(part, (section,), values[section])
                self.take_marks(part, (section,))
        if SELECTION in values:
            self._add_selection(part, values[SELECTION])

    def _add_selection(self, part: Document, added: object) -> None:
        """Put the rules of a part behind those that are known, and its suites beside them."""
        known = self.whole.get(SELECTION)
        if known is None or not isinstance(known, Mapping) or not isinstance(added, dict):
            self.whole[SELECTION] = self._join(part, (SELECTION,), added)
            self.take_marks(part, (SELECTION,))
            return
        joined = dict(known)
        for key, value in added.items():
            here: Place = (SELECTION, key)
            before = joined.get(key)
            if isinstance(before, list) and isinstance(value, list):
                joined[key] = [*before, *value]
                self.take_marks(part.shifted(here, len(before)), here)
            else:
                joined[key] = self._join(part, here, value) if key in joined else value
                self.take_marks(part, here)
        self.whole[SELECTION] = joined

    def _join(self, part: Document, place: Place, added: object) -> object:
        """Return a mapping with what a part adds to it; a name that is known is an error."""
        name = ".".join(str(one) for one in place)
        if not isinstance(added, dict):
            raise InvalidValueError(
                part.at(*place), f"{name} is no mapping", "Write `name: …` lines below it."
            )
        known: object = self.whole
        for one in place:
            known = known.get(one, {}) if isinstance(known, Mapping) else known
        if not isinstance(known, Mapping):
            return known  # The schema refuses it in the pipeline's own file.
        for one in added:
            if one in known:
                raise DuplicateNameError(
                    part.key(*place, one),
                    f"{name}.{one} is declared twice, first in {self.keys[(*place, one)]}",
                    "Keep one of them.",
                )
        return {**known, **added}


def inside(root: Path, file: Path, name: str, where: Location) -> Path:
    """Return where a name in `file` leads, links followed; an error if that is not below `root`."""
    found = (file.parent / name).resolve()
    if Path(name).is_absolute() or not found.is_relative_to(root):
        raise InvalidValueError(
            where,
            f"{name!r} leaves the folder of the pipeline",
            "Include files beside or below the pipeline file.",
        )
    return found


def _take(mine: dict[Place, Mark], theirs: Mapping[Place, Mark], below: Place) -> None:
    for place, mark in theirs.items():
        if place[: len(below)] == below:
            mine.setdefault(place, mark)
