"""What every row of an attempt repeats, looked up once."""

from __future__ import annotations

import time
from dataclasses import dataclass

from sqlalchemy import Connection, bindparam, select

from hotfire_infra.states import AttemptState
from hotfire_infra.store.models import Attempt, Cell, Run, Task
from hotfire_infra.store.prepared import prepare
from hotfire_infra.store.rows import AttemptRow


@dataclass(frozen=True, slots=True, kw_only=True)
class Standing:
    """What has to be known of an attempt whenever a batch comes; nobody moves it before the commit."""

    id: int
    task_id: int
    run_id: int
    state: AttemptState
    fence: int
    acked_seq: int
    acked_bytes: int
    in_flight: list[str]
    """Tests that are started and not ended."""
    variant_id: int
    platform: str
    created_ns: int
    """Of the run."""


AnyAttempt = AttemptRow | Standing


@dataclass(frozen=True, slots=True, kw_only=True)
class AttemptContext:
    """An attempt and where it belongs."""

    attempt_id: int
    run_id: int
    variant_id: int
    platform: str
    month: int
    """Of the run's creation, as yyyymm in UTC."""


# Built once: building a statement costs more than executing it, and these come with every batch.
_STANDING = prepare(
    select(
        Attempt.id,
        Attempt.task_id,
        Task.run_id,
        Attempt.state,
        Attempt.fence,
        Attempt.acked_seq,
        Attempt.acked_bytes,
        Attempt.in_flight,
        Cell.variant_id,
        Cell.platform,
        Run.created_ns,
    )
    .join(Task, Task.id == Attempt.task_id)
    .join(Cell, Cell.id == Task.cell_id)
    .join(Run, Run.id == Task.run_id)
    .where(Attempt.id == bindparam("the_id"))
    # On SQLite whoever writes is alone.
    .with_for_update(of=Attempt)
)
_PLACE = (
    select(Cell.variant_id, Cell.platform, Run.created_ns)
    .join(Task, Task.cell_id == Cell.id)
    .join(Run, Run.id == Task.run_id)
    .where(Task.id == bindparam("the_id"))
)


def standing_of(connection: Connection, attempt_id: int) -> Standing | None:
    """Return how far an attempt is, in a writing transaction, and keep others from moving it.

    None: there is no such attempt any more.
    """
    row = _STANDING.row(connection, the_id=attempt_id)
    if row is None:
        return None
    return Standing(
        id=row[0], task_id=row[1], run_id=row[2], state=row[3], fence=row[4], acked_seq=row[5],
        acked_bytes=row[6], in_flight=row[7] or [], variant_id=row[8], platform=row[9],
        created_ns=row[10],
    )  # fmt: skip


def context_of(connection: Connection, attempt: AnyAttempt) -> AttemptContext:
    """Look up what the rows of an attempt repeat."""
    return context_at(attempt, *connection.execute(_PLACE, {"the_id": attempt.task_id}).one())


def context_at(
    attempt: AnyAttempt, variant_id: int, platform: str, created_ns: int
) -> AttemptContext:
    """Return what the rows of an attempt repeat."""
    moment = time.gmtime(created_ns // 1_000_000_000)
    return AttemptContext(
        attempt_id=attempt.id,
        run_id=attempt.run_id,
        variant_id=variant_id,
        platform=platform,
        month=moment.tm_year * 100 + moment.tm_mon,
    )
