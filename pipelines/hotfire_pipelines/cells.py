"""Cells: one task definition at one assignment of its axes, before any test list or shard."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TypeVar

from hotfire_pipelines.catalogue import Catalogue, Platform
from hotfire_pipelines.constraints import Vocabulary
from hotfire_pipelines.errors import (
    CoveringError,
    EmptyMatrixError,
    InvalidValueError,
    MatrixError,
)
from hotfire_pipelines.expansion import Debt, Expanded, expand
from hotfire_pipelines.listing import entries_of, query_of
from hotfire_pipelines.load import PLATFORM_AXIS, Pipeline
from hotfire_pipelines.schema import Override, Required, Requirements, Task, Timeouts
from hotfire_pipelines.shard_target import ShardTarget
from hotfire_pipelines.testlist_entries import TestEntry
from hotfire_pipelines.wanted import vocabulary_of, wanted_of
from hotfire_testframework.contract.variants import Variant

Value = TypeVar("Value")

REMEDY = "Correct the matrix."


@dataclass(frozen=True, slots=True, kw_only=True)
class Cell:
    """What must be reported, even if nothing of it ever runs."""

    key: str
    task: str
    definition: Task
    platform_name: str
    platform: Platform
    axes: Mapping[str, str]
    """The full assignment, defaults filled in."""
    variant: Variant
    required: Required
    requires: Requirements
    overrides: tuple[Override, ...]
    entries: tuple[TestEntry, ...] = ()
    """What it runs of the test list that its task names."""

    @property
    def budget_seconds(self) -> float | None:
        """Seconds that the cases of this cell may take, or no limit."""
        return _last(self.definition.budget_seconds, [o.budget_seconds for o in self.overrides])

    @property
    def shards(self) -> int | ShardTarget:
        """How many tasks this cell becomes at most, or how long they may take."""
        return _last(self.definition.shards, [o.shards for o in self.overrides])

    @property
    def estimate_seconds(self) -> float:
        """Declared duration, until one is measured."""
        declared = self.definition.estimate_seconds
        return _last(declared, [o.estimate_seconds for o in self.overrides])

    @property
    def cpus(self) -> int:
        """CPUs that a task of this cell takes."""
        return _last(self.definition.cpus, [o.cpus for o in self.overrides])

    @property
    def timeouts(self) -> Timeouts:
        """Limits of one attempt."""
        return _last(self.definition.timeouts, [o.timeouts for o in self.overrides])

    @property
    def args(self) -> tuple[str, ...]:
        """Arguments for the harness."""
        return _last(self.definition.args, [o.args for o in self.overrides])


def _last(base: Value, changes: list[Value | None]) -> Value:
    for change in reversed(changes):
        if change is not None:
            return change
    return base


@dataclass(frozen=True, slots=True, kw_only=True)
class Cells:
    """The cells of a pipeline, and what its covering arrays and budgets leave out, by task."""

    cells: tuple[Cell, ...]
    coverage: Mapping[str, Expanded]
    """Of the tasks with a strength below `all` or with `max_cells:`."""


def expand_cells(pipeline: Pipeline, catalogue: Catalogue) -> list[Cell]:
    """Every cell of the pipeline; names of platforms are checked against the catalogue here."""
    return list(expand_pipeline(pipeline, catalogue).cells)


def expand_pipeline(
    pipeline: Pipeline, catalogue: Catalogue, debt: Mapping[str, Sequence[Debt]] | None = None
) -> Cells:
    """Expand every matrix; `debt`, by task, is what earlier plans could not afford: paid first."""
    document = pipeline.document
    for index, name in enumerate(pipeline.definition.axes[PLATFORM_AXIS].values):
        catalogue.find(name, document.at("axes", PLATFORM_AXIS, "values", index))
    vocabulary = vocabulary_of(pipeline, catalogue)
    cells: list[Cell] = []
    coverage: dict[str, Expanded] = {}
    for name, task in pipeline.tasks.items():
        wanted = wanted_of(pipeline, name, vocabulary)
        try:
            expanded = expand(wanted, (debt or {}).get(name, ()))
        except MatrixError as error:
            raise InvalidValueError(
                document.key("tasks", name, "matrix", *error.place),
                f"task {name!r}: {error.problem}",
                error.remedy,
            ) from error
        except CoveringError as error:
            raise InvalidValueError(
                document.key("tasks", name, "matrix"), f"task {name!r}: {error}", REMEDY
            ) from error
        if not expanded.rows:
            raise EmptyMatrixError(
                document.key("tasks", name, "matrix"),
                f"the matrix of task {name!r} expands to no cell",
                "Add a value to it, or loosen its `exclude:`, `forbid:` and `require:`.",
            )
        if task.matrix.strength != "all" or task.matrix.max_cells is not None:
            coverage[name] = expanded
        made = _distinct([_cell(pipeline, catalogue, name, row) for row in expanded.rows])
        cells.extend(_with_entries(pipeline, vocabulary, cell) for cell in made)
    return Cells(cells=tuple(cells), coverage=coverage)


def _cell(pipeline: Pipeline, catalogue: Catalogue, name: str, row: Mapping[str, str]) -> Cell:
    declared = pipeline.definition.axes
    task = pipeline.tasks[name]
    if PLATFORM_AXIS not in row:
        raise InvalidValueError(
            pipeline.document.key("tasks", name, "matrix"),
            f"the matrix of task {name!r} makes a cell without a platform: {dict(row)!r}",
            "Name a platform in it.",
        )
    platform_name = row[PLATFORM_AXIS]
    platform = catalogue[platform_name]
    defaults = {axis: item.default for axis, item in declared.items() if item.default is not None}
    # An axis at its default is left out, so that a new axis keeps history; the platform and the
    # execution are always in.
    planned = {
        axis: value
        for axis, value in sorted(row.items())
        if axis == PLATFORM_AXIS or value != defaults.get(axis)
    }
    axes = {**defaults, **row}
    matching = {**axes, "execution": platform.execution.value}
    return Cell(
        key=cell_key(name, planned),
        task=name,
        definition=task,
        platform_name=platform_name,
        platform=platform,
        axes=axes,
        variant=Variant({**planned, "execution": platform.execution.value}),
        required=pipeline.required(platform_name),
        requires=platform.requirements(task.role) | task.requires,
        overrides=tuple(
            item
            for item in task.overrides
            if all(matching.get(axis) in values for axis, values in item.match.items())
        ),
    )


def _with_entries(pipeline: Pipeline, vocabulary: Vocabulary, cell: Cell) -> Cell:
    choice = cell.definition.tests
    if choice is None:
        return cell
    document, lists = pipeline.document, pipeline.lists[cell.task]
    query = query_of(document, cell.task, choice, vocabulary, cell.axes)
    limit = cell.timeouts.run_s
    return replace(cell, entries=entries_of(document, cell.task, choice, lists, query, limit))


def cell_key(task: str, planned: Mapping[str, str]) -> str:
    """`task|axis=value,…`, axes sorted; the execution follows from the platform."""
    return f"{task}|" + ",".join(f"{axis}={value}" for axis, value in sorted(planned.items()))


def _distinct(cells: list[Cell]) -> list[Cell]:
    """Two rows that differ only in an explicit default are one cell."""
    unique: dict[str, Cell] = {}
    for cell in cells:
        unique.setdefault(cell.key, cell)
    return list(unique.values())
