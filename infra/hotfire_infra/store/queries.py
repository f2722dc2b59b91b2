"""Every SELECT on runs that a reader needs, each named as the question it answers."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

from sqlalchemy import Connection, Row, Select, bindparam, func, or_, select
from sqlalchemy.orm import aliased

from hotfire_infra.errors import AmbiguousRunError, RunNotFoundError
from hotfire_infra.states import ATTEMPT_LIVE, RUN_LIVE
from hotfire_infra.store.models import (
    Attempt,
    Base,
    Cell,
    Inventory,
    Lock,
    LogChunk,
    Message,
    Outbox,
    RecordedInventory,
    Result,
    Run,
    SourceStamp,
    Task,
    Test,
    Variant,
    Verdict,
)
from hotfire_infra.store.prepared import prepare
from hotfire_infra.store.queries_pending import pending_of_cells, still_pending
from hotfire_infra.store.rows import (
    AttemptRow,
    CellRow,
    EventRow,
    HolderRow,
    RunRow,
    RunSnapshot,
    SourceRow,
    TaskRow,
    TestRow,
)

SHORTEST_PREFIX = 4
LATEST = {"latest", "@latest"}
_Parent = aliased(Run)
_Successor = aliased(Run)


def _columns(model: type[Base]) -> list[Any]:
    return list(model.__table__.c)


def _runs() -> Select[Any]:
    return (
        select(
            *_columns(Run),
            *_source_columns(),
            _Parent.number.label("parent_number"),
            _Successor.number.label("superseded_by_number"),
        )
        .join(SourceStamp, SourceStamp.id == Run.source_stamp_id)
        .outerjoin(_Parent, _Parent.id == Run.parent_run_id)
        .outerjoin(_Successor, _Successor.id == Run.superseded_by_run_id)
    )


def _source_columns() -> list[Any]:
    return [
        SourceStamp.repository,
        SourceStamp.revision,
        SourceStamp.patch_digest,
        SourceStamp.subject,
        SourceStamp.archive_sha256,
    ]


def _run_row(row: Row[Any]) -> RunRow:
    return RunRow(
        id=row.id,
        ulid=row.ulid,
        number=row.number,
        pipeline=row.pipeline,
        plan_digest=row.plan_digest,
        plan_sha256=row.plan_sha256,
        state=row.state,
        verdict=row.verdict,
        reasons=tuple(row.reason.splitlines()),
        headline=row.headline,
        parent_number=row.parent_number,
        requested_by=row.requested_by,
        created_ns=row.created_ns,
        started_ns=row.started_ns,
        finalized_ns=row.finalized_ns,
        cancel_requested_ns=row.cancel_requested_ns,
        priority=row.priority,
        team=row.team,
        change=row.change,
        hold_seconds=row.hold_seconds,
        is_trusted=row.is_trusted,
        superseded_by_number=row.superseded_by_number,
        devices=(row.options or {}).get("devices", {}),
        source=SourceRow(
            repository=row.repository,
            revision=row.revision,
            patch_digest=row.patch_digest,
            subject=row.subject,
            archive_sha256=row.archive_sha256,
        ),
    )


def newest_runs(
    connection: Connection,
    *,
    limit: int = 20,
    pipeline: str | None = None,
    before: int | None = None,
) -> tuple[RunRow, ...]:
    """Return the newest runs that were asked for, perhaps of one pipeline, or before a number."""
    query = _runs().where(Run.purpose == "result").order_by(Run.id.desc()).limit(limit)
    if before is not None:
        query = query.where(Run.number < before)
    if pipeline is not None:
        query = query.where(Run.pipeline == pipeline)
    return tuple(_run_row(row) for row in connection.execute(query))


def unfinished_runs(connection: Connection) -> tuple[RunRow, ...]:
    """Return the runs that are not over, oldest first."""
    query = _runs().where(Run.state.in_(RUN_LIVE)).order_by(Run.id)
    return tuple(_run_row(row) for row in connection.execute(query))


def run_by_id(connection: Connection, run_id: int) -> RunRow:
    """Return the run with this surrogate."""
    return _run_row(connection.execute(_runs().where(Run.id == run_id)).one())


def find_run(connection: Connection, ref: str) -> RunRow:
    """Return the run that people call `ref`: latest, a number, a ULID or a prefix of one."""
    if ref in LATEST:
        found = newest_runs(connection, limit=1)
    else:
        found = _runs_called(connection, ref.removeprefix("#"))
    if len(found) > 1:
        names = ", ".join(f"{run.number} ({run.ulid})" for run in found)
        raise AmbiguousRunError(f"{ref!r} begins the ids of several runs: {names}; add a few signs")
    if not found:
        newest = newest_runs(connection, limit=1)
        known = f"the newest is {newest[0].number}" if newest else "there is none yet"
        raise RunNotFoundError(f"no run is called {ref!r}; {known}. List them with `hotfire ps`")
    return found[0]


def _runs_called(connection: Connection, ref: str) -> tuple[RunRow, ...]:
    if ref.isdecimal() and len(ref) < 12:
        by_number = connection.execute(_runs().where(Run.number == int(ref))).all()
        if by_number:
            return tuple(_run_row(row) for row in by_number)
    prefix = ref.upper()
    if len(prefix) < SHORTEST_PREFIX or not prefix.isalnum():
        return ()
    query = _runs().where(Run.ulid.startswith(prefix, autoescape=True)).limit(5)
    return tuple(_run_row(row) for row in connection.execute(query))


def snapshot(connection: Connection, run_id: int) -> RunSnapshot:
    """Return a run with its cells and tasks in the order of the plan."""
    return RunSnapshot(
        run=run_by_id(connection, run_id),
        cells=cells_of(connection, run_id),
        tasks=tasks_of(connection, run_id),
    )


def cells_of(connection: Connection, run_id: int) -> tuple[CellRow, ...]:
    """Return the cells of a run with counts of attempts and of tests by verdict."""
    tests = _test_counts(connection, run_id)
    spans = _attempt_spans(connection, run_id)
    pending = pending_of_cells(connection, run_id)
    query = (
        select(*_columns(Cell), Variant.axes, Variant.hash, Inventory.tests.label("expected"))
        .join(Variant, Variant.id == Cell.variant_id)
        .outerjoin(Inventory, Inventory.digest == Cell.inventory_digest)
        .where(Cell.run_id == run_id)
        .order_by(Cell.id)
    )
    cells = []
    for row in connection.execute(query):
        attempts, started_ns, ended_ns = spans.get(row.id, (0, None, None))
        cells.append(
            CellRow(
                id=row.id,
                key=row.key,
                task=row.task,
                platform=row.platform,
                variant=row.axes,
                variant_hash=row.hash,
                variant_id=row.variant_id,
                required=row.required,
                requires=row.requires,
                state=row.state,
                verdict=row.verdict,
                reason=row.reason,
                failure_class=row.failure_class,
                inventory_digest=row.inventory_digest,
                expected=row.expected,
                left_out=row.left_out,
                attempts=attempts,
                tests=tests.get(row.id, {}),
                started_ns=started_ns,
                ended_ns=ended_ns,
                pending=pending.get(row.id, ""),
            )
        )
    return tuple(cells)


def _test_counts(connection: Connection, run_id: int) -> dict[int, dict[str, int]]:
    """Count verdicts per cell; for a cell without verdicts yet, results that have come in."""
    decided = (
        select(Verdict.cell_id, Verdict.verdict, func.count())
        .where(Verdict.run_id == run_id)
        .group_by(Verdict.cell_id, Verdict.verdict)
    )
    counts: dict[int, dict[str, int]] = {}
    for cell_id, word, count in connection.execute(decided):
        counts.setdefault(cell_id, {})[word] = count
    running = (
        select(Task.cell_id, Result.outcome, func.count(Result.test_id.distinct()))
        .join(Attempt, Attempt.id == Result.attempt_id)
        .join(Task, Task.id == Attempt.task_id)
        .join(Cell, Cell.id == Task.cell_id)
        .where(
            Task.run_id == run_id,
            Cell.verdict.is_(None),
            Attempt.state.in_(ATTEMPT_LIVE),
            Attempt.purpose == "result",
        )
        .group_by(Task.cell_id, Result.outcome)
    )
    for cell_id, word, count in connection.execute(running):
        counts.setdefault(cell_id, {}).setdefault(word, count)
    return counts


def _attempt_spans(
    connection: Connection, run_id: int
) -> dict[int, tuple[int, int | None, int | None]]:
    query = (
        select(
            Task.cell_id,
            func.count(Attempt.id),
            func.min(Attempt.started_ns),
            func.max(Attempt.ended_ns),
        )
        .join(Attempt, Attempt.task_id == Task.id)
        .where(Task.run_id == run_id, Attempt.purpose == "result")
        .group_by(Task.cell_id)
    )
    return {cell: (count, start, end) for cell, count, start, end in connection.execute(query)}


def tasks_of(connection: Connection, run_id: int) -> tuple[TaskRow, ...]:
    """Return the tasks of a run in the order of the plan."""
    # Specifications are large (they hold the case lines) and never needed in a list.
    columns = [column for column in _columns(Task) if column.key != "spec"]
    query = select(*columns, still_pending()).where(Task.run_id == run_id).order_by(Task.id)
    return tuple(
        TaskRow(
            id=row.id,
            run_id=row.run_id,
            cell_id=row.cell_id,
            key=row.key,
            shard=row.shard,
            shards=row.shards,
            state=row.state,
            resolution=row.resolution,
            reason=row.reason,
            requested_digest=row.requested_digest,
            pending=row.still_pending,
            queued_ns=row.queued_ns,
            origin_attempt_id=row.origin_attempt_id,
        )
        for row in connection.execute(query)
    )


def _attempts() -> Select[Any]:
    return select(*_columns(Attempt), Task.key.label("task_key"), Task.cell_id, Task.run_id).join(
        Task, Task.id == Attempt.task_id
    )


def _attempt_row(row: Row[Any]) -> AttemptRow:
    fields = AttemptRow.__dataclass_fields__
    values = {name: getattr(row, name) for name in fields if name != "in_flight"}
    return AttemptRow(**values, in_flight=tuple(row.in_flight or ()))


def attempts_of(
    connection: Connection, run_id: int, *, cell_key: str | None = None
) -> tuple[AttemptRow, ...]:
    """Return the attempts of a run, oldest first, perhaps of one cell."""
    query = _attempts().where(Task.run_id == run_id).order_by(Attempt.id)
    if cell_key is not None:
        query = query.join(Cell, Cell.id == Task.cell_id).where(Cell.key == cell_key)
    return tuple(_attempt_row(row) for row in connection.execute(query))


def origins_of_cell(connection: Connection, run_id: int, cell_key: str) -> tuple[AttemptRow, ...]:
    """Return the attempts, of other runs, whose results stand for reused tasks of a cell."""
    origins = (
        select(Task.origin_attempt_id)
        .join(Cell, Cell.id == Task.cell_id)
        .where(Cell.run_id == run_id, Cell.key == cell_key, Task.origin_attempt_id.is_not(None))
    )
    query = _attempts().where(Attempt.id.in_(origins)).order_by(Attempt.id)
    return tuple(_attempt_row(row) for row in connection.execute(query))


def live_attempts(connection: Connection) -> tuple[AttemptRow, ...]:
    """Return the attempts that are leased or started, oldest first."""
    query = _attempts().where(Attempt.state.in_(ATTEMPT_LIVE)).order_by(Attempt.id)
    return tuple(_attempt_row(row) for row in connection.execute(query))


def live_strangers(connection: Connection) -> tuple[AttemptRow, ...]:
    """Return the live attempts that count for no run under way, oldest first."""
    query = _attempts().join(Run, Run.id == Task.run_id).where(Attempt.state.in_(ATTEMPT_LIVE))
    query = query.where(or_(Attempt.purpose != "result", Run.state.not_in(RUN_LIVE)))
    return tuple(_attempt_row(row) for row in connection.execute(query.order_by(Attempt.id)))


def attempt_by_ulid(connection: Connection, ulid: str) -> AttemptRow | None:
    """Return the attempt with this id."""
    row = _ATTEMPT_BY_ULID.row(connection, the_ulid=ulid)
    if row is None:
        return None
    values = dict(zip(_ATTEMPT_COLUMNS, row, strict=True))
    return AttemptRow(**{**values, "in_flight": tuple(values["in_flight"] or ())})


# The orchestrator asks this after every step; building it costs more than executing it.
_ATTEMPT_COLUMNS = tuple(AttemptRow.__dataclass_fields__)
_ATTEMPT_BY_ULID = prepare(
    select(*(_attempts().selected_columns[name] for name in _ATTEMPT_COLUMNS))
    .join(Task, Task.id == Attempt.task_id)
    .where(Attempt.ulid == bindparam("the_ulid"))
)


def verdicts_of(
    connection: Connection,
    run_id: int,
    *,
    verdicts: Sequence[str] | None = None,
    cell_key: str | None = None,
) -> tuple[TestRow, ...]:
    """Return the verdicts of a run's tests with the result that decided each."""
    query = verdict_rows(run_id).order_by(Verdict.cell_id, Test.module, Test.scheme, Test.name)
    if verdicts is not None:
        query = query.where(Verdict.verdict.in_(verdicts))
    if cell_key is not None:
        query = query.where(Cell.key == cell_key)
    return tuple(test_row(row) for row in connection.execute(query))


