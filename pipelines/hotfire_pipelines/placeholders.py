"""Placeholders in commands and environments: what the plan fills in, and what the runner does.

The plan knows the cell: `{platform}`, `{preset}`, `{exe}`, `{library}`, `{axis:NAME}`.
The runner knows the machine: `{work}`, `{input:NAME}`, `{artifacts}`, `{launcher}`, `{cpus}`,
`{python}`, `{cache}`, `{attempt}`, `{secret:NAME}`. For `harness: pytest` the plan fills in `{launcher}`, as a JSON
list: pytest runs on the host and puts the launcher before what it starts. Shell variables are written
`$NAME` or `${NAME}`: braces around anything but lower-case words are left alone.
"""

import re
from collections.abc import Iterable, Iterator, Mapping

from hotfire_pipelines.document import Document, Place
from hotfire_pipelines.errors import UnknownNameError, suggest
from hotfire_pipelines.schema import Task

PLACEHOLDER = re.compile(r"\{([a-z_]+)(?::([^{}]*))?\}")

OF_THE_PLAN = ("platform", "preset", "exe", "library", "axis:NAME")
OF_THE_RUNNER = (
    "work",
    "input:NAME",
    "artifacts",
    "launcher",
    "cpus",
    "python",
    "cache",
    "attempt",
    "secret:NAME",
)


def fill(text: str, values: Mapping[str, str]) -> str:
    """Replace the placeholders that the plan knows; those of the runner stay."""
    return PLACEHOLDER.sub(lambda found: values.get(found[0][1:-1], found[0]), text)


def check_placeholders(document: Document, name: str, task: Task, axes: Iterable[str]) -> None:
    """Refuse a placeholder that neither the plan nor the runner knows."""
    inputs = {given.name for given in task.all_inputs()}
    known = {word for word in (*OF_THE_PLAN, *OF_THE_RUNNER) if ":" not in word}
    known |= {f"input:{given}" for given in inputs} | {f"axis:{axis}" for axis in axes}
    known |= {f"secret:{secret}" for secret in task.secrets}
    for place, text in _texts(task):
        for found in PLACEHOLDER.finditer(text):
            word = found[0][1:-1]
            if word not in known:
                raise UnknownNameError(
                    document.at("tasks", name, *place),
                    f"unknown placeholder {found[0]!r} in task {name!r}",
                    suggest(word, known),
                )


def _texts(task: Task) -> Iterator[tuple[Place, str]]:
    for field in ("command", "args", "paths"):
        for index, text in enumerate(getattr(task, field)):
            yield (field, index), text
    for field in ("setup", "teardown"):
        for row, argv in enumerate(getattr(task, field)):
            for index, text in enumerate(argv):
                yield (field, row, index), text
    for key, text in task.env.items():
        yield ("env", key), text
    for row, override in enumerate(task.overrides):
        for key, text in override.env.items():
            yield ("overrides", row, "env", key), text
        for index, text in enumerate(override.args or ()):
            yield ("overrides", row, "args", index), text
