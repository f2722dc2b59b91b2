"""Before the gate decides: what quarantines let pass in a run, and which of them are over."""

from __future__ import annotations

from sqlalchemy import select

from hotfire_infra.analysis.quarantining import settle
from hotfire_infra.orchestrator.facts import RESULT, RunFacts
from hotfire_infra.orchestrator.lock import HeldLock
from hotfire_infra.store.database import Store
from hotfire_infra.store.models import Run


def apply_quarantines(store: Store, lock: HeldLock, facts: RunFacts) -> None:
    """Settle the quarantines at the end of a run; repeated after a crash it says the same."""
    if facts.is_cancelled:
        return
    with store.reading() as connection:
        query = select(Run.purpose).where(Run.id == facts.run.id)
        purpose = connection.execute(query).scalar()
    if purpose == RESULT:
        with lock.writing() as connection:
            settle(connection, facts.run.id, facts.run.created_ns, store.clock.wall_ns())
