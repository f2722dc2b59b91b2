"""What may go: rows of old runs by kind, then blobs that no row names any more.

Never what somebody still needs: an open run or one that it descends from, a held machine, the origin
of a reused result, the inventory that the next plan expects, the baseline of a series. Runs, cells,
tasks, attempts and their history stay; months remain as rollups, which are made first.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, Table, cast, func, select
from sqlalchemy.orm import aliased
from sqlalchemy.types import LargeBinary, Text

from hotfire_infra.sections.retention import KeepSection, RetentionSection
from hotfire_infra.states import RUN_LIVE
from hotfire_infra.store.access_retention import ACCESS_TABLES, count_old, remove_old
from hotfire_infra.store.backup import maintenance
from hotfire_infra.store.database import Store
from hotfire_infra.store.models import (
    AccuracySample,
    Artifact,
    Attempt,
    Base,
    Collected,
    Coverage,
    Hold,
    LogChunk,
    Measurement,
    Message,
    Outbox,
    Record,
    RecordedInventory,
    Result,
    Run,
    StreamProblem,
    Task,
    Verdict,
)
from hotfire_infra.store.removal import (
    drop_months,
    portions,
    remove_messages,
    remove_rows,
    without_reader,
)
from hotfire_infra.store.rollups import months_to_roll_up, roll_up
from hotfire_infra.store.sweeping import Sweep, sweep_blobs

DAY_NS = 86_400_000_000_000
RUNS_AT_ONCE = 20
"""Runs whose rows are counted in one statement."""

KINDS: dict[str, tuple[type[Base], ...]] = {
    "results": (Verdict, Result, Collected, Record, StreamProblem, AccuracySample, Coverage),
    "measurements": (Measurement,),
    "logs": (LogChunk,),
    "artifacts": (Artifact,),
    "events": (Outbox,),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Portion:
    """Rows of one table that go, or went."""

    kind: str
    table: str
    runs: int
    rows: int
    bytes: int
    """Of their values; the file shrinks less, its pages are used again."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Pruning:
    """What a prune takes away."""

    portions: tuple[Portion, ...]
    blobs: Sweep


def prune(store: Store, policy: RetentionSection, now_ns: int, *, dry_run: bool) -> Pruning:
    """Take away what the policy does not keep; with `dry_run` only say what that is."""
    with maintenance(store.home):
        with store.reading() as connection:
            chosen = {kind: runs_to_prune(connection, policy, kind, now_ns) for kind in KINDS}
            counted = tuple(
                _portion(connection, kind, model, runs)
                for kind, runs in chosen.items()
                for model in KINDS[kind]
            )
            if policy.results.has_rule:
                counted += (_messages(connection, chosen["results"]),)
            counted += _access(connection, policy, now_ns)
            going = sorted({*chosen["results"], *chosen["measurements"]})
            months = months_to_roll_up(connection, now_ns, going)
        if not dry_run:
            roll_up(store, now_ns, months)
            drop_months(store, chosen["measurements"], now_ns)
            for kind, runs in chosen.items():
                for model in KINDS[kind]:
                    remove_rows(store, model, runs)
            if policy.results.has_rule:
                remove_messages(store)
            prune_access(store, policy, now_ns)
        gone = {kind: frozenset(chosen[kind]) for kind in ("logs", "artifacts")}
        blobs = sweep_blobs(store, grace_s=policy.grace_hours * 3600, dry_run=dry_run, without=gone)
    return Pruning(portions=tuple(portion for portion in counted if portion.rows), blobs=blobs)


def prune_access(store: Store, policy: RetentionSection, now_ns: int) -> int:
    """Take away what names people and is older than it is kept; return how many rows went."""
    if policy.access_days is None:
        return 0
    return remove_old(store, now_ns - policy.access_days * DAY_NS)


