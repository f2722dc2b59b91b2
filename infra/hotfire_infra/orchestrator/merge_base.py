"""One rerun on the merge base: is a failure that nobody has recorded before as old as that?

What failed and has no recorded answer is executed once more on the source of the merge base, in a
run of its own with the builds that it needs. Its results are history like any other; the run of the
change waits for it, and its gate then finds them.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass, field, replace

from sqlalchemy import Connection, insert, select, update

from hotfire_infra.analysis.exoneration import before_the_change, failures_of
from hotfire_infra.analysis.quantities import count
from hotfire_infra.orchestrator.creation import RunRequest, create_run
from hotfire_infra.orchestrator.facts import RunFacts
from hotfire_infra.orchestrator.gone import policy_of
from hotfire_infra.orchestrator.lock import HeldLock
from hotfire_infra.orchestrator.reuse import OPTION, Scope
from hotfire_infra.orchestrator.run_options import ARCHIVE, ancestors_of
from hotfire_infra.orchestrator.run_order import RunOrder
from hotfire_infra.source.stamp import StoredSource
from hotfire_infra.states import RUN_TERMINAL
from hotfire_infra.store.database import Store
from hotfire_infra.store.models import Finding, Run, SourceStamp
from hotfire_infra.store.rows import RunRow
from hotfire_infra.store.transitions import publish
from hotfire_pipelines.plan import Plan, Policy, Source
from hotfire_testframework.contract.outcomes import Verdict

PURPOSE = "merge-base"
RERUN = "rerun"
UNASKED = "merge-base-not-asked"
"""Finding: why a rerun that the pipeline wants was not made."""
KNOWN_PLANS = 64
"""A service runs for years: what is remembered is bounded, and read again."""


@dataclass(slots=True)
class MergeBaseRuns:
    """Starts such runs, and says when a run need not wait any more."""

    store: Store
    lock: HeldLock
    _settled: set[int] = field(default_factory=set)
    _policies: dict[str, Policy] = field(default_factory=dict)
    """By plan: a run that waits is asked in every round."""

    def is_settled(self, facts: RunFacts) -> bool:
        """Whether a run whose tasks are over can be judged; perhaps a rerun is started first."""
        run_id = facts.run.id
        if run_id not in self._settled and self._need_not_wait(facts):
            self._settled.add(run_id)
        return run_id in self._settled

    def _need_not_wait(self, facts: RunFacts) -> bool:
        policy = self._policy(facts.run.plan_sha256)
        if policy.fails_on_merge_base != RERUN:
            return True
        with self.store.reading() as connection:
            query = select(Run.id, Run.state, Run.cancel_requested_ns).where(
                Run.parent_run_id == facts.run.id, Run.purpose == PURPOSE
            )
            rerun = connection.execute(query).first()
        if rerun is not None:
            if facts.is_cancelled and rerun.cancel_requested_ns is None:
                self._cancel(rerun.id)
            return facts.is_cancelled or rerun.state in RUN_TERMINAL
        if facts.is_cancelled:
            return True
        return not self._start(facts, policy)

    def _policy(self, plan: str) -> Policy:
        if plan not in self._policies:
            if len(self._policies) >= KNOWN_PLANS:
                self._policies.clear()
            self._policies[plan] = policy_of(self.store, plan)
        return self._policies[plan]

    def _start(self, facts: RunFacts, policy: Policy) -> bool:
        """Start the rerun; False where there is nothing to ask or no source to ask it of."""
        run = facts.run
        with self.store.reading() as connection:
            ancestors = ancestors_of(connection, run)
            if not ancestors:
                return False
            tasks = _unanswered(connection, facts, ancestors)[: policy.rerun_tasks]
            archives = archives_of(connection, run, ancestors[0]) if tasks else ()
        if not tasks:
            return False
        archive = next((one for one in archives if self.store.blobs.path(one).exists()), None)
        if archive is None:
            why = "was removed by retention" if archives else "is not here"
            self._note(run, f"the source of the merge base {ancestors[0][:7]} {why}", tasks)
            return False
        plan = Plan.from_json(self.store.blobs.read(run.plan_sha256))
        request = RunRequest(
            plan=plan_on(plan, ancestors[0], tasks),
            source=StoredSource(
                repository=run.source.repository,
                revision=ancestors[0],
                patch_digest="",
                subject=f"merge base of run {run.number}",
                archive_sha256=archive,
            ),
            requested_by=f"the gate of run {run.number}",
            parent_run_id=run.id,
            order=RunOrder(priority=run.priority, team=run.team),
            is_trusted=run.is_trusted,
            options={OPTION: Scope.ANY.value},
            purpose=PURPOSE,
        )
        create_run(self.store, request)
        return True

    def _note(self, run: RunRow, why: str, tasks: Collection[str]) -> None:
        """Say in the run why nobody asked the merge base; once, whatever dies meanwhile."""
        text = (
            f"{count(len(tasks), 'failed task')} could not be executed on the merge base: {why}; "
            f"a trusted run of it brings it: `hotfire run {run.pipeline}` there"
        )
        with self.lock.writing() as connection:
            mine = (Finding.run_id == run.id, Finding.kind == UNASKED)
            if connection.execute(select(Finding.id).where(*mine)).first() is None:
                connection.execute(
                    insert(Finding).values(
                        run_id=run.id, kind=UNASKED, text=text, body={"tasks": sorted(tasks)}
                    )
                )

    def _cancel(self, run_id: int) -> None:
        now = self.store.clock.wall_ns()
        with self.lock.writing() as connection:
            connection.execute(
                update(Run)
                .where(Run.id == run_id, Run.state.not_in(RUN_TERMINAL))
                .values(cancel_requested_ns=now)
            )
            payload = {"state": "cancelling", "reason": "nobody waits for it any more"}
            publish(connection, topic="run.cancelling", run_id=run_id, payload=payload, at_ns=now)


def plan_on(plan: Plan, revision: str, tasks: Collection[str]) -> Plan:
    """Return the part of a plan that some tasks need, on another revision of the source."""
    keys = set(tasks)
    while True:
        earlier = {edge.earlier for edge in plan.edges if edge.later in keys}
        if earlier <= keys:
            break
        keys |= earlier
    kept = tuple(task for task in plan.tasks if task.key in keys)
    names = {task.cell for task in kept}
    cells = tuple(cell for cell in plan.cells if cell.key in names)
    wanted = {cell.inventory for cell in cells}
    return replace(
        plan,
        source=Source(repository=plan.source.repository, revision=revision),
        cells=cells,
        tasks=kept,
        edges=tuple(e for e in plan.edges if e.earlier in keys and e.later in keys),
        inventories={key: tests for key, tests in plan.inventories.items() if key in wanted},
        # Nothing is exonerated there, and what the change took out is no concern of it.
        policy=Policy(),
        estimate=None,
        price=None,
    )


def archives_of(connection: Connection, run: RunRow, revision: str) -> tuple[str, ...]:
    """Return the archives that may be the source of the merge base, the best first.

    One that came with the run is believed only of a trusted run, and one of another run of the merge
    base only if that was trusted: whoever sends a change must not say what it is compared with.
    """
    options = connection.execute(select(Run.options).where(Run.id == run.id)).scalar_one() or {}
    sent = options.get(ARCHIVE) if run.is_trusted else None
    query = (
        select(SourceStamp.archive_sha256, Run.options)
        .join(Run, Run.source_stamp_id == SourceStamp.id)
        .where(
            SourceStamp.repository == run.source.repository,
            SourceStamp.revision == revision,
            SourceStamp.patch_digest == "",
            SourceStamp.archive_sha256.is_not(None),
            Run.is_trusted,
        )
    )
    # A report that was imported says nothing of the files of its revision.
    rows = connection.execute(query)
    known = sorted({str(row.archive_sha256) for row in rows if "import" not in (row.options or {})})
    return (*((str(sent),) if sent is not None else ()), *known)


def _unanswered(connection: Connection, facts: RunFacts, ancestors: tuple[str, ...]) -> list[str]:
    """Return the failed tasks of cells with a failure of which nothing is known before it."""
    failures = failures_of(connection, facts.run.id)
    known = before_the_change(connection, failures, facts.run.id, ancestors)
    cells = {f.cell_id for f in failures if (f.test_id, f.variant_id) not in known}
    return [
        task.key
        for key, task in facts.tasks.items()
        if task.cell_id in cells and facts.folds[key].verdict is Verdict.FAILED
    ]
