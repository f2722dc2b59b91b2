"""SELECTs on the history of one test and on what the tests of a run say together."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, case, false, func, or_, select

from hotfire_infra.store.dictionaries import split_test
from hotfire_infra.store.keys import key_table
from hotfire_infra.store.models import (
    Attempt,
    Cell,
    Coverage,
    Environment,
    Message,
    Result,
    Run,
    SourceStamp,
    Task,
    Test,
    Variant,
    Verdict,
)

FIGURES = (
    "error_over_bound",
    "perplexity",
    "reference",
    "rounded_error_over_bound",
    "rounded_perplexity",
    "llama_cpp_perplexity",
)
"""Metrics of results that a cell's line sums up; an error ÷ bound of 1 is the limit."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ResultRow:
    """One result of a test with where it came from."""

    run_number: int
    revision: str
    run_created_ns: int
    platform: str
    cell_key: str
    variant: Any
    attempt: str
    attempt_number: int
    outcome: str
    failure_class: str | None
    duration_ns: int
    message: str
    metrics: Any
    environment_class: str | None
    environment: Any


def test_key(connection: Connection, identifier: str) -> int | None:
    """Return the surrogate of a test identifier, or None when nobody recorded it."""
    if identifier.count("/") < 2:
        return None
    module, scheme, name = split_test(identifier)
    query = select(Test.id).where(Test.module == module, Test.scheme == scheme, Test.name == name)
    return connection.execute(query).scalar()


def similar_tests(connection: Connection, text: str, limit: int = 500) -> tuple[str, ...]:
    """Return recorded identifiers to compare a mistyped one with: those that share its module."""
    module = text.split("/", 1)[0]
    query = select(Test.module, Test.scheme, Test.name).order_by(Test.id.desc()).limit(limit)
    rows = connection.execute(query.where(Test.module == module)).all()
    rows = rows or connection.execute(query).all()
    return tuple(f"{row.module}/{row.scheme}/{row.name}" for row in rows)


def results_with_keys(
    connection: Connection, keys: Sequence[tuple[int, ...]]
) -> tuple[ResultRow, ...]:
    """Return the results with these (attempt, seq), newest run first; none of invalidated attempts."""
    if not keys:
        return ()
    wanted = key_table(connection, keys, "attempt_id", "seq")
    query = (
        select(
            Run.number,
            SourceStamp.revision,
            Run.created_ns,
            Cell.platform,
            Cell.key,
            Variant.axes,
            Attempt.ulid,
            Attempt.number.label("attempt_number"),
            Result.outcome,
            Result.failure_class,
            Result.duration_ns,
            Message.text,
            Result.metrics,
            Result.environment_class,
            Environment.fields,
        )
        .select_from(wanted)
        .join(
            Result,
            (Result.attempt_id == wanted.c.attempt_id) & (Result.seq == wanted.c.seq),
        )
        .join(Attempt, Attempt.id == Result.attempt_id)
        .join(Task, Task.id == Attempt.task_id)
        .join(Cell, Cell.id == Task.cell_id)
        .join(Run, Run.id == Cell.run_id)
        .join(SourceStamp, SourceStamp.id == Run.source_stamp_id)
        .join(Variant, Variant.id == Result.variant_id)
        .outerjoin(Message, Message.id == Result.message_id)
        .outerjoin(Environment, Environment.id == Attempt.environment_id)
        .where(
            Attempt.invalidation_id.is_(None),
            Attempt.purpose == "result",
            # An old commit, executed again for a question of the gate, is no history.
            Run.purpose == "result",
        )
        .order_by(Run.id.desc(), Cell.id, Result.attempt_id.desc(), Result.seq.desc())
    )
    return tuple(_result_row(row) for row in connection.execute(query))


def _result_row(row: Any) -> ResultRow:
    return ResultRow(
        run_number=row.number,
        revision=row.revision,
        run_created_ns=row.created_ns,
        platform=row.platform,
        cell_key=row.key,
        variant=row.axes,
        attempt=row.ulid,
        attempt_number=row.attempt_number,
        outcome=row.outcome,
        failure_class=row.failure_class,
        duration_ns=row.duration_ns,
        message=row.text or "",
        metrics=row.metrics or {},
        environment_class=row.environment_class,
        environment=row.fields or {},
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class CellFigures:
    """What the results that decided a cell's verdicts say together."""

    worst_error: float | None
    """Largest error ÷ bound over the cell's cases."""
    perplexity: float | None
    reference: float | None
    """Perplexity of the float64 reference on the same text."""
    rounded_worst_error: float | None = None
    """Largest error ÷ bound with llama.cpp's roundings, whose bounds are wider."""
    rounded_perplexity: float | None = None
    llama_cpp_perplexity: float | None = None
    """What llama.cpp gives on the same text."""


def figures_of_cells(connection: Connection, run_id: int) -> dict[int, CellFigures]:
    """Return the figures of each cell that has verdicts."""
    number = {name: func.max(Result.metrics[name].as_float()) for name in FIGURES}
    query = (
        select(Verdict.cell_id, *(value.label(name) for name, value in number.items()))
        .join(Result, (Result.attempt_id == Verdict.attempt_id) & (Result.seq == Verdict.seq))
        .where(Verdict.run_id == run_id)
        .group_by(Verdict.cell_id)
    )
    return {
        row.cell_id: CellFigures(
            worst_error=row.error_over_bound,
            perplexity=row.perplexity,
            reference=row.reference,
            rounded_worst_error=row.rounded_error_over_bound,
            rounded_perplexity=row.rounded_perplexity,
            llama_cpp_perplexity=row.llama_cpp_perplexity,
        )
        for row in connection.execute(query)
    }


def coverage_bitmaps_of_run(connection: Connection, run_id: int) -> tuple[Any, ...]:
    """Return the coverage rows of a run: suite, platform, language, path, digest and bitmaps.

    With each row its cell, whether that left tests out for a change, and how many. What a reused
    task covered is its origin's; a rerun for another question covers nothing.
    """
    origins = select(Task.origin_attempt_id).where(
        Task.run_id == run_id, Task.origin_attempt_id.is_not(None)
    )
    mine = or_(Coverage.run_id == run_id, Coverage.attempt_id.in_(origins))
    # A spec is read only where tests were left out: a budget does that too, and is no change.
    is_narrowed = case(
        (Cell.left_out == 0, false()), else_=Task.spec["leave_out"].as_string().is_not(None)
    )
    query = (
        select(
            *Coverage.__table__.c,
            Cell.key.label("cell"),
            Cell.left_out,
            is_narrowed.label("is_narrowed"),
        )
        .join(Attempt, Attempt.id == Coverage.attempt_id)
        .join(Task, Task.id == Attempt.task_id)
        .join(Cell, Cell.id == Task.cell_id)
        .where(mine, Attempt.purpose == "result")
    )
    return tuple(connection.execute(query).all())
