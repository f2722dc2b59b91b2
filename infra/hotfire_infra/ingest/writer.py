"""The one thread that stores what comes over HTTP: bounded, several batches in one commit."""

from __future__ import annotations

import errno
import logging
import queue
import threading
from collections.abc import Sequence
from concurrent.futures import Future
from dataclasses import dataclass, field
from pathlib import Path
from typing import cast

from sqlalchemy import Connection

from hotfire_infra.errors import InfraError, StorageFullError
from hotfire_infra.executors.spool import Spool
from hotfire_infra.ingest.artifacts import move_artifacts
from hotfire_infra.ingest.context import Standing, standing_of
from hotfire_infra.ingest.placing import write_at
from hotfire_infra.ingest.redaction import redact_records
from hotfire_infra.ingest.stream import Arrival, store_arrival
from hotfire_infra.ingest.usual import sort_records
from hotfire_infra.ingest.wire import Batch, read_batch
from hotfire_infra.states import ATTEMPT_LIVE, AttemptState
from hotfire_infra.store.database import Store
from hotfire_infra.store.dictionaries import forget_keys_beyond
from hotfire_testframework.contract.stream import Record
from hotfire_testframework.contract.stream_reader import Position, StreamPart

log = logging.getLogger(__name__)

QUEUED_BATCHES = 128
QUEUED_BYTES = 64 << 20
GROUP_BATCHES = 16
GROUP_BYTES = 4 << 20
"""In one transaction: other writers wait milliseconds."""
AHEAD_BYTES = 1 << 20
"""Of a body that is read before its transaction begins."""
_FULL = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG}


class QueueFullError(InfraError):
    """More has come than can be stored right now; the sender waits and sends it again."""


class IngestRefusedError(InfraError):
    """A batch that must not be stored: another fence, an attempt that is over, a gap."""

    def __init__(self, detail: str, *, kind: str, acked_seq: int) -> None:
        super().__init__(detail)
        self.kind = kind
        self.acked_seq = acked_seq


