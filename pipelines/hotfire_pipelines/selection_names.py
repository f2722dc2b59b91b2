"""Checks the names in a pipeline's selection against its tasks."""

from __future__ import annotations

from hotfire_pipelines.document import Document, Place
from hotfire_pipelines.errors import DuplicateNameError, UnknownNameError, suggest
from hotfire_pipelines.schema import PipelineFile


def check_selection(document: Document, definition: PipelineFile) -> None:
    """Refuse rules that name a task that is not there, or one twice."""
    selection = definition.selection
    if selection is None:
        return
    for index, rule in enumerate(selection.rules):
        _tasks(document, definition, rule.tasks, ("selection", "rules", index, "tasks"))
    _tasks(document, definition, selection.always, ("selection", "always"))
    for suite, tasks in selection.coverage.items():
        _tasks(document, definition, tasks, ("selection", "coverage", suite))


def _tasks(
    document: Document, definition: PipelineFile, names: tuple[str, ...], place: Place
) -> None:
    for index, name in enumerate(names):
        where = document.at(*place, index)
        if name not in definition.tasks:
            raise UnknownNameError(
                where,
                f"the selection names the unknown task {name!r}",
                suggest(name, definition.tasks),
            )
        if name in names[:index]:
            raise DuplicateNameError(where, f"{name!r} is listed twice", "Remove one of them.")
