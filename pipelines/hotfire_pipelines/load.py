"""Reads a pipeline file and checks the names in it against each other."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

from hotfire_pipelines.aliases import meaning, resolve
from hotfire_pipelines.constraints import parse
from hotfire_pipelines.constraints.meaning import PLATFORM_AXIS as PLATFORM_AXIS
from hotfire_pipelines.document import Document, Place, is_file
from hotfire_pipelines.errors import (
    AliasError,
    DependencyCycleError,
    DuplicateNameError,
    EmptyMatrixError,
    InvalidValueError,
    UnknownNameError,
    suggest,
)
from hotfire_pipelines.includes import inside, read_with_includes
from hotfire_pipelines.listing import load_lists
from hotfire_pipelines.placeholders import check_placeholders
from hotfire_pipelines.schema import Input, Matrix, PipelineFile, Required, Task
from hotfire_pipelines.selection_names import check_selection
from hotfire_pipelines.testlists import TestLists
from hotfire_pipelines.validate import validate
from hotfire_pipelines.waivers import Waivers
from hotfire_pipelines.waivers import load as load_waivers

RULE_LISTS = ("include", "exclude", "always")
RESERVED = tuple(Matrix.model_fields)


@dataclass(frozen=True, slots=True, kw_only=True)
class Pipeline:
    """A pipeline whose names are consistent; platforms are checked when it meets a catalogue."""

    definition: PipelineFile
    document: Document
    waivers: Waivers | None = None
    """What its waiver file says, where it names one."""
    lists: Mapping[str, TestLists] = field(default_factory=dict)
    """The test lists that its tasks name, by task."""

    @property
    def name(self) -> str:
        """The name people run it by."""
        return self.definition.name

    @property
    def tasks(self) -> Mapping[str, Task]:
        """Task definitions by name."""
        return self.definition.tasks

    def required(self, platform: str) -> Required:
        """Whether cells of this platform may be not executable without blocking."""
        return self.definition.required.get(platform, Required.ALWAYS)


def load_pipeline(path: Path) -> Pipeline:
    """Read and check one pipeline file."""
    document = read_with_includes(path)
    definition = validate(document, PipelineFile)
    _check_axes(document, definition)
    for name, task in definition.tasks.items():
        _check_matrix(document, definition, name, task)
        _check_needs(document, definition, name, task)
        _check_inputs(document, definition, name, task)
        check_placeholders(document, name, task, definition.axes)
    _check_cycles(document, definition)
    check_selection(document, definition)
    return Pipeline(
        definition=_without_aliases(definition),
        document=document,
        waivers=_waivers(document, definition, path),
        lists=load_lists(document, definition, path.parent.resolve()),
    )


def _waivers(document: Document, definition: PipelineFile, path: Path) -> Waivers | None:
    """Read the waiver file from where a change cannot put it: below the pipeline's folder."""
    if definition.waivers is None:
        return None
    found = inside(path.parent.resolve(), path, definition.waivers, document.at("waivers"))
    if not is_file(found):
        raise UnknownNameError(
            document.at("waivers"),
            f"there is no waiver file {definition.waivers!r}",
            "Write its path from the pipeline's folder.",
        )
    return load_waivers(path.parent / definition.waivers)


def _without_aliases(definition: PipelineFile) -> PipelineFile:
    """Put values in the place of `minmax` and `12.X`."""
    axes = definition.axes

    def single(rules: tuple[dict[str, str], ...]) -> tuple[dict[str, str], ...]:
        return tuple(
            {axis: meaning(axis, axes[axis], value)[0] for axis, value in rule.items()}
            for rule in rules
        )

    def of(task: Task) -> Task:
        matrix = task.matrix
        spans = {axis: resolve(axis, axes[axis], values) for axis, values in matrix.axes.items()}
        rules = {kind: single(getattr(matrix, kind)) for kind in RULE_LISTS}
        return task.model_copy(update={"matrix": matrix.model_copy(update={**spans, **rules})})

    tasks = {name: of(task) for name, task in definition.tasks.items()}
    return definition.model_copy(update={"tasks": tasks})


