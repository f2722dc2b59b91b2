"""Narrows the cells of a pipeline to a change, and keeps account of those that are left out."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from hotfire_pipelines.cells import Cell
from hotfire_pipelines.changes import Changes
from hotfire_pipelines.edges import EdgeKind, Links
from hotfire_pipelines.load import Pipeline
from hotfire_pipelines.selected import PlannedFile, PlannedOmission, PlannedSelection
from hotfire_pipelines.selection import Node, Wire, choose


@dataclass(frozen=True, slots=True, kw_only=True)
class Inquiry:
    """What a plan is to be narrowed to."""

    changes: Changes
    definitions: frozenset[str] = frozenset()
    """Files that the plan is made from, from the root of the source."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Narrowed:
    """The cells that are planned, their edges, and the rest with its reasons."""

    cells: tuple[Cell, ...]
    links: Links
    unselected: tuple[PlannedOmission, ...] = ()
    selection: PlannedSelection | None = None


def narrow(
    pipeline: Pipeline, cells: Sequence[Cell], links: Links, inquiry: Inquiry | None
) -> Narrowed:
    """Leave out the cells that the changes do not concern; without an inquiry none."""
    if inquiry is None:
        return Narrowed(cells=tuple(cells), links=links)
    changes = inquiry.changes
    chosen = choose(
        pipeline.definition.selection,
        [Node(key=cell.key, task=cell.task, platform=cell.platform_name) for cell in cells],
        [
            Wire(earlier=e.earlier, later=e.later, is_artifact=e.kind is EdgeKind.ARTIFACT)
            for e in links.edges
        ],
        changes,
        inquiry.definitions,
    )
    kept = chosen.selected
    return Narrowed(
        cells=tuple(cell for cell in cells if cell.key in kept),
        # What a kept cell reads and needs is kept too.
        links=Links(
            edges=tuple(edge for edge in links.edges if edge.later in kept),
            makers={place: key for place, key in links.makers.items() if place[0] in kept},
        ),
        unselected=tuple(
            PlannedOmission(
                key=cell.key,
                task=cell.task,
                platform=cell.platform_name,
                variant=dict(cell.variant),
            )
            for cell in sorted(cells, key=lambda cell: cell.key)
            if cell.key not in kept
        ),
        selection=PlannedSelection(
            since=changes.since,
            base=changes.base,
            files=tuple(
                PlannedFile(path=fate.path, kind=fate.kind, meaning=fate.words)
                for fate in chosen.files
            ),
            doubts=chosen.doubts,
            reasons=chosen.reasons,
        ),
    )


def definition_files(pipeline: Pipeline) -> frozenset[str]:
    """Return the files that a pipeline was read from, as it names them."""
    document = pipeline.document
    places = [*document.keys.values(), *document.values.values()]
    lists = (found.file for found in pipeline.lists.values())
    return frozenset({document.file, *lists, *(place.file for place in places)})
