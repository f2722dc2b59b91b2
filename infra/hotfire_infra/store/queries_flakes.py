"""SELECTs on what tests said over time, for their flake rates: only tries that count."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, select

from hotfire_infra.states import AttemptState
from hotfire_infra.store.models import Attempt, Result, Run, Task, Test, Variant
from hotfire_infra.store.models import Verdict as VerdictTable
from hotfire_infra.store.rollups import ASKED_FOR, COUNTS
from hotfire_testframework.contract.outcomes import Outcome, Verdict

SAYS = (Outcome.PASSED.value, Outcome.FAILED.value)
WHOLE = (AttemptState.PASSED, AttemptState.FAILED)
"""An errored, lost, preempted, timed out or cancelled attempt says nothing about any of its tests."""


@dataclass(frozen=True, slots=True)
class TryRow:
    """One passed or failed try of a test × variant."""

    source: int
    """Surrogate of the source stamp."""
    failed: bool


def tries_of_test(
    connection: Connection,
    test_id: int,
    variant_id: int,
    *,
    limit: int,
    until_run: int | None = None,
) -> tuple[TryRow, ...]:
    """Return the newest tries that count, oldest first, perhaps only those up to a run."""
    query = (
        select(Run.source_stamp_id, Result.outcome)
        .join(Attempt, Attempt.id == Result.attempt_id)
        .join(Task, Task.id == Attempt.task_id)
        .join(Run, Run.id == Task.run_id)
        .where(
            Result.test_id == test_id,
            Result.variant_id == variant_id,
            Result.outcome.in_(SAYS),
            Attempt.state.in_(WHOLE),
            ASKED_FOR,
            COUNTS,
        )
        .order_by(Result.attempt_id.desc(), Result.seq.desc())
        .limit(limit)
    )
    if until_run is not None:
        query = query.where(Run.id <= until_run)
    failed = Outcome.FAILED.value
    rows = connection.execute(query).all()
    return tuple(TryRow(row.source_stamp_id, row.outcome == failed) for row in reversed(rows))


def axes_of(connection: Connection, variant_ids: Iterable[int]) -> dict[int, Mapping[str, Any]]:
    """Return the axes of variants."""
    query = select(Variant.id, Variant.axes).where(Variant.id.in_(list(variant_ids)))
    return {row.id: row.axes for row in connection.execute(query)}


def failed_tests(connection: Connection, run_id: int, *, limit: int) -> tuple[Any, ...]:
    """Return cell, test, variant and the test's name of failed and flaky tests, cell by cell."""
    query = (
        select(
            VerdictTable.cell_id,
            VerdictTable.test_id,
            VerdictTable.variant_id,
            Test.module,
            Test.scheme,
            Test.name,
        )
        .join(Test, Test.id == VerdictTable.test_id)
        .where(
            VerdictTable.run_id == run_id,
            VerdictTable.verdict.in_((Verdict.FAILED.value, Verdict.FLAKY.value)),
        )
        .order_by(VerdictTable.cell_id, VerdictTable.test_id)
        .limit(limit)
    )
    return tuple(connection.execute(query).all())


def tries_in_run(connection: Connection, run_id: int, test_id: int) -> tuple[bool, ...]:
    """Return whether each try of a test in one run failed, in their order; only tries that count."""
    query = (
        select(Result.outcome)
        .join(Attempt, Attempt.id == Result.attempt_id)
        .join(Task, Task.id == Attempt.task_id)
        .where(
            Task.run_id == run_id,
            Result.test_id == test_id,
            Result.outcome.in_(SAYS),
            Attempt.state.in_(WHOLE),
            Attempt.purpose == "result",
            COUNTS,
        )
        .order_by(Result.attempt_id, Result.seq)
    )
    failed = Outcome.FAILED.value
    return tuple(outcome == failed for outcome in connection.execute(query).scalars())


def runs_for(connection: Connection, purpose: str, key: str) -> tuple[Any, ...]:
    """Return (id, number, state, options) of the runs of one question, oldest first.

    The question's key stands in the run's options under the name of the purpose.
    """
    mine = Run.options[purpose]["key"].as_string() == key
    query = select(Run.id, Run.number, Run.state, Run.options)
    return tuple(
        connection.execute(query.where(Run.purpose == purpose, mine).order_by(Run.id)).all()
    )
