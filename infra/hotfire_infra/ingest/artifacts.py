"""Artifacts of an attempt: confined to its spool, checked against their digest, moved to blobs."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sqlalchemy import Connection

from hotfire_infra.errors import BlobCorruptError
from hotfire_infra.executors.spool import Spool
from hotfire_infra.ingest.context import AttemptContext
from hotfire_infra.ingest.records import write_coverage
from hotfire_infra.ingest.redaction import holds_secret
from hotfire_infra.store import results
from hotfire_infra.store.blobs import BlobStore, StoredBlob
from hotfire_infra.store.names import fault_of_names
from hotfire_testframework.contract.stream import Kind, Record

COVERAGE_MEDIA_TYPE = "application/x-hotfire-coverage+json"


@dataclass(frozen=True, slots=True, kw_only=True)
class Moved:
    """An artifact whose blob is on disk, ready to be named by a row."""

    record: Record
    blob: StoredBlob
    coverage: tuple[dict[str, Any], ...] = ()


def move_artifacts(
    blobs: BlobStore, spool: Spool, records: Sequence[Record]
) -> tuple[list[Moved], list[tuple[int, str]]]:
    """Move the files that records announce; return what came, and (seq, reason) of what did not."""
    moved: list[Moved] = []
    problems: list[tuple[int, str]] = []
    for record in records:
        if record.kind != Kind.ARTIFACT.value:
            continue
        try:
            moved.append(_move(blobs, spool, record))
        except (OSError, ValueError, KeyError, TypeError, BlobCorruptError) as error:
            problems.append((record.seq, f"artifact {record['name']!r}: {error}"))
    return moved, problems


def _move(blobs: BlobStore, spool: Spool, record: Record) -> Moved:
    path = spool.confined(record["path"])
    if path is None:
        raise ValueError(f"its path {record['path']!r} leads out of the attempt's directory")
    if holds_secret(path, spool.redactor()):
        raise ValueError("it holds a secret of the task, and was not stored")
    blob = blobs.put_file(path, expected=record["sha256"])
    is_coverage = record["media_type"] == COVERAGE_MEDIA_TYPE
    return Moved(record=record, blob=blob, coverage=_coverage(path) if is_coverage else ())


def _coverage(path: Path) -> tuple[dict[str, Any], ...]:
    """Read one coverage body or a list of them."""
    value = json.loads(path.read_bytes())
    bodies = value if isinstance(value, list) else [value]
    for body in bodies:
        for file in body["files"]:
            bytes.fromhex(file["executable"]), bytes.fromhex(file["hit"])
            str(body["suite"]), str(body["language"]), str(file["path"]), str(file["sha256"])
    return tuple(bodies)


def write_artifacts(
    connection: Connection, context: AttemptContext, moved: Sequence[Moved]
) -> list[tuple[int, str]]:
    """Name the blobs in rows; return (seq, reason) of what cannot be stored."""
    refused = []
    stored = []
    for item in moved:
        names = (item.record["name"], item.record["media_type"])
        if (fault := fault_of_names("artifact", *names)) is None:
            stored.append(item)
        else:
            refused.append((item.record.seq, fault))
    results.insert_rows(
        connection, results.BLOB, ((item.blob.sha256, item.blob.size) for item in stored)
    )
    results.insert_rows(
        connection,
        results.ARTIFACT,
        (
            (
                context.attempt_id,
                item.record["name"],
                item.blob.sha256,
                item.blob.size,
                item.record["media_type"],
            )
            for item in stored
        ),
    )
    for item in stored:
        for body in item.coverage:
            faults = write_coverage(connection, context, body)
            refused.extend((item.record.seq, fault) for fault in faults)
    return refused
