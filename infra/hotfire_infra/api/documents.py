"""The documents of the API: rows of the store without their surrogates, each with an example."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import Any, get_type_hints

from pydantic import BaseModel, ConfigDict, Field, TypeAdapter, ValidationError, create_model

from hotfire_infra.analysis.report import HoldReport
from hotfire_infra.api.paging import Page
from hotfire_infra.store import rows

ULID = "01JD3Q6X7V8W9Y0Z1A2B3C4D5E"
ATTEMPT = "01JD3Q7A0000000000000000AA"
DIGEST = "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08"
AT_NS = 1_795_555_961_944_000_000


def with_example(**example: Any) -> ConfigDict:
    """Return a model's configuration with its example."""
    return ConfigDict(json_schema_extra={"examples": [example]})


def with_open_example(**example: Any) -> ConfigDict:
    """Return the same for a document that the analyses may add members to."""
    return ConfigDict(extra="allow", json_schema_extra={"examples": [example]})


def row_model(
    name: str,
    row: type[Any],
    *,
    without: frozenset[str],
    summary: str,
    example: Mapping[str, Any],
    **more: Any,
) -> type[BaseModel]:
    """Return a model with the fields of a row type, less its surrogates, and some more.

    Made from the row type, so that a new column cannot be forgotten here.
    """
    hints = get_type_hints(row)
    fields: dict[str, Any] = {
        field.name: (hints[field.name], ...)
        for field in dataclasses.fields(row)
        if field.name not in without
    }
    made: type[BaseModel] = create_model(
        name, __config__=with_example(**example), __doc__=summary, **{**fields, **more}
    )
    return made


SURROGATES: Mapping[type[Any], frozenset[str]] = {
    rows.RunRow: frozenset({"id"}),
    rows.CellRow: frozenset({"id", "variant_id"}),
    rows.TaskRow: frozenset({"id", "run_id", "cell_id"}),
    rows.AttemptRow: frozenset({"id", "task_id", "cell_id", "run_id", "environment_id"}),
    rows.TestRow: frozenset({"cell_id"}),
}
_ADAPTERS: Mapping[type[Any], TypeAdapter[Any]] = {row: TypeAdapter(row) for row in SURROGATES}


def row_document(row: Any, **more: Any) -> dict[str, Any]:
    """Return a row as plain JSON values, less its surrogates, and some more."""
    kind = type(row)
    plain = _ADAPTERS[kind].dump_python(row, mode="json", exclude=set(SURROGATES[kind]))
    return {**plain, **more}


