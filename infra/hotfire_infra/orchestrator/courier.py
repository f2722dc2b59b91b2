"""Deliver the events of the outbox to a consumer: at least once, in their order."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, select, update

from hotfire_infra.orchestrator.lock import HeldLock
from hotfire_infra.store.database import Store
from hotfire_infra.store.models import Outbox

BATCH_EVENTS = 200


@dataclass(frozen=True, slots=True, kw_only=True)
class Event:
    """One row of the outbox; `id` grows with time and lets a consumer drop what it had before."""

    id: int
    topic: str
    run_id: int | None
    payload: Mapping[str, Any]
    created_ns: int


Consumer = Callable[[Sequence[Event]], None]
"""Takes events in order; if it raises, the same events come again."""


@dataclass(frozen=True, slots=True)
class Courier:
    """Goes from the outbox to one consumer; `delivered_ns` says how far it got."""

    store: Store
    lock: HeldLock
    consumer: Consumer

    def deliver(self) -> int:
        """Bring what is waiting, and return how many events that were.

        A death between bringing and noting brings them again: at least once. What the consumer
        raises goes through, and nothing is noted.
        """
        count = 0
        while events := self._waiting():
            self.consumer(events)
            with self.lock.writing() as connection:
                connection.execute(
                    update(Outbox)
                    .where(
                        Outbox.id >= events[0].id,
                        Outbox.id <= events[-1].id,
                        Outbox.delivered_ns.is_(None),
                    )
                    .values(delivered_ns=self.store.clock.wall_ns())
                )
            count += len(events)
        return count

    def _waiting(self) -> list[Event]:
        with self.store.reading() as connection:
            query = (
                select(Outbox.id, Outbox.topic, Outbox.run_id, Outbox.payload, Outbox.created_ns)
                .where(Outbox.id > last_delivered(connection))
                .order_by(Outbox.id)
                .limit(BATCH_EVENTS)
            )
            return [
                Event(id=key, topic=topic, run_id=run_id, payload=payload, created_ns=at_ns)
                for key, topic, run_id, payload, at_ns in connection.execute(query)
            ]


def last_delivered(connection: Connection) -> int:
    """Return the id of the newest event that was delivered, 0 before the first."""
    # Backwards along the key: what is looked at are the events that wait, and one more.
    query = (
        select(Outbox.id)
        .where(Outbox.delivered_ns.is_not(None))
        .order_by(Outbox.id.desc())
        .limit(1)
    )
    return int(connection.execute(query).scalar() or 0)
