"""Routes below one run: cells, tests, attempts, what waits, exonerations, measurements, events."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Header, Query
from fastapi.responses import Response, StreamingResponse
from pydantic import BaseModel

from hotfire_infra.analysis.accuracy.tasks import TaskComparison
from hotfire_infra.analysis.comparing import MERGE_BASE
from hotfire_infra.analysis.run_comparison import RunComparison
from hotfire_infra.analysis.transport import encode
from hotfire_infra.api import documents as docs
from hotfire_infra.api.events import event_stream
from hotfire_infra.api.operation_documents import (
    ACCURACY_EXAMPLE,
    COMPARISON_EXAMPLE,
    MEASUREMENT_EXAMPLE,
    ExonerationDocument,
    PendingTask,
)
from hotfire_infra.api.paging import Cursor, Limit, decode_cursor, encode_cursor
from hotfire_infra.api.problems import ApiError
from hotfire_infra.api.routers.runs import VIEWERS, RunRef
from hotfire_infra.api.service import Serviced
from hotfire_infra.states import RUN_TERMINAL
from hotfire_infra.store import queries, queries_lists
from hotfire_infra.store.queries_measurements import MeasurementRow

router = APIRouter(prefix="/runs/{run}", tags=["runs"], dependencies=VIEWERS)

CellKey = Annotated[
    str | None,
    Query(max_length=2000, description="Only of this cell", examples=["build|platform=here"]),
]
EVENT_EXAMPLE = (
    "retry: 1000\n: follows\n\nid: 812\nevent: cell.done\n"
    'data: {"topic":"cell.done","at_ns":1795555961944000000,"payload":{"state":"done"}}\n\n'
)


class CellList(BaseModel):
    """The cells of a run in the order of the plan."""

    model_config = docs.with_example(items=[docs.CELL_EXAMPLE])

    items: list[docs.Cell]  # type: ignore[valid-type]


@router.get("/cells", summary="List the cells of a run", operation_id="list_cells",
            response_model=CellList)  # fmt: skip
def cells(run: RunRef, service: Serviced) -> dict[str, Any]:
    """What must be reported, and what came of it."""
    row = service.find_run(run)
    with service.store.reading() as connection:
        found = queries.cells_of(connection, row.id)
    return {"items": [docs.row_document(cell) for cell in found]}


@router.get("/tests", summary="List the verdicts of a run's tests", operation_id="list_tests",
            response_model=docs.TestPage)  # fmt: skip
def list_tests(
    run: RunRef,
    service: Serviced,
    limit: Limit = 100,
    cursor: Cursor = None,
    verdict: Annotated[
        list[str] | None, Query(description="Only these verdicts", examples=[["failed"]])
    ] = None,
    cell: CellKey = None,
) -> dict[str, Any]:
    """In the order of the cells; empty until the cells are decided."""
    keys = decode_cursor("tests", cursor, (int, int))
    after = (int(keys[0]), int(keys[1])) if keys else (0, 0)
    row = service.find_run(run)
    with service.store.reading() as connection:
        found = queries_lists.verdict_keys(
            connection, row.id, limit=limit + 1, after=after,
            verdicts=tuple(verdict) if verdict else None, cell=cell,
        )  # fmt: skip
        items = queries_lists.tests_page(connection, row.id, found[:limit])
    more = encode_cursor("tests", *found[limit - 1]) if len(found) > limit else None
    return {"items": [docs.row_document(item) for item in items], "next": more}


@router.get("/attempts", summary="List the attempts of a run", operation_id="list_attempts",
            response_model=docs.AttemptPage)  # fmt: skip
def attempts(
    run: RunRef,
    service: Serviced,
    limit: Limit = 100,
    cursor: Cursor = None,
    cell: CellKey = None,
) -> dict[str, Any]:
    """Oldest first; all of them, also those that count for nothing."""
    keys = decode_cursor("attempts", cursor, (int,))
    row = service.find_run(run)
    with service.store.reading() as connection:
        found = queries_lists.attempts_page(
            connection, row.id, limit=limit + 1, after=int(keys[0]) if keys else 0, cell=cell
        )
        names = queries_lists.cell_keys(connection, row.id)
    shown = found[:limit]
    more = encode_cursor("attempts", shown[-1].id) if len(found) > limit else None
    items = [docs.row_document(one, cell=names[one.cell_id], run=row.ulid) for one in shown]
    return {"items": items, "next": more}


class PendingList(BaseModel):
    """Tasks that wait, in the order of the plan."""

    model_config = docs.with_example(
        items=[
            {
                "key": docs.TASK_EXAMPLE["key"],
                "cell": docs.TASK_EXAMPLE["cell"],
                "state": "queued",
                "why": "waits for a slot: 2 of 2 are taken",
            }
        ]
    )

    items: list[PendingTask]


@router.get("/pending", summary="Say why tasks have not started", operation_id="list_pending")
def pending(run: RunRef, service: Serviced) -> PendingList:
    """One line for each task that waits or is queued."""
    row = service.find_run(run)
    with service.store.reading() as connection:
        found = queries_lists.pending_tasks(connection, row.id)
    return PendingList(
        items=[
            PendingTask(
                key=one["key"],
                cell=one["cell"],
                state=one["state"],
                why=one["pending"] or one["reason"] or "waits for the tasks before it",
            )
            for one in found
        ]
    )


class ExonerationList(BaseModel):
    """Why failing verdicts of a run do not block."""

    model_config = docs.with_example(
        items=[
            {
                "test": docs.TEST_EXAMPLE["test"],
                "kind": "fails-on-merge-base",
                "reason": "it failed on the merge base in run 11",
                "evidence": {"run": 11},
            }
        ]
    )

    items: list[ExonerationDocument]


@router.get("/exonerations", summary="List why failures do not block",
            operation_id="list_exonerations")  # fmt: skip
def exonerations(run: RunRef, service: Serviced) -> ExonerationList:
    """Each with its evidence; the verdict itself stays what it is."""
    row = service.find_run(run)
    with service.store.reading() as connection:
        found = queries_lists.exonerations_of(connection, row.id)
    return ExonerationList(
        items=[
            ExonerationDocument(
                test="/".join((one["module"], one["scheme"], one["name"]))
                if one["name"] is not None
                else None,
                kind=one["kind"],
                reason=one["reason"],
                evidence=one["evidence"] or {},
            )
            for one in found
        ]
    )


@router.get(
    "/measurements",
    summary="List what a run measured",
    operation_id="list_measurements",
    response_model=list[MeasurementRow],
    responses={200: {"content": {"application/json": {"example": [MEASUREMENT_EXAMPLE]}}}},
)
def measurements(run: RunRef, service: Serviced) -> Response:
    """In the order of the cells; a retried attempt comes later."""
    row = service.find_run(run)
    found = service.reports.measured(row.number)
    return Response(encode(found), media_type="application/json")


@router.get(
    "/accuracy",
    summary="Compare the accuracy of a run with another's",
    operation_id="compare_accuracy",
    response_model=list[TaskComparison],
    responses={200: {"content": {"application/json": {"example": [ACCURACY_EXAMPLE]}}}},
)
def accuracy(
    run: RunRef,
    service: Serviced,
    against: Annotated[
        str, Query(max_length=200, description="The earlier run", examples=["latest"])
    ],
) -> Response:
    """One entry per task and platform that both ran; items are paired on equal keys."""
    later, earlier = service.find_run(run), service.find_run(against)
    found = service.reports.accuracy(earlier.number, later.number)
    return Response(encode(found), media_type="application/json")


@router.get(
    "/comparison",
    summary="Compare a run with another",
    operation_id="compare_runs",
    response_model=RunComparison,
    responses={200: {"content": {"application/json": {"example": COMPARISON_EXAMPLE}}}},
)
def comparison(
    run: RunRef,
    service: Serviced,
    against: Annotated[
        str,
        Query(
            max_length=200,
            description="The earlier run, or `merge-base`: on what the change began from",
            examples=["latest"],
        ),
    ],
) -> Response:
    """As `hotfire compare` prints it: verdicts, measurements against A/A noise, accuracy."""
    later = service.find_run(run)
    before = against if against == MERGE_BASE else str(service.find_run(against).number)
    found = service.reports.comparison(before, str(later.number))
    return Response(encode(found), media_type="application/json")


@router.get(
    "/events",
    summary="Follow a run",
    operation_id="follow_run",
    response_class=StreamingResponse,
    responses={
        200: {
            "description": "Server-sent events until the run is over; data is JSON",
            "content": {
                "text/event-stream": {"schema": {"type": "string"}, "example": EVENT_EXAMPLE}
            },
        },
        204: {"description": "The run is over, and nothing follows the given id"},
    },
)
async def events(
    run: RunRef,
    service: Serviced,
    last_event_id: Annotated[
        str | None, Header(alias="Last-Event-ID", max_length=30, description="Go on behind it",
                           examples=["812"])
    ] = None,
    after: Annotated[
        int, Query(ge=0, lt=1 << 62, description="As Last-Event-ID, for those who cannot send it",
                   examples=[0])
    ] = 0,
    ping_seconds: Annotated[
        float, Query(ge=0.2, le=60, description="A comment comes this often", examples=[15])
    ] = 15,
) -> Response:  # fmt: skip
    """Everything since the id is replayed, then what happens comes as it happens.

    The stream ends with `run.finalized` or `run.cancelled`, when the service drains, and for a
    reader that is too slow; come back with Last-Event-ID, nothing is lost.
    """
    from anyio import to_thread

    if service.drain.is_draining:
        raise ApiError(503, "the service is ending", remedy="come back in a few seconds",
                       headers={"Retry-After": "2"})  # fmt: skip
    row = await to_thread.run_sync(service.find_run, run)
    if last_event_id is not None:
        if not (last_event_id.isascii() and last_event_id.isdecimal()):
            raise ApiError(400, f"{last_event_id!r} is no event's id", remedy="send an id you got")
        after = min(int(last_event_id), (1 << 62) - 1)
    if row.state in RUN_TERMINAL and not await to_thread.run_sync(_follows, service, row.id, after):
        return Response(status_code=204)
    stream = event_stream(service.feed, row.id, after=after, ping_seconds=ping_seconds)
    headers = {"Cache-Control": "no-store", "X-Accel-Buffering": "no"}
    return StreamingResponse(stream, media_type="text/event-stream", headers=headers)


def _follows(service: Any, run_id: int, after: int) -> bool:
    with service.store.reading() as connection:
        return bool(
            queries_lists.events_between(connection, run_id, after=after, until=(1 << 62), limit=1)
        )
