"""Read a stream file: the contiguous prefix, what is wrong behind it, and whether the manifest fits."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import BinaryIO

from hotfire_testframework.contract.stream import FIRST_SEQ, LINE_LIMIT, Kind, Record, decode_record
from hotfire_testframework.errors import ContractError

CHUNK_BYTES = 1 << 20


@dataclass(frozen=True, slots=True, kw_only=True)
class Position:
    """Where a reader stands: the next byte and the next sequence number; store it to go on later."""

    offset: int = 0
    seq: int = FIRST_SEQ


@dataclass(frozen=True, slots=True, kw_only=True)
class StreamPart:
    """What one reading gave: records without a gap, the position behind them, and why it stopped early if it did."""

    records: tuple[Record, ...]
    position: Position
    problem: str | None = None
    """A gap or a broken line: nothing behind it counts. A torn last line is no problem, it is just not there yet."""
    torn_bytes: int = 0

    @property
    def is_complete(self) -> bool:
        """Whether the manifest is among the records."""
        return bool(self.records) and self.records[-1].kind == Kind.MANIFEST.value


def read_stream(
    path: Path, position: Position = Position(), *, limit: int | None = None
) -> StreamPart:
    """Read the records from a position on, at most `limit` of them.

    Reading is idempotent: the same position gives the same records. Records that were read before
    (a smaller seq, as after a copy was sent twice) are skipped.
    """
    records: list[Record] = []
    offset, seq, torn = position.offset, position.seq, 0
    problem: str | None = None
    try:
        file = path.open("rb")
    except FileNotFoundError:
        return StreamPart(records=(), position=position)
    with file:
        file.seek(offset)
        for line in _lines(file):
            if not line.endswith(b"\n") and len(line) <= LINE_LIMIT:
                torn = len(line)
                break
            record, problem = _next_record(line, seq)
            if problem is not None or (limit is not None and len(records) >= limit):
                break
            offset += len(line)
            if record is not None:
                records.append(record)
                seq += 1
    position = Position(offset=offset, seq=seq)
    return StreamPart(records=tuple(records), position=position, problem=problem, torn_bytes=torn)


def _lines(file: BinaryIO) -> Iterator[bytes]:
    while line := file.readline(LINE_LIMIT + 1):
        yield line


def _next_record(line: bytes, seq: int) -> tuple[Record | None, str | None]:
    if len(line) > LINE_LIMIT:
        return None, f"seq {seq}: a line is longer than {LINE_LIMIT} bytes"
    try:
        record = decode_record(line)
    except ContractError as error:
        return None, f"seq {seq}: {error}"
    if record.seq > seq:
        return None, f"gap: expected seq {seq}, found {record.seq}"
    return (record if record.seq == seq else None), None


@dataclass(slots=True)
class _Tally:
    collected: set[str] = field(default_factory=set)
    finished: set[str] = field(default_factory=set)
    started: dict[str, None] = field(default_factory=dict)
    reports: list[Record] = field(default_factory=list)

    def add(self, record: Record) -> None:
        if record.kind == Kind.COLLECTED.value:
            self.collected.update(record["tests"])
        elif record.kind == Kind.TEST_START.value:
            self.started[record["test"]] = None
        elif record.kind == Kind.TEST_ATTEMPT.value:
            self.finished.add(record["test"])
            self.started.pop(record["test"], None)
        elif record.kind == Kind.REPORT.value:
            self.reports.append(record)


@dataclass(frozen=True, slots=True, kw_only=True)
class StreamVerdict:
    """Whether a whole stream can be trusted, and what it says if the runner died in the middle."""

    records: int
    collected: frozenset[str]
    finished: frozenset[str]
    in_flight: tuple[str, ...]
    manifest: Record | None
    problems: tuple[str, ...]
    reports: tuple[Record, ...] = ()
    """Files of other tools that hold the results of the tests; ingest reads them."""

    @property
    def is_valid(self) -> bool:
        """Whether it ends with a manifest that fits and every collected test has a result."""
        return self.manifest is not None and not self.problems and self.collected <= self.finished


def verify_stream(path: Path) -> StreamVerdict:
    """Read a whole stream and hold its manifest against it (count, tests, collected, sha256)."""
    tally = _Tally()
    digest = hashlib.sha256()
    position, manifest, count = Position(), None, 0
    problems: list[str] = []
    while manifest is None:
        part = read_stream(path, position, limit=10_000)
        for record in part.records:
            tally.add(record)
            count += 1
            manifest = record if record.kind == Kind.MANIFEST.value else manifest
        if part.problem is not None:
            problems.append(part.problem)
        if part.problem is not None or not part.records:
            break
        position = part.position
    if manifest is not None:
        _digest_before_last_line(path, digest, part.position.offset)
        problems.extend(_manifest_problems(manifest, tally, count, digest.hexdigest()))
    return StreamVerdict(
        records=count,
        collected=frozenset(tally.collected),
        finished=frozenset(tally.finished),
        in_flight=tuple(tally.started),
        manifest=manifest,
        problems=tuple(problems),
        reports=tuple(tally.reports),
    )


def _digest_before_last_line(path: Path, digest: hashlib._Hash, end: int) -> None:
    data_end = 0
    with path.open("rb") as file:
        file.seek(max(0, end - LINE_LIMIT - 1))
        start = file.tell()
        tail = file.read(end - start)
        data_end = start + tail[:-1].rfind(b"\n") + 1
        file.seek(0)
        left = data_end
        while left > 0 and (chunk := file.read(min(CHUNK_BYTES, left))):
            digest.update(chunk)
            left -= len(chunk)


def _manifest_problems(manifest: Record, tally: _Tally, count: int, sha256: str) -> Iterator[str]:
    found = {
        "count": count - 1,
        "tests": len(tally.finished),
        "collected": len(tally.collected),
        "sha256": sha256,
    }
    for name, value in found.items():
        if manifest[name] != value:
            yield f"manifest: {name} is {manifest[name]!r}, the stream has {value!r}"
