"""Requests: what anybody asks, recorded; what the executing process makes of them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, insert, select, update

from hotfire_infra.orchestrator import device_requests
from hotfire_infra.orchestrator.holds import HoldKeeper
from hotfire_infra.sections.holds import HoldsSection
from hotfire_infra.states import RUN_TERMINAL, RequestKind, RequestState
from hotfire_infra.store.database import Store
from hotfire_infra.store.models import Request, Run
from hotfire_infra.store.queries_holds import holds_called
from hotfire_infra.store.transitions import Move, move, publish, record_history
from hotfire_testframework.contract.ulid import Ulid, new_ulid


def record_request(
    connection: Connection,
    kind: RequestKind,
    run_id: int | None,
    *,
    payload: Mapping[str, Any],
    requested_by: str,
    at_ns: int,
) -> Ulid:
    """Record a request in the transaction of what it belongs to; return its id."""
    ulid = new_ulid()
    row = insert(Request).values(
        ulid=ulid,
        kind=kind,
        run_id=run_id,
        payload=dict(payload),
        state=RequestState.OPEN,
        requested_by=requested_by,
        created_ns=at_ns,
    )
    step = Move(
        entity="request",
        entity_id=connection.execute(row.returning(Request.id)).scalar_one(),
        to_state=RequestState.OPEN,
        reason=kind.value,
        by=requested_by,
        run_id=run_id,
    )
    record_history(connection, step, None, at_ns)
    return ulid


@dataclass(frozen=True, slots=True)
class RequestBook:
    """Write requests from any process, answer them from the one that executes."""

    store: Store

    def ask(
        self,
        kind: RequestKind,
        run_id: int | None,
        *,
        payload: Mapping[str, Any],
        requested_by: str,
    ) -> Ulid:
        """Record a request and return its id."""
        with self.store.writing() as connection:
            return record_request(
                connection,
                kind,
                run_id,
                payload=payload,
                requested_by=requested_by,
                at_ns=self.store.clock.wall_ns(),
            )

    def has_open(self, connection: Connection) -> bool:
        """Whether anybody waits for an answer."""
        query = select(Request.id).where(Request.state == RequestState.OPEN).limit(1)
        return connection.execute(query).scalar() is not None

    def carry_out(self, connection: Connection, by: str) -> None:
        """Act on all open requests, in their order."""
        query = select(Request).where(Request.state == RequestState.OPEN).order_by(Request.id)
        for row in connection.execute(query).all():
            self._carry_out(connection, row, by)

    def _carry_out(self, connection: Connection, row: Any, by: str) -> None:
        now = self.store.clock.wall_ns()
        state, reason = RequestState.DONE, ""
        if row.kind is RequestKind.CANCEL:
            state, reason = self._cancel(connection, row, now)
        if row.kind is RequestKind.RELEASE:
            state, reason = self._release(connection, row)
        if row.kind is RequestKind.DEVICE:
            state, reason = device_requests.carry_out(
                connection, row.payload, requested_by=row.requested_by, at_ns=now
            )
        step = Move(
            entity="request",
            entity_id=row.id,
            to_state=state,
            reason=reason,
            by=by,
            run_id=row.run_id,
            values={"reason": reason},
        )
        move(connection, step, now)

    def _release(self, connection: Connection, row: Any) -> tuple[RequestState, str]:
        """End a hold; the loop frees what is not held any more."""
        keeper = HoldKeeper(self.store, HoldsSection())
        found = holds_called(connection, str(row.payload.get("hold", "")) or "-")
        if len(found) == 1 and keeper.release(connection, found[0]):
            return RequestState.DONE, "released on request"
        return RequestState.REFUSED, "there is no such hold any more"

    def _cancel(self, connection: Connection, row: Any, now: int) -> tuple[RequestState, str]:
        changed = connection.execute(
            update(Run)
            .where(
                Run.id == row.run_id,
                Run.state.not_in(RUN_TERMINAL),
                Run.cancel_requested_ns.is_(None),
            )
            .values(cancel_requested_ns=now)
            .returning(Run.id)
        ).scalar()
        if changed is None:
            return RequestState.REFUSED, "the run is over or already being cancelled"
        reason = str(row.payload.get("reason", "")) or "cancelled on request"
        publish(
            connection,
            topic="run.cancelling",
            run_id=row.run_id,
            payload={"state": "cancelling", "reason": reason, "by": row.requested_by},
            at_ns=now,
        )
        return RequestState.DONE, reason
