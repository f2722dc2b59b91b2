"""Start scheduled runs: plan a revision of a local clone, and record its run."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

from hotfire_infra.client.catalogue import (
    freeze_plan,
    recorded_debt,
    recorded_inventories,
    recorded_knowledge,
)
from hotfire_infra.client.protocol import RunWish
from hotfire_infra.orchestrator.run_order import RunOrder
from hotfire_infra.sections.schedules import ScheduleSection
from hotfire_infra.source.stamp import read_stamp, store_source
from hotfire_infra.source.worktree import revision_at, worktree_of
from hotfire_testframework.contract.ulid import Ulid

if TYPE_CHECKING:
    from hotfire_infra.client.embedded import EmbeddedClient


@dataclass(frozen=True, slots=True)
class CheckoutLauncher:
    """Launches by way of a client, which knows store, cache and executor."""

    client: EmbeddedClient

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
        run = self.client.record_run(
            plan,
            source,
            None,
            requested_by=f"schedule {name}",
            wish=RunWish(order=order),
            ulid=ulid,
        )
        return run.id