_SOURCE = {
    "repository": "https://git.example.org/aestus.git",
    "revision": "3f2a91c000000000000000000000000000000000",
    "patch_digest": "",
    "subject": "Scale before the softmax",
    "archive_sha256": DIGEST,
}
RUN_EXAMPLE: dict[str, Any] = {
    "ulid": ULID,
    "number": 12,
    "pipeline": "pre-merge",
    "plan_digest": DIGEST,
    "plan_sha256": DIGEST,
    "state": "finalized",
    "verdict": "passed",
    "reasons": [],
    "headline": "passed on 2 of 3 platforms",
    "parent_number": None,
    "requested_by": "token:jenkins",
    "created_ns": AT_NS,
    "started_ns": AT_NS,
    "finalized_ns": AT_NS + 90_000_000_000,
    "cancel_requested_ns": None,
    "source": _SOURCE,
}
CELL_EXAMPLE: dict[str, Any] = {
    "key": "kernels|platform=linux-x86_64",
    "task": "kernels",
    "platform": "linux-x86_64",
    "variant": {"execution": "native", "platform": "linux-x86_64"},
    "variant_hash": DIGEST,
    "required": "always",
    "requires": {"arch": "x86_64"},
    "state": "done",
    "verdict": "passed",
    "reason": "",
    "failure_class": None,
    "inventory_digest": DIGEST,
    "expected": 812,
    "left_out": 0,
    "attempts": 1,
    "tests": {"passed": 812},
    "pending": "",
    "started_ns": AT_NS,
    "ended_ns": AT_NS + 60_000_000_000,
}
TASK_EXAMPLE: dict[str, Any] = {
    "key": "kernels|platform=linux-x86_64#1/2",
    "cell": "kernels|platform=linux-x86_64",
    "shard": 1,
    "shards": 2,
    "state": "queued",
    "resolution": None,
    "reason": "",
    "requested_digest": DIGEST,
}
ATTEMPT_EXAMPLE: dict[str, Any] = {
    "ulid": ATTEMPT,
    "task_key": "kernels|platform=linux-x86_64#1/2",
    "cell": "kernels|platform=linux-x86_64",
    "run": ULID,
    "number": 1,
    "state": "started",
    "reason": "",
    "failure_class": None,
    "failure_source": None,
    "executor": "local",
    "holder": "9c1f:4711",
    "fence": 1,
    "boot_id": "9c1f",
    "lease_expires_mono_ns": 8_000_000_000,
    "exit_code": None,
    "created_ns": AT_NS,
    "started_ns": AT_NS,
    "ended_ns": None,
    "acked_seq": 1204,
    "acked_bytes": 301_222,
    "in_flight": ["aestus.kernels/cases/matmul.f32:m=1,k=64,n=8,seed=7"],
}
TEST_EXAMPLE: dict[str, Any] = {
    "test": "aestus.kernels/cases/matmul.f32:m=1,k=64,n=8,seed=7",
    "cell_key": "kernels|platform=linux-x86_64",
    "verdict": "failed",
    "failure_class": "product",
    "tries": 1,
    "duration_ns": 1_200_000,
    "message": "error 3.1 times the bound",
    "detail": "",
    "environment_class": "avx2",
    "metrics": {"error_over_bound": 3.1},
    "attempt_ulid": ATTEMPT,
    "is_new": False,
}


def _example_of(row: type[Any], example: dict[str, Any]) -> dict[str, Any]:
    """Give an example the columns that it does not name, at their plainest value."""
    hints = get_type_hints(row)
    for field in dataclasses.fields(row):
        if field.name not in example and field.name not in SURROGATES[row]:
            example[field.name] = _plainest(hints[field.name])
    return example


def _plainest(hint: Any) -> Any:
    candidates: tuple[Any, ...] = (None, "", 0, False, [], {})
    for value in candidates:
        try:
            TypeAdapter(hint).validate_python(value, strict=True)
        except ValidationError:
            continue
        return value
    return next(iter(hint)).value


Run = row_model(
    "Run", rows.RunRow, without=SURROGATES[rows.RunRow], summary="One run, without its cells.",
    example=_example_of(rows.RunRow, RUN_EXAMPLE),
)  # fmt: skip
Cell = row_model(
    "Cell", rows.CellRow, without=SURROGATES[rows.CellRow],
    summary="One cell: what must be reported, and what came of it.",
    example=_example_of(rows.CellRow, CELL_EXAMPLE),
)  # fmt: skip
Task = row_model(
    "Task", rows.TaskRow, without=SURROGATES[rows.TaskRow],
    summary="One schedulable piece of a cell.", example=_example_of(rows.TaskRow, TASK_EXAMPLE),
    cell=(str, Field(description="Key of its cell")),
)  # fmt: skip
Attempt = row_model(
    "Attempt", rows.AttemptRow, without=SURROGATES[rows.AttemptRow],
    summary="One execution of a task.", example=_example_of(rows.AttemptRow, ATTEMPT_EXAMPLE),
    cell=(str, Field(description="Key of its cell")),
    run=(str, Field(description="ULID of its run")),
)  # fmt: skip
Test = row_model(
    "Test", rows.TestRow, without=SURROGATES[rows.TestRow],
    summary="The verdict of one test in one cell, with the result that decided it.",
    example=_example_of(rows.TestRow, TEST_EXAMPLE),
)  # fmt: skip


class CellSummary(BaseModel):
    """One cell as `hotfire show RUN -o json` prints it; `missing` until it has reported."""

    model_config = ConfigDict(extra="allow")

    task: str
    variant: dict[str, str]
    state: str
    verdict: str
    reason: str
    failure_class: str | None
    attempts: int
    tests: dict[str, int]
    pending: str


