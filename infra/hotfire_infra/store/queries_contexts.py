"""SELECTs on which tests ran which files: the contexts in the coverage artifacts of earlier runs."""

from __future__ import annotations

import json
from collections.abc import Callable, Collection, Mapping, Sequence
from typing import Any

from sqlalchemy import Connection, Row, select

from hotfire_infra.errors import StoreError
from hotfire_infra.states import RunState
from hotfire_infra.store.models import Artifact, Attempt, Cell, Run, SourceStamp, Task
from hotfire_infra.store.queries_coverage import of_whole_cells
from hotfire_pipelines.changes import ContextFacts, FileContexts
from hotfire_pipelines.history import definition_of
from hotfire_testframework.runner.artifacts import COVERAGE_MEDIA_TYPE

Read = Callable[[str], bytes]
"""Of a digest: the content; StoreError where it is not there any more."""

_UNREADABLE = (StoreError, ValueError, KeyError, TypeError)


def contexts_of_files(
    connection: Connection, read: Read, revisions: Sequence[str], paths: Sequence[str]
) -> tuple[ContextFacts, ...]:
    """Return which tests of each cell ran `paths`, in its newest run that told them apart.

    `revisions` are commits, the nearest first; which runs count is as in `coverage_of_files`. They
    are read from the artifact that the suite left: one that was pruned or is broken tells nothing.
    """
    if not revisions or not paths:
        return ()
    found: list[ContextFacts] = []
    wanted = frozenset(paths)
    for row in _newest(connection, revisions).values():
        try:
            value = json.loads(read(row.sha256))
            bodies = value if isinstance(value, list) else [value]
            found += [_facts(row, body, wanted) for body in bodies if "tests" in body]
        except _UNREADABLE:
            continue
    return tuple(sorted(found, key=lambda one: (one.cell, one.suite)))


def _newest(connection: Connection, revisions: Sequence[str]) -> dict[tuple[str, str], Row[Any]]:
    """Return the nearest run of each cell and artifact name; of several runs the newest."""
    nearness = {revision: at for at, revision in enumerate(revisions)}
    query = of_whole_cells(
        select(
            Artifact.name, Artifact.sha256, Attempt.id, Run.number, SourceStamp.revision,
            Cell.key, Cell.platform, Task.spec,
        )
        .select_from(Artifact)
        .join(Attempt, Attempt.id == Artifact.attempt_id)
    ).join(Run, Run.id == Task.run_id).join(SourceStamp, SourceStamp.id == Run.source_stamp_id)  # fmt: skip
    query = query.where(
        Artifact.media_type == COVERAGE_MEDIA_TYPE,
        SourceStamp.revision.in_(list(nearness)),
        SourceStamp.patch_digest == "",
        Run.state == RunState.FINALIZED,
        # A shard knows its own tests only.
        Task.shards == 1,
    )
    best: dict[tuple[str, str], Row[Any]] = {}
    for row in connection.execute(query):
        known = best.get((row.key, row.name))
        if known is None or _rank(row, nearness) < _rank(known, nearness):
            best[row.key, row.name] = row
    return best


def _rank(row: Row[Any], nearness: Mapping[str, int]) -> tuple[int, int, int]:
    return nearness[row.revision], -row.number, -row.id


def _facts(row: Row[Any], body: Mapping[str, Any], paths: Collection[str]) -> ContextFacts:
    return ContextFacts(
        run=row.number,
        revision=row.revision,
        suite=str(body["suite"]),
        platform=row.platform,
        cell=row.key,
        definition=definition_of(row.spec),
        tests=tuple(str(test) for test in body["tests"]),
        files=tuple(
            FileContexts(
                path=file["path"],
                sha256=file["sha256"],
                tests=_mask(file["tests"]),
                shared=_mask(file["shared"]),
            )
            for file in body["files"]
            if file["path"] in paths and "tests" in file
        ),
    )


def _mask(hexadecimal: str) -> int:
    return int.from_bytes(bytes.fromhex(hexadecimal), "little")
