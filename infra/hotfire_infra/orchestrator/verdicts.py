"""Write the verdict of every test of a cell that is over: of what ran, and of what should have."""

from __future__ import annotations

from collections.abc import Container, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from sqlalchemy import BindParameter, Connection, bindparam, delete, insert, select

from hotfire_infra.orchestrator.folds import TaskFold, fold_test
from hotfire_infra.orchestrator.gone import Absent, judge_absent, note_gone
from hotfire_infra.orchestrator.inputs import read_inventory
from hotfire_infra.states import ATTEMPT_COUNTED, TaskState
from hotfire_infra.store import results
from hotfire_infra.store.database import Store
from hotfire_infra.store.dictionaries import intern_messages, intern_tests
from hotfire_infra.store.models import (
    Collected,
    Inventory,
    Message,
    RecordedInventory,
    Result,
    Run,
    Task,
    Test,
)
from hotfire_infra.store.models import (
    Verdict as VerdictTable,
)
from hotfire_infra.store.prepared import prepare
from hotfire_infra.store.rows import AttemptRow, CellRow, RunRow
from hotfire_testframework.contract.canonical import canonical_json
from hotfire_testframework.contract.failure import FailureClass
from hotfire_testframework.contract.outcomes import UNCOLLECTED, Outcome, Verdict


class _Try(NamedTuple):
    """One result, as it is stored."""

    test_id: int
    attempt_id: int
    seq: int
    outcome: str
    failure_class: str | None
    duration_ns: int
    message_id: int | None


@dataclass(slots=True)
class _Tries:
    """The tries of one test in the attempt that counts."""

    outcomes: list[Outcome] = field(default_factory=list)
    attempt_id: int | None = None
    seq: int | None = None
    failure_class: str | None = None
    duration_ns: int = 0
    message_id: int | None = None

    def add(self, row: _Try) -> None:
        outcome = Outcome(row.outcome)
        self.outcomes.append(outcome)
        self.duration_ns += row.duration_ns
        if self.seq is None or outcome in (Outcome.FAILED, Outcome.ERRORED):
            self.attempt_id = row.attempt_id
            self.seq = row.seq
            self.failure_class = row.failure_class
            self.message_id = row.message_id


@dataclass(frozen=True, slots=True, kw_only=True)
class _Judgement:
    """What a test without a counted result is, and which tests killed their runners."""

    without_result: Verdict
    note_id: int | None
    crashed: frozenset[int]
    crash_note_id: int | None
    lost_notes: Mapping[int, int | None]
    """Why a test that was not collected is missing."""

    def of(self, test: int, had: _Tries) -> tuple[Verdict, str | None, int | None]:
        """Return verdict, failure class and message of one test."""
        if test in self.crashed:
            return Verdict.FAILED, FailureClass.PRODUCT.value, self.crash_note_id
        if not had.outcomes:
            return self.without_result, None, self.lost_notes.get(test, self.note_id)
        verdict = fold_test(had.outcomes)
        is_bad = verdict in (Verdict.FAILED, Verdict.ERRORED, Verdict.FLAKY)
        return verdict, had.failure_class if is_bad else None, had.message_id


def write_verdicts(
    store: Store,
    connection: Connection,
    run: RunRow,
    cell: CellRow,
    folds: Sequence[TaskFold],
    attempts: Sequence[AttemptRow],
) -> list[Verdict]:
    """Replace the verdicts of a cell and return them; `attempts` are the last of its tasks."""
    counted = [attempt.id for attempt in attempts if attempt.state in ATTEMPT_COUNTED]
    tries = _tries_of(connection, counted)
    expected = _expected(store, connection, cell)
    reported = _collected_by(connection, counted) | set(tries)
    absent = Absent()
    if all(fold.state is TaskState.DONE and not fold.crashed_tests for fold in folds):
        lacking = expected - reported
        absent = judge_absent(store, connection, run, cell, attempts, lacking, len(expected))
        note_gone(connection, run, cell, absent.gone)
    judgement = _judgement(connection, folds, absent)
    known = (expected - set(absent.gone)) | reported | judgement.crashed
    rows, verdicts = [], []
    for test in sorted(known):
        had = tries.get(test, _Tries())
        verdict, failure, message = judgement.of(test, had)
        verdicts.append(verdict)
        is_new = cell.inventory_digest is not None and test not in expected
        whose = (run.id, cell.id, test, cell.variant_id)
        ran = (had.attempt_id, had.seq, len(had.outcomes), had.duration_ns)
        rows.append((*whose, verdict.value, failure, *ran, message, is_new))
    _FORGET_VERDICTS.run(connection, the_run=run.id, the_cell=cell.id)
    results.insert_rows(connection, results.VERDICT, rows)
    return verdicts