def verdict_rows(run_id: int) -> Select[Any]:
    """Return the query for the verdicts of a run with the result that decided each."""
    detail = aliased(Message)
    return (
        select(
            *_columns(Verdict),
            Test.module,
            Test.scheme,
            Test.name,
            Cell.key.label("cell_key"),
            Message.text.label("message"),
            detail.text.label("detail"),
            Result.environment_class,
            Result.metrics,
            Attempt.ulid.label("attempt_ulid"),
        )
        .join(Test, Test.id == Verdict.test_id)
        .join(Cell, Cell.id == Verdict.cell_id)
        .outerjoin(Message, Message.id == Verdict.message_id)
        .outerjoin(Attempt, Attempt.id == Verdict.attempt_id)
        .outerjoin(Result, (Result.attempt_id == Verdict.attempt_id) & (Result.seq == Verdict.seq))
        .outerjoin(detail, detail.id == Result.detail_id)
        .where(Verdict.run_id == run_id)
    )


def test_row(row: Row[Any]) -> TestRow:
    """Return a row of `verdict_rows` as the value that readers get."""
    return TestRow(
        test=f"{row.module}/{row.scheme}/{row.name}",
        cell_id=row.cell_id,
        cell_key=row.cell_key,
        verdict=row.verdict,
        failure_class=row.failure_class,
        tries=row.tries,
        duration_ns=row.duration_ns,
        message=row.message or "",
        detail=row.detail or "",
        environment_class=row.environment_class,
        metrics=row.metrics or {},
        attempt_ulid=row.attempt_ulid,
        is_new=row.is_new,
    )


