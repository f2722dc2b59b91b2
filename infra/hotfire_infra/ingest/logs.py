"""Output of an attempt becomes chunks: blobs that join up by (stream, offset)."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

from sqlalchemy import Connection, func, select

from hotfire_infra.executors.spool import STREAMS, Spool
from hotfire_infra.ingest.placing import write_at
from hotfire_infra.ingest.redaction import redacted_chunk
from hotfire_infra.store import results
from hotfire_infra.store.database import Store
from hotfire_infra.store.models import LogChunk
from hotfire_testframework.runner.redaction import Redactor

CHUNK_BYTES = 1 << 20
"""Less is stored only when the attempt has ended: a blob per line would drown the disk in files."""


def ingest_logs(store: Store, attempt_id: int, spool: Spool, *, is_final: bool) -> int:
    """Store what the logs have grown by; return the bytes stored."""
    rows = read_logs(store, attempt_id, spool, is_final=is_final)
    if rows:
        with store.writing() as connection:
            write_logs(connection, rows)
    return sum(row[3] for row in rows)


def read_logs(
    store: Store, attempt_id: int, spool: Spool, *, is_final: bool
) -> list[tuple[int, str, int, int, str]]:
    """Put what the logs have grown by into blobs; return the rows that will name them."""
    return [
        row for name in STREAMS for row in _read(store, attempt_id, spool, name, is_final=is_final)
    ]


def write_logs(connection: Connection, rows: Sequence[tuple[int, str, int, int, str]]) -> None:
    """Name the chunks in rows; those that are there already stay."""
    results.insert_rows(connection, results.BLOB, [(row[4], row[3]) for row in rows])
    results.insert_rows(connection, results.LOG_CHUNK, rows)


def _read(
    store: Store, attempt_id: int, spool: Spool, name: str, *, is_final: bool
) -> Iterator[tuple[int, str, int, int, str]]:
    try:
        size = spool.log(name).stat().st_size
    except OSError:
        return
    if size < (1 if is_final else CHUNK_BYTES):
        return  # Without asking the store: this is the rule, and every round comes by here.
    with store.reading() as connection:
        start = stored_bytes(connection, attempt_id, name)
    redactor = spool.redactor()
    # What may be the beginning of a secret waits for its rest.
    whole = CHUNK_BYTES + (len(redactor.forms[0]) if redactor else 0)
    while start < size and (is_final or size - start >= whole):
        content = redacted_chunk(spool.log(name), start, CHUNK_BYTES, redactor)
        if not content:
            return
        blob = store.blobs.put_bytes(content)
        yield (attempt_id, name, start, blob.size, blob.sha256)
        start += len(content)


def append_redacted(path: Path, size: int, new: bytes, redactor: Redactor) -> None:
    """Append to the copy of a log whose `size` bytes are there, without the values of secrets.

    What a secret began with may stand at the end already: it is looked at once more. Bytes that are
    there are never sent into place again, since half of a value is not recognised.
    """
    around = min(size, len(redactor.forms[0])) if redactor else 0
    before = b""
    if around:
        with path.open("rb") as file:
            file.seek(size - around)
            before = file.read(around)
    # Values are replaced by as many signs, so that the place in the file stays.
    write_at(path, size - len(before), redactor.content(before + new))


def stored_bytes(connection: Connection, attempt_id: int, name: str) -> int:
    """Return how far the chunks of a stream reach."""
    query = select(func.max(LogChunk.offset + LogChunk.size)).where(
        LogChunk.attempt_id == attempt_id, LogChunk.stream == name
    )
    return int(connection.execute(query).scalar() or 0)