def _judgement(connection: Connection, folds: Sequence[TaskFold], absent: Absent) -> _Judgement:
    without = _verdict_without_result(folds)
    reason = next((fold.reason for fold in folds if fold.verdict is without and fold.reason), "")
    crashed = {test for fold in folds for test in fold.crashed_tests}
    crash_reason = next((fold.reason for fold in folds if fold.crashed_tests), "")
    return _Judgement(
        without_result=without,
        note_id=_note(connection, reason),
        crashed=frozenset(intern_tests(connection, crashed).values()),
        crash_note_id=_note(connection, crash_reason),
        lost_notes={test: _note(connection, why) for test, why in absent.lost.items()},
    )


def _tries_of(connection: Connection, attempts: Sequence[int]) -> dict[int, _Tries]:
    tries: dict[int, _Tries] = {}
    if len(attempts) == 1:
        (attempt,) = attempts
        found = map(_Try._make, _TRIES_OF_ONE.rows(connection, the_attempt=attempt))
    else:
        found = map(_Try._make, connection.execute(_TRIES, {"attempts": attempts}))
    for row in found:
        tries.setdefault(row.test_id, _Tries()).add(row)
    return tries


def _collected_by(connection: Connection, attempts: Sequence[int]) -> set[int]:
    if len(attempts) == 1:
        (attempt,) = attempts
        return {key for (key,) in _COLLECTED_OF_ONE.rows(connection, the_attempt=attempt)}
    return set(connection.execute(_COLLECTED, {"attempts": attempts}).scalars())


def _names_collected_by(connection: Connection, attempts: Sequence[int]) -> set[str]:
    if len(attempts) == 1:
        (attempt,) = attempts
        found: Iterable[Any] = _NAMES_OF_ONE.rows(connection, the_attempt=attempt)
    else:
        found = connection.execute(_COLLECTED_NAMES, {"attempts": attempts})
    return {"/".join(parts) for parts in found}


# Built once: building a statement costs more than executing it, and these come with every cell.
_ATTEMPTS: BindParameter[Sequence[int]] = bindparam("attempts", expanding=True)
_SELECT_TRIES = select(
    Result.test_id,
    Result.attempt_id,
    Result.seq,
    Result.outcome,
    Result.failure_class,
    Result.duration_ns,
    Result.message_id,
)
_TRIES = _SELECT_TRIES.where(Result.attempt_id.in_(_ATTEMPTS)).order_by(
    Result.attempt_id, Result.seq
)
_COLLECTED = select(Collected.test_id).where(Collected.attempt_id.in_(_ATTEMPTS))
_SELECT_NAMES = (
    select(Test.module, Test.scheme, Test.name)
    .join(Collected, Collected.test_id == Test.id)
    .distinct()
)
_COLLECTED_NAMES = _SELECT_NAMES.where(Collected.attempt_id.in_(_ATTEMPTS))
# Most cells have one task, and it one attempt.
_TRIES_OF_ONE = prepare(
    _SELECT_TRIES.where(Result.attempt_id == bindparam("the_attempt")).order_by(Result.seq)
)
_COLLECTED_OF_ONE = prepare(
    select(Collected.test_id).where(Collected.attempt_id == bindparam("the_attempt"))
)
_NAMES_OF_ONE = prepare(_SELECT_NAMES.where(Collected.attempt_id == bindparam("the_attempt")))
_FORGET_VERDICTS = prepare(
    delete(VerdictTable).where(
        VerdictTable.run_id == bindparam("the_run"), VerdictTable.cell_id == bindparam("the_cell")
    )
)
_PURPOSE = prepare(select(Run.purpose).where(Run.id == bindparam("the_id")))
_KNOWN_INVENTORY = prepare(
    select(Inventory.digest).where(Inventory.digest == bindparam("the_digest"))
)
_OF_CELL = (
    RecordedInventory.pipeline == bindparam("the_pipeline"),
    RecordedInventory.cell_key == bindparam("the_cell"),
)
_FORGET_INVENTORY = prepare(delete(RecordedInventory).where(*_OF_CELL))
_KEEP_INVENTORY = prepare(
    insert(RecordedInventory).values(
        {name: bindparam(name) for name in ("pipeline", "cell_key", "digest", "run_id")}
    )
)


def _expected(store: Store, connection: Connection, cell: CellRow) -> frozenset[int]:
    if cell.inventory_digest is None:
        return frozenset()
    tests = read_inventory(store, cell.inventory_digest)
    return frozenset(intern_tests(connection, tests).values())


