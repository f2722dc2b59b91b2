"""Batches of records as they come over HTTP: JSON lines as in the spool, or one encoded document.

The two kinds that make up nearly all of a stream are decoded by msgspec; everything that it does not
take, right or wrong, goes to the contract's own decoder, which alone says what is refused and why.
"""

from __future__ import annotations

import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Annotated, Any, Literal, NotRequired, TypedDict, cast

import msgspec

from hotfire_infra.errors import InfraError
from hotfire_testframework.contract.stream import (
    LARGEST,
    LINE_LIMIT,
    Record,
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

_Count = Annotated[int, msgspec.Meta(ge=0, le=LARGEST)]
_Seq = Annotated[int, msgspec.Meta(ge=1, le=LARGEST)]
# In this form, because `try` is no name in Python.
_TestStart = TypedDict(
    "_TestStart",
    {
        "v": Literal[1],
        "seq": _Seq,
        "kind": Literal["test_start"],
        "mono_ns": int,
        "test": str,
        "try": _Count,
    },
)
_TestAttempt = TypedDict(
    "_TestAttempt",
    {
        "v": Literal[1],
        "seq": _Seq,
        "kind": Literal["test_attempt"],
        "mono_ns": int,
        "test": str,
        "try": _Count,
        "outcome": Literal["passed", "failed", "skipped", "errored"],
        "duration_ns": _Count,
        "failure_class": NotRequired[str],
        "message": NotRequired[str],
        "detail": NotRequired[str],
        "environment_class": NotRequired[str],
        "params": NotRequired[dict[str, Any]],
        "metrics": NotRequired[dict[str, Any]],
    },
)
_QUICK: tuple[tuple[bytes, Any], ...] = (
    (b'"kind":"test_start"', msgspec.json.Decoder(_TestStart).decode),
    (b'"kind":"test_attempt"', msgspec.json.Decoder(_TestAttempt).decode),
)
HEAD_BYTES = 60
"""Where a line as the runner writes it names its kind; any other goes the long way."""


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
    """Records with consecutive numbers, each with its line as it stands in a spool."""

    records: tuple[Record, ...]
    lines: tuple[bytes, ...]
    problem: str | None
    """Why what lies behind them is no record, or does not follow; None: nothing lies there."""

    @property
    def first_seq(self) -> int:
        """Number of the first record; 0 in an empty batch."""
        return self.records[0].seq if self.records else 0


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
        lines = content.split(b"\n")
        lines.pop()  # Behind the last newline: nothing, or a torn line that is not there yet.
        return _read([line + b"\n" for line in lines])
    if media_type != JSON_DOCUMENT and media_type not in MSGPACK:
        raise WireError(f"batches come as {', '.join(MEDIA_TYPES)}, not as {media_type!r}")
    decoder = _DOCUMENT_MSGPACK if media_type in MSGPACK else _DOCUMENT_JSON
    try:
        document = decoder.decode(content)
        return _read(_lines_of(document))
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


def _read(lines: list[bytes]) -> Batch:
    records: list[Record] = []
    problem = None
    for line, record in zip(lines, _decoded(lines), strict=True):
        if isinstance(record, str):
            problem = record
        elif records and record.seq != records[-1].seq + 1:
            problem = f"gap: expected seq {records[-1].seq + 1}, found {record.seq}"
        elif len(line) > LINE_LIMIT:
            problem = f"seq {record.seq}: a line is longer than {LINE_LIMIT} bytes"
        if problem is not None:
            break
        records.append(cast("Record", record))
    return Batch(records=tuple(records), lines=tuple(lines[: len(records)]), problem=problem)


def _decoded(lines: list[bytes]) -> Iterator[Record | str]:
    """Yield each line's record, or why it is none."""
    for line in lines:
        found = _quickly(line)
        if found is not None:
            yield found
            continue
        try:
            yield decode_record(line)
        except ContractError as error:
            yield str(error)


def _quickly(line: bytes) -> Record | None:
    """Return the record of a line of the two usual kinds; None: ask the contract."""
    head = line[:HEAD_BYTES]
    for mark, decode in _QUICK:
        if mark in head:
            try:
                body = decode(line)
            except (msgspec.MsgspecError, UnicodeError, RecursionError):
                return None
            if body["test"].count("/") < 2:
                return None
            del body["v"]
            return Record(
                seq=body.pop("seq"), kind=body.pop("kind"), mono_ns=body.pop("mono_ns"), body=body
            )
    return None
