"""Before the gate decides: what the waivers that were frozen into the plan mean for the run."""

from __future__ import annotations

import json
from datetime import UTC, date, datetime

from sqlalchemy import select

from hotfire_infra.analysis.waiving import assess, read_tests, record
from hotfire_infra.orchestrator.facts import RESULT, RunFacts
from hotfire_infra.orchestrator.lock import HeldLock
from hotfire_infra.store import queries
from hotfire_infra.store.database import Store
from hotfire_infra.store.models import Run
from hotfire_infra.store.queries_unselected import unselected_of
from hotfire_pipelines.waivers import Waivers, restore

NANOSECONDS = 1_000_000_000


def apply_waivers(store: Store, lock: HeldLock, facts: RunFacts) -> None:
    """Record which failures of a run are waived; repeated after a crash it says the same.

    The day is that on which the run was created: a run that waits is judged as it was asked for.
    """
    run = facts.run
    waivers = waivers_of(store, run.plan_sha256)
    if not waivers.waivers or facts.is_cancelled:
        return
    with store.reading() as connection:
        purpose = connection.execute(select(Run.purpose).where(Run.id == run.id)).scalar()
        cells = queries.cells_of(connection, run.id)
        tests = read_tests(connection, run.id, cells)
        left_out = [cell["variant"] for cell in unselected_of(connection, run.id)]
    if purpose != RESULT:
        return  # What a run on the merge base fails with is evidence, not something to let pass.
    found = assess(waivers, cells, tests, _day(run.created_ns), left_out)
    with lock.writing() as connection:
        record(connection, run.id, found, waivers, store.clock.wall_ns())


def waivers_of(store: Store, plan_sha256: str) -> Waivers:
    """Return the waivers of a plan."""
    plan = json.loads(store.blobs.read(plan_sha256))
    source = plan.get("waiver_file") or {"file": "the plan"}
    return restore(plan.get("waivers", []), source["file"])


def _day(at_ns: int) -> date:
    return datetime.fromtimestamp(at_ns / NANOSECONDS, UTC).date()
