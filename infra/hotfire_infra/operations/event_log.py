"""What happens in the store as lines of the log: every step of runs and attempts, with its ids."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from sqlalchemy import Connection, func, select

from hotfire_infra.errors import InfraError
from hotfire_infra.operations.context import about
from hotfire_infra.store.database import Store
from hotfire_infra.store.models import Outbox, Run

log = logging.getLogger(__name__)

LOOK_SECONDS = 1.0
BATCH = 1000
_TROUBLE = frozenset({"errored", "lost", "timed_out", "preempted", "bad", "suspect"})
"""States whose lines are warnings: somebody may want to look, the tests alone do not say so."""


@dataclass(slots=True)
class EventLog:
    """`start` and `stop` a thread, or `look` by hand; only who leads writes, so a step is one line."""

    store: Store
    leads: Callable[[], bool]
    _last: int | None = None
    _stop: threading.Event = field(default_factory=threading.Event)
    _thread: threading.Thread | None = None

    def start(self) -> None:
        """Write what happens from now on."""
        self._begin()
        self._thread = threading.Thread(target=self._work, name="hotfire-event-log", daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """Write what is left, then end."""
        self._stop.set()
        if self._thread is not None:
            self._thread.join()

    def _begin(self) -> None:
        with self.store.reading() as connection:
            self._last = connection.execute(select(func.max(Outbox.id))).scalar() or 0

    def _work(self) -> None:
        while not self._stop.wait(LOOK_SECONDS):
            self._look_safely()
        self._look_safely()

    def _look_safely(self) -> None:
        try:
            while self.look() == BATCH:
                pass
        except InfraError as error:
            log.warning("events cannot be read: %s", error)

    def look(self) -> int:
        """Write the next events; return how many were read."""
        if self._last is None:
            self._begin()
        with self.store.reading() as connection:
            rows = _after(connection, self._last or 0)
        for row in rows:
            self._last = row.id
            if self.leads():
                _write(row)
        return len(rows)


def _after(connection: Connection, last_id: int) -> list[Any]:
    query = (
        select(Outbox.id, Outbox.topic, Outbox.payload, Run.number)
        .join(Run, Run.id == Outbox.run_id, isouter=True)
        .where(Outbox.id > last_id)
        .order_by(Outbox.id)
        .limit(BATCH)
    )
    return list(connection.execute(query))


def _write(row: Any) -> None:
    payload = row.payload if isinstance(row.payload, dict) else {}
    state, reason = str(payload.get("state", "")), str(payload.get("reason", ""))
    extra = {
        name: payload[name]
        for name in ("number", "failure_class", "verdict", "platform", "device")
        if payload.get(name) is not None
    }
    level = logging.WARNING if state in _TROUBLE else logging.INFO
    text = f"{row.topic}: {reason}" if reason else str(row.topic)
    task, attempt = payload.get("task"), payload.get("attempt")
    with about(run=row.number, task=task, attempt=attempt):
        log.log(level, "%s", text, extra=extra)