def _verdict_without_result(folds: Sequence[TaskFold]) -> Verdict:
    """Return what an expected test is that has no result: as its task ended, else missing."""
    found = {fold.verdict for fold in folds}
    for verdict in (Verdict.ERRORED, Verdict.PRECLUDED, Verdict.NOT_EXECUTABLE):
        if verdict in found:
            return verdict
    return Verdict.MISSING


def _note(connection: Connection, text: str) -> int | None:
    return intern_messages(connection, [text])[text] if text else None


def record_inventory(
    store: Store,
    connection: Connection,
    run: RunRow,
    cell: CellRow,
    attempts: Iterable[AttemptRow],
    verdicts: Container[Verdict],
) -> None:
    """Remember the expectation of the next plan: what a cell collected, and what it lost.

    A test that is missing stays expected until it is proved gone, or somebody accepts the loss.
    `verdicts`: those that were written for the cell.
    """
    if _PURPOSE.row(connection, the_id=run.id) != ("result",):
        return  # What an old commit collects is no expectation of the next one.
    counted = [attempt.id for attempt in attempts if attempt.state in ATTEMPT_COUNTED]
    found = _names_collected_by(connection, counted)
    if Verdict.ERRORED in verdicts:
        found -= _uncollected_of(connection, cell)
    if not found:
        return
    if Verdict.MISSING in verdicts:
        found |= _missing_of(connection, cell)
    found |= _left_out_of(connection, cell)
    keep_inventory(store, connection, run, cell, sorted(found))


def _left_out_of(connection: Connection, cell: CellRow) -> set[str]:
    """Return the tests that no change concerned: they are there as before."""
    if not cell.left_out:
        return set()
    specs = connection.execute(select(Task.spec).where(Task.cell_id == cell.id)).scalars()
    return {test for spec in specs for test in spec.get("leave_out", ())}


def _missing_of(connection: Connection, cell: CellRow) -> set[str]:
    query = (
        select(Test.module, Test.scheme, Test.name)
        .join(VerdictTable, VerdictTable.test_id == Test.id)
        .where(VerdictTable.cell_id == cell.id, VerdictTable.verdict == Verdict.MISSING.value)
    )
    return {"/".join(parts) for parts in connection.execute(query)}


def _uncollected_of(connection: Connection, cell: CellRow) -> set[str]:
    """Return what stands for modules that were not collected: an error, no test to expect again."""
    query = (
        select(Test.module, Test.scheme, Test.name)
        .join(VerdictTable, VerdictTable.test_id == Test.id)
        .join(Message, Message.id == VerdictTable.message_id)
        .where(
            VerdictTable.cell_id == cell.id,
            VerdictTable.verdict == Verdict.ERRORED.value,
            Message.text == UNCOLLECTED,
        )
    )
    return {"/".join(parts) for parts in connection.execute(query)}


def accept_inventory(
    store: Store, connection: Connection, run: RunRow, cell: CellRow
) -> frozenset[str]:
    """Expect of a cell only what a run of it reported; return what is forgotten by that."""
    lost = _missing_of(connection, cell)
    query = (
        select(Test.module, Test.scheme, Test.name)
        .join(VerdictTable, VerdictTable.test_id == Test.id)
        .where(VerdictTable.cell_id == cell.id, VerdictTable.verdict != Verdict.MISSING.value)
    )
    reported = {"/".join(parts) for parts in connection.execute(query)}
    reported -= _uncollected_of(connection, cell)
    # A cell that reported nothing has nothing to say about what is to be expected.
    if not lost or not reported:
        return frozenset()
    kept = sorted(reported | _left_out_of(connection, cell))
    keep_inventory(store, connection, run, cell, kept)
    return frozenset(lost)


def keep_inventory(
    store: Store, connection: Connection, run: RunRow, cell: CellRow, tests: Sequence[str]
) -> None:
    """Make a sorted list of tests what the next plan expects of a cell."""
    blob = store.blobs.put_bytes(canonical_json(list(tests)))
    results.insert_rows(connection, results.BLOB, [(blob.sha256, blob.size)])
    if _KNOWN_INVENTORY.row(connection, the_digest=blob.sha256) is None:
        row = {"digest": blob.sha256, "sha256": blob.sha256, "tests": len(tests)}
        connection.execute(insert(Inventory).values(**row))
    _FORGET_INVENTORY.run(connection, the_pipeline=run.pipeline, the_cell=cell.key)
    identity = {"pipeline": run.pipeline, "cell_key": cell.key}
    _KEEP_INVENTORY.run(connection, **identity, digest=blob.sha256, run_id=run.id)
