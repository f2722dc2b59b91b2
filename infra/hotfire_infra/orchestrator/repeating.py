"""Measure the same code again: runs of one source whose only question is the noise (A/A)."""

from __future__ import annotations

from dataclasses import dataclass, replace

from hotfire_infra.errors import RequestRefusedError
from hotfire_infra.orchestrator.creation import RunRequest, create_run
from hotfire_infra.orchestrator.merge_base import plan_on
from hotfire_infra.orchestrator.reuse import FRESH, OPTION, Scope
from hotfire_infra.orchestrator.run_order import RunOrder
from hotfire_infra.source.stamp import StoredSource
from hotfire_infra.store.confirmations import tasks_of_series
from hotfire_infra.store.database import Store
from hotfire_infra.store.queries import run_by_id
from hotfire_infra.store.queries_measurements import measurements_of_run
from hotfire_infra.store.rows import RunRow
from hotfire_pipelines.plan import Plan
from hotfire_testframework.runner.bundle import bundle_sha256

PURPOSE = "noise"
"""Of these runs: none is `latest`, a baseline, or a point of a series."""
RUNS = 6
"""With the run itself they give six degrees of freedom."""
MOST_RUNS = 50


@dataclass(frozen=True, slots=True)
class Repeater:
    """Starts such runs; usable from any process."""

    store: Store

    def repeat(self, run: RunRow, *, runs: int, rebuild: bool, by: str) -> tuple[int, ...]:
        """Start runs of the tasks in which a run measured something; return their numbers.

        Builds are taken over by action digest, or made anew to have the noise of their layout too:
        a build that comes out the same, bit by bit, is the same build.
        """
        if not 1 <= runs <= MOST_RUNS:
            raise RequestRefusedError(f"{runs} runs: ask for 1 to {MOST_RUNS} at a time")
        with self.store.reading() as connection:
            keys = [row.series_key for row in measurements_of_run(connection, run.id)]
            found = tasks_of_series(connection, run.id, [key for key in keys if key])
        tasks = sorted({task for task, _ in found.values()})
        if not tasks:
            raise RequestRefusedError(
                f"run {run.number} has measured nothing that could be measured again"
            )
        archive = run.source.archive_sha256
        if archive is None or not self.store.blobs.path(archive).exists():
            raise RequestRefusedError(
                f"the source of run {run.number} is not here any more; a new run of it brings it"
            )
        request = self._request(run, tasks, rebuild=rebuild, by=by)
        ids = [create_run(self.store, request) for _ in range(runs)]
        with self.store.reading() as connection:
            return tuple(run_by_id(connection, one).number for one in ids)

    def _request(self, run: RunRow, tasks: list[str], *, rebuild: bool, by: str) -> RunRequest:
        plan = Plan.from_json(self.store.blobs.read(run.plan_sha256))
        cut = plan_on(plan, run.source.revision, tasks)
        # A run may be older than this Hotfire: what travels to the machine is today's runner.
        runner = None if plan.runner_sha256 is None else bundle_sha256()
        fresh = [task.key for task in cut.tasks] if rebuild else tasks
        return RunRequest(
            plan=replace(cut, source=plan.source, runner_sha256=runner),
            source=StoredSource(
                repository=run.source.repository,
                revision=run.source.revision,
                patch_digest=run.source.patch_digest,
                subject=run.source.subject,
                archive_sha256=run.source.archive_sha256,
            ),
            requested_by=by,
            parent_run_id=run.id,
            order=RunOrder(priority=run.priority, team=run.team),
            is_trusted=run.is_trusted,
            options={OPTION: Scope.ANY.value, FRESH: fresh},
            purpose=PURPOSE,
        )
