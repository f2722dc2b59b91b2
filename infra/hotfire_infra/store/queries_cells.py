"""SELECTs on the cells of many runs at once, for lists."""

from __future__ import annotations

from collections.abc import Sequence

from sqlalchemy import Connection, func, select

from hotfire_infra.store.models import Cell


def cells_by_verdict(
    connection: Connection, run_ids: Sequence[int]
) -> dict[int, dict[str | None, int]]:
    """Return for each run the number of its cells by verdict; None is not decided yet."""
    query = (
        select(Cell.run_id, Cell.verdict, func.count())
        .where(Cell.run_id.in_(run_ids))
        .group_by(Cell.run_id, Cell.verdict)
    )
    totals: dict[int, dict[str | None, int]] = {}
    for run_id, verdict, number in connection.execute(query):
        totals.setdefault(run_id, {})[verdict] = number
    return totals
