"""SELECTs on the numeric errors that kernel cases report with their results."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import ColumnElement, Connection, delete, insert, select

from hotfire_infra.store.models import Attempt, Cell, KernelError, Result, Run, Task, Test


@dataclass(frozen=True, slots=True, kw_only=True)
class CaseErrorRow:
    """One result of a kernel case: how far its worst element was from the reference."""

    run_number: int
    platform: str
    name: str
    """The case line."""
    impl: str
    """Implementation that ran, with its instruction set where that says more."""
    max_ulp: float
    max_relative: float
    over_bound: float


def case_errors(
    connection: Connection, kernel: str, *, last_runs: int = 60
) -> Iterator[CaseErrorRow]:
    """Yield the errors of a kernel's cases (`gemm`) in its last runs, oldest run first.

    Of a test that ran again the last result counts for callers, which it comes behind. Results of
    invalidated attempts, and of runs for another question, are left out.
    """
    # A word that is no kernel must not cost a look at all results.
    mine = Test.name.startswith(f"{kernel}.", autoescape=True)
    if connection.execute(select(Test.id).where(mine).limit(1)).scalar() is None:
        return
    recent = (
        select(Run.id)
        .where(Run.purpose == "result", Run.verdict.is_not(None))
        .order_by(Run.id.desc())
        .limit(last_runs)
    )
    yield from _errors(connection, Run.id.in_(recent.scalar_subquery()), mine)


def case_errors_of_run(connection: Connection, run_id: int) -> Iterator[CaseErrorRow]:
    """Yield the errors of all kernel cases of one run; of a test that ran again the last is last."""
    yield from _errors(connection, Run.id == run_id)


def _errors(connection: Connection, *which: ColumnElement[bool]) -> Iterator[CaseErrorRow]:
    query = (
        select(Run.number, Cell.platform, Test.name, Result.metrics)
        .join(Test, Test.id == Result.test_id)
        .join(Attempt, Attempt.id == Result.attempt_id)
        .join(Task, Task.id == Attempt.task_id)
        .join(Cell, Cell.id == Task.cell_id)
        .join(Run, Run.id == Cell.run_id)
        .where(
            Attempt.purpose == "result",
            Attempt.invalidation_id.is_(None),
            Result.metrics.is_not(None),
            *which,
        )
        .order_by(Run.id, Result.attempt_id, Result.seq)
    )
    for row in connection.execute(query):
        metrics = row.metrics or {}
        if "max_ulp" in metrics:
            yield CaseErrorRow(
                run_number=row.number,
                platform=row.platform,
                name=row.name,
                impl=_implementation(metrics),
                max_ulp=_figure(metrics.get("max_ulp")),
                max_relative=_figure(metrics.get("max_rel")),
                over_bound=_figure(metrics.get("error_over_bound")),
            )


@dataclass(frozen=True, slots=True, kw_only=True)
class KernelErrorRow:
    """Errors of one group of cases in one run of the target branch, as they were recorded."""

    run_id: int
    run_number: int
    kernel: str
    dtype: str
    shape: str
    arch: str
    cases: int
    ulp: Any
    relative: Any
    over_bound: float
    ulp_level: float
    relative_level: float


def recorded_errors(
    connection: Connection, kernels: Sequence[str], *, until_run: int, last: int
) -> tuple[KernelErrorRow, ...]:
    """Return what was recorded of some kernels in the last runs up to one, oldest run first."""
    recent = (
        select(KernelError.run_id)
        .where(KernelError.run_id <= until_run)
        .distinct()
        .order_by(KernelError.run_id.desc())
        .limit(last)
    )
    query = (
        select(*KernelError.__table__.c, Run.number.label("run_number"))
        .join(Run, Run.id == KernelError.run_id)
        .where(KernelError.kernel.in_(kernels), KernelError.run_id.in_(recent.scalar_subquery()))
        .order_by(KernelError.run_id)
    )
    return tuple(KernelErrorRow(**row._mapping) for row in connection.execute(query))


def replace_errors(connection: Connection, run_id: int, rows: Sequence[Mapping[str, Any]]) -> None:
    """Record the errors of a run anew."""
    connection.execute(delete(KernelError).where(KernelError.run_id == run_id))
    if rows:
        connection.execute(insert(KernelError), [{"run_id": run_id, **row} for row in rows])


def _implementation(metrics: Mapping[str, Any]) -> str:
    parts = (str(metrics.get(name) or "") for name in ("impl", "isa"))
    return " ".join(dict.fromkeys(part for part in parts if part))


def _figure(value: Any) -> float:
    """JSON has no infinity: executables write `"inf"` and `"nan"`."""
    try:
        return float(value)
    except (TypeError, ValueError):
        return math.nan