class BatchBrokenError(IngestRefusedError):
    """A record in the batch is none: what precedes it is stored, what follows never will be."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Delivery:
    """A body on its way into the store; it is read there, so that nothing else waits for that."""

    attempt_id: int
    fence: int
    spool: Spool
    content: bytes
    media_type: str
    answer: Future[int] = field(default_factory=Future)
    """Last number of the stored prefix, once it is committed."""


@dataclass(slots=True)
class IngestWriter:
    """Stores deliveries in the order of their coming; an answer means that they are committed."""

    store: Store
    _queue: queue.Queue[Delivery | None] = field(
        default_factory=lambda: queue.Queue(QUEUED_BATCHES)
    )
    _bytes: int = 0
    _lock: threading.Lock = field(default_factory=threading.Lock)
    _thread: threading.Thread | None = None
    _is_closed: bool = False

    def start(self) -> None:
        """Begin to store."""
        self._thread = threading.Thread(target=self._work, name="hotfire-ingest", daemon=True)
        self._thread.start()

    def close(self) -> None:
        """Store what was taken, then end; nothing is taken any more."""
        with self._lock:
            self._is_closed = True
        if self._thread is not None:
            self._queue.put(None)
            self._thread.join()

    @property
    def waiting(self) -> int:
        """Batches that were taken and are not stored yet, about."""
        return self._queue.qsize()

    def deliver(self, delivery: Delivery) -> Future[int]:
        """Take a batch; QueueFullError at once where there is no room for it."""
        size = len(delivery.content)
        with self._lock:
            # One batch always fits, however large: it would never get in otherwise.
            if self._is_closed or (self._bytes and self._bytes + size > QUEUED_BYTES):
                raise QueueFullError("the service is busy storing what came before")
            try:
                self._queue.put_nowait(delivery)
            except queue.Full as error:
                raise QueueFullError("the service is busy storing what came before") from error
            self._bytes += size
        return delivery.answer

    def _work(self) -> None:
        self._connect()
        is_open = True
        while is_open:
            group, is_open = self._group()
            if group:
                self._store_group(group)
                with self._lock:
                    self._bytes -= sum(len(one.content) for one in group)

    def _connect(self) -> None:
        """Open the connection that the pool will give, so that no runner waits for that."""
        try:
            self.store.ingest_engine.connect().close()
        except Exception as error:  # noqa: BLE001 - whoever sends a batch is told
            log.warning("the database cannot be opened yet: %s", type(error).__name__)

    def _group(self) -> tuple[list[Delivery], bool]:
        """Wait for a delivery and take those that wait behind it."""
        first = self._queue.get()
        if first is None:
            return [], False
        group, size = [first], len(first.content)
        while len(group) < GROUP_BATCHES and size < GROUP_BYTES:
            try:
                following = self._queue.get_nowait()
            except queue.Empty:
                break
            if following is None:
                return group, False
            group.append(following)
            size += len(following.content)
        return group, True

    def _store_group(self, group: Sequence[Delivery]) -> None:
        """Store a group in one transaction; if one of them breaks it, each in its own.

        What is not large is read only when it is its turn: what was read long before is out of the
        processor's caches by then, which costs more than other writers wait for the reading.
        """
        ahead = [_read(one) if len(one.content) > AHEAD_BYTES else None for one in group]
        try:
            with self.store.ingesting() as connection:
                forget_keys_beyond(connection)
                answers = [
                    self._store(connection, one, batch or _read(one))
                    for one, batch in zip(group, ahead, strict=True)
                ]
        except Exception as error:  # noqa: BLE001 - handed to whoever waits for the answer
            if len(group) == 1:
                group[0].answer.set_exception(_unstorable(error))
                return
            for one in group:
                self._store_group([one])
            return
        for delivery, answer in zip(group, answers, strict=True):
            if isinstance(answer, int):
                delivery.answer.set_result(answer)
            else:
                delivery.answer.set_exception(answer)

    def _store(
        self, connection: Connection, delivery: Delivery, batch: Batch | Exception
    ) -> int | Exception:
        """Store a batch and return how far the stream is, or why nothing of it is taken."""
        if isinstance(batch, Exception):
            return batch
        attempt = standing_of(connection, delivery.attempt_id)
        if attempt is None:
            return IngestRefusedError("the attempt is gone", kind="attempt-over", acked_seq=-1)
        acked = attempt.acked_seq
        last = batch.records[-1].seq if batch.records else acked
        if batch.problem is None and last <= acked and attempt.fence == delivery.fence:
            return acked
        refusal = _refusal(attempt, delivery.fence, batch)
        if refusal is not None:
            return refusal
        skipped = max(0, acked + 1 - batch.first_seq) if batch.records else 0
        redactor = delivery.spool.redactor()
        records, content, by_kind = batch.records, batch.content, batch.by_kind
        if skipped or redactor:
            # Line by line: asterisks are as long, so that a line keeps its place.
            content = b"".join(map(redactor.content, batch.lines()[skipped:]))
            records, by_kind = records[skipped:], None
        if redactor:
            records = redact_records(records, redactor)
        by_kind = by_kind or sort_records(records)
        _append(delivery.spool.stream, attempt.acked_bytes, content)
        position = Position(
            offset=attempt.acked_bytes + len(content),
            seq=acked + 1 + len(records),
        )
        problem = None if batch.problem is None else redactor.text(batch.problem)
        # Those that were decoded quickly have all that a record has.
        part = StreamPart(
            records=cast("tuple[Record, ...]", tuple(records)), position=position, problem=problem
        )
        moved, lost = move_artifacts(self.store.blobs, delivery.spool, by_kind.others)
        arrival = Arrival(
            acked_seq=acked, part=part, moved=tuple(moved), lost=tuple(lost), by_kind=by_kind
        )
        # Nobody else moves the acknowledgement before this is committed.
        store_arrival(connection, attempt, arrival)
        if batch.problem is not None:
            return BatchBrokenError(batch.problem, kind="broken-record", acked_seq=position.seq - 1)
        return position.seq - 1


def _read(delivery: Delivery) -> Batch | Exception:
    """Return what a body holds, or what to answer for one that is no batch."""
    try:
        return read_batch(delivery.content, delivery.media_type)
    except Exception as error:  # noqa: BLE001 - handed to whoever waits for the answer
        return _unstorable(error)


def _unstorable(error: Exception) -> Exception:
    """Return what to answer for a batch that broke the transaction."""
    if isinstance(error, InfraError):
        return error
    log.warning("a batch cannot be stored", exc_info=error)
    what = f"{type(error).__name__}: {str(error).partition(chr(10))[0][:200]}"
    return IngestRefusedError(f"a value cannot be stored: {what}", kind="unstorable", acked_seq=-1)


def _refusal(attempt: Standing, fence: int, batch: Batch) -> IngestRefusedError | None:
    acked = attempt.acked_seq
    if attempt.fence != fence:
        return IngestRefusedError(
            f"fence {fence} is not in force; another runner holds this attempt",
            kind="fence",
            acked_seq=acked,
        )
    if attempt.state is AttemptState.LEASED:
        return IngestRefusedError(
            "the attempt is not claimed yet; claim it first", kind="not-claimed", acked_seq=acked
        )
    if attempt.state not in ATTEMPT_LIVE:
        return IngestRefusedError(
            f"the attempt is over ({attempt.state}); nothing of it is stored any more",
            kind="attempt-over",
            acked_seq=acked,
        )
    if batch.first_seq > acked + 1:
        return IngestRefusedError(
            f"gap: expected seq {acked + 1}, found {batch.first_seq}",
            kind="gap",
            acked_seq=acked,
        )
    return None


def _append(path: Path, offset: int, content: bytes) -> None:
    """Write the copy of the spool at its place; what a lost transaction left there is replaced."""
    try:
        write_at(path, offset, content, is_last=True)
    except OSError as error:
        if error.errno in _FULL:
            raise StorageFullError(f"no room left for {path}: {error.strerror}") from error
        raise
