"""A second look for secrets, where results enter the store: the first one is the runner's.

A runner of another version, or output that reached the service by another way, must not bring a
value into rows and blobs. Texts are redacted; an artifact that still holds a value is refused.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path

from hotfire_infra.ingest.usual import AnyRecord
from hotfire_testframework.contract.stream import Record
from hotfire_testframework.contract.stream_reader import StreamPart
from hotfire_testframework.runner.redaction import Redactor

PIECE_BYTES = 1 << 20


def redact_part(part: StreamPart, redactor: Redactor) -> StreamPart:
    """Return records without the values of secrets in their texts."""
    if not redactor:
        return part
    problem = None if part.problem is None else redactor.text(part.problem)
    records = redact_records(part.records, redactor)
    return replace(part, records=type(part.records)(records), problem=problem)


def redact_records(records: Sequence[AnyRecord], redactor: Redactor) -> list[Record]:
    """Return records without the values of secrets in any text of their bodies."""
    return [
        Record(
            v=one.v, seq=one.seq, kind=one.kind, mono_ns=one.mono_ns,
            body=redactor.value(one.body),
        )
        for one in records
    ]  # fmt: skip


def holds_secret(path: Path, redactor: Redactor) -> bool:
    """Whether a file holds a value of a secret in one of its forms."""
    if not redactor:
        return False
    longest = len(redactor.forms[0])
    before = b""
    for piece in _pieces(path):
        data = before + piece
        if redactor.holds_secret(data):
            return True
        before = data[-longest:]
    return False


def redacted_chunk(path: Path, start: int, size: int, redactor: Redactor) -> bytes:
    """Return bytes of a file, redacted with what stands before and behind them."""
    around = len(redactor.forms[0]) if redactor else 0
    begin = max(0, start - around)
    with path.open("rb") as file:
        file.seek(begin)
        data = file.read(start - begin + size + around)
    # Values are replaced by as many signs, so that the place in the file stays.
    return redactor.content(data)[start - begin : start - begin + size]


def _pieces(path: Path) -> Iterator[bytes]:
    with path.open("rb") as file:
        while piece := file.read(PIECE_BYTES):
            yield piece
