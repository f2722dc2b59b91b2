"""Create a run from a plan with all that it expects, in one transaction."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from sqlalchemy import Connection, func, insert, select, update

from hotfire_infra.errors import PlanRefusedError
from hotfire_infra.orchestrator.accuracy_gates import refuse_blind_gates
from hotfire_infra.orchestrator.run_order import RunOrder, priority_of, supersedes
from hotfire_infra.orchestrator.supersession import supersede
from hotfire_infra.source.stamp import StoredSource
from hotfire_infra.states import RunState, TaskState
from hotfire_infra.store import results
from hotfire_infra.store.database import Store
from hotfire_infra.store.dictionaries import intern_variant
from hotfire_infra.store.models import Cell, Edge, Inventory, Run, SourceStamp, Task
from hotfire_infra.store.postgres import serialise
from hotfire_infra.store.queries_pending import SAID_BY
from hotfire_infra.store.queries_unselected import record_unselected
from hotfire_infra.store.transitions import Move, record_history
from hotfire_pipelines.errors import PlanError
from hotfire_pipelines.plan import Plan
from hotfire_pipelines.waivers import restore
from hotfire_testframework.contract.canonical import canonical_json
from hotfire_testframework.contract.ulid import Ulid, new_ulid


@dataclass(frozen=True, slots=True, kw_only=True)
class RunRequest:
    """A run to be: the plan, the source it was frozen for, and who asks."""

    plan: Plan
    source: StoredSource
    requested_by: str
    parent_run_id: int | None = None
    ulid: Ulid | None = None
    """Chosen by the client, so that asking twice creates once."""
    order: RunOrder = field(default_factory=RunOrder)
    merge_base: str | None = None
    """Revision of the target branch that the change started from."""
    is_trusted: bool = True
    options: Mapping[str, Any] = field(default_factory=dict)
    """What else was asked for; each room names its own keys."""
    purpose: str = "result"
    said_by: str = ""
    """For whom it is, as a client says: shown, and believed by nobody."""


def create_run(
    store: Store,
    request: RunRequest,
    *,
    within: Callable[[Connection, int, Mapping[str, int]], None] | None = None,
) -> int:
    """Record the run with everything it expects; return its surrogate.

    `within` gets the new run and its tasks (key → surrogate) in the same transaction: whoever has
    its results already must not leave its tasks to a dispatcher.
    """
    plan = request.plan
    planned = (plan.source.revision, plan.source.patch_digest or "")
    if planned != (request.source.revision, request.source.patch_digest):
        raise PlanRefusedError(
            f"the plan is for revision {planned[0]!r} with patch {planned[1]!r}, the source is "
            f"{request.source.revision!r} with patch {request.source.patch_digest!r}; plan again"
        )
    if plan.unselected and not plan.cells:  # Nothing would run, and nothing is no pass.
        raise PlanRefusedError("no cell of the plan is selected, so there is nothing to run")
    try:
        restore(plan.waivers, "plan")
    except PlanError as error:  # Else it would be found out when the gate needs them.
        raise PlanRefusedError(str(error)) from error
    refuse_blind_gates(store, plan)
    ulid = request.ulid or new_ulid()
    blobs = [store.blobs.put_bytes(plan.to_json().encode())]
    plan_sha256 = blobs[0].sha256
    inventories = store.blobs.put_many(
        canonical_json(list(tests)) for tests in plan.inventories.values()
    )
    for digest, blob in zip(plan.inventories, inventories, strict=True):
        if blob.sha256 != digest:
            raise PlanRefusedError(f"inventory {digest} of the plan has other content; plan again")
    blobs += inventories
    with store.writing() as connection:
        # The next number, and what a plan shares with others: one creation at a time.
        serialise(connection, "run")
        known = connection.execute(select(Run.id).where(Run.ulid == ulid)).scalar()
        if known is not None:
            return int(known)
        results.insert_rows(connection, results.BLOB, ((b.sha256, b.size) for b in blobs))
        run_id = _insert_run(connection, request, ulid, plan_sha256, store.clock.wall_ns())
        _insert_inventories(connection, plan)
        cells = _insert_cells(connection, plan, run_id)
        tasks = _insert_tasks(connection, plan, run_id, cells)
        for edge in plan.edges:
            connection.execute(
                insert(Edge).values(
                    run_id=run_id,
                    from_task_id=tasks[edge.earlier],
                    to_task_id=tasks[edge.later],
                    kind=edge.kind,
                )
            )
        record_unselected(connection, run_id, plan)
        _supersede(connection, request, run_id, store.clock.wall_ns())
        if within is not None:
            within(connection, run_id, tasks)
    return run_id


def _supersede(connection: Connection, request: RunRequest, run_id: int, now_ns: int) -> None:
    # A retry is of an older push, whatever its number: it replaces nothing.
    is_new = request.order.change is not None and request.parent_run_id is None
    if is_new and supersedes(request.plan, priority_of(request.plan, request.order)):
        supersede(connection, run_id, requested_by=request.requested_by, at_ns=now_ns)


def _insert_run(
    connection: Connection, request: RunRequest, ulid: Ulid, plan_sha256: str, now_ns: int
) -> int:
    number = (connection.execute(select(func.max(Run.number))).scalar() or 0) + 1
    run_id = connection.execute(
        insert(Run)
        .values(
            ulid=ulid,
            number=number,
            pipeline=request.plan.pipeline,
            source_stamp_id=_source_stamp(
                connection, request.source, is_trusted=request.is_trusted
            ),
            plan_digest=request.plan.digest,
            plan_sha256=plan_sha256,
            state=RunState.PLANNED,
            parent_run_id=request.parent_run_id,
            priority=priority_of(request.plan, request.order),
            team=request.order.team,
            change=request.order.change,
            hold_seconds=request.order.hold_seconds,
            requested_by=request.requested_by,
            created_ns=now_ns,
            merge_base=request.merge_base,
            is_trusted=request.is_trusted,
            options=_options(request),
            purpose=request.purpose,
        )
        .returning(Run.id)
    ).scalar_one()
    step = Move(
        entity="run",
        entity_id=run_id,
        to_state=RunState.PLANNED,
        reason=f"requested by {request.requested_by}{_as_said(request)}",
        by=request.requested_by,
        run_id=run_id,
        subject={"number": number, "pipeline": request.plan.pipeline},
    )
    record_history(connection, step, None, now_ns)
    return int(run_id)


def _options(request: RunRequest) -> dict[str, Any]:
    said = {SAID_BY: request.said_by} if request.said_by else {}
    return {**request.options, **said}


def _as_said(request: RunRequest) -> str:
    return f", for {request.said_by!r} as the client says" if request.said_by else ""


def _source_stamp(connection: Connection, source: StoredSource, *, is_trusted: bool) -> int:
    identity = {
        "repository": source.repository,
        "revision": source.revision,
        "patch_digest": source.patch_digest,
    }
    known = connection.execute(select(SourceStamp.id).filter_by(**identity)).scalar()
    if known is not None:
        # Recorded before without its content (an import, a plan that reads no source), or with
        # what somebody untrusted called this commit: secrets must not meet that.
        step = update(SourceStamp).where(SourceStamp.id == known)
        if not is_trusted or source.archive_sha256 is None:
            step = step.where(SourceStamp.archive_sha256.is_(None))
        connection.execute(step.values(archive_sha256=source.archive_sha256))
        return int(known)
    row = insert(SourceStamp).values(
        **identity, archive_sha256=source.archive_sha256, subject=source.subject
    )
    return int(connection.execute(row.returning(SourceStamp.id)).scalar_one())


def _insert_inventories(connection: Connection, plan: Plan) -> None:
    known = set(
        connection.execute(
            select(Inventory.digest).where(Inventory.digest.in_(list(plan.inventories)))
        ).scalars()
    )
    for digest, tests in plan.inventories.items():
        if digest not in known:
            row = insert(Inventory).values(digest=digest, sha256=digest, tests=len(tests))
            connection.execute(row)


def _insert_cells(connection: Connection, plan: Plan, run_id: int) -> dict[str, int]:
    keys: dict[str, int] = {}
    for cell in plan.cells:
        row = insert(Cell).values(
            run_id=run_id,
            key=cell.key,
            task=cell.task,
            platform=cell.platform,
            variant_id=intern_variant(connection, cell.variant),
            required=cell.required,
            requires=dict(cell.requires),
            inventory_digest=cell.inventory,
            left_out=cell.left_out,
            state=TaskState.WAITING,
        )
        keys[cell.key] = int(connection.execute(row.returning(Cell.id)).scalar_one())
    return keys


def _insert_tasks(
    connection: Connection, plan: Plan, run_id: int, cells: dict[str, int]
) -> dict[str, int]:
    keys: dict[str, int] = {}
    for task in plan.tasks:
        row = insert(Task).values(
            run_id=run_id,
            cell_id=cells[task.cell],
            key=task.key,
            shard=task.shard[0],
            shards=task.shard[1],
            spec=task.spec.to_json(),
            requested_digest=task.requested_digest,
            state=TaskState.WAITING,
        )
        keys[task.key] = int(connection.execute(row.returning(Task.id)).scalar_one())
    return keys
