"""Start scheduled runs: plan a revision of a local clone, and record its run."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import Protocol

from hotfire_infra.client.catalogue import (
    freeze_plan,
    recorded_debt,
    recorded_inventories,
    recorded_knowledge,
)
from hotfire_infra.client.protocol import AS_PLANNED, RunWish
from hotfire_infra.configuration import Configuration
from hotfire_infra.executors.protocol import Executor
from hotfire_infra.orchestrator.run_order import RunOrder
from hotfire_infra.sections.schedules import ScheduleSection
from hotfire_infra.source.merge_base import MergeBase, find_merge_base
from hotfire_infra.source.stamp import StoredSource, read_stamp, store_source
from hotfire_infra.source.worktree import revision_at, worktree_of
from hotfire_infra.store.database import Store
from hotfire_infra.store.rows import RunRow
from hotfire_pipelines.plan import Plan
from hotfire_testframework.contract.ulid import Ulid


class Recorder(Protocol):
    """Records runs in a store that it executes: the embedded client."""

    @property
    def store(self) -> Store:
        """The store."""

    @property
    def configuration(self) -> Configuration:
        """What the operator decided."""

    @property
    def executor(self) -> Executor:
        """Who will carry attempts out."""

    def record_run(
        self,
        plan: Plan,
        source: StoredSource,
        base: MergeBase | None,
        *,
        requested_by: str | None = None,
        wish: RunWish = AS_PLANNED,
        ulid: Ulid | None = None,
    ) -> RunRow:
        """Record a run whose source archive is a blob already, once for a `ulid`."""


@dataclass(frozen=True, slots=True)
class CheckoutLauncher:
    """Launches by way of a client, which knows store, cache and executor."""

    client: Recorder

    def tip(self, section: ScheduleSection) -> str:
        """Return the commit at the schedule's branch or revision."""
        name = section.on.push if section.on is not None else section.revision
        return revision_at(section.checkout, name)

    def start(self, name: str, section: ScheduleSection, revision: str, ulid: Ulid) -> int:
        """Plan and archive the revision as it was committed, never the working tree."""
        order = RunOrder(priority=section.priority, team=section.team)
        with worktree_of(section.checkout, revision) as checkout:
            known = partial(recorded_inventories, self.client.store)
            slots = self.client.executor.capacity.cpus
            stamp = read_stamp(checkout)
            debts = partial(recorded_debt, self.client.store)
            store = recorded_knowledge(self.client.store)
            plan = freeze_plan(
                known, checkout, section.pipeline, stamp, slots, debts=debts, knowledge=store
            )
            source = store_source(checkout, self.client.store.blobs)
            # Whether it lies on the target branch: only then its points make the mainline's series.
            targets = self.client.configuration.gate.target_branches
            base = find_merge_base(checkout, targets)
        run = self.client.record_run(
            plan,
            source,
            base,
            requested_by=f"schedule {name}",
            wish=RunWish(order=order),
            ulid=ulid,
        )
        return run.id
