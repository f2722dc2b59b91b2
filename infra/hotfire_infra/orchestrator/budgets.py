"""What has been retried already: by one run, and in one pool within an hour."""

from __future__ import annotations

from dataclasses import dataclass, field, replace

from sqlalchemy import Connection, case, func, select

from hotfire_infra.orchestrator.facts import RunFacts
from hotfire_infra.orchestrator.retry_policy import Spent
from hotfire_infra.sections.retries import RetriesSection
from hotfire_infra.states import ATTEMPT_INTERRUPTED, ATTEMPT_LIVE
from hotfire_infra.store.database import Store
from hotfire_infra.store.models import Attempt

HOUR_NS = 3_600_000_000_000
ATTEMPTS_LOOKED_AT = 5_000
"""Newest attempts of a pool among which those of the last hour are counted."""


@dataclass(slots=True)
class Budgets:
    """Reads the pool's figures once in a transaction, and only if somebody asks."""

    store: Store
    pool: str
    section: RetriesSection = field(default_factory=RetriesSection)
    _pool_spent: Spent | None = None

    def spent(self, connection: Connection, facts: RunFacts) -> Spent:
        """Return what is used up for the tasks of this run, retries that wait in the queue included."""
        retries = sum(
            len(rows) - 1 + (task_id in facts.queued) for task_id, rows in facts.attempts.items()
        )
        if self._pool_spent is None:
            self._pool_spent = self._of_pool(connection)
        return replace(self._pool_spent, run_tasks=len(facts.tasks), run_retries=retries)

    def _of_pool(self, connection: Connection) -> Spent:
        newest = (
            select(Attempt.number, Attempt.state, Attempt.created_ns)
            .where(Attempt.pool == self.pool, Attempt.purpose == "result")
            .order_by(Attempt.id.desc())
            .limit(ATTEMPTS_LOOKED_AT)
            .subquery()
        )
        interrupted = newest.c.state.in_(list(ATTEMPT_INTERRUPTED))
        query = select(
            func.sum(case((newest.c.number > 1, 1), else_=0)),
            func.sum(case((newest.c.state.not_in(list(ATTEMPT_LIVE)), 1), else_=0)),
            func.sum(case((interrupted, 1), else_=0)),
        ).where(newest.c.created_ns > self.store.clock.wall_ns() - HOUR_NS)
        retries, ended, broken = connection.execute(query).one()
        return Spent(
            pool=self.pool,
            pool_retries=int(retries or 0),
            pool_ended=int(ended or 0),
            pool_interrupted=int(broken or 0),
        )
