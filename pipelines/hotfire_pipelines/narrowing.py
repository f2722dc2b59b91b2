"""Narrows the cells of a pipeline to a change, and keeps account of those that are left out."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

from hotfire_pipelines.cells import Cell
from hotfire_pipelines.changes import Changes
from hotfire_pipelines.edges import EdgeKind, Links
from hotfire_pipelines.history import definition_of
from hotfire_pipelines.listing import expected_tests
from hotfire_pipelines.load import Pipeline
from hotfire_pipelines.selected import (
    PlannedFile,
    PlannedOmission,
    PlannedSelection,
    PlannedTests,
)
from hotfire_pipelines.selection import Chosen, Node, Wire, choose
from hotfire_pipelines.specs import spec_of
from hotfire_pipelines.test_proofs import KnownCell
from hotfire_testframework.contract.outcomes import Harness

Inventory = Callable[[str], Sequence[str] | None]
"""The last recorded inventory of a cell, by cell key; None where there is none."""


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
    left_out: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    """Tests that the changes do not concern, by cell, sorted."""


def narrow(
    pipeline: Pipeline,
    cells: Sequence[Cell],
    links: Links,
    inquiry: Inquiry | None,
    inventory: Inventory,
) -> Narrowed:
    """Leave out the cells and tests that the changes do not concern; without an inquiry none."""
    if inquiry is None:
        return Narrowed(cells=tuple(cells), links=links)
    changes = inquiry.changes
    by_key = {cell.key: cell for cell in cells}
    chosen = choose(
        pipeline.definition.selection,
        [Node(key=cell.key, task=cell.task, platform=cell.platform_name) for cell in cells],
        [
            Wire(earlier=e.earlier, later=e.later, is_artifact=e.kind is EdgeKind.ARTIFACT)
            for e in links.edges
        ],
        changes,
        inquiry.definitions,
        lambda key: _known(by_key[key], links, inventory),
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
            tests=_told(chosen),
        ),
        left_out={
            key: tuple(sorted(one.left_out)) for key, one in chosen.judged.items() if one.left_out
        },
    )


def _known(cell: Cell, links: Links, inventory: Inventory) -> KnownCell | None:
    """Return what is known of a cell whose tests pytest collects; None for every other one."""
    if cell.definition.harness is not Harness.PYTEST:
        return None
    recorded = inventory(cell.key)
    if cell.entries:
        # What the list spells out, and no run has recorded, has no context: it stays in.
        recorded = expected_tests(cell.entries, recorded)
    spec = spec_of(cell, links, (), cell.entries, cell.timeouts.run_s)
    return KnownCell(
        definition=definition_of(spec.to_json()),
        tests=None if recorded is None else tuple(sorted(set(recorded))),
        is_cut=bool(cell.entries) and cell.shards != 1,
    )


def _told(chosen: Chosen) -> dict[str, PlannedTests]:
    return {
        key: PlannedTests(proof=one.proof, reasons=dict(one.reasons), doubt=one.doubt)
        for key, one in sorted(chosen.judged.items())
    }


def definition_files(pipeline: Pipeline) -> frozenset[str]:
    """Return the files that a pipeline was read from, as it names them."""
    document = pipeline.document
    places = [*document.keys.values(), *document.values.values()]
    lists = (found.file for found in pipeline.lists.values())
    return frozenset({document.file, *lists, *(place.file for place in places)})