def _check_axes(document: Document, definition: PipelineFile) -> None:
    if PLATFORM_AXIS not in definition.axes:
        raise InvalidValueError(
            document.key("axes"),
            "the axis 'platform' is not declared",
            "Add `platform: {values: [...]}` below `axes:`.",
        )
    for name, axis in definition.axes.items():
        if name == "execution":
            raise InvalidValueError(
                document.key("axes", name),
                "the axis 'execution' follows from the platform",
                "Remove it.",
            )
        if name in RESERVED:
            raise InvalidValueError(
                document.key("axes", name),
                f"an axis cannot be called {name!r}: the key means something else in a matrix",
                "Rename the axis.",
            )
        _check_repetition(document, ("axes", name, "values"), axis.values)
        if axis.default is not None and axis.default not in axis.values:
            raise UnknownNameError(
                document.at("axes", name, "default"),
                f"default {axis.default!r} is no value of axis {name!r}",
                suggest(axis.default, axis.values),
            )
    platforms = definition.axes[PLATFORM_AXIS].values
    for name in definition.required:
        if name not in platforms:
            raise UnknownNameError(
                document.key("required", name),
                f"unknown platform {name!r} in required",
                suggest(name, platforms),
            )


def _check_repetition(document: Document, place: Place, values: tuple[str, ...]) -> None:
    for index, value in enumerate(values):
        if value in values[:index]:
            raise DuplicateNameError(
                document.at(*place, index), f"{value!r} is listed twice", "Remove one of them."
            )


def _check_matrix(document: Document, definition: PipelineFile, name: str, task: Task) -> None:
    place: Place = ("tasks", name, "matrix")
    for axis, values in task.matrix.axes.items():
        _known_axis(document, definition, name, axis, (*place, axis))
        if not values:
            raise EmptyMatrixError(
                document.at(*place, axis),
                f"axis {axis!r} of task {name!r} has no value",
                "List at least one, or remove the task.",
            )
        _check_repetition(document, (*place, axis), values)
        for index, value in enumerate(values):
            _known_value(document, definition, axis, value, (*place, axis, index))
    _check_rules(document, definition, name, task.matrix)
    for index, override in enumerate(task.overrides):
        for axis, values in override.match.items():
            at = ("tasks", name, "overrides", index, "match", axis)
            _check_match(document, definition, name, axis, values, at)


def _check_match(
    document: Document,
    definition: PipelineFile,
    task: str,
    axis: str,
    values: tuple[str, ...],
    place: Place,
) -> None:
    if axis != "execution":
        _known_axis(document, definition, task, axis, place)
    _check_repetition(document, place, values)
    for number, value in enumerate(values):
        if axis != "execution":
            _known_value(document, definition, axis, value, (*place, number))
        elif value not in ("native", "emulated"):
            raise UnknownNameError(
                document.at(*place, number),
                f"{value!r} is no execution",
                suggest(value, ("native", "emulated")),
            )


def _check_rules(document: Document, definition: PipelineFile, name: str, matrix: Matrix) -> None:
    place: Place = ("tasks", name, "matrix")
    for kind in RULE_LISTS:
        for index, rule in enumerate(getattr(matrix, kind)):
            for axis, value in rule.items():
                at = (*place, kind, index, axis)
                _known_axis(document, definition, name, axis, at)
                if len(_known_value(document, definition, axis, value, at)) > 1:
                    raise InvalidValueError(
                        document.at(*at),
                        f"{value!r} means more than one value of axis {axis!r}",
                        "Name one value.",
                    )
    for index, row in enumerate(matrix.always):
        for axis, value in row.items():
            declared = definition.axes[axis]
            spans = resolve(axis, declared, matrix.axes.get(axis, ()))
            if meaning(axis, declared, value)[0] not in spans:
                raise UnknownNameError(
                    document.at(*place, "always", index, axis),
                    f"{axis}={value} is not in the matrix of task {name!r}",
                    "Add it to the matrix, or use `include:`.",
                )
    for kind in ("forbid", "require"):
        for index, text in enumerate(getattr(matrix, kind)):
            parse(text, partial(document.inside, (*place, kind, index)))
    if matrix.seed is not None and matrix.strength == "all" and matrix.max_cells is None:
        raise InvalidValueError(
            document.key(*place, "seed"),
            "`seed:` chooses among covering arrays, and `strength: all` is the whole product",
            "Add `strength: 2`, or remove it.",
        )


