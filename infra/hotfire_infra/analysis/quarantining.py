"""Quarantine at the end of a run: what it lets pass, what it ends, and which tests it proposes.

A quarantined test keeps running. Its failure does not block as long as it says what its known failures
say: another failure is new, and blocks. Only tries that count are looked at; what errored or got lost
neither proves the test nor keeps it in.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, delete, insert

from hotfire_infra.analysis.exoneration import signature
from hotfire_infra.analysis.flake_quarantine import (
    LIMIT,
    Quarantine,
    QuarantineState,
    progress_of,
)
from hotfire_infra.analysis.flake_verdicts import (
    SEEN,
    TRIES,
    FlakeKind,
    FlakeVerdict,
    Try,
    flake_words,
    judge,
)
from hotfire_infra.analysis.flakes import LEVEL, FlakeRate
from hotfire_infra.analysis.quantities import utc
from hotfire_infra.store.models import Exoneration, Finding
from hotfire_infra.store.quarantines import (
    ACTIVE,
    PROPOSED,
    STANDING,
    QuarantineRow,
    cell_of_test,
    change_quarantine,
    failures_said,
    insert_quarantine,
    quarantined_beside,
    quarantines,
    tests_by_cell,
    tests_of_run,
    tries_since,
)
from hotfire_infra.store.queries_flakes import tries_of_test
from hotfire_testframework.contract.outcomes import Verdict
from hotfire_testframework.contract.ulid import new_ulid

KIND = "quarantine"
"""Of the exoneration."""
NOT_QUARANTINED = "not-quarantined"
PROPOSAL = "quarantine-proposed"
ENDED = "quarantine-ended"
FINDINGS = (NOT_QUARANTINED, PROPOSAL, ENDED)
SHARE = 0.05
"""Of the tests of a suite that may be in quarantine at once; one always may."""
PROPOSALS = 3
"""Of one run: more flakes at once have one cause, and it is no flake."""
JUDGED = 20
"""Failures of a run that are looked at for that."""
DAY_NS = 86_400_000_000_000
DAYS = 14


@dataclass(frozen=True, slots=True, kw_only=True)
class Standing:
    """A quarantine with how far its exit test is."""

    row: QuarantineRow
    state: QuarantineState
    passes: int
    needed: int
    failed: int
    tries: int
    """Since it began."""

    @property
    def words(self) -> str:
        """One line for people."""
        row = self.row
        if row.state not in STANDING:
            why = f": {row.ended_reason}" if row.ended_reason else ""
            return f"quarantine {row.state} on {utc(row.ended_ns)}{why}"
        exit_test = f"{self.passes:,} of {self.needed:,} passes in a row"
        who = f"{row.owner} ({row.bug})" if row.state == ACTIVE else "nobody yet"
        return (
            f"quarantine {row.state} until {utc(row.expires_ns)}, {who}; {exit_test}, "
            f"{self.failed:,} of {self.tries:,} tries failed"
        )


def allowed_beside(tests: int) -> int:
    """Return how many tests of a suite of this size may be in quarantine."""
    return max(1, int(SHARE * tests))


def standing_of(connection: Connection, row: QuarantineRow, now_ns: int) -> Standing:
    """Judge a quarantine by what its test said since it began.

    It is over by passes in a row, or once the posterior of the rate is below the bound.
    """
    tries = tries_since(connection, row.test_id, row.variant_id, row.since_ns)
    terms = Quarantine(
        test=row.test,
        variant="",
        owner=row.owner or "proposed",
        bug=row.bug,
        since_ns=row.since_ns,
        expires_ns=row.expires_ns,
        limit=row.limit_rate,
        confidence=row.confidence,
    )
    found = progress_of(terms, [(row.since_ns, failed) for failed in tries], now_ns)
    failed = sum(tries)
    rate = FlakeRate(failed=failed, passed=len(tries) - failed)
    is_mended = failed > 0 and rate.below(row.limit_rate) >= row.confidence
    state = QuarantineState.PASSED if is_mended else found.state
    return Standing(
        row=row,
        state=state,
        passes=found.passes,
        needed=found.needed,
        failed=failed,
        tries=len(tries),
    )


def settle(connection: Connection, run_id: int, at_ns: int, now_ns: int) -> None:
    """End what is over, exonerate what is quarantined, propose what should be; repeatable.

    `at_ns`: when the run was asked for; a run that waits is judged as of then.
    """
    mine = (Exoneration.run_id == run_id, Exoneration.kind == KIND)
    connection.execute(delete(Exoneration).where(*mine))
    connection.execute(delete(Finding).where(Finding.run_id == run_id, Finding.kind.in_(FINDINGS)))
    rows = quarantines(connection, states=STANDING, limit=10_000)
    active = {
        (row.test_id, row.variant_id): row
        for row in rows
        if row.state == ACTIVE and _goes_on(connection, run_id, row, at_ns, now_ns)
    }
    if active:
        _exonerate(connection, run_id, active, now_ns)
    known = {(row.test_id, row.variant_id) for row in rows}
    _propose(connection, run_id, known, now_ns)


def _goes_on(
    connection: Connection, run_id: int, row: QuarantineRow, at_ns: int, now_ns: int
) -> bool:
    """End a quarantine whose exit test or time is over; a later run never had it."""
    found = standing_of(connection, row, at_ns)
    if found.state is QuarantineState.ACTIVE:
        return row.since_ns <= at_ns
    why = (
        f"{found.passes:,} passes in a row, {found.failed:,} of {found.tries:,} tries failed"
        if found.state is QuarantineState.PASSED
        else "its time is over and the test is not proven: it blocks again"
    )
    values = {"state": found.state.value, "ended_ns": now_ns, "ended_reason": why}
    change_quarantine(connection, row.id, values)
    text = f"quarantine of {row.test} {found.state}: {why}"
    _note(connection, run_id, ENDED, text, {"quarantine": row.ulid})
    return False


def _exonerate(
    connection: Connection,
    run_id: int,
    active: Mapping[tuple[int, int], QuarantineRow],
    now_ns: int,
) -> None:
    sizes = tests_by_cell(connection, run_id)
    used: Counter[int] = Counter()
    failed = [
        row
        for row in tests_of_run(connection, run_id, (Verdict.FAILED,))
        if (row.test_id, row.variant_id) in active
    ]
    # The oldest first: a cap that many have reached is not for the last one to lift.
    for row in sorted(failed, key=lambda one: active[one.test_id, one.variant_id].id):
        mine = active[row.test_id, row.variant_id]
        said = signature(row.message or "")
        refusal = ""
        if not said or said not in mine.signatures:
            refusal = "its failure says something new"
        elif used[row.cell_id] >= allowed_beside(sizes[row.cell_id]):
            refusal = f"more than {SHARE:.0%} of {row.cell} would be let pass"
        if refusal:
            text = f"{mine.test} blocks although it is in quarantine: {refusal}"
            _note(connection, run_id, NOT_QUARANTINED, text, {"quarantine": mine.ulid})
            continue
        used[row.cell_id] += 1
        connection.execute(
            insert(Exoneration).values(
                run_id=run_id,
                test_id=row.test_id,
                variant_id=row.variant_id,
                kind=KIND,
                reason=f"known flake until {utc(mine.expires_ns)}, {mine.owner} ({mine.bug})",
                evidence={
                    "cell": row.cell,
                    "quarantine": mine.ulid,
                    "owner": mine.owner,
                    "bug": mine.bug,
                    "signature": said,
                },
                created_ns=now_ns,
            )
        )


def _propose(connection: Connection, run_id: int, known: set[tuple[int, int]], now_ns: int) -> None:
    """Propose a quarantine for tests that failed and are known flakes; nothing passes by it yet."""
    made = 0
    for row in tests_of_run(connection, run_id, (Verdict.FAILED, Verdict.FLAKY))[:JUDGED]:
        key = (row.test_id, row.variant_id)
        if key in known or made >= PROPOSALS:
            continue
        tries = tries_of_test(connection, *key, limit=TRIES, until_run=run_id)
        verdict = judge([Try(one.source, one.failed) for one in tries])
        if verdict is None or not deserves(verdict):
            continue
        known.add(key)
        made += 1
        ulid = new_ulid()
        insert_quarantine(
            connection,
            {
                "ulid": ulid,
                "test_id": row.test_id,
                "variant_id": row.variant_id,
                "state": PROPOSED,
                "owner": "",
                "bug": "",
                "reason": flake_words(verdict),
                "signatures": signatures_of(connection, *key),
                "limit_rate": LIMIT,
                "confidence": LEVEL,
                "since_ns": now_ns,
                "expires_ns": now_ns + DAYS * DAY_NS,
                "requested_by": "hotfire",
                "created_ns": now_ns,
            },
        )
        test = quarantines(connection, test_id=row.test_id, limit=1)[0].test
        text = (
            f"{test} {flake_words(verdict)}; it blocks until somebody takes it on: "
            f"`hotfire quarantine approve {ulid} --owner WHO --bug WHERE`"
        )
        _note(connection, run_id, PROPOSAL, text, {"quarantine": ulid})


def deserves(verdict: FlakeVerdict) -> bool:
    """Whether a test surely fails by chance more often than a quarantine's exit test allows."""
    is_flake = verdict.kind in {FlakeKind.KNOWN, FlakeKind.FIRST, FlakeKind.NONE}
    return is_flake and verdict.flakes >= 2 * SEEN and verdict.low > LIMIT


