"""Batches of records as they come over HTTP: JSON lines as in the spool, or one encoded document.

A batch that holds nothing but what is right is decoded in one go; of any other each line is looked
at, and what the quick decoder does not take, right or wrong, goes to the contract's own, which
alone says what is refused and why.
"""

from __future__ import annotations

import io
import zlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import msgspec

from hotfire_infra.errors import InfraError
from hotfire_infra.ingest.usual import AnyRecord, Sorted, usual_record, usual_records
from hotfire_testframework.contract.stream import (
    LINE_LIMIT,
    decode_record,
    encode_record,
)
from hotfire_testframework.errors import ContractError

JSON_LINES = frozenset({"application/x-ndjson", "application/jsonl", "application/json-lines"})
JSON_DOCUMENT = "application/json"
MSGPACK = frozenset({"application/msgpack", "application/vnd.msgpack", "application/x-msgpack"})
MEDIA_TYPES = (*sorted(JSON_LINES), JSON_DOCUMENT, *sorted(MSGPACK))

ENCODED_FIELDS = frozenset(
    {
        "test", "message", "detail", "environment_class", "metric", "unit", "estimator",
        "definition", "task", "dataset", "failure_class", "outcome", "reason",
    }
)  # fmt: skip
"""Fields whose texts an encoded document may give as a position in its list `strings`."""


class WireError(InfraError):
    """A body that is no batch: not the announced encoding, torn, too big or too deep."""

    exit_code = 2


class _Document(msgspec.Struct, forbid_unknown_fields=True):
    """A batch with its repeated texts listed once."""

    v: Literal[1]
    records: list[dict[str, Any]]
    strings: list[str] = []


_DOCUMENT_JSON = msgspec.json.Decoder(_Document)
_DOCUMENT_MSGPACK = msgspec.msgpack.Decoder(_Document)


@dataclass(frozen=True, slots=True, kw_only=True)
class Batch:
    """Records with consecutive numbers, and their lines as they stand in a spool."""

    records: Sequence[AnyRecord]
    content: bytes
    """The lines of the records, one each, newlines included."""
    problem: str | None = None
    """Why what lies behind them is no record, or does not follow; None: nothing lies there."""
    by_kind: Sorted | None = None
    """The same records, where they were sorted as they were read."""

    @property
    def first_seq(self) -> int:
        """Number of the first record; 0 in an empty batch."""
        return self.records[0].seq if self.records else 0

    def lines(self) -> list[bytes]:
        """Return the line of each record."""
        return _lines(self.content)


def inflate(body: bytes, limit: int) -> bytes:
    """Return the content of a gzip body; WireError beyond `limit` bytes, or when it is broken."""
    unpacker = zlib.decompressobj(wbits=31)
    try:
        content = unpacker.decompress(body, limit + 1)
    except zlib.error as error:
        raise WireError(f"the body is not the gzip that it is announced as: {error}") from error
    if len(content) > limit:
        raise WireError(f"the body has more than {limit} bytes when it is inflated")
    if not unpacker.eof or unpacker.unused_data:
        raise WireError("the gzip body is torn, or something follows it")
    return content


def read_batch(content: bytes, media_type: str) -> Batch:
    """Read an inflated body; WireError where it is no batch at all."""
    if media_type in JSON_LINES:
        return _read(content)
    if media_type != JSON_DOCUMENT and media_type not in MSGPACK:
        raise WireError(f"batches come as {', '.join(MEDIA_TYPES)}, not as {media_type!r}")
    decoder = _DOCUMENT_MSGPACK if media_type in MSGPACK else _DOCUMENT_JSON
    try:
        document = decoder.decode(content)
        return _read(b"".join(_lines_of(document)))
    except (msgspec.MsgspecError, RecursionError, UnicodeError, ValueError) as error:
        raise WireError(f"the body is no batch: {error}") from error


def _lines_of(document: _Document) -> list[bytes]:
    """Write the records out as the lines that a spool would hold."""
    return [_line_of(record, document.strings) for record in document.records]


def _line_of(record: dict[str, Any], strings: list[str]) -> bytes:
    body = dict(record)
    for name in ENCODED_FIELDS & body.keys():
        value = body[name]
        # An accuracy sample's outcome is itself 0 or 1.
        is_figure = name == "outcome" and body.get("kind") == "accuracy_sample"
        if type(value) is int and not is_figure:
            if not 0 <= value < len(strings):
                raise WireError(f"{name}: there is no string {value} in this batch")
            body[name] = strings[value]
    if body.get("kind") == "collected" and type(body.get("tests")) is list:
        body["tests"] = [
            strings[test] if type(test) is int and 0 <= test < len(strings) else test
            for test in body["tests"]
        ]
    if body.pop("v", 1) != 1:
        raise WireError("records of an encoded batch have version 1")
    seq, kind, mono_ns = (body.pop(name, None) for name in ("seq", "kind", "mono_ns"))
    if type(seq) is not int or type(kind) is not str or type(mono_ns) is not int:
        raise WireError("a record needs seq, kind and mono_ns")
    try:
        return encode_record(seq, kind, mono_ns, body)
    except TypeError as error:
        raise WireError(f"seq {seq}: {error}") from error


def _lines(content: bytes) -> list[bytes]:
    """Return lines with their newlines; a third of the time of `split`."""
    return io.BytesIO(content).readlines()


def _read(content: bytes) -> Batch:
    # Behind the last newline: nothing, or a torn line that is not there yet.
    content = content[: content.rfind(b"\n") + 1]
    if len(content) <= LINE_LIMIT and (found := usual_records(content)) and found[0]:
        records, by_kind = found
        first = records[0].seq
        if [one.seq for one in records] == [*range(first, first + len(records))]:
            return Batch(records=records, content=content, by_kind=by_kind)
    return _read_each(content, _lines(content))


def _read_each(content: bytes, lines: Sequence[bytes]) -> Batch:
    records: list[AnyRecord] = []
    size, seq = 0, None
    for line, record in zip(lines, _decoded(lines), strict=True):
        problem = None
        if isinstance(record, str):
            problem = record
        elif seq is not None and record.seq != seq + 1:
            problem = f"gap: expected seq {seq + 1}, found {record.seq}"
        elif len(line) > LINE_LIMIT:
            problem = f"seq {record.seq}: a line is longer than {LINE_LIMIT} bytes"
        if isinstance(record, str) or problem is not None:
            return Batch(records=records, content=content[:size], problem=problem)
        records.append(record)
        size, seq = size + len(line), record.seq
    return Batch(records=records, content=content)


def _decoded(lines: Sequence[bytes]) -> Iterator[AnyRecord | str]:
    """Yield each line's record, or why it is none."""
    for line in lines:
        found: AnyRecord | None = usual_record(line)
        if found is None:
            try:
                found = decode_record(line)
            except ContractError as error:
                yield str(error)
                continue
        yield found
