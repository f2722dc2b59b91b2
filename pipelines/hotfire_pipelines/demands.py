"""Parts of a pipeline file about the plan as a whole: selection, budget, and what device suffices."""

import re
from collections.abc import Mapping
from typing import Annotated

from pydantic import AfterValidator, Field, StringConstraints

from hotfire_pipelines.filters import check
from hotfire_pipelines.strict import Name, Strict, Text

_UNITS = {"s": 1, "m": 60, "h": 3600, "d": 86_400}
_TIME = re.compile(r"(?:\d+[smhd])+")


def _checked(patterns: tuple[str, ...]) -> tuple[str, ...]:
    check(patterns)
    return patterns


def _is_time(text: str) -> str:
    if not _TIME.fullmatch(text) or not seconds_of(text):
        raise ValueError(f"{text!r} is no time; write 90s, 45m, 2h or 1h30m")
    return text


def seconds_of(text: str) -> int:
    """Return the seconds of a time such as `1h30m`."""
    return sum(int(number) * _UNITS[unit] for number, unit in re.findall(r"(\d+)([smhd])", text))


Hours = Annotated[float, Field(gt=0)]
Time = Annotated[Text, AfterValidator(_is_time)]
Patterns = Annotated[tuple[Text, ...], AfterValidator(_checked)]


def _is_narrow(patterns: tuple[str, ...]) -> tuple[str, ...]:
    if "**" in patterns:
        raise ValueError("'**' names every file, and none would be unknown; use `always:` instead")
    return patterns


class SelectionRule(Strict):
    """Which tasks a change of some files concerns."""

    paths: Annotated[Patterns, AfterValidator(_is_narrow), Field(min_length=1)]
    """Files, as GitHub Actions writes them: `src/**`, `!src/**.md`."""
    tasks: Annotated[tuple[Name, ...], Field(min_length=1)]
    """Tasks it concerns; so are those that read what they make. The rest is not selected."""


class Selection(Strict):
    """What `--changed-since` may leave out. A file that no rule names selects everything."""

    paths_ignore: Annotated[Patterns, Field(alias="paths-ignore")] = ()
    """Files that no task reads, such as `docs/**`; a rule that names one wins."""
    rules: tuple[SelectionRule, ...] = ()
    """All rules that name a changed file count together."""
    always: tuple[Name, ...] = ()
    """Tasks that are selected whatever changed."""
    coverage: Mapping[Name, tuple[Name, ...]] = {}
    """Tasks whose executed lines a coverage suite knows completely: they are left out where it
    proves that no changed line runs, and selected where it saw the file."""


class Budget(Strict):
    """What a run may cost; `hotfire run` refuses more without `--yes`."""

    gpu_hours: Annotated[Hours | None, Field(alias="gpu-hours")] = None
    """Hours of GPUs, all tasks together."""
    node_hours: Annotated[Hours | None, Field(alias="node-hours")] = None
    """Hours of machines, a shared machine by its share."""
    wall: Time | None = None
    """From the start of the first task to the end of the last: 45m, 2h."""


class Sufficient(Strict):
    """The least device that a task could do with."""

    gpu_memory_gib: Annotated[float, Field(gt=0)] | None = None
    """Memory of one GPU."""
    compute_capability: Annotated[str, StringConstraints(pattern=r"^[0-9]{1,2}\.[0-9]$")] | None = (
        None
    )
    """At least this, in quotes: "8.0"."""
