"""SELECTs of one page of a list: by the keys of the item before, never by an offset."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from sqlalchemy import Connection, Select, bindparam, func, select

from hotfire_infra.store import queries, queries_pages
from hotfire_infra.store.models import (
    Artifact,
    Attempt,
    Cell,
    Device,
    DeviceEvidence,
    Exoneration,
    Firing,
    Hold,
    Inventory,
    Outbox,
    RecordedInventory,
    Request,
    Run,
    Schedule,
    Task,
    Test,
    Verdict,
)
from hotfire_infra.store.queries_pending import still_pending
from hotfire_infra.store.rows import AttemptRow, EventRow, TestRow

Rows = tuple[dict[str, Any], ...]


def _plain(connection: Connection, query: Any) -> Rows:
    return tuple(dict(row._mapping) for row in connection.execute(query))


def attempts_page(
    connection: Connection, run_id: int, *, limit: int, after: int = 0, cell: str | None = None
) -> tuple[AttemptRow, ...]:
    """Return attempts of a run, oldest first, behind the surrogate `after`."""
    query = (
        queries._attempts()
        .where(Task.run_id == run_id, Attempt.id > after)
        .order_by(Attempt.id)
        .limit(limit)
    )
    if cell is not None:
        query = query.join(Cell, Cell.id == Task.cell_id).where(Cell.key == cell)
    return tuple(queries._attempt_row(row) for row in connection.execute(query))


def attempt_by_id(connection: Connection, attempt_id: int) -> AttemptRow:
    """Return the attempt with this surrogate."""
    row = connection.execute(_ATTEMPT_BY_ID, {"the_id": attempt_id}).one()
    return queries._attempt_row(row)


# It comes with every batch that is stored: building it costs more than executing it.
_ATTEMPT_BY_ID = queries._attempts().where(Attempt.id == bindparam("the_id"))


def verdict_keys(
    connection: Connection,
    run_id: int,
    *,
    limit: int,
    after: tuple[int, int] = (0, 0),
    verdicts: Sequence[str] | None = None,
    cell: str | None = None,
) -> tuple[tuple[int, int], ...]:
    """Return (cell, test) of verdicts of a run behind those keys, in the order of the key."""
    cell_id = None
    if cell is not None:
        query = select(Cell.id).where(Cell.run_id == run_id, Cell.key == cell)
        cell_id = connection.execute(query).scalar()
        if cell_id is None:
            return ()
    page = queries_pages.verdicts_page(
        connection, run_id, limit=limit, after=after, verdicts=verdicts, cell_id=cell_id
    )
    return tuple((key[0], key[1]) for key in page.items)


def tests_page(
    connection: Connection, run_id: int, keys: Sequence[tuple[int, int]]
) -> tuple[TestRow, ...]:
    """Return the verdicts with these (cell, test) keys, in their order."""
    if not keys:
        return ()
    query = queries.verdict_rows(run_id).where(
        Verdict.cell_id.in_({cell for cell, _ in keys}),
        Verdict.test_id.in_({test for _, test in keys}),
    )
    found = {(row.cell_id, row.test_id): queries.test_row(row) for row in connection.execute(query)}
    return tuple(found[key] for key in keys if key in found)


def _requests() -> Select[Any]:
    columns: list[Any] = [
        Request.id, Request.ulid, Request.kind, Run.ulid.label("run"), Request.payload,
        Request.state, Request.reason, Request.requested_by, Request.created_ns,
    ]  # fmt: skip
    return select(*columns).select_from(Request).outerjoin(Run, Run.id == Request.run_id)


def request_called(connection: Connection, ulid: str) -> dict[str, Any]:
    """Return the request with this ULID."""
    return _plain(connection, _requests().where(Request.ulid == ulid))[0]


def requests_page(
    connection: Connection, *, limit: int, before: int | None = None, run_id: int | None = None
) -> Rows:
    """Return recorded requests, newest first."""
    query = _requests().order_by(Request.id.desc()).limit(limit)
    if before is not None:
        query = query.where(Request.id < before)
    if run_id is not None:
        query = query.where(Request.run_id == run_id)
    return _plain(connection, query)


def devices_page(
    connection: Connection, *, limit: int, after: int = 0, pool: str | None = None
) -> Rows:
    """Return devices, oldest known first, perhaps of one pool."""
    query = select(*Device.__table__.c).where(Device.id > after).order_by(Device.id).limit(limit)
    if pool is not None:
        query = query.where(Device.pool == pool)
    return _plain(connection, query)


def device_called(connection: Connection, name: str) -> dict[str, Any] | None:
    """Return the device with this ULID or identity."""
    query = select(*Device.__table__.c).where((Device.ulid == name) | (Device.identity == name))
    found = _plain(connection, query.limit(1))
    return found[0] if found else None


def evidence_of_device(connection: Connection, device_id: int, *, limit: int) -> Rows:
    """Return what speaks against a device, newest first."""
    query = (
        select(
            DeviceEvidence.kind, DeviceEvidence.failure_class, DeviceEvidence.source,
            DeviceEvidence.confidence, DeviceEvidence.detail, DeviceEvidence.at_ns,
            Attempt.ulid.label("attempt"),
        )
        .outerjoin(Attempt, Attempt.id == DeviceEvidence.attempt_id)
        .where(DeviceEvidence.device_id == device_id)
        .order_by(DeviceEvidence.id.desc())
        .limit(limit)
    )  # fmt: skip
    return _plain(connection, query)


def schedules(connection: Connection, *, limit: int, after: str = "") -> Rows:
    """Return schedules by name."""
    query = (
        select(*Schedule.__table__.c)
        .where(Schedule.name > after)
        .order_by(Schedule.name)
        .limit(limit)
    )
    return _plain(connection, query)


def firings_of(connection: Connection, schedule: str, *, limit: int) -> Rows:
    """Return the last due times of a schedule and what came of them, newest first."""
    query = (
        select(Firing.due, Firing.outcome, Firing.at_ns, Run.ulid.label("run"))
        .outerjoin(Run, Run.id == Firing.run_id)
        .where(Firing.schedule == schedule)
        .order_by(Firing.id.desc())
        .limit(limit)
    )
    return _plain(connection, query)


def holds_page(connection: Connection, *, limit: int, before: int | None = None) -> Rows:
    """Return holds, newest first."""
    query = (
        select(
            Hold.id, Hold.ulid, Hold.reason, Hold.held_by, Hold.until_ns, Hold.released_ns,
            Attempt.ulid.label("attempt"),
        )
        .join(Attempt, Attempt.id == Hold.attempt_id)
        .order_by(Hold.id.desc())
        .limit(limit)
    )  # fmt: skip
    if before is not None:
        query = query.where(Hold.id < before)
    return _plain(connection, query)


def pending_tasks(connection: Connection, run_id: int) -> Rows:
    """Return the tasks of a run that wait, with why, in the order of the plan."""
    why = still_pending()
    query = (
        select(Task.key, Cell.key.label("cell"), Task.state, why.label("pending"), Task.reason)
        .join(Cell, Cell.id == Task.cell_id)
        .where(
            Task.run_id == run_id,
            Task.state.in_(["waiting", "queued"]) | ((Task.state == "running") & (why != "")),
        )
        .order_by(Task.id)
    )
    return _plain(connection, query)


def exonerations_of(connection: Connection, run_id: int) -> Rows:
    """Return why failing verdicts of a run do not block."""
    query = (
        select(
            Exoneration.kind, Exoneration.reason, Exoneration.evidence,
            Test.module, Test.scheme, Test.name,
        )
        .outerjoin(Test, Test.id == Exoneration.test_id)
        .where(Exoneration.run_id == run_id)
        .order_by(Exoneration.id)
    )  # fmt: skip
    return _plain(connection, query)


def artifacts_of(connection: Connection, attempt_id: int) -> Rows:
    """Return the artifacts of an attempt by name."""
    query = (
        select(Artifact.name, Artifact.sha256, Artifact.size, Artifact.media_type)
        .where(Artifact.attempt_id == attempt_id)
        .order_by(Artifact.name)
    )
    return _plain(connection, query)


def artifact_called(connection: Connection, attempt_id: int, name: str) -> dict[str, Any] | None:
    """Return one artifact of an attempt."""
    query = select(Artifact.name, Artifact.sha256, Artifact.size, Artifact.media_type).where(
        Artifact.attempt_id == attempt_id, Artifact.name == name
    )
    found = _plain(connection, query)
    return found[0] if found else None


def events_between(
    connection: Connection, run_id: int, *, after: int, until: int, limit: int
) -> tuple[EventRow, ...]:
    """Return events of a run with after < id ≤ until, in order."""
    query = (
        select(Outbox.id, Outbox.topic, Outbox.payload, Outbox.created_ns)
        .where(Outbox.run_id == run_id, Outbox.id > after, Outbox.id <= until)
        .order_by(Outbox.id)
        .limit(limit)
    )
    return tuple(EventRow(**row._mapping) for row in connection.execute(query))


def outbox_after(
    connection: Connection, position: int, *, limit: int
) -> tuple[tuple[int | None, EventRow], ...]:
    """Return (run, event) of all events behind a position, in order."""
    query = (
        select(Outbox.id, Outbox.topic, Outbox.payload, Outbox.created_ns, Outbox.run_id)
        .where(Outbox.id > position)
        .order_by(Outbox.id)
        .limit(limit)
    )
    return tuple(
        (
            row.run_id,
            EventRow(id=row.id, topic=row.topic, payload=row.payload, created_ns=row.created_ns),
        )
        for row in connection.execute(query)
    )


def last_event(connection: Connection) -> int:
    """Return the id of the newest event, 0 without any."""
    return int(connection.execute(select(func.max(Outbox.id))).scalar() or 0)


def cell_keys(connection: Connection, run_id: int) -> dict[int, str]:
    """Return the keys of a run's cells by surrogate."""
    query = select(Cell.id, Cell.key).where(Cell.run_id == run_id)
    return {row.id: row.key for row in connection.execute(query)}


def inventories_of(connection: Connection, pipeline: str) -> dict[str, str]:
    """Return the digest of what each cell of a pipeline last collected."""
    query = select(RecordedInventory.cell_key, RecordedInventory.digest).where(
        RecordedInventory.pipeline == pipeline
    )
    return {row.cell_key: row.digest for row in connection.execute(query)}


def is_content(connection: Connection, sha256: str) -> bool:
    """Return whether a blob is an inventory or the plan of a run: what clients read by digest."""
    queries_of = (
        select(Inventory.sha256).where(Inventory.sha256 == sha256),
        select(Run.plan_sha256).where(Run.plan_sha256 == sha256),
    )
    return any(connection.execute(one.limit(1)).scalar() is not None for one in queries_of)


def run_of_hold(connection: Connection, ulid: str) -> int | None:
    """Return the surrogate of the run whose machine is held."""
    query = (
        select(Task.run_id)
        .join(Attempt, Attempt.task_id == Task.id)
        .join(Hold, Hold.attempt_id == Attempt.id)
        .where(Hold.ulid == ulid)
    )
    return connection.execute(query).scalar()
