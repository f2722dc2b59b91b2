"""Read and write quarantines of flaky tests, and what their tests said since."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, Select, func, insert, select, update

from hotfire_infra.states import AttemptState
from hotfire_infra.store.models import (
    Attempt,
    Cell,
    Message,
    Quarantine,
    Result,
    Run,
    Task,
    Test,
    Variant,
)
from hotfire_infra.store.models import Verdict as VerdictTable
from hotfire_infra.store.queries_flakes import SAYS, WHOLE
from hotfire_infra.store.rollups import ASKED_FOR, COUNTS
from hotfire_testframework.contract.outcomes import Outcome, Verdict

PROPOSED, ACTIVE = "proposed", "active"
STANDING = (PROPOSED, ACTIVE)
LOOKED_AT = 200
"""Newest failures of a test whose words a quarantine knows."""


@dataclass(frozen=True, slots=True, kw_only=True)
class QuarantineRow:
    """One quarantine."""

    id: int
    ulid: str
    test_id: int
    variant_id: int
    test: str
    variant: Any
    state: str
    owner: str
    bug: str
    reason: str
    signatures: Any
    limit_rate: float
    confidence: float
    since_ns: int
    expires_ns: int
    requested_by: str
    created_ns: int
    ended_ns: int | None
    ended_reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class CellOfTest:
    """Where a test × variant reported last."""

    run_id: int
    cell_id: int
    task: str
    tests: int
    """Tests that reported in that cell."""


def insert_quarantine(connection: Connection, values: Mapping[str, Any]) -> None:
    """Record a quarantine, or the proposal of one."""
    connection.execute(insert(Quarantine).values(**values))


def change_quarantine(connection: Connection, key: int, values: Mapping[str, Any]) -> None:
    """Change what is known of a quarantine."""
    connection.execute(update(Quarantine).where(Quarantine.id == key).values(**values))


def quarantines(
    connection: Connection,
    *,
    states: Sequence[str] = (),
    test_id: int | None = None,
    limit: int = 200,
) -> tuple[QuarantineRow, ...]:
    """Return quarantines, newest first."""
    query = _quarantines().order_by(Quarantine.id.desc()).limit(limit)
    if states:
        query = query.where(Quarantine.state.in_(states))
    if test_id is not None:
        query = query.where(Quarantine.test_id == test_id)
    return _rows(connection, query)


def quarantines_called(connection: Connection, ref: str) -> tuple[QuarantineRow, ...]:
    """Return at most two quarantines whose id begins with `ref`: two mean it is ambiguous."""
    query = _quarantines().where(Quarantine.ulid.startswith(ref.upper(), autoescape=True))
    return _rows(connection, query.order_by(Quarantine.id).limit(2))


def cell_of_test(connection: Connection, test_id: int, variant_id: int) -> CellOfTest | None:
    """Return the cell in which a test × variant reported last."""
    query = (
        select(VerdictTable.run_id, VerdictTable.cell_id, Cell.task)
        .join(Cell, Cell.id == VerdictTable.cell_id)
        .join(Run, Run.id == VerdictTable.run_id)
        .where(
            VerdictTable.test_id == test_id,
            VerdictTable.variant_id == variant_id,
            Run.purpose == "result",
        )
        .order_by(VerdictTable.run_id.desc())
        .limit(1)
    )
    row = connection.execute(query).one_or_none()
    if row is None:
        return None
    count = select(func.count()).where(
        VerdictTable.run_id == row.run_id, VerdictTable.cell_id == row.cell_id
    )
    tests = int(connection.execute(count).scalar_one())
    return CellOfTest(run_id=row.run_id, cell_id=row.cell_id, task=row.task, tests=tests)


def quarantined_beside(connection: Connection, cell: CellOfTest) -> int:
    """Return how many tests of a cell are in quarantine."""
    query = (
        select(func.count(Quarantine.id.distinct()))
        .join(
            VerdictTable,
            (VerdictTable.test_id == Quarantine.test_id)
            & (VerdictTable.variant_id == Quarantine.variant_id),
        )
        .where(
            Quarantine.state == ACTIVE,
            VerdictTable.run_id == cell.run_id,
            VerdictTable.cell_id == cell.cell_id,
        )
    )
    return int(connection.execute(query).scalar_one())


def failures_said(connection: Connection, test_id: int, variant_id: int) -> tuple[str, ...]:
    """Return what the newest failures of a test × variant that count said."""
    query = (
        select(Message.text)
        .join(Result, Result.message_id == Message.id)
        .join(Attempt, Attempt.id == Result.attempt_id)
        .join(Task, Task.id == Attempt.task_id)
        .join(Run, Run.id == Task.run_id)
        .where(
            Result.test_id == test_id,
            Result.variant_id == variant_id,
            Result.outcome == Outcome.FAILED.value,
            Attempt.state.in_(WHOLE),
            ASKED_FOR,
            COUNTS,
        )
        .order_by(Result.attempt_id.desc())
        .limit(LOOKED_AT)
    )
    return tuple(dict.fromkeys(str(text) for text in connection.execute(query).scalars()))


def tries_since(
    connection: Connection, test_id: int, variant_id: int, since_ns: int
) -> tuple[bool, ...]:
    """Return whether each try that counts failed, in runs asked for since a time, oldest first."""
    query = (
        select(Result.outcome)
        .join(Attempt, Attempt.id == Result.attempt_id)
        .join(Task, Task.id == Attempt.task_id)
        .join(Run, Run.id == Task.run_id)
        .where(
            Result.test_id == test_id,
            Result.variant_id == variant_id,
            Result.outcome.in_(SAYS),
            Attempt.state.in_((AttemptState.PASSED, AttemptState.FAILED)),
            Run.created_ns >= since_ns,
            ASKED_FOR,
            COUNTS,
        )
        .order_by(Result.attempt_id, Result.seq)
    )
    failed = Outcome.FAILED.value
    return tuple(outcome == failed for outcome in connection.execute(query).scalars())


def tests_of_run(
    connection: Connection, run_id: int, verdicts: Sequence[Verdict]
) -> tuple[Any, ...]:
    """Return cell, test, variant, verdict and message of tests of a run, cell by cell."""
    query = (
        select(
            VerdictTable.cell_id,
            VerdictTable.test_id,
            VerdictTable.variant_id,
            VerdictTable.verdict,
            Cell.key.label("cell"),
            Message.text.label("message"),
        )
        .join(Cell, Cell.id == VerdictTable.cell_id)
        .outerjoin(Message, Message.id == VerdictTable.message_id)
        .where(
            VerdictTable.run_id == run_id,
            VerdictTable.verdict.in_([verdict.value for verdict in verdicts]),
        )
        .order_by(VerdictTable.cell_id, VerdictTable.test_id)
    )
    return tuple(connection.execute(query).all())


def tests_by_cell(connection: Connection, run_id: int) -> Mapping[int, int]:
    """Return how many tests reported in each cell of a run."""
    query = (
        select(VerdictTable.cell_id, func.count().label("tests"))
        .where(VerdictTable.run_id == run_id)
        .group_by(VerdictTable.cell_id)
    )
    return {row.cell_id: row.tests for row in connection.execute(query)}


def _quarantines() -> Select[Any]:
    return (
        select(
            *Quarantine.__table__.c,
            Test.module,
            Test.scheme,
            Test.name,
            Variant.axes,
        )
        .join(Test, Test.id == Quarantine.test_id)
        .join(Variant, Variant.id == Quarantine.variant_id)
    )


_NAMED = frozenset({"module", "scheme", "name", "axes"})


def _rows(connection: Connection, query: Select[Any]) -> tuple[QuarantineRow, ...]:
    return tuple(
        QuarantineRow(
            test=f"{row.module}/{row.scheme}/{row.name}",
            variant=row.axes,
            **{name: value for name, value in row._mapping.items() if name not in _NAMED},
        )
        for row in connection.execute(query)
    )