class SourceDocument(BaseModel):
    """The source stamp: what is under test."""

    repository: str
    revision: str
    patch_digest: str | None


_SUMMARY_FIELDS = tuple(CellSummary.model_fields)


class RunDocument(BaseModel):
    """One run, exactly as `hotfire show RUN -o json` prints it."""

    model_config = with_open_example(
        id=ULID,
        pipeline="pre-merge",
        source={name: _SOURCE[name] for name in ("repository", "revision")}
        | {"patch_digest": None},
        plan_digest=DIGEST,
        state="finalized",
        verdict="passed",
        reasons=[],
        url="http://127.0.0.1:8321/r/12",
        cells=[{name: CELL_EXAMPLE[name] for name in _SUMMARY_FIELDS}],
        totals={"passed": 1},
        priority="pre-merge",
        team="default",
        change="fix-softmax",
        superseded_by=None,
        supersedes=[11],
        holds=[],
    )

    id: str
    pipeline: str
    source: SourceDocument
    plan_digest: str
    state: str
    verdict: str
    reasons: list[str]
    url: str
    cells: list[CellSummary]
    totals: dict[str, int]
    priority: str
    team: str
    change: str | None
    superseded_by: int | None
    supersedes: list[int]
    holds: list[HoldReport]


class RunLine(BaseModel):
    """One run in the list."""

    id: str
    number: int
    pipeline: str
    revision: str
    state: str
    verdict: str | None
    headline: str
    created: str | None = Field(description="RFC 3339, UTC")
    totals: dict[str, int] = Field(description="Cells by verdict")


RUN_LINE_EXAMPLE: dict[str, Any] = {
    "id": ULID,
    "number": 12,
    "pipeline": "pre-merge",
    "revision": _SOURCE["revision"],
    "state": "finalized",
    "verdict": "passed",
    "headline": "passed on 2 of 3 platforms",
    "created": "2026-11-21T14:00:00Z",
    "totals": {"passed": 24, "not_executable": 3},
}


class RunPage(Page[RunLine]):
    """Runs, newest first."""

    model_config = with_example(items=[RUN_LINE_EXAMPLE], next="WyJydW5zIiwxMl0")


class ResultDocument(BaseModel):
    """A result that is not green, with its message."""

    model_config = with_example(
        test=TEST_EXAMPLE["test"],
        outcome="failed",
        failure_class="product",
        message="error 3.1 times the bound",
        cell="kernels|platform=linux-x86_64",
    )

    test: str
    outcome: str
    failure_class: str | None
    message: str
    cell: str


def _page_of(name: str, item: type[BaseModel], what: str, example: dict[str, Any]) -> Any:
    return create_model(
        name,
        __doc__=what,
        __config__=with_example(items=[example], next=None),
        items=(list[item], ...),  # type: ignore[valid-type]
        next=(str | None, Field(default=None, description="Cursor of the next page; null at last")),
    )


RunRowPage = _page_of("RunRows", Run, "Runs with all their fields, newest first.", RUN_EXAMPLE)
TestPage = _page_of("Tests", Test, "Verdicts of tests, in the order of the cells.", TEST_EXAMPLE)
AttemptPage = _page_of("Attempts", Attempt, "Attempts, oldest first.", ATTEMPT_EXAMPLE)
Snapshot = create_model(
    "Snapshot",
    __doc__="A run with its cells and tasks in the order of the plan.",
    __config__=with_example(run=RUN_EXAMPLE, cells=[CELL_EXAMPLE], tasks=[TASK_EXAMPLE]),
    run=(Run, ...),
    cells=(list[Cell], ...),  # type: ignore[valid-type]
    tasks=(list[Task], ...),  # type: ignore[valid-type]
)


def snapshot_document(whole: rows.RunSnapshot) -> dict[str, Any]:
    """Return a run with its cells and tasks as plain JSON values."""
    keys = {cell.id: cell.key for cell in whole.cells}
    return {
        "run": row_document(whole.run),
        "cells": [row_document(cell) for cell in whole.cells],
        "tasks": [row_document(task, cell=keys[task.cell_id]) for task in whole.tasks],
    }
