"""What the matrix of a task asks for, with its constraints understood against the catalogue."""

from __future__ import annotations

from functools import partial

from hotfire_pipelines.catalogue import Catalogue
from hotfire_pipelines.constraints import Constraint, Kind, Ruling, Vocabulary, rule_out, understand
from hotfire_pipelines.constraints.meaning import EXECUTION, PLATFORM_AXIS
from hotfire_pipelines.errors import InvalidValueError
from hotfire_pipelines.expansion import Wanted, stable_seed
from hotfire_pipelines.load import Pipeline


def vocabulary_of(pipeline: Pipeline, catalogue: Catalogue) -> Vocabulary:
    """The axes of the pipeline, and the dimensions of its platforms."""
    axes = pipeline.definition.axes
    dimensions = {
        name: {**catalogue[name].dimensions, EXECUTION: catalogue[name].execution.value}
        for name in axes[PLATFORM_AXIS].values
    }
    return Vocabulary({name: axis.values for name, axis in axes.items()}, dimensions)


def wanted_of(pipeline: Pipeline, name: str, vocabulary: Vocabulary) -> Wanted:
    """Read the matrix of task `name`; its constraints are checked here.

    Raises DefinitionError with the place of what is wrong.
    """
    matrix = pipeline.tasks[name].matrix
    axes = pipeline.definition.axes
    defaults = {axis: item.default for axis, item in axes.items() if item.default is not None}
    constraints = [
        _understood(pipeline, name, kind, index, text, vocabulary)
        for kind, texts in ((Kind.FORBID, matrix.forbid), (Kind.REQUIRE, matrix.require))
        for index, text in enumerate(texts)
    ]
    # What an include may still set is not at its default before that.
    later = {axis for row in matrix.include for axis in row if axis not in matrix.axes}
    settled = {axis: value for axis, value in defaults.items() if axis not in later}
    return Wanted(
        axes=matrix.axes,
        include=matrix.include,
        exclude=matrix.exclude,
        always=matrix.always,
        ruling=rule_out(constraints, dict(sorted(matrix.axes.items())), vocabulary.axes, settled)
        if constraints
        else Ruling((), (), {}),
        defaults=defaults,
        strength=None if matrix.strength == "all" else matrix.strength,
        seed=stable_seed(name) if matrix.seed is None else matrix.seed,
        max_cells=matrix.max_cells,
        cap=matrix.cap,
    )


def _understood(
    pipeline: Pipeline, name: str, kind: Kind, index: int, text: str, vocabulary: Vocabulary
) -> Constraint:
    place = ("tasks", name, "matrix", kind.value, index)
    constraint = understand(text, kind, vocabulary, partial(pipeline.document.inside, place))
    matrix = pipeline.tasks[name].matrix
    for axis in constraint.axes:
        is_known = (
            axis in matrix.axes
            or pipeline.definition.axes[axis].default is not None
            or any(axis in row for row in matrix.include)
        )
        if not is_known:
            raise InvalidValueError(
                pipeline.document.inside(place, 0),
                f"{constraint.name} asks for axis {axis!r}, which no cell of task {name!r} has",
                "Add the axis to the matrix, or give it a default.",
            )
    return constraint
