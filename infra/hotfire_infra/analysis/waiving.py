"""Waivers at the end of a run: which failures people let pass, which not, and what is outdated.

A waiver waives one look of one failure of a test. What did not run, errored or got lost is not its
business, and a test that was taken over from an earlier run says nothing new about it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date
from typing import Any

from sqlalchemy import Connection, delete, insert, select

from hotfire_infra.analysis.quantities import count
from hotfire_infra.store.models import Attempt, Exoneration, Finding, Message, Task, Test
from hotfire_infra.store.models import Verdict as VerdictTable
from hotfire_infra.store.rows import CellRow
from hotfire_pipelines.waivers import Judgement, Waiver, Waivers
from hotfire_testframework.contract.outcomes import Verdict

KIND = "waiver"
"""Of the exoneration."""
NOT_WAIVED = "not-waived"
MATCHES_NOTHING = "waiver-matches-nothing"
PASSES_AGAIN = "waiver-passes-again"
FINDINGS = (NOT_WAIVED, MATCHES_NOTHING, PASSES_AGAIN)
SHOWN = 20
"""Tests that a finding lists by name."""
_COMPLETE = frozenset({"passed", "failed", "flaky", "skipped"})
_LOST = frozenset({"missing", "errored", "precluded", "not_executable"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Tested:
    """What one test came to in one cell."""

    cell: CellRow
    test_id: int
    test: str
    verdict: Verdict
    message: str = ""
    """Of the result that decided; only of failures."""
    is_reused: bool = False
    """It ran in an earlier run."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Note:
    """A finding to be."""

    kind: str
    text: str
    body: Mapping[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class Assessment:
    """What the waivers of a plan mean for a run."""

    waived: tuple[tuple[Tested, Judgement], ...] = ()
    notes: tuple[Note, ...] = field(default_factory=tuple)


def read_tests(connection: Connection, run_id: int, cells: Sequence[CellRow]) -> tuple[Tested, ...]:
    """Return the verdicts of a run's tests, in the order of its cells."""
    by_id = {cell.id: cell for cell in cells}
    query = (
        select(
            VerdictTable.cell_id,
            VerdictTable.test_id,
            VerdictTable.verdict,
            Test.module,
            Test.scheme,
            Test.name,
            Task.run_id.label("ran_in"),
            Message.text,
        )
        .join(Test, Test.id == VerdictTable.test_id)
        .outerjoin(Attempt, Attempt.id == VerdictTable.attempt_id)
        .outerjoin(Task, Task.id == Attempt.task_id)
        .outerjoin(
            Message,
            (Message.id == VerdictTable.message_id)
            & (VerdictTable.verdict == Verdict.FAILED.value),
        )
        .where(VerdictTable.run_id == run_id)
        .order_by(VerdictTable.cell_id, VerdictTable.test_id)
    )
    return tuple(
        Tested(
            cell=by_id[row.cell_id],
            test_id=row.test_id,
            test=f"{row.module}/{row.scheme}/{row.name}",
            verdict=Verdict(row.verdict),
            message=row.text or "",
            is_reused=row.ran_in not in (None, run_id),
        )
        for row in connection.execute(query)
    )


def assess(
    waivers: Waivers,
    cells: Sequence[CellRow],
    tests: Sequence[Tested],
    today: date,
    left_out: Sequence[Mapping[str, str]] = (),
) -> Assessment:
    """Judge every failure by the waivers, and every waiver by the tests.

    `left_out` are the variants of cells that were not selected: of their tests nothing is known.
    """
    waived: list[tuple[Tested, Judgement]] = []
    refused: list[tuple[Tested, str]] = []
    for one in tests:
        if one.verdict is not Verdict.FAILED:
            continue
        judgement = waivers.judge(one.test, one.cell.variant, one.message, today)
        if judgement.waiver is not None:
            waived.append((one, judgement))
        elif judgement.reason:
            refused.append((one, judgement.reason))
    notes = [_refused(refused)] if refused else []
    for waiver, line in zip(waivers.waivers, waivers.lines, strict=True):
        scope = {cell.id for cell in cells if waiver.covers_variant(cell.variant)}
        mine = [one for one in tests if one.cell.id in scope and waiver.covers_test(one.test)]
        where = f"{waivers.file}:{line} ({waiver.bug})"
        if mine:
            notes += _passes_again(where, waiver, line, mine)
        elif any(waiver.covers_variant(variant) for variant in left_out):
            continue
        elif all(_is_complete(cell) for cell in cells if cell.id in scope):
            text = f"{where} matches nothing: no test of this run is {waiver.test!r}; remove it"
            notes.append(Note(kind=MATCHES_NOTHING, text=text, body=_named(waiver, line)))
    return Assessment(waived=tuple(waived), notes=tuple(notes))


def record(
    connection: Connection, run_id: int, found: Assessment, waivers: Waivers, at_ns: int
) -> None:
    """Write what waivers mean for a run, in the place of what an interrupted attempt wrote."""
    mine = (Exoneration.run_id == run_id, Exoneration.kind == KIND)
    connection.execute(delete(Exoneration).where(*mine))
    connection.execute(delete(Finding).where(Finding.run_id == run_id, Finding.kind.in_(FINDINGS)))
    for one, judgement in found.waived:
        row = insert(Exoneration).values(
            run_id=run_id,
            test_id=one.test_id,
            variant_id=one.cell.variant_id,
            kind=KIND,
            reason=judgement.reason,
            evidence=_evidence(one, judgement, waivers.file),
            created_ns=at_ns,
        )
        connection.execute(row)
    for note in found.notes:
        row = insert(Finding).values(
            run_id=run_id, kind=note.kind, text=note.text, body=dict(note.body)
        )
        connection.execute(row)


def _evidence(one: Tested, judgement: Judgement, file: str) -> dict[str, Any]:
    waiver = judgement.waiver
    assert waiver is not None
    return {
        # The message was judged in this cell; another one may fail otherwise.
        "cell": one.cell.key,
        "file": file,
        "line": judgement.line,
        "owner": waiver.owner,
        "bug": waiver.bug,
        "reason": waiver.reason,
        "signature": waiver.signature,
        "expires": waiver.expires.isoformat(),
    }


def _refused(found: Sequence[tuple[Tested, str]]) -> Note:
    first, reason = found[0]
    more = f" and {len(found) - 1} more" if len(found) > 1 else ""
    listed = [{"cell": one.cell.key, "test": one.test, "reason": why} for one, why in found]
    return Note(kind=NOT_WAIVED, text=f"{first.test}: {reason}{more}", body={"tests": listed})


def _passes_again(where: str, waiver: Waiver, line: int, mine: Sequence[Tested]) -> list[Note]:
    passed = [one for one in mine if one.verdict is Verdict.PASSED and not one.is_reused]
    if not passed:
        return []
    names = list(dict.fromkeys(one.test for one in passed))
    if len(passed) == len(mine):
        text = f"{where} passes again: remove the waiver"
    else:
        scope = count(len(mine), "result")
        text = f"{where} passes again in {len(passed)} of {scope}: remove the waiver, or narrow it"
    body = {**_named(waiver, line), "tests": names[:SHOWN], "count": len(passed)}
    return [Note(kind=PASSES_AGAIN, text=f"{text} ({names[0]})", body=body)]


def _named(waiver: Waiver, line: int) -> dict[str, Any]:
    return {"line": line, "test": waiver.test, "bug": waiver.bug, "owner": waiver.owner}


def _is_complete(cell: CellRow) -> bool:
    """Whether a test that the cell does not list cannot be one that it lost or left out."""
    return cell.verdict in _COMPLETE and not cell.left_out and not _LOST & set(cell.tests)
