"""What the gate sees of each cell: its verdict, less what is exonerated, unless it was invalidated."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from sqlalchemy import Connection, select

from hotfire_infra.analysis.exoneration import exonerations_of
from hotfire_infra.analysis.gate import GateCell, Required
from hotfire_infra.states import AttemptState
from hotfire_infra.store.models import Attempt, Invalidation, Task, Test
from hotfire_infra.store.models import Verdict as VerdictTable
from hotfire_infra.store.rows import CellRow
from hotfire_testframework.contract.outcomes import Verdict

_BEHIND_A_FAILURE = (
    Verdict.ERRORED,
    Verdict.MISSING,
    Verdict.PRECLUDED,
    Verdict.FLAKY,
    Verdict.PASSED,
)
"""What the other tests of a cell came to, worst first, once its failures are exonerated."""
_RED_ENDS = (AttemptState.FAILED, AttemptState.TIMED_OUT)


@dataclass(slots=True)
class _Tests:
    """The failed tests of a cell."""

    failed: set[str] = field(default_factory=set)
    blamed: set[int] = field(default_factory=set)
    """Attempts in which they failed."""


def gate_cells(
    connection: Connection, run_id: int, cells: Sequence[CellRow]
) -> tuple[GateCell, ...]:
    """Return the cells of a run as the gate's table needs them."""
    tests = _failed(connection, run_id)
    excused = {(one.cell, one.test) for one in exonerations_of(connection, run_id)}
    invalidated = _invalidated(connection, run_id)
    red_ends = _red_ends(connection, run_id)
    found = []
    for cell in cells:
        mine = tests.get(cell.id, _Tests())
        if cell.id in invalidated:
            found.append(_gate_cell(cell, Verdict.ERRORED, reason=invalidated[cell.id]))
            continue
        is_excused = bool(mine.failed) and all((cell.key, test) in excused for test in mine.failed)
        # A shard that is red without a failed test has no excuse.
        is_excused &= red_ends.get(cell.id, set()) <= mine.blamed
        found.append(_judged(cell, is_exonerated=is_excused))
    return tuple(found)


def _judged(cell: CellRow, *, is_exonerated: bool) -> GateCell:
    verdict = Verdict(cell.verdict or Verdict.MISSING)
    if not is_exonerated or verdict is not Verdict.FAILED:
        return _gate_cell(cell, verdict, reason=cell.reason)
    rest = next((word for word in _BEHIND_A_FAILURE if cell.tests.get(word.value)), None)
    if rest is None:
        return _gate_cell(cell, verdict, reason=cell.reason, is_exonerated=True)
    count = cell.tests[rest.value]
    noun = "test" if count == 1 else "tests"
    return _gate_cell(cell, rest, reason=f"{count} {noun} {rest}, besides exonerated failures")


def _gate_cell(
    cell: CellRow, verdict: Verdict, *, reason: str, is_exonerated: bool = False
) -> GateCell:
    return GateCell(
        key=cell.key,
        verdict=verdict,
        required=Required(cell.required),
        is_exonerated=is_exonerated,
        reason=reason,
        failure_class=cell.failure_class if verdict.value == cell.verdict else None,
    )


def _failed(connection: Connection, run_id: int) -> Mapping[int, _Tests]:
    query = (
        select(
            VerdictTable.cell_id,
            VerdictTable.attempt_id,
            Test.module,
            Test.scheme,
            Test.name,
        )
        .join(Test, Test.id == VerdictTable.test_id)
        .where(VerdictTable.run_id == run_id, VerdictTable.verdict == Verdict.FAILED.value)
    )
    found: dict[int, _Tests] = {}
    for row in connection.execute(query):
        mine = found.setdefault(row.cell_id, _Tests())
        mine.failed.add(f"{row.module}/{row.scheme}/{row.name}")
        if row.attempt_id is not None:
            mine.blamed.add(row.attempt_id)
    return found


def _red_ends(connection: Connection, run_id: int) -> dict[int, set[int]]:
    query = (
        select(Task.cell_id, Attempt.id)
        .join(Attempt, Attempt.task_id == Task.id)
        .where(Task.run_id == run_id, Attempt.state.in_(_RED_ENDS), Attempt.purpose == "result")
    )
    found: dict[int, set[int]] = {}
    for cell_id, attempt_id in connection.execute(query):
        found.setdefault(cell_id, set()).add(attempt_id)
    return found


def _invalidated(connection: Connection, run_id: int) -> dict[int, str]:
    """Return the cells with verdicts from attempts that do not count any more, and why."""
    query = (
        select(VerdictTable.cell_id, Invalidation.reason)
        .join(Attempt, Attempt.id == VerdictTable.attempt_id)
        .join(Invalidation, Invalidation.id == Attempt.invalidation_id)
        .where(VerdictTable.run_id == run_id)
        .distinct()
    )
    rows = connection.execute(query)
    return {row.cell_id: f"its results were invalidated: {row.reason}" for row in rows}
