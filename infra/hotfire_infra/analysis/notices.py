"""What a reader of a run should know beside its verdict: findings, invalidations, excuses."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace

from sqlalchemy import Connection, select

from hotfire_infra.analysis.excuses import Exonerated
from hotfire_infra.analysis.order_words import UNTRUSTED
from hotfire_infra.analysis.quantities import count, utc
from hotfire_infra.analysis.report import CellReport, Notice
from hotfire_infra.analysis.waiving import NOT_WAIVED
from hotfire_infra.store.invalidations import RunInvalidation, invalidations_of_run
from hotfire_infra.store.models import Finding, Run


def notices_of(connection: Connection, run_id: int) -> tuple[Notice, ...]:
    """Return the notices of a run: its trust, what was invalidated since, what was found in it."""
    is_trusted = connection.execute(select(Run.is_trusted).where(Run.id == run_id)).scalar()
    trust = () if is_trusted else (Notice(kind="untrusted", text=UNTRUSTED),)
    query = select(Finding.kind, Finding.text, Finding.body).where(Finding.run_id == run_id)
    found = (
        Notice(kind=row.kind, text=row.text, body=row.body or {})
        for row in connection.execute(query.order_by(Finding.id))
    )
    decisions = invalidations_of_run(connection, run_id)
    return (*trust, *(_invalidated(decision) for decision in decisions), *found)


def merge_base_of(connection: Connection, run_id: int) -> str | None:
    """Return the revision of the target branch that a run's change started from."""
    return connection.execute(select(Run.merge_base).where(Run.id == run_id)).scalar()


def with_excuses(
    cells: Iterable[CellReport], exonerations: Iterable[Exonerated], notices: Iterable[Notice]
) -> tuple[CellReport, ...]:
    """Return the cells with the reason beside each failure that does not block or is not waived."""
    reasons = {(one.cell, one.test): f"{one.kind}: {one.reason}" for one in exonerations}
    bodies = [notice.body for notice in notices if notice.kind == NOT_WAIVED]
    refused = {
        (one["cell"], one["test"]): str(one["reason"])
        for body in bodies
        if isinstance(tests := body.get("tests"), list)
        for one in tests
    }
    return tuple(_with_excuses(cell, reasons, refused) for cell in cells)


def _with_excuses(
    cell: CellReport,
    reasons: Mapping[tuple[str, str], str],
    refused: Mapping[tuple[str, str], str],
) -> CellReport:
    failures = tuple(
        replace(
            failure,
            exoneration=reasons.get((cell.key, failure.test), ""),
            not_waived=refused.get((cell.key, failure.test), ""),
        )
        if failure.outcome == "failed"
        else failure
        for failure in cell.failures
    )
    return replace(cell, failures=failures)


def _invalidated(decision: RunInvalidation) -> Notice:
    text = (
        f"results of {count(decision.attempts, 'attempt')} were invalidated on "
        f"{utc(decision.created_ns)} by {decision.requested_by}: {decision.reason}"
    )
    return Notice(kind="invalidated", text=text, body={"invalidation": decision.ulid})
