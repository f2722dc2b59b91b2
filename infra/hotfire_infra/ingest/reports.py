"""Reports that a task's command has written become results of its attempt.

The runner keeps the files and names them in its stream; they are read when the attempt has ended,
by the readers of `formats`. Their records follow those of the stream, with numbers behind its last one.
"""

from __future__ import annotations

import errno
import shutil
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from sqlalchemy import Connection

from hotfire_infra.errors import ReportEmptyError, ReportRefusedError, StorageFullError
from hotfire_infra.executors.spool import Spool
from hotfire_infra.ingest.context import context_of
from hotfire_infra.ingest.formats.values import ERRORED, FAILED, Format, Limits, Reading
from hotfire_infra.ingest.importing import KIND, file_sha256, write_spool
from hotfire_infra.ingest.records import write_records
from hotfire_infra.ingest.redaction import holds_secret
from hotfire_infra.ingest.usual import sort_records
from hotfire_infra.store import results
from hotfire_infra.store.rows import AttemptRow
from hotfire_testframework.contract.stream import Kind, Record
from hotfire_testframework.contract.stream_reader import Position, read_stream
from hotfire_testframework.contract.ulid import Ulid

FOLDER = "reports"
"""Of the attempt's directory: what was read lies there until it is stored."""
BATCH = 5_000
LIMITS = Limits(file_bytes=256 << 20, json_bytes=128 << 20, tests=200_000)
"""Smaller than for a person's import: reports are read between two looks at other attempts."""
_STORED = frozenset(
    {
        Kind.COLLECTED.value,
        Kind.TEST_ATTEMPT.value,
        Kind.MEASUREMENT.value,
        Kind.PROBLEM.value,
        KIND,
    }
)


@dataclass(frozen=True, slots=True, kw_only=True)
class ReadReports:
    """What the reports of one attempt say."""

    streams: tuple[Path, ...]
    """Their records, one file for each report that could be read."""
    tests: int
    failed: int
    errored: int
    faults: tuple[str, ...]
    """Reports that are missing, broken or incomplete, and why."""
    exit_code: int
    """Of the command."""
    files: tuple[str, ...]


def read_reports(spool: Spool, attempt: Ulid, records: Sequence[Record]) -> ReadReports | None:
    """Read the reports that a finished stream names, nothing of it is stored yet; None without any."""
    if not records:
        return None
    forget_reports(spool)
    folder = spool.root / FOLDER
    streams: list[Path] = []
    faults: list[str] = []
    tests = failed = errored = 0
    for number, record in enumerate(records):
        said = f"report {record['path']!r} ({record['format']})"
        try:
            path = _file_of(spool, record)
            reading = Reading(file=record["path"], format=Format(record["format"]), limits=LIMITS)
            target = folder / str(number)
            read = write_spool(target, path, reading, attempt=attempt, sha256=file_sha256(path))
        except ReportEmptyError:
            continue
        except (ReportRefusedError, ValueError) as error:
            faults.append(f"{said}: {error}")
            continue
        except OSError as error:
            if error.errno in (errno.ENOSPC, errno.EDQUOT):
                raise StorageFullError(
                    f"no room to read {said}; free space, then `hotfire run --resume`"
                ) from error
            faults.append(f"{said}: {error.strerror or error}")
            continue
        if read.incomplete:
            faults.append(f"{said}: {read.incomplete}")
        streams.append(target / "stream.jsonl")
        tests += read.tests
        failed += read.totals.get(FAILED, 0)
        errored += read.totals.get(ERRORED, 0)
    return ReadReports(
        streams=tuple(streams),
        tests=tests,
        failed=failed,
        errored=errored,
        faults=tuple(faults),
        exit_code=max((int(record["exit_code"]) for record in records), key=abs),
        files=tuple(record["path"] for record in records),
    )


def forget_reports(spool: Spool) -> None:
    """Remove what was read, once it is stored."""
    shutil.rmtree(spool.root / FOLDER, ignore_errors=True)


def _file_of(spool: Spool, record: Record) -> Path:
    name = record.get("artifact")
    if name is None:
        code = record["exit_code"]
        raise ValueError(f"the command, which ended with {code}, has not written it")
    path = spool.confined(f"artifacts/{name}")
    if path is None or not path.is_file():
        raise ValueError("its file did not come")
    if holds_secret(path, spool.redactor()):
        raise ValueError("it holds a secret of the task, and was not read")
    return path


def write_reports(connection: Connection, attempt: AttemptRow, read: ReadReports, seq: int) -> None:
    """Store what was read, in the transaction that ends the attempt; `seq` is the last one taken."""
    context = context_of(connection, attempt)
    for records in _batches(read.streams, seq):
        faults = write_records(connection, context, sort_records(records))
        rows = [(attempt.id, -at, reason) for at, reason in faults]
        results.insert_rows(connection, results.PROBLEM, rows)


def _batches(streams: Sequence[Path], seq: int) -> Iterator[list[Record]]:
    """Yield the records that count, renumbered without a gap."""
    for stream in streams:
        position = Position()
        while (part := read_stream(stream, position, limit=BATCH)).records:
            position = part.position
            kept = [record for record in part.records if record.kind in _STORED]
            yield [replace(record, seq=seq + at) for at, record in enumerate(kept, 1)]
            seq += len(kept)
