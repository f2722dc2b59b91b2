"""A new push: older runs of the same pipeline and change are asked to end, and say for whom."""

from __future__ import annotations

from sqlalchemy import Connection, select, update

from hotfire_infra.orchestrator.requests import record_request
from hotfire_infra.states import RUN_LIVE, RequestKind
from hotfire_infra.store.models import Run


def supersede(connection: Connection, run_id: int, *, requested_by: str, at_ns: int) -> list[int]:
    """Ask for the end of the unfinished runs that `run_id` replaces; return their numbers.

    Belongs into the transaction that creates the run: a run that nobody sees replaces nothing.
    """
    new = connection.execute(
        select(Run.number, Run.pipeline, Run.change).where(Run.id == run_id)
    ).one()
    older = connection.execute(
        select(Run.id, Run.number)
        .where(
            Run.change == new.change,
            Run.pipeline == new.pipeline,
            Run.state.in_(RUN_LIVE),
            Run.id < run_id,
            Run.superseded_by_run_id.is_(None),
        )
        .order_by(Run.id)
    ).all()
    for old in older:
        connection.execute(update(Run).where(Run.id == old.id).values(superseded_by_run_id=run_id))
        record_request(
            connection,
            RequestKind.CANCEL,
            old.id,
            payload={"reason": f"superseded by run {new.number}"},
            requested_by=requested_by,
            at_ns=at_ns,
        )
    return [old.number for old in older]
