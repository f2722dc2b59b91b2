"""Edges between cells: who waits for whom, on success or for an artifact, resolved per platform."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum

from hotfire_pipelines.cells import Cell
from hotfire_pipelines.errors import InvalidValueError, Location, UnknownNameError
from hotfire_pipelines.load import PLATFORM_AXIS, Pipeline
from hotfire_pipelines.schema import Input


class EdgeKind(StrEnum):
    """What the later task waits for."""

    SUCCESS = "success"
    ARTIFACT = "artifact"


@dataclass(frozen=True, slots=True, kw_only=True, order=True)
class CellEdge:
    """`later` waits for `earlier`."""

    earlier: str
    later: str
    kind: EdgeKind


@dataclass(frozen=True, slots=True, kw_only=True)
class Links:
    """All edges between cells, and which cell makes each artifact that a cell reads."""

    edges: tuple[CellEdge, ...]
    makers: Mapping[tuple[str, str], str]
    """(cell key, input name) → key of the cell that makes it."""


def link(pipeline: Pipeline, cells: Sequence[Cell]) -> Links:
    """Resolve `needs:` and artifact inputs of every cell to cells."""
    by_task: dict[str, list[Cell]] = {}
    for cell in cells:
        by_task.setdefault(cell.task, []).append(cell)
    edges: set[CellEdge] = set()
    makers: dict[tuple[str, str], str] = {}
    for cell in cells:
        for index, needed in enumerate(cell.definition.needs):
            where = pipeline.document.at("tasks", cell.task, "needs", index)
            for earlier in _matching(cell, by_task[needed], needed, None, where):
                edges.add(CellEdge(earlier=earlier.key, later=cell.key, kind=EdgeKind.SUCCESS))
        for given, where in _inputs(pipeline, cell):
            if given.task is None:
                continue
            found = _matching(cell, by_task[given.task], given.task, given.platform, where)
            maker = _only(cell, given, found, where)
            makers[cell.key, given.name] = maker.key
            edges.add(CellEdge(earlier=maker.key, later=cell.key, kind=EdgeKind.ARTIFACT))
    return Links(edges=tuple(sorted(edges)), makers=makers)


def inputs_of(cell: Cell) -> list[Input]:
    """What this cell reads: inputs of its task and of the overrides that match it."""
    return [*cell.definition.inputs, *(item for change in cell.overrides for item in change.inputs)]


def _inputs(pipeline: Pipeline, cell: Cell) -> list[tuple[Input, Location]]:
    document = pipeline.document
    places = {
        item.name: document.at("tasks", cell.task, "inputs", index)
        for index, item in enumerate(cell.definition.inputs)
    }
    fallback = document.key("tasks", cell.task, "overrides")
    return [(item, places.get(item.name, fallback)) for item in inputs_of(cell)]


def _matching(
    cell: Cell, candidates: Sequence[Cell], task: str, platform: str | None, where: Location
) -> list[Cell]:
    """The cells of `task` on this cell's platform, or on the one it is built as."""
    wanted = [platform] if platform else [cell.platform_name, cell.platform.built_as]
    for name in wanted:
        found = [item for item in candidates if item.platform_name == name and _agree(cell, item)]
        if found:
            return found
    names = " or ".join(str(name) for name in wanted if name)
    raise UnknownNameError(
        where,
        f"{cell.task!r} on {cell.platform_name} needs {task!r} on {names}, "
        f"which the matrix of {task!r} does not make",
        f"Add {wanted[0]} to the matrix of {task!r}, or `built_as:` to the platform.",
    )


def _agree(cell: Cell, other: Cell) -> bool:
    return all(
        other.axes.get(axis, value) == value
        for axis, value in cell.axes.items()
        if axis != PLATFORM_AXIS
    )


def _only(cell: Cell, given: Input, found: Sequence[Cell], where: Location) -> Cell:
    if len(found) == 1 and found[0].shards == 1:
        return found[0]
    makers = ", ".join(sorted(item.key for item in found))
    raise InvalidValueError(
        where,
        f"{cell.key} reads {given.artifact!r} from more than one task: {makers}",
        "Give both tasks the same axes, and the maker one shard.",
    )
