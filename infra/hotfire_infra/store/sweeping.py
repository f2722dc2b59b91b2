"""Blobs that no row names: removed after a grace, and never one whose row is on the way.

Whoever stores content that is there already touches its file first. The sweep moves a file aside,
looks at its time once more, and puts it back if it was touched: either the touch was in time, or it
failed and the content was written anew.
"""

from __future__ import annotations

import os
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

from sqlalchemy import Connection, delete, select

from hotfire_infra.store.blobs import BlobStore
from hotfire_infra.store.database import Store
from hotfire_infra.store.models import (
    Artifact,
    Attempt,
    Blob,
    Inventory,
    LogChunk,
    Run,
    SourceStamp,
    Task,
)

BATCH = 500


@dataclass(frozen=True, slots=True, kw_only=True)
class Sweep:
    """Blobs that go, or went."""

    blobs: int
    bytes: int


def sweep_blobs(
    store: Store,
    *,
    grace_s: float,
    dry_run: bool,
    without: Mapping[str, frozenset[int]] | None = None,
) -> Sweep:
    """Remove blobs that no row names and nobody touched within the grace.

    `without`: the runs whose logs and artifacts a dry run pretends to have pruned.
    """
    with store.reading() as connection:
        needed = needed_blobs(connection, (without or {}) if dry_run else {})
    before = time.time() - grace_s
    old = (found for found in _old_files(store.blobs, before) if found[0].name not in needed)
    count = size = 0
    while some := list(islice(old, BATCH)):
        went = Sweep(blobs=len(some), bytes=sum(bytes_ for _, bytes_ in some))
        if not dry_run:
            went = _remove(store, some, before)
        count, size = count + went.blobs, size + went.bytes
    return Sweep(blobs=count, bytes=size)


def needed_blobs(connection: Connection, without: Mapping[str, frozenset[int]]) -> frozenset[str]:
    """Return the digests that rows name, apart from the catalogue of blobs itself."""
    needed: set[str | None] = set()
    for column in (Run.plan_sha256, Inventory.sha256, SourceStamp.archive_sha256):
        needed.update(connection.execute(select(column)).scalars())
    for kind, model in (("logs", LogChunk), ("artifacts", Artifact)):
        of_runs = (
            select(model.sha256, Task.run_id)
            .join(Attempt, Attempt.id == model.attempt_id)
            .join(Task, Task.id == Attempt.task_id)
        )
        gone = without.get(kind, frozenset())
        needed.update(
            sha256 for sha256, run_id in connection.execute(of_runs) if run_id not in gone
        )
    return frozenset(sha256 for sha256 in needed if sha256 is not None)


def _old_files(blobs: BlobStore, before: float) -> Iterator[tuple[Path, int]]:
    root = blobs.root / "sha256"
    if not root.is_dir():
        return
    for folder in sorted(root.iterdir()):
        for entry in sorted(os.scandir(folder), key=lambda item: item.name):
            found = entry.stat()
            if found.st_mtime < before:
                yield Path(entry.path), found.st_size


def _remove(store: Store, candidates: Sequence[tuple[Path, int]], before: float) -> Sweep:
    """Remove files of which still no row names the digest; return what went."""
    with store.writing() as connection:
        named = _named_of(connection, [path.name for path, _ in candidates])
        going = [(path, size) for path, size in candidates if path.name not in named]
        digests = [path.name for path, _ in going]
        connection.execute(delete(Blob).where(Blob.sha256.in_(digests)))
    count = total = 0
    aside = store.blobs.root / "incoming"
    aside.mkdir(parents=True, exist_ok=True)
    for path, size in going:
        moved = aside / f"swept-{path.name}"
        path.rename(moved)
        if moved.stat().st_mtime >= before:
            moved.rename(path)
            continue
        moved.unlink()
        count, total = count + 1, total + size
    return Sweep(blobs=count, bytes=total)


def _named_of(connection: Connection, digests: Sequence[str]) -> set[str | None]:
    named: set[str | None] = set()
    for column in (
        Artifact.sha256,
        LogChunk.sha256,
        Run.plan_sha256,
        Inventory.sha256,
        SourceStamp.archive_sha256,
    ):
        named.update(connection.execute(select(column).where(column.in_(digests))).scalars())
    return named
