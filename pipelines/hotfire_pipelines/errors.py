"""Everything that can be wrong with what a pipeline author wrote.

PipelineError
├── DefinitionError      a YAML file: always with file, line and column
│   ├── BrokenYamlError       not YAML at all
│   ├── InvalidValueError     a key or a value that the schema does not know
│   ├── UnknownNameError      a name that nothing declares: axis, platform, task, artifact
│   ├── DuplicateNameError    one name written twice
│   ├── DependencyCycleError  tasks that wait for each other
│   └── EmptyMatrixError      a task that expands to no cell, or a selection without a case
├── LineError            a line of a plain text file: file and line
│   ├── CaseFileError         a case file
│   └── WaiverError           a list of waivers
├── EmptySelectionError  a query that selects nothing from a test list
├── MatrixError          a matrix above its cap, or with rows that contradict its rules
├── AliasError           `minmax` or `12.X` where the axis has no such value
├── SignatureError       a waiver's expression that is none, or cannot be searched in bounded time
├── CoveringError        a covering array that cannot be made: strength, names, seeded rows
└── PlanError            a saved plan that is broken or was edited

All of them are the author's to correct: the CLI maps the base class to exit code 2.
"""

import difflib
from collections.abc import Iterable
from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True, order=True)
class Location:
    """A place in a file as a person counts: line and column start at 1."""

    file: str
    line: int
    column: int

    def __str__(self) -> str:
        return f"{self.file}:{self.line}:{self.column}"


class PipelineError(Exception):
    """What the author wrote cannot become a plan."""

    exit_code = 2


class DefinitionError(PipelineError):
    """A definition file says something that cannot be used."""

    def __init__(self, location: Location, problem: str, remedy: str) -> None:
        super().__init__(f"{location}: {problem}. {remedy}")
        self.location = location
        self.problem = problem
        self.remedy = remedy


class BrokenYamlError(DefinitionError):
    """The file is not YAML."""


class InvalidValueError(DefinitionError):
    """A key or a value is not what the schema allows."""


class UnknownNameError(DefinitionError):
    """A name is used that nothing declares."""


class DuplicateNameError(DefinitionError):
    """One name is written twice."""


class DependencyCycleError(DefinitionError):
    """Tasks wait for each other."""


class EmptyMatrixError(DefinitionError):
    """A task expands to no cell, or selects no case."""


class LineError(PipelineError):
    """A line of a plain text file cannot be used."""

    def __init__(self, file: str, line: int, problem: str, remedy: str) -> None:
        super().__init__(f"{file}:{line}: {problem}. {remedy}")
        self.file = file
        self.line = line


class CaseFileError(LineError):
    """A case file cannot be read."""


class WaiverError(LineError):
    """A list of waivers cannot be read."""


class EmptySelectionError(PipelineError):
    """A query selects no test; the message prints it."""


class MatrixError(PipelineError):
    """A matrix has too many cells, or rows that its own rules forbid.

    `place` is the part of the matrix that is wrong; the definition's error adds file and line.
    """

    def __init__(self, problem: str, remedy: str, *place: str | int) -> None:
        super().__init__(f"{problem}. {remedy}")
        self.problem = problem
        self.remedy = remedy
        self.place = place


class AliasError(PipelineError):
    """A value means nothing on its axis; the definition's error adds file and line."""

    def __init__(self, problem: str, remedy: str) -> None:
        super().__init__(f"{problem}. {remedy}")
        self.problem = problem
        self.remedy = remedy


class SignatureError(PipelineError):
    """A waiver's expression is none, or cannot be searched in bounded time; the text says why."""


class CoveringError(PipelineError):
    """A covering array is asked for that cannot be made."""


class PlanError(PipelineError):
    """A saved plan is broken, or was changed after it was frozen."""


def suggest(value: str, known: Iterable[str]) -> str:
    """Say in one sentence which known name was probably meant."""
    names = sorted(known)
    nearest = difflib.get_close_matches(value, names, n=1, cutoff=0.5)
    if nearest:
        return f"Did you mean {nearest[0]!r}?"
    if not names:
        return "Nothing is declared here yet."
    shown = ", ".join(names[:12]) + (", …" if len(names) > 12 else "")
    return f"Known here: {shown}."
