"""Failures that are older than the change: the same test fails in the same way on the merge base.

The evidence is a recorded run of the merge base, or of the nearest commit before it that has an
answer. Another failure of the same test exonerates nothing.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, delete, func, insert, select

from hotfire_infra.analysis.causes import normalised
from hotfire_infra.analysis.excuses import Exonerated
from hotfire_infra.states import RunState
from hotfire_infra.store.models import (
    Attempt,
    Cell,
    Exoneration,
    Message,
    Run,
    SourceStamp,
    Test,
)
from hotfire_infra.store.models import Verdict as VerdictTable
from hotfire_testframework.contract.outcomes import Verdict

KIND = "fails-on-merge-base"
SIGNATURE_LINES = 20
"""Of a message that are compared; behind them stand dumps of values."""
ANSWERS = (Verdict.PASSED.value, Verdict.FAILED.value, Verdict.FLAKY.value)
"""Verdicts that say whether the test holds; all others leave the question open."""
BATCH = 400
_PATH = re.compile(r"(?:[A-Za-z]:)?(?:[/\\][\w.+@~-]+){2,}")


@dataclass(frozen=True, slots=True, kw_only=True)
class Failure:
    """A failed test of a run, with what it said."""

    cell_id: int
    cell: str
    test_id: int
    variant_id: int
    test: str
    message: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Before:
    """What a run before the change says of the same test."""

    run: int
    """Its number."""
    attempt: str | None
    revision: str
    distance: int
    """Commits before the merge base; 0 is the merge base itself."""
    verdict: str
    message: str


def signature(message: str) -> str:
    """Return what two failures must share to be one: their words, without paths and numbers."""
    lines = (_PATH.sub("…", line) for line in message.splitlines()[:SIGNATURE_LINES])
    return "\n".join(" ".join(normalised(line).split()) for line in lines if line.strip())


def failures_of(connection: Connection, run_id: int) -> tuple[Failure, ...]:
    """Return the failed tests of a run."""
    query = (
        select(
            VerdictTable.cell_id,
            Cell.key,
            VerdictTable.test_id,
            VerdictTable.variant_id,
            Test.module,
            Test.scheme,
            Test.name,
            Message.text,
        )
        .join(Cell, Cell.id == VerdictTable.cell_id)
        .join(Test, Test.id == VerdictTable.test_id)
        .outerjoin(Message, Message.id == VerdictTable.message_id)
        .where(VerdictTable.run_id == run_id, VerdictTable.verdict == Verdict.FAILED.value)
        .order_by(VerdictTable.cell_id, VerdictTable.test_id)
    )
    return tuple(
        Failure(
            cell_id=row.cell_id,
            cell=row.key,
            test_id=row.test_id,
            variant_id=row.variant_id,
            test=f"{row.module}/{row.scheme}/{row.name}",
            message=row.text or "",
        )
        for row in connection.execute(query)
    )


def before_the_change(
    connection: Connection, failures: Iterable[Failure], run_id: int, ancestors: Sequence[str]
) -> dict[tuple[int, int], Before]:
    """Return, by (test, variant), the nearest answer of a run on one of `ancestors`, newest first."""
    repository = _repository(connection, run_id)
    rank = {revision: place for place, revision in enumerate(ancestors)}
    wanted = {(failure.test_id, failure.variant_id) for failure in failures}
    found: dict[tuple[int, int], Before] = {}
    for part in _parts(sorted({test for test, _ in wanted})):
        for row in _answers(connection, part, repository, ancestors):
            key = (row.test_id, row.variant_id)
            distance = rank[row.revision]
            # Rows come newest run first: of one revision the last answer counts.
            if key in wanted and (key not in found or distance < found[key].distance):
                found[key] = Before(
                    run=row.number,
                    attempt=row.ulid,
                    revision=row.revision,
                    distance=distance,
                    verdict=row.verdict,
                    message=row.text or "",
                )
    return found


def look_alike(failure: Failure, before: Before) -> bool:
    """Whether both failures say the same; silence agrees with nothing."""
    said = signature(failure.message)
    return (
        before.verdict == Verdict.FAILED.value and bool(said) and said == signature(before.message)
    )


def record_exonerations(
    connection: Connection, run_id: int, ancestors: Sequence[str], at_ns: int
) -> tuple[Failure, ...]:
    """Write which failures of a run are old; return those of which nothing is known before it."""
    failures = failures_of(connection, run_id)
    known = before_the_change(connection, failures, run_id, ancestors)
    # Written anew by a finalization that is repeated after a crash.
    mine = (Exoneration.run_id == run_id, Exoneration.kind == KIND)
    connection.execute(delete(Exoneration).where(*mine))
    for failure in failures:
        before = known.get((failure.test_id, failure.variant_id))
        if before is not None and look_alike(failure, before):
            row = insert(Exoneration).values(
                run_id=run_id,
                test_id=failure.test_id,
                variant_id=failure.variant_id,
                kind=KIND,
                reason=_reason(before),
                evidence=_evidence(before),
                created_ns=at_ns,
            )
            connection.execute(row)
    return tuple(f for f in failures if (f.test_id, f.variant_id) not in known)


def exonerated_counts(connection: Connection, run_ids: Sequence[int]) -> Mapping[int, int]:
    """Return how many failures of each run do not block; runs without one are left out."""
    query = (
        select(Exoneration.run_id, func.count().label("failures"))
        .where(Exoneration.run_id.in_(run_ids), Exoneration.test_id.is_not(None))
        .group_by(Exoneration.run_id)
    )
    return {row.run_id: row.failures for row in connection.execute(query)}


def exonerations_of(connection: Connection, run_id: int) -> tuple[Exonerated, ...]:
    """Return the recorded exonerations of a run, with the cells whose failures they concern."""
    query = (
        select(
            Cell.key,
            Test.module,
            Test.scheme,
            Test.name,
            Exoneration.kind,
            Exoneration.reason,
            Exoneration.evidence,
        )
        .join(Test, Test.id == Exoneration.test_id)
        .join(
            VerdictTable,
            (VerdictTable.run_id == Exoneration.run_id)
            & (VerdictTable.test_id == Exoneration.test_id),
        )
        .join(Cell, Cell.id == VerdictTable.cell_id)
        .where(
            Exoneration.run_id == run_id,
            VerdictTable.verdict == Verdict.FAILED.value,
            (Exoneration.variant_id == VerdictTable.variant_id) | Exoneration.variant_id.is_(None),
        )
        .order_by(Cell.id, Exoneration.id)
    )
    return tuple(
        Exonerated(
            cell=row.key,
            test=f"{row.module}/{row.scheme}/{row.name}",
            kind=row.kind,
            reason=row.reason,
            evidence=row.evidence or {},
        )
        for row in connection.execute(query)
        # A waiver is judged by the message of one cell; the same test may fail otherwise in another.
        if (row.evidence or {}).get("cell", row.key) == row.key
    )


def _reason(before: Before) -> str:
    where = f"the merge base {before.revision[:7]}"
    if before.distance:
        commits = "1 commit" if before.distance == 1 else f"{before.distance} commits"
        where = f"{before.revision[:7]}, {commits} before the merge base,"
    return f"fails in the same way on {where} (run {before.run})"


def _evidence(before: Before) -> dict[str, Any]:
    return {
        "run": before.run,
        "attempt": before.attempt,
        "revision": before.revision,
        "commits_before_merge_base": before.distance,
        "signature": signature(before.message),
    }


def _repository(connection: Connection, run_id: int) -> str:
    query = (
        select(SourceStamp.repository)
        .join(Run, Run.source_stamp_id == SourceStamp.id)
        .where(Run.id == run_id)
    )
    return str(connection.execute(query).scalar_one())


def _answers(
    connection: Connection, tests: Sequence[int], repository: str, ancestors: Sequence[str]
) -> Iterable[Any]:
    """Rows of finished, clean runs of these commits, newest first, invalidated ones left out."""
    return connection.execute(
        select(
            VerdictTable.test_id,
            VerdictTable.variant_id,
            VerdictTable.verdict,
            Run.number,
            SourceStamp.revision,
            Attempt.ulid,
            Message.text,
        )
        .join(Run, Run.id == VerdictTable.run_id)
        .join(SourceStamp, SourceStamp.id == Run.source_stamp_id)
        .outerjoin(Attempt, Attempt.id == VerdictTable.attempt_id)
        .outerjoin(Message, Message.id == VerdictTable.message_id)
        .where(
            VerdictTable.test_id.in_(tests),
            VerdictTable.verdict.in_(ANSWERS),
            SourceStamp.repository == repository,
            SourceStamp.revision.in_(ancestors),
            SourceStamp.patch_digest == "",
            Run.state == RunState.FINALIZED,
            Attempt.invalidation_id.is_(None),
        )
        .order_by(Run.id.desc())
    )


def _parts(keys: Sequence[int]) -> Iterator[Sequence[int]]:
    for start in range(0, len(keys), BATCH):
        yield keys[start : start + BATCH]
