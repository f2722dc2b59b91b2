"""Live events: one poller reads the outbox for all streams; each stream replays what it missed."""

from __future__ import annotations

import asyncio
import contextlib
import json
import logging
import time
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass, field

from anyio import to_thread

from hotfire_infra.errors import InfraError
from hotfire_infra.store import queries_lists
from hotfire_infra.store.database import Store
from hotfire_infra.store.rows import EventRow

log = logging.getLogger(__name__)

POLL_SECONDS = 0.1
BATCH = 500
QUEUED_BATCHES = 64
"""A reader that is further behind is let go: it comes back with Last-Event-ID and loses nothing."""
GAP_SECONDS = 2.0
"""How long a missing id is waited for: on PostgreSQL a smaller one may be committed later."""
LOOK_BACK = 1_000
"""Ids before the newest in which such a gap is looked for when the poller begins."""
ENDINGS = frozenset({"run.finalized", "run.cancelled"})


@dataclass(slots=True)
class Subscription:
    """What one stream is told: batches of events, or None when it has to end."""

    run_id: int
    since: int
    """The store's events up to this id are to be read from the store."""
    queue: asyncio.Queue[tuple[EventRow, ...] | None] = field(
        default_factory=lambda: asyncio.Queue(QUEUED_BATCHES)
    )
    is_over: bool = False

    def offer(self, batch: tuple[EventRow, ...] | None) -> None:
        """Queue a batch; a full queue ends the stream."""
        if self.is_over:
            return
        if batch is None or self.queue.full():
            self.is_over = True
            while not self.queue.empty():
                self.queue.get_nowait()
            batch = None
        self.queue.put_nowait(batch)


@dataclass(slots=True)
class EventFeed:
    """Polls the outbox while anybody listens, and tells every stream in the order of ids."""

    store: Store
    poll_seconds: float = POLL_SECONDS
    _listeners: list[Subscription] = field(default_factory=list)
    _position: int = 0
    _gaps: dict[int, float] = field(default_factory=dict)
    _task: asyncio.Task[None] | None = None
    _is_closed: bool = False
    _begin: asyncio.Lock = field(default_factory=asyncio.Lock)

    async def subscribe(self, run_id: int) -> Subscription:
        """Begin to listen to one run; what came before `since` is in the store."""
        async with self._begin:
            if not self._listeners and not self._is_closed:
                self._position = await to_thread.run_sync(self._safe_position)
                self._gaps.clear()
            found = Subscription(run_id=run_id, since=self._position)
            self._listeners.append(found)
            if self._is_closed:
                found.offer(None)
            elif self._task is None or self._task.done():
                self._task = asyncio.create_task(self._poll(), name="hotfire-events")
        return found

    def leave(self, listener: Subscription) -> None:
        """Stop listening."""
        with contextlib.suppress(ValueError):
            self._listeners.remove(listener)

    def close(self) -> None:
        """End all streams; to be called in the event loop."""
        self._is_closed = True
        for listener in self._listeners:
            listener.offer(None)

    @property
    def listeners(self) -> int:
        """How many streams are open."""
        return len(self._listeners)

    def _safe_position(self) -> int:
        with self.store.reading() as connection:
            newest = queries_lists.last_event(connection)
        # SQLite has one writer: an id that was given out is committed before the next one is.
        return max(0, newest - LOOK_BACK) if self.store.is_shared else newest

    async def _poll(self) -> None:
        while self._listeners and not self._is_closed:
            try:
                found = await to_thread.run_sync(self._read)
            except InfraError as error:
                log.warning("events cannot be read now: %s", error)
                found = ()
            ready = self._without_gaps(found)
            for listener in list(self._listeners):
                mine = tuple(event for run_id, event in ready if run_id == listener.run_id)
                if mine:
                    listener.offer(mine)
            if len(found) < BATCH or not ready:
                await asyncio.sleep(self.poll_seconds)

    def _read(self) -> tuple[tuple[int | None, EventRow], ...]:
        with self.store.reading() as connection:
            return queries_lists.outbox_after(connection, self._position, limit=BATCH)

    def _without_gaps(
        self, found: Sequence[tuple[int | None, EventRow]]
    ) -> list[tuple[int | None, EventRow]]:
        """Return the prefix behind which nothing can come any more, and move the position."""
        now, expected, ready = time.monotonic(), self._position + 1, []
        is_open = True
        for run_id, event in found:
            if event.id != expected and self.store.is_shared:
                first_seen = self._gaps.setdefault(expected, now)
                is_open = is_open and now - first_seen >= GAP_SECONDS
            expected = event.id + 1
            if is_open:
                ready.append((run_id, event))
                self._position = event.id
        self._gaps = {gap: seen for gap, seen in self._gaps.items() if gap > self._position}
        return ready


def encode_event(event: EventRow) -> bytes:
    """Return one event in the form of text/event-stream."""
    data = json.dumps(
        {"topic": event.topic, "at_ns": event.created_ns, "payload": dict(event.payload)},
        separators=(",", ":"),
    )
    return f"id: {event.id}\nevent: {event.topic}\ndata: {data}\n\n".encode()


async def event_stream(
    feed: EventFeed, run_id: int, *, after: int, ping_seconds: float
) -> AsyncIterator[bytes]:
    """Yield the events of a run behind `after`, whole batches at once, until the run is over.

    A comment comes at least every `ping_seconds`. The stream also ends when the service drains or
    the reader is too slow; a reader that comes back with the last id misses nothing.
    """
    listener = await feed.subscribe(run_id)
    try:
        yield b"retry: 1000\n: follows\n\n"
        last = after
        while last < listener.since:
            rows = await to_thread.run_sync(_replay, feed.store, run_id, last, listener.since)
            if not rows:
                break
            yield b"".join(encode_event(row) for row in rows)
            if any(row.topic in ENDINGS for row in rows):
                return
            last = rows[-1].id
        while True:
            batch: tuple[EventRow, ...] | None = ()
            with contextlib.suppress(TimeoutError):
                batch = await asyncio.wait_for(listener.queue.get(), ping_seconds)
            if batch is None:
                yield b": the service ends this stream; come back with Last-Event-ID\n\n"
                return
            rows = tuple(row for row in batch if row.id > after)
            yield b"".join(encode_event(row) for row in rows) or b": ping\n\n"
            if any(row.topic in ENDINGS for row in rows):
                return
    finally:
        feed.leave(listener)


def _replay(store: Store, run_id: int, after: int, until: int) -> tuple[EventRow, ...]:
    with store.reading() as connection:
        return queries_lists.events_between(
            connection, run_id, after=after, until=until, limit=BATCH
        )
