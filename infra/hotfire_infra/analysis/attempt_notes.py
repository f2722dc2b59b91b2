"""What `hotfire show CELL` says of attempts that did not pass: class, source, device, evidence."""

from __future__ import annotations

from typing import Any

from sqlalchemy import Connection, select

from hotfire_infra.analysis.report import AttemptNote, EvidenceLine
from hotfire_infra.states import ATTEMPT_TERMINAL, AttemptState
from hotfire_infra.store.models import Attempt, Device, Task
from hotfire_testframework.contract.evidence import Evidence

NOTES_LIMIT = 1000
"""Of one run: a run with more of them has one cause, and the first thousand show it."""


def attempt_notes(connection: Connection, run_id: int) -> dict[int, tuple[AttemptNote, ...]]:
    """Return the attempts of a run that did not pass, or never counted, by cell, oldest first."""
    query = (
        select(
            Task.cell_id,
            Task.key,
            Attempt.number,
            Attempt.state,
            Attempt.purpose,
            Attempt.reason,
            Attempt.failure_class,
            Attempt.failure_source,
            Attempt.confidence,
            Attempt.evidence,
            Device.identity,
        )
        .join(Task, Task.id == Attempt.task_id)
        .outerjoin(Device, Device.id == Attempt.device_id)
        .where(
            Task.run_id == run_id,
            Attempt.state.in_(list(ATTEMPT_TERMINAL)),
            (Attempt.state != AttemptState.PASSED) | (Attempt.purpose != "result"),
        )
        .order_by(Attempt.id)
        .limit(NOTES_LIMIT)
    )
    found: dict[int, tuple[AttemptNote, ...]] = {}
    for row in connection.execute(query):
        found[row.cell_id] = (*found.get(row.cell_id, ()), _note(row))
    return found


def _note(row: Any) -> AttemptNote:
    return AttemptNote(
        number=row.number,
        task=row.key,
        state=str(row.state),
        purpose=row.purpose,
        reason=row.reason,
        failure_class=row.failure_class,
        source=row.failure_source or "",
        confidence=row.confidence,
        device=row.identity or "",
        evidence=tuple(_line(Evidence.from_json(body)) for body in row.evidence or ()),
    )


def _line(item: Evidence) -> EvidenceLine:
    return EvidenceLine(
        kind=item.kind,
        failure_class=item.failure_class.value,
        source=item.source,
        confidence=item.confidence,
        detail=item.detail,
    )