def runs_to_prune(
    connection: Connection, policy: RetentionSection, kind: str, now_ns: int
) -> list[int]:
    """Return the runs whose rows of a kind go, oldest first."""
    keep: KeepSection = getattr(policy, kind)
    if keep.days is None and keep.runs is None:
        return []
    newest = keep.runs or 0
    if kind == "measurements":
        newest = max(newest, policy.baseline_runs)
    place = func.row_number().over(partition_by=Run.pipeline, order_by=Run.id.desc())
    finished = select(Run.id, Run.created_ns, place.label("place")).where(
        Run.state.not_in(RUN_LIVE)
    )
    ranked = finished.subquery()
    query = select(ranked.c.id).where(ranked.c.place > newest).order_by(ranked.c.id)
    if keep.days is not None:
        query = query.where(ranked.c.created_ns < now_ns - keep.days * DAY_NS)
    needed = needed_runs(connection)
    return [run_id for run_id in connection.execute(query).scalars() if run_id not in needed]


def needed_runs(connection: Connection) -> frozenset[int]:
    """Return the runs of which nothing may go, whatever their age."""
    # With None in it, where a run has no parent.
    needed: set[int] = set()
    for query in _needs():
        needed.update(connection.execute(query).scalars())
    return frozenset(needed)


def _needs() -> Iterator[Any]:
    yield select(Run.id).where(Run.state.in_(RUN_LIVE))
    # An open retry reads what its parent found.
    yield select(Run.parent_run_id).where(Run.state.in_(RUN_LIVE))
    yield (
        select(Task.run_id)
        .join(Attempt, Attempt.task_id == Task.id)
        .join(Hold, Hold.attempt_id == Attempt.id)
        .where(Hold.released_ns.is_(None))
    )
    reusing = aliased(Task)
    yield (
        select(Task.run_id)
        .join(Attempt, Attempt.task_id == Task.id)
        .join(reusing, reusing.origin_attempt_id == Attempt.id)
    )
    yield select(RecordedInventory.run_id)


def _rows_of(model: type[Base], runs: Sequence[int]) -> Any:
    table = model.__table__
    if model in (Verdict, Outbox):
        return table.c.run_id.in_(runs)
    attempts = (
        select(Attempt.id).join(Task, Task.id == Attempt.task_id).where(Task.run_id.in_(runs))
    )
    return table.c.attempt_id.in_(attempts)


def _portion(connection: Connection, kind: str, model: type[Base], runs: Sequence[int]) -> Portion:
    rows = size = 0
    width = _width(model.__table__)  # type: ignore[arg-type]  # every model has a real table
    for some in portions(runs, RUNS_AT_ONCE):
        query = select(func.count(), func.coalesce(func.sum(width), 0)).select_from(model.__table__)
        more, bytes_ = connection.execute(query.where(_rows_of(model, some))).one()
        rows, size = rows + more, size + int(bytes_)
    return Portion(kind=kind, table=model.__tablename__, runs=len(runs), rows=rows, bytes=size)


def _messages(connection: Connection, runs: Sequence[int]) -> Portion:
    """Return the messages that nobody needs once the results of some runs are gone."""
    width = _width(Message.__table__)  # type: ignore[arg-type]  # every model has a real table
    query = select(func.count(), func.coalesce(func.sum(width), 0)).select_from(Message)
    rows, size = connection.execute(query.where(without_reader(connection, runs))).one()
    return Portion(kind="results", table="message", runs=len(runs), rows=int(rows), bytes=int(size))


def _access(connection: Connection, policy: RetentionSection, now_ns: int) -> tuple[Portion, ...]:
    if policy.access_days is None:
        return ()
    found = []
    for model in ACCESS_TABLES:
        before_ns = now_ns - policy.access_days * DAY_NS
        width = _width(model.__table__)  # type: ignore[arg-type]  # every model has a real table
        rows, size = count_old(connection, model, before_ns, width)
        found.append(
            Portion(kind="access", table=model.__tablename__, runs=0, rows=rows, bytes=int(size))
        )
    return tuple(found)


def _width(table: Table) -> Any:
    """Return the bytes of a row: eight for a number, its length for anything else."""
    total: Any = 0
    for column in table.columns:
        python: Callable[[], Any] = getattr(column.type, "impl", column.type).python_type
        if python in (int, float, bool):
            total = total + 8
        elif isinstance(column.type, LargeBinary):
            total = total + func.coalesce(func.length(column), 0)
        else:
            total = total + func.coalesce(func.length(cast(column, Text)), 0)
    return total
