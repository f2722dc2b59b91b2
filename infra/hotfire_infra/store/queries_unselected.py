"""Cells that a run's plan left out for its change: neither missing nor green, and never lost."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from sqlalchemy import Connection, insert, select

from hotfire_infra.store.models import Finding
from hotfire_pipelines.plan import Plan

NOT_SELECTED = "not-selected"
"""Kind of the finding; its body has `since`, `base` and `cells`, each with its reason."""


def record_unselected(connection: Connection, run_id: int, plan: Plan) -> None:
    """Write with a new run which cells of its pipeline it does not ask about, and why."""
    if not plan.unselected:
        return
    reasons = plan.selection.reasons if plan.selection else {}
    cells = [
        {
            "cell": one.key,
            "task": one.task,
            "platform": one.platform,
            "variant": dict(one.variant),
            "reason": "; ".join(reasons.get(one.key, ())),
        }
        for one in plan.unselected
    ]
    since = plan.selection.since if plan.selection else None
    total = len(plan.cells) + len(plan.unselected)
    changed = f" that changed since {since}" if since else ""
    tasks = ", ".join(sorted({one.task for one in plan.unselected}))
    text = (
        f"{len(cells)} of {total} cells are not part of this run: nothing{changed} concerns them "
        f"({tasks})"
    )
    body = {"since": since, "base": plan.selection.base if plan.selection else None, "cells": cells}
    connection.execute(
        insert(Finding).values(run_id=run_id, kind=NOT_SELECTED, text=text, body=body)
    )


def unselected_of(connection: Connection, run_id: int) -> tuple[Mapping[str, Any], ...]:
    """Return the cells that a run's plan left out."""
    query = select(Finding.body).where(Finding.run_id == run_id, Finding.kind == NOT_SELECTED)
    return tuple(cell for body in connection.execute(query).scalars() for cell in body["cells"])
