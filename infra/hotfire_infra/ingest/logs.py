"""Output of an attempt becomes chunks: blobs that join up by (stream, offset)."""

from __future__ import annotations

from sqlalchemy import Connection, func, select

from hotfire_infra.executors.spool import STREAMS, Spool
from hotfire_infra.store import results
from hotfire_infra.store.database import Store
from hotfire_infra.store.models import LogChunk

CHUNK_BYTES = 1 << 20
"""Less is stored only when the attempt has ended: a blob per line would drown the disk in files."""


def ingest_logs(store: Store, attempt_id: int, spool: Spool, *, is_final: bool) -> int:
    """Store what the logs have grown by; return the bytes stored."""
    return sum(_ingest(store, attempt_id, spool, name, is_final) for name in STREAMS)


def _ingest(store: Store, attempt_id: int, spool: Spool, name: str, is_final: bool) -> int:
    try:
        size = spool.log(name).stat().st_size
    except OSError:
        return 0
    with store.reading() as connection:
        start = stored_bytes(connection, attempt_id, name)
    stored = 0
    with spool.log(name).open("rb") as file:
        file.seek(start)
        while start < size and (is_final or size - start >= CHUNK_BYTES):
            content = file.read(CHUNK_BYTES)
            if not content:
                break
            blob = store.blobs.put_bytes(content)
            with store.writing() as connection:
                results.insert_rows(connection, results.BLOB, [(blob.sha256, blob.size)])
                row = (attempt_id, name, start, blob.size, blob.sha256)
                results.insert_rows(connection, results.LOG_CHUNK, [row])
            start += len(content)
            stored += len(content)
    return stored


def stored_bytes(connection: Connection, attempt_id: int, name: str) -> int:
    """Return how far the chunks of a stream reach."""
    query = select(func.max(LogChunk.offset + LogChunk.size)).where(
        LogChunk.attempt_id == attempt_id, LogChunk.stream == name
    )
    return int(connection.execute(query).scalar() or 0)