def signatures_of(connection: Connection, test_id: int, variant_id: int) -> list[str]:
    """Return what the known failures of a test say, as they are compared."""
    said = (signature(text) for text in failures_said(connection, test_id, variant_id))
    return sorted({one for one in said if one})


def standings_of_test(connection: Connection, test_id: int, now_ns: int) -> tuple[Standing, ...]:
    """Return the quarantines of a test, newest first."""
    rows = quarantines(connection, test_id=test_id, limit=10)
    return tuple(standing_of(connection, row, now_ns) for row in rows)


def why_not(connection: Connection, test_id: int, variant_id: int) -> str:
    """Say why a test × variant cannot be put into quarantine; empty if it can."""
    rows = quarantines(connection, states=(ACTIVE,), test_id=test_id)
    if any(row.variant_id == variant_id for row in rows):
        return "it is in quarantine already"
    if not signatures_of(connection, test_id, variant_id):
        return "no failure of it is known: there is nothing that it may fail with"
    cell = cell_of_test(connection, test_id, variant_id)
    if cell is None:
        return "it never reported"
    beside, allowed = quarantined_beside(connection, cell), allowed_beside(cell.tests)
    if beside >= allowed:
        return (
            f"{beside} of {cell.tests} tests of {cell.task} are in quarantine, and at most "
            f"{allowed} may be ({SHARE:.0%}): repair one first"
        )
    return ""


def _note(
    connection: Connection, run_id: int, kind: str, text: str, body: Mapping[str, Any]
) -> None:
    connection.execute(insert(Finding).values(run_id=run_id, kind=kind, text=text, body=dict(body)))


def known_states() -> Sequence[str]:
    """Return the words of a quarantine's state."""
    return (PROPOSED, *(state.value for state in QuarantineState), "withdrawn")
