"""What a run remembers beside its plan: where it may reuse from, and what came before its change."""

from __future__ import annotations

from typing import Any

from sqlalchemy import Connection, select

from hotfire_infra.orchestrator.reuse import OPTION, Scope
from hotfire_infra.orchestrator.run_order import RunOrder
from hotfire_infra.source.merge_base import MergeBase
from hotfire_infra.store.models import Run
from hotfire_infra.store.queries_pending import SAID_BY
from hotfire_infra.store.rows import RunRow
from hotfire_pipelines.plan import Plan

ANCESTORS = "ancestors"
"""The merge base and its first parents, newest first: where an old failure is looked for."""
TARGET = "target"
ARCHIVE = "merge_base_archive"
"""Blob with the source of the merge base, where the pipeline lets failures be executed on it."""


def options_of(plan: Plan, reuse: bool | None, base: MergeBase | None) -> dict[str, Any]:
    """Return the options of a new run."""
    wanted = plan.policy.reuse if reuse is None else reuse
    options: dict[str, Any] = {OPTION: Scope.ANY.value} if wanted else {}
    options |= base_options(base)
    if base is not None and base.archive_sha256 is not None:
        options[ARCHIVE] = base.archive_sha256
    return options


def base_options(base: MergeBase | None) -> dict[str, Any]:
    """Return what a run remembers of its merge base."""
    return {} if base is None else {TARGET: base.target, ANCESTORS: list(base.ancestors)}


def ancestors_of(connection: Connection, run: RunRow) -> tuple[str, ...]:
    """Return the commits that a run's change came after; none for a run of one of them itself."""
    options = connection.execute(select(Run.options).where(Run.id == run.id)).scalar_one() or {}
    ancestors = tuple(options.get(ANCESTORS, ()))
    is_clean = not run.source.patch_digest
    return () if is_clean and run.source.revision in ancestors else ancestors


def order_of(run: RunRow) -> RunOrder:
    """Return the place in the queue that a run has: its retry takes it over."""
    return RunOrder(
        priority=run.priority, team=run.team, change=run.change, hold_seconds=run.hold_seconds
    )


def inherited_terms(connection: Connection, run_id: int, *, everything: bool) -> dict[str, Any]:
    """Return what a retry takes over from the run it retries, as arguments of a RunRequest."""
    query = select(Run.options, Run.merge_base, Run.is_trusted).where(Run.id == run_id)
    row = connection.execute(query).one()
    options = dict(row.options or {})
    options.pop(SAID_BY, None)
    before = Scope(options.pop(OPTION, Scope.OFF))
    if not everything:
        # A parent that could reuse from anywhere had results that are not its own attempts'.
        options[OPTION] = (Scope.ANY if before is Scope.ANY else Scope.PARENT).value
    return {"options": options, "merge_base": row.merge_base, "is_trusted": row.is_trusted}
