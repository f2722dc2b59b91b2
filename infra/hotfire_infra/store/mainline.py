"""Runs of the target branch itself, and their order on it: whose points make the series of a metric.

A run of a change, of a tree with uncommitted changes or of somebody untrusted measures something
that may never be merged; its point is compared with the mainline and is no part of it.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from sqlalchemy import ColumnElement, Connection, and_, select

from hotfire_infra.states import RunState
from hotfire_infra.store.models import Run, SourceStamp

BATCH = 500
"""Runs named in one statement."""
ANCESTORS = "ancestors"
"""Option of a run: its merge base and the first parents of that, newest first."""

IS_MAINLINE: ColumnElement[bool] = and_(
    Run.purpose == "result",
    Run.is_trusted,
    SourceStamp.patch_digest == "",
    # A commit that is its own merge base with the target branch lies on it.
    Run.merge_base == SourceStamp.revision,
)
"""Of a SELECT that joins run and source stamp."""


@dataclass(frozen=True, slots=True, kw_only=True)
class MainlineRun:
    """A run of a commit of the target branch."""

    id: int
    revision: str
    older: frozenset[str]
    """Commits before its own, as far back as was recorded."""


def mainline_runs(connection: Connection, run_ids: Iterable[int]) -> tuple[MainlineRun, ...]:
    """Return those of some runs that lie on the target branch, by their ids."""
    found: list[MainlineRun] = []
    wanted = sorted(run_ids)
    for start in range(0, len(wanted), BATCH):
        query = (
            select(Run.id, Run.options, SourceStamp.revision)
            .join(SourceStamp, SourceStamp.id == Run.source_stamp_id)
            .where(Run.id.in_(wanted[start : start + BATCH]), IS_MAINLINE)
            .order_by(Run.id)
        )
        found += (
            MainlineRun(
                id=row.id,
                revision=row.revision,
                older=frozenset((row.options or {}).get(ANCESTORS, ())) - {row.revision},
            )
            for row in connection.execute(query)
        )
    return tuple(found)


def passed_on_mainline(connection: Connection, run_ids: Iterable[int]) -> frozenset[int]:
    """Return those of some runs that lie on the target branch and passed."""
    return on_mainline(connection, run_ids, Run.verdict == "passed")


def on_mainline(
    connection: Connection, run_ids: Iterable[int], *conditions: ColumnElement[bool]
) -> frozenset[int]:
    """Return those of some runs that lie on the target branch and meet more conditions."""
    found: set[int] = set()
    wanted = sorted(run_ids)
    for start in range(0, len(wanted), BATCH):
        query = (
            select(Run.id)
            .join(SourceStamp, SourceStamp.id == Run.source_stamp_id)
            .where(Run.id.in_(wanted[start : start + BATCH]), IS_MAINLINE, *conditions)
        )
        found.update(connection.execute(query).scalars())
    return frozenset(found)


def comes_after(later: MainlineRun, earlier: MainlineRun) -> bool:
    """Say whether a run was made later, and not of a commit before the other's."""
    return later.id > earlier.id and later.revision not in earlier.older


def in_branch_order(runs: Iterable[MainlineRun]) -> tuple[MainlineRun, ...]:
    """Order runs by commit as far as known, runs of one commit and unknown ones by creation."""
    ordered: list[MainlineRun] = []
    for run in sorted(runs, key=lambda one: one.id):
        place = len(ordered)
        while place > 0 and run.revision in ordered[place - 1].older:
            place -= 1
        ordered.insert(place, run)
    return tuple(ordered)


def run_before_change(connection: Connection, run_id: int) -> int | None:
    """Return the newest finalized run of a run's pipeline on what its change began from.

    The merge base, or where nothing ran on that the nearest of its first parents; of a run of the
    target branch itself the parents of its commit. None: none of them was run, or none is known.
    """
    query = (
        select(Run.options, Run.pipeline, SourceStamp.repository, SourceStamp.revision,
               SourceStamp.patch_digest)
        .join(SourceStamp, SourceStamp.id == Run.source_stamp_id)
        .where(Run.id == run_id)
    )  # fmt: skip
    run = connection.execute(query).one()
    ancestors = list((run.options or {}).get(ANCESTORS, ()))
    if not run.patch_digest and run.revision in ancestors:
        ancestors = ancestors[ancestors.index(run.revision) + 1 :]
    candidates = (
        select(Run.id, SourceStamp.revision)
        .join(SourceStamp, SourceStamp.id == Run.source_stamp_id)
        .where(
            Run.pipeline == run.pipeline,
            Run.purpose == "result",
            Run.is_trusted,
            Run.state == RunState.FINALIZED,
            Run.id != run_id,
            SourceStamp.repository == run.repository,
            SourceStamp.patch_digest == "",
            SourceStamp.revision.in_(ancestors),
        )
    )
    found = [(ancestors.index(row.revision), -row.id) for row in connection.execute(candidates)]
    return -min(found)[1] if found else None
