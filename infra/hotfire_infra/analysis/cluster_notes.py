"""Which cluster a failure of a run belongs to, and since when such failures are known."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

from sqlalchemy import Connection

from hotfire_infra.analysis.failure_clusters import ClusterTree
from hotfire_infra.analysis.quantities import count
from hotfire_infra.analysis.report import CellReport
from hotfire_infra.store.queries_clusters import said_by_failures

RUNS = 50
MESSAGES = 2000
"""Different messages of those runs that are looked at, the newest."""


def with_clusters(
    connection: Connection, run_id: int, cells: Iterable[CellReport]
) -> list[CellReport]:
    """Return the cells whose failures name their cluster: `3f2a91c04d: 14 in 6 runs since run 12`.

    Counted over the RUNS runs before this one; `new` where none of their failures said the same.
    """
    kept = list(cells)
    if not any(failure.message for cell in kept for failure in cell.failures):
        return kept
    tree = ClusterTree()
    runs: dict[str, list[int]] = {}
    failures: dict[str, int] = {}
    for row in said_by_failures(connection, run_id, runs=RUNS, limit=MESSAGES):
        cluster = tree.add(row.text)
        if cluster is not None:
            runs.setdefault(cluster.id, []).append(row.run)
            failures[cluster.id] = failures.get(cluster.id, 0) + row.failures

    def words(message: str) -> str:
        cluster = tree.add(message)
        if cluster is None:
            return ""
        known = sorted(set(runs.get(cluster.id, ())))
        if not known:
            return f"{cluster.id}: new"
        return (
            f"{cluster.id}: {count(failures[cluster.id], 'failure')} in "
            f"{count(len(known), 'run')} since run {known[0]}"
        )

    return [
        replace(
            cell,
            failures=tuple(
                replace(failure, cluster=words(failure.message))
                if failure.outcome == "failed"
                else failure
                for failure in cell.failures
            ),
        )
        for cell in kept
    ]
