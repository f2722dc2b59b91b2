"""SELECTs on line coverage across runs: what earlier revisions executed of some files."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, Select, select

from hotfire_infra.states import AttemptState, RunState
from hotfire_infra.store.keys import key_table
from hotfire_infra.store.models import Attempt, Cell, Coverage, Run, SourceStamp, Task
from hotfire_pipelines.changes import LineFacts
from hotfire_testframework.contract.outcomes import Verdict


@dataclass(frozen=True, slots=True, kw_only=True)
class _Measured:
    """A run that measured one suite on one platform."""

    run_id: int
    number: int
    revision: str


def coverage_of_files(
    connection: Connection, revisions: Sequence[str], paths: Sequence[str]
) -> tuple[LineFacts, ...]:
    """Return what each suite executed of `paths`, per platform, in its newest run that counts.

    `revisions` are commits, the nearest first: of each suite and platform the first one with a
    finalized run of it, without uncommitted changes, counts; of several runs the newest. Only cells
    that passed, and left no test out, are asked: else a suite has lines missing. So it has where a
    test list ran in several processes, each of which wrote the same files.
    """
    newest = _newest(connection, revisions)
    if not newest or not paths:
        return ()
    runs = {measured.run_id: measured for measured in newest.values()}
    query = _counted(
        select(
            Coverage.run_id,
            Coverage.suite,
            Coverage.platform,
            Coverage.path,
            Coverage.file_sha256,
            Coverage.executable,
            Coverage.hit,
        )
    ).where(Coverage.run_id.in_(sorted(runs)), Coverage.path.in_(sorted(set(paths))))
    masks: dict[tuple[int, str, str, str, str], tuple[int, int]] = {}
    for row in connection.execute(query):
        if newest.get((row.suite, row.platform)) != runs[row.run_id]:
            continue
        key = (row.run_id, row.suite, row.platform, row.path, row.file_sha256)
        executable, hit = masks.get(key, (0, 0))
        masks[key] = (
            executable | int.from_bytes(row.executable, "little"),
            hit | int.from_bytes(row.hit, "little"),
        )
    return tuple(
        LineFacts(
            run=runs[run_id].number,
            revision=runs[run_id].revision,
            suite=suite,
            platform=platform,
            path=path,
            sha256=sha256,
            executable=executable,
            hit=hit,
        )
        for (run_id, suite, platform, path, sha256), (executable, hit) in sorted(masks.items())
    )


def _newest(connection: Connection, revisions: Sequence[str]) -> dict[tuple[str, str], _Measured]:
    nearness = {revision: at for at, revision in enumerate(revisions)}
    query = (
        _counted(
            select(
                Coverage.suite,
                Coverage.platform,
                Coverage.attempt_id,
                Run.id,
                Run.number,
                SourceStamp.revision,
            )
        )
        .join(Run, Run.id == Coverage.run_id)
        .join(SourceStamp, SourceStamp.id == Run.source_stamp_id)
        .where(
            SourceStamp.revision.in_(list(nearness)),
            SourceStamp.patch_digest == "",
            Run.state == RunState.FINALIZED,
        )
        .distinct()
    )
    best: dict[tuple[str, str], _Measured] = {}
    rows = connection.execute(query).all()
    parted = _in_parts(connection, {row.attempt_id for row in rows})
    lacking = {(row.suite, row.platform, row.id) for row in rows if row.attempt_id in parted}
    for row in rows:
        if (row.suite, row.platform, row.id) in lacking:
            continue
        found = _Measured(run_id=row.id, number=row.number, revision=row.revision)
        known = best.get((row.suite, row.platform))
        if known is None or _rank(found, nearness) < _rank(known, nearness):
            best[row.suite, row.platform] = found
    return best


def _in_parts(connection: Connection, attempts: Collection[int]) -> frozenset[int]:
    """Return which attempts ran their test list in several processes, as the runner cuts it."""
    if not attempts:
        return frozenset()
    wanted = key_table(connection, [(attempt,) for attempt in sorted(attempts)], "id")
    query = (
        select(Attempt.id, Task.spec["tests"].label("tests"))
        .join(wanted, wanted.c.id == Attempt.id)
        .join(Task, Task.id == Attempt.task_id)
    )
    found = set()
    for row in connection.execute(query):
        options = [
            entry["test"] if entry.get("isolation") else
            (entry.get("keyword"), entry.get("marker"), entry.get("timeout_s"))
            for entry in row.tests or ()
        ]  # fmt: skip
        if len(set(options)) > 1:
            found.add(row.id)
    return frozenset(found)


def _rank(measured: _Measured, nearness: dict[str, int]) -> tuple[int, int]:
    return nearness[measured.revision], -measured.number


def _counted(query: Select[*tuple[Any, ...]]) -> Select[*tuple[Any, ...]]:
    """Keep the coverage of attempts that count."""
    found = query.select_from(Coverage).join(Attempt, Attempt.id == Coverage.attempt_id)
    return of_whole_cells(found)


def of_whole_cells(query: Select[*tuple[Any, ...]]) -> Select[*tuple[Any, ...]]:
    """Keep attempts that count, in cells that passed with all of their tests."""
    return (
        query.join(Task, Task.id == Attempt.task_id)
        .join(Cell, Cell.id == Task.cell_id)
        .where(
            Attempt.purpose == "result",
            Attempt.invalidation_id.is_(None),
            Attempt.state == AttemptState.PASSED,
            Cell.verdict == Verdict.PASSED.value,
            Cell.left_out == 0,
        )
    )
