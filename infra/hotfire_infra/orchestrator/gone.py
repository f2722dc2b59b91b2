"""Expected tests that were not collected: taken out of the source, or lost in silence?

The inventory of a cell comes from an earlier run, perhaps of another source. A test is *gone* only
if the source of this run proves it: its file is not there, a word of its name occurs nowhere, or
it is collected under a new name. Everything else is missing, and stays expected until somebody
says otherwise: a suite that silently stopped collecting must never become green by itself.
"""

from __future__ import annotations

import json
import re
import tarfile
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from sqlalchemy import Connection, insert, select

from hotfire_infra.states import ATTEMPT_COUNTED
from hotfire_infra.store.database import Store
from hotfire_infra.store.models import (
    Attempt,
    Cell,
    Collected,
    Finding,
    Record,
    Result,
    Run,
    StreamProblem,
    Task,
    Test,
)
from hotfire_infra.store.rows import AttemptRow, CellRow, RunRow
from hotfire_pipelines.plan import Policy
from hotfire_testframework.contract.jsonform import from_json
from hotfire_testframework.contract.outcomes import Harness, Outcome
from hotfire_testframework.contract.stream import Kind

KIND = "gone"
"""Of the finding."""
FEW = 3
"""So many may be gone however small the suite is, as long as something is left of it."""
LISTS_ITS_OWN = (Harness.PYTEST.value, Harness.GTEST.value)
"""Harnesses whose tests are known only once they are collected; of the others the plan knows all."""
LARGEST_SOURCE = 2 << 20
SHOWN = 20
_WORD = re.compile(rb"[A-Za-z_][A-Za-z0-9_]*")