def _known_axis(
    document: Document,
    definition: PipelineFile,
    task: str,
    axis: str,
    place: Place,
) -> None:
    if axis not in definition.axes:
        raise UnknownNameError(
            document.key(*place),
            f"unknown axis {axis!r} in task {task!r}",
            suggest(axis, [*definition.axes, *RESERVED]),
        )


def _known_value(
    document: Document,
    definition: PipelineFile,
    axis: str,
    value: str,
    place: Place,
) -> tuple[str, ...]:
    """Return the values that are meant."""
    try:
        return meaning(axis, definition.axes[axis], value)
    except AliasError as error:
        raise UnknownNameError(document.at(*place), error.problem, error.remedy) from error


def _check_needs(document: Document, definition: PipelineFile, name: str, task: Task) -> None:
    place: Place = ("tasks", name, "needs")
    _check_repetition(document, place, task.needs)
    for index, needed in enumerate(task.needs):
        if needed not in definition.tasks:
            raise UnknownNameError(
                document.at(*place, index),
                f"task {name!r} needs the unknown task {needed!r}",
                suggest(needed, set(definition.tasks) - {name}),
            )


def _check_inputs(document: Document, definition: PipelineFile, name: str, task: Task) -> None:
    place: Place = ("tasks", name)
    groups: list[tuple[Place, tuple[Input, ...]]] = [(("inputs",), task.inputs)]
    for index, override in enumerate(task.overrides):
        groups.append((("overrides", index, "inputs"), override.inputs))
    seen: list[str] = []
    for where, inputs in groups:
        for index, given in enumerate(inputs):
            at = (*place, *where, index)
            if given.name in seen:
                raise DuplicateNameError(
                    document.at(*at, "name"),
                    f"task {name!r} has two inputs named {given.name!r}",
                    "Rename one of them.",
                )
            seen.append(given.name)
            _check_origin(document, definition, name, given, at)
    outputs = [output.name for output in task.outputs]
    for index, output in enumerate(outputs):
        if output in outputs[:index]:
            raise DuplicateNameError(
                document.at(*place, "outputs", index, "name"),
                f"task {name!r} has two outputs named {output!r}",
                "Rename one of them.",
            )


def _check_origin(
    document: Document,
    definition: PipelineFile,
    name: str,
    given: Input,
    place: Place,
) -> None:
    if given.model is not None and given.model not in definition.models:
        raise UnknownNameError(
            document.at(*place, "model"),
            f"unknown model {given.model!r}",
            suggest(given.model, definition.models),
        )
    if given.task is None:
        return
    maker = definition.tasks.get(given.task)
    if maker is None:
        raise UnknownNameError(
            document.at(*place, "task"),
            f"task {name!r} reads from the unknown task {given.task!r}",
            suggest(given.task, set(definition.tasks) - {name}),
        )
    artifacts = [output.name for output in maker.outputs]
    if given.artifact not in artifacts:
        raise UnknownNameError(
            document.at(*place, "artifact"),
            f"task {given.task!r} has no output {given.artifact!r}",
            suggest(str(given.artifact), artifacts),
        )


def _check_cycles(document: Document, definition: PipelineFile) -> None:
    finished: set[str] = set()

    def visit(name: str, path: tuple[str, ...]) -> None:
        if name in finished:
            return
        if name in path:
            circle = " → ".join((*path[path.index(name) :], name))
            raise DependencyCycleError(
                document.key("tasks", name),
                f"tasks wait for each other: {circle}",
                "Remove one of these from `needs:` or `inputs:`.",
            )
        for needed in prerequisites(definition.tasks[name]):
            visit(needed, (*path, name))
        finished.add(name)

    for name in definition.tasks:
        visit(name, ())


def prerequisites(task: Task) -> Iterator[str]:
    """Names of the tasks that this one waits for."""
    yield from task.needs
    yield from (given.task for given in task.all_inputs() if given.task is not None)
