"""Our own notation of test lists as a schema for editors; `testlists.read` reads it, and the other one."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from hotfire_pipelines.strict import Strict, Text

Scalar = str | bool | int | float


class Bounds(Strict):
    """Limits of a number, each included."""

    gte: float | None = None
    """At least this."""
    lte: float | None = None
    """At most this."""


class When(Strict):
    """What a machine must be; every key that is asked about must hold."""

    ranges: dict[str, Bounds] | None = None
    """Key → limits: `system_gpu_count: {gte: 1, lte: 1}`."""
    wildcards: dict[str, Scalar | Annotated[list[Scalar], Field(min_length=1)]] | None = None
    """Key → one or several patterns of `*`, `?` and `[…]`, in any case: `gpu: ['*a10*']`."""
    terms: dict[str, Scalar | Annotated[list[Scalar], Field(min_length=1)]] | None = None
    """Key → one or several values: `stage: pre_merge`."""


class Entry(Strict):
    """One test of a list, in long form."""

    test: Text
    """A folder, a file, or a node id with its parameters."""
    timeout_minutes: Annotated[int, Field(ge=1)] | None = None
    """Limit of each of its tests, instead of the task's."""
    isolation: bool = False
    """Runs in a process of its own, after the others."""
    keyword: Text | None = None
    """pytest's `-k`."""
    marker: Text | None = None
    """pytest's `-m`."""


class ListBlock(Strict):
    """Tests under one condition; blocks are alternatives."""

    when: When | None = None
    """The condition; none: always."""
    tests: list[Text | Entry]
    """Lines `test -k "…" -m "…" ISOLATION,TIMEOUT (90)`, or the same as keys."""


class TestListFile(Strict):
    """One file of test lists by hardware condition."""

    __test__ = False

    schema_: Annotated[Literal["hotfire.dev/testlists/1"], Field(alias="schema")]
    """Version of this format."""
    lists: dict[str, list[ListBlock]]
    """Blocks by the name of their list, in the order in which they are looked at."""