@dataclass(frozen=True, slots=True, kw_only=True)
class Absent:
    """What became of the tests of one cell that were expected and not collected."""

    gone: Mapping[int, str] = field(default_factory=dict)
    """Evidence by test: these need not report."""
    lost: Mapping[int, str] = field(default_factory=dict)
    """Why each of the others is missing."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Source:
    """What the archive of a run says about names."""

    modules: frozenset[str]
    words: frozenset[str]


def policy_of(store: Store, plan_sha256: str) -> Policy:
    """Return what the plan of a run says about its gate."""
    plan = json.loads(store.blobs.read(plan_sha256))
    return from_json(Policy, plan.get("policy", {}), "policy")


def judge_absent(
    store: Store,
    connection: Connection,
    run: RunRow,
    cell: CellRow,
    attempts: Sequence[AttemptRow],
    absent: Iterable[int],
    expected: int,
) -> Absent:
    """Sort the absent tests of a cell whose tasks are all over; `expected` is how many it had."""
    keys = sorted(absent)
    if not keys or not _lists_its_own(connection, cell):
        return Absent()
    policy = policy_of(store, run.plan_sha256)
    if policy.gone_tests != "report":
        return Absent()
    unclear = _why_unclear(connection, attempts)
    if unclear:
        return Absent(lost=dict.fromkeys(keys, unclear))
    seen = _seen_on_this_source(connection, run, cell, keys)
    names = _names(connection, keys)
    fresh = _fresh_names(connection, attempts, cell, store)
    source = _read_source(store, run.source.archive_sha256, names.values())
    moved = _moved({key: names[key] for key in keys if key not in seen}, fresh)
    gone: dict[int, str] = dict(moved)
    lost = {key: f"collected before from this very source, in run {seen[key]}" for key in seen}
    for key in keys:
        if key not in gone and key not in lost:
            proof = _proof(names[key], source)
            (gone if proof else lost)[key] = proof or "its name still stands in the source"
    return _bounded(gone, lost, moved, expected, policy.gone_share)


def note_gone(connection: Connection, run: RunRow, cell: CellRow, gone: Mapping[int, str]) -> None:
    """Tell the reader of the run which tests do not exist any more, and how that is known."""
    if not gone:
        return
    names = _names(connection, sorted(gone))
    listed = [{"test": names[key], "evidence": gone[key]} for key in sorted(gone)]
    first = f"{listed[0]['test']} ({listed[0]['evidence']})"
    more = f" and {len(listed) - 1} more" if len(listed) > 1 else ""
    text = f"{cell.key}: {len(listed)} expected {_tests(len(listed))} gone: {first}{more}"
    body = {"cell": cell.key, "tests": listed}
    row = insert(Finding).values(run_id=run.id, kind=KIND, text=text, body=body)
    connection.execute(row)


def _tests(count: int) -> str:
    return "test is" if count == 1 else "tests are"


def _bounded(
    gone: dict[int, str],
    lost: dict[int, str],
    moved: Mapping[int, str],
    expected: int,
    share: float,
) -> Absent:
    """Believe no proof when too much vanished at once; what moved has not vanished."""
    vanished = [key for key in gone if key not in moved]
    most = max(FEW, int(share * expected))
    if len(vanished) > most or (vanished and len(gone) + len(lost) >= expected + len(moved)):
        why = f"{len(vanished)} of {expected} tests vanished at once"
        lost |= dict.fromkeys(vanished, why)
        gone = dict(moved)
    return Absent(gone=gone, lost=lost)


def _lists_its_own(connection: Connection, cell: CellRow) -> bool:
    query = select(Task.spec).where(Task.cell_id == cell.id)
    harnesses = {spec.get("harness") for spec in connection.execute(query).scalars()}
    return bool(harnesses) and harnesses <= set(LISTS_ITS_OWN)


def _why_unclear(connection: Connection, attempts: Sequence[AttemptRow]) -> str:
    """Say why a collection cannot be trusted to be whole; empty if it can."""
    if not attempts or any(attempt.state not in ATTEMPT_COUNTED for attempt in attempts):
        return "not collected, and not all of the cell was executed"
    keys = [attempt.id for attempt in attempts]
    errored = select(Result.seq).where(
        Result.attempt_id.in_(keys), Result.outcome == Outcome.ERRORED.value
    )
    reported = select(Record.seq).where(
        Record.attempt_id.in_(keys), Record.kind == Kind.PROBLEM.value
    )
    broken = select(StreamProblem.offset).where(StreamProblem.attempt_id.in_(keys))
    for query in (errored, reported, broken):
        if connection.execute(query.limit(1)).first() is not None:
            return "not collected, and the collection or a fixture had errors"
    return ""


def _seen_on_this_source(
    connection: Connection, run: RunRow, cell: CellRow, keys: Sequence[int]
) -> dict[int, int]:
    """Return the newest run of the same source stamp in which this cell collected each test."""
    stamp = select(Run.source_stamp_id).where(Run.id == run.id).scalar_subquery()
    query = (
        select(Collected.test_id, Run.number)
        .join(Attempt, Attempt.id == Collected.attempt_id)
        .join(Task, Task.id == Attempt.task_id)
        .join(Cell, Cell.id == Task.cell_id)
        .join(Run, Run.id == Task.run_id)
        .where(
            Run.source_stamp_id == stamp,
            Cell.key == cell.key,
            Collected.test_id.in_(keys),
        )
        .order_by(Run.id)
    )
    return {row.test_id: row.number for row in connection.execute(query)}


def _names(connection: Connection, keys: Sequence[int]) -> dict[int, str]:
    query = select(Test.id, Test.module, Test.scheme, Test.name).where(Test.id.in_(keys))
    return {row.id: f"{row.module}/{row.scheme}/{row.name}" for row in connection.execute(query)}


def _fresh_names(
    connection: Connection, attempts: Sequence[AttemptRow], cell: CellRow, store: Store
) -> list[str]:
    """Return what was collected and nobody expected: the new names of what was renamed."""
    known = set(json.loads(store.blobs.read(cell.inventory_digest or "")))
    query = (
        select(Test.module, Test.scheme, Test.name)
        .join(Collected, Collected.test_id == Test.id)
        .where(Collected.attempt_id.in_([attempt.id for attempt in attempts]))
        .distinct()
    )
    found = ("/".join(parts) for parts in connection.execute(query))
    return sorted(name for name in found if name not in known)


def _moved(absent: Mapping[int, str], fresh: Sequence[str]) -> dict[int, str]:
    """Pair absent tests with new ones of the same function, each new one once."""
    by_function: dict[str, list[str]] = {}
    for name in fresh:
        by_function.setdefault(_function(name), []).append(name)
    wanted = Counter(_function(name) for name in absent.values())
    moved: dict[int, str] = {}
    for key, name in absent.items():
        found = by_function.get(_function(name), [])
        # Three lost and one new is no move: which of them moved cannot be said.
        if found and len(found) >= wanted[_function(name)]:
            moved[key] = f"collected as {found.pop(0)}"
            wanted[_function(name)] -= 1
    return moved


def _function(identifier: str) -> str:
    """Return what a person wrote: the function of pytest, `Suite.Name` of GoogleTest."""
    scheme, name = identifier.split("/", 2)[1:]
    plain = name.partition("[")[0].rpartition("::")[2]
    if scheme == "gtest":
        suite, _, case = plain.partition(".")
        plain = f"{suite.rpartition('/')[2]}.{case.partition('/')[0]}"
    return plain


def _proof(identifier: str, source: _Source | None) -> str:
    """Return why the source cannot hold the test any more; empty: it may."""
    if source is None:
        return ""
    module, scheme, name = identifier.split("/", 2)
    if scheme == "pytest" and not any(
        known == module or known.endswith(f".{module}") for known in source.modules
    ):
        return "its file is not in the source"
    for word in _words(name):
        if word not in source.words:
            return f"{word!r} occurs nowhere in the source"
    return ""


def _words(name: str) -> list[str]:
    return [word.decode() for word in _WORD.findall(name.encode()) if len(word) > 1]


def _read_source(store: Store, archive: str | None, names: Iterable[str]) -> _Source | None:
    """Look for modules and for the words of `names` in the source archive; None without one."""
    if archive is None or not store.blobs.path(archive).exists():
        return None
    wanted = {word for name in names for word in _words(name.split("/", 2)[2])}
    modules: set[str] = set()
    words: set[str] = set()
    with tarfile.open(store.blobs.path(archive)) as tar:
        for member in tar:
            if member.name.endswith(".py"):
                parts = [part for part in Path(member.name[:-3]).parts if part not in (".", "..")]
                modules.add(".".join(parts))
            if member.isreg() and member.size <= LARGEST_SOURCE and wanted - words:
                words |= _words_of(tar, member) & wanted
    return _Source(modules=frozenset(modules), words=frozenset(words))


def _words_of(tar: tarfile.TarFile, member: tarfile.TarInfo) -> set[str]:
    file: Any = tar.extractfile(member)
    content: bytes = file.read()
    return {word.decode() for word in set(_WORD.findall(content))}
