"""What every row of an attempt repeats, looked up once."""

from __future__ import annotations

import time
from dataclasses import dataclass

from sqlalchemy import Connection, bindparam, select

from hotfire_infra.store.models import Cell, Run, Task
from hotfire_infra.store.rows import AttemptRow


@dataclass(frozen=True, slots=True, kw_only=True)
class AttemptContext:
    """An attempt and where it belongs."""

    attempt_id: int
    run_id: int
    variant_id: int
    platform: str
    month: int
    """Of the run's creation, as yyyymm in UTC."""


_PLACE = (
    select(Cell.variant_id, Cell.platform, Run.created_ns)
    .join(Task, Task.cell_id == Cell.id)
    .join(Run, Run.id == Task.run_id)
    .where(Task.id == bindparam("the_id"))
)


def context_of(connection: Connection, attempt: AttemptRow) -> AttemptContext:
    """Look up what the rows of an attempt repeat."""
    row = connection.execute(_PLACE, {"the_id": attempt.task_id}).one()
    variant_id, platform, created_ns = row
    moment = time.gmtime(created_ns // 1_000_000_000)
    return AttemptContext(
        attempt_id=attempt.id,
        run_id=attempt.run_id,
        variant_id=variant_id,
        platform=platform,
        month=moment.tm_year * 100 + moment.tm_mon,
    )