def events_after(connection: Connection, run_id: int, event_id: int) -> tuple[EventRow, ...]:
    """Return what watchers of a run have not seen yet."""
    query = (
        select(Outbox.id, Outbox.topic, Outbox.payload, Outbox.created_ns)
        .where(Outbox.run_id == run_id, Outbox.id > event_id)
        .order_by(Outbox.id)
    )
    return tuple(
        EventRow(id=key, topic=topic, payload=payload, created_ns=at_ns)
        for key, topic, payload, at_ns in connection.execute(query)
    )


def holder_of(connection: Connection, name: str) -> HolderRow | None:
    """Return who holds a lock row; nobody does once it is released."""
    row = connection.execute(select(Lock).where(Lock.name == name)).one_or_none()
    if row is None or not row.holder:
        return None
    info = row.info
    return HolderRow(
        holder=row.holder,
        boot_id=row.boot_id,
        pid=int(info.get("pid", 0)),
        host=str(info.get("host", "")),
        command=str(info.get("command", "")),
    )


def last_inventory(connection: Connection, pipeline: str, cell_key: str) -> str | None:
    """Return the digest (and blob) of what a cell last collected in a run that finished it."""
    return connection.execute(
        select(RecordedInventory.digest).where(
            RecordedInventory.pipeline == pipeline, RecordedInventory.cell_key == cell_key
        )
    ).scalar()


def parse_inventory(content: bytes) -> tuple[str, ...]:
    """Read the blob of an inventory."""
    return tuple(json.loads(content))


def log_chunks(
    connection: Connection, attempt_id: int, stream: str, offset: int
) -> tuple[tuple[int, int, str], ...]:
    """Return (offset, size, sha256) of the chunks that reach beyond a byte."""
    query = (
        select(LogChunk.offset, LogChunk.size, LogChunk.sha256)
        .where(
            LogChunk.attempt_id == attempt_id,
            LogChunk.stream == stream,
            LogChunk.offset + LogChunk.size > offset,
        )
        .order_by(LogChunk.offset)
    )
    return tuple((start, size, digest) for start, size, digest in connection.execute(query))
