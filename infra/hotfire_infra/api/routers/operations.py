"""Routes of running the service: itself, its requests, devices, schedules and holds."""

from __future__ import annotations

from importlib.metadata import version
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Path, Query, Response

from hotfire_infra.analysis.report import HoldReport
from hotfire_infra.analysis.transport import encode
from hotfire_infra.api.access import Principal, require
from hotfire_infra.api.documents import ULID, with_example
from hotfire_infra.api.history_examples import HOLD_EXAMPLE
from hotfire_infra.api.operation_documents import (
    REQUEST_EXAMPLE,
    DeviceDetail,
    DevicePage,
    HealthWish,
    HolderAnswer,
    HolderDocument,
    HoldPage,
    RequestDocument,
    RequestPage,
    SchedulePage,
    ServiceDocument,
)
from hotfire_infra.api.paging import Cursor, Limit, decode_cursor, encode_cursor
from hotfire_infra.api.problems import ApiError
from hotfire_infra.api.routers.runs import VIEWERS
from hotfire_infra.api.service import Service, Serviced
from hotfire_infra.orchestrator.requests import RequestBook
from hotfire_infra.states import RequestKind, Role
from hotfire_infra.store import queries_lists
from hotfire_infra.store.schema import HEAD
from hotfire_testframework.runner.bundle import bundle_sha256

router = APIRouter(tags=["operations"], dependencies=VIEWERS)

API_VERSION = 1
Operator = Annotated[Principal, Depends(require(Role.OPERATOR))]
NEWEST_EVIDENCE = 50
NEWEST_FIRINGS = 10


@router.get("/service", summary="Show what this service is", operation_id="get_service")
def service(service: Serviced) -> ServiceDocument:
    """Clients read it first, to see whether they understand each other."""
    return ServiceDocument(
        version=version("hotfire"),
        api=API_VERSION,
        schema_revision=HEAD,
        runner_sha256=bundle_sha256(),
        slots=service.executor.capacity.cpus,
        executes=service.is_leading,
        is_draining=service.drain.is_draining,
        target_branches=list(service.configuration.gate.target_branches),
        holder=_holder(service),
    )


@router.get("/holder", summary="Say who executes the store", operation_id="get_holder")
def holder(service: Serviced) -> HolderAnswer:
    """None: nobody does, and nothing moves until somebody begins."""
    return HolderAnswer(holder=_holder(service))


def _holder(service: Service) -> HolderDocument | None:
    found = service.client_of(None).holder()
    if found is None:
        return None
    return HolderDocument(
        holder=found.holder, boot_id=found.boot_id, pid=found.pid, host=found.host,
        command=found.command,
    )  # fmt: skip


class AskedDocument(RequestDocument):
    """A request as it was recorded."""

    model_config = with_example(**REQUEST_EXAMPLE)


@router.get("/requests", summary="List recorded requests", operation_id="list_requests")
def requests(
    service: Serviced,
    limit: Limit = 50,
    cursor: Cursor = None,
    run: Annotated[
        str | None, Query(max_length=64, description="Only about this run", examples=[ULID])
    ] = None,
) -> RequestPage:
    """Newest first, with what came of each."""
    keys = decode_cursor("requests", cursor, (int,))
    run_id = None if run is None else service.find_run(run).id
    with service.store.reading() as connection:
        found = queries_lists.requests_page(
            connection, limit=limit + 1, before=int(keys[0]) if keys else None, run_id=run_id
        )
    items = [RequestDocument.model_validate({**one, "id": one["ulid"]}) for one in found[:limit]]
    more = encode_cursor("requests", found[limit - 1]["id"]) if len(found) > limit else None
    return RequestPage(items=items, next=more)


@router.get("/devices", summary="List devices and their health", operation_id="list_devices")
def devices(
    service: Serviced,
    limit: Limit = 100,
    cursor: Cursor = None,
    pool: Annotated[
        str | None, Query(max_length=200, description="Only of this pool", examples=["dgx"])
    ] = None,
) -> DevicePage:
    """In the order in which they became known."""
    keys = decode_cursor("devices", cursor, (int,))
    with service.store.reading() as connection:
        found = queries_lists.devices_page(
            connection, limit=limit + 1, after=int(keys[0]) if keys else 0, pool=pool
        )
    more = encode_cursor("devices", found[limit - 1]["id"]) if len(found) > limit else None
    return DevicePage.model_validate(
        {"items": [_named(one) for one in found[:limit]], "next": more}
    )


def _named(row: dict[str, Any]) -> dict[str, Any]:
    return {**row, "id": row["ulid"]}


DeviceName = Annotated[
    str, Path(max_length=200, description="ULID or identity", examples=["GPU-6f1c0b2e"])
]


@router.get("/devices/{device}", summary="Show a device and the evidence against it",
            operation_id="get_device")  # fmt: skip
def device(service: Serviced, device: DeviceName) -> DeviceDetail:
    """The newest evidence first."""
    with service.store.reading() as connection:
        row = _device(connection, device)
        evidence = queries_lists.evidence_of_device(connection, row["id"], limit=NEWEST_EVIDENCE)
    return DeviceDetail.model_validate({**_named(row), "evidence": evidence})


def _device(connection: Any, name: str) -> dict[str, Any]:
    row = queries_lists.device_called(connection, name)
    if row is None:
        raise ApiError(404, f"there is no device {name!r}", remedy="GET /api/v1/devices")
    return row


@router.post("/devices/{device}/health", summary="Ask for another health of a device",
             operation_id="set_device_health", status_code=202)  # fmt: skip
def set_health(
    service: Serviced, principal: Operator, device: DeviceName, asked: HealthWish
) -> AskedDocument:
    """Recorded as a request; whoever executes carries it out, or says why not."""
    with service.store.reading() as connection:
        row = _device(connection, device)
    return _ask(
        service, principal, RequestKind.DEVICE,
        {"device": row["ulid"], "health": asked.health, "reason": asked.reason},
    )  # fmt: skip


@router.get("/schedules", summary="List schedules and what came of them",
            operation_id="list_schedules")  # fmt: skip
def schedules(service: Serviced, limit: Limit = 100, cursor: Cursor = None) -> SchedulePage:
    """By name; each with its newest due times."""
    keys = decode_cursor("schedules", cursor, (str,))
    with service.store.reading() as connection:
        found = queries_lists.schedules(
            connection, limit=limit + 1, after=str(keys[0]) if keys else ""
        )
        items = [
            {
                **one,
                "firings": queries_lists.firings_of(connection, one["name"], limit=NEWEST_FIRINGS),
            }
            for one in found[:limit]
        ]
    more = encode_cursor("schedules", found[limit - 1]["name"]) if len(found) > limit else None
    return SchedulePage.model_validate({"items": items, "next": more})


@router.get("/holds", summary="List machines kept for people", operation_id="list_holds")
def holds(service: Serviced, limit: Limit = 50, cursor: Cursor = None) -> HoldPage:
    """Newest first; `released_ns` is null while one is kept."""
    keys = decode_cursor("holds", cursor, (int,))
    with service.store.reading() as connection:
        found = queries_lists.holds_page(
            connection, limit=limit + 1, before=int(keys[0]) if keys else None
        )
    more = encode_cursor("holds", found[limit - 1]["id"]) if len(found) > limit else None
    return HoldPage.model_validate({"items": [_named(one) for one in found[:limit]], "next": more})


@router.get(
    "/holds/active",
    summary="Show the machines that are kept now",
    operation_id="list_active_holds",
    response_model=list[HoldReport],
    responses={200: {"content": {"application/json": {"example": [HOLD_EXAMPLE]}}}},
)
def active_holds(service: Serviced) -> Response:
    """With how to reach each, and for how long."""
    return Response(encode(service.reports.holds()), media_type="application/json")


@router.post("/holds/{hold}/release", summary="Let a machine go before its time",
             operation_id="release_hold", status_code=202)  # fmt: skip
def release(
    service: Serviced,
    principal: Annotated[Principal, Depends(require(Role.DEVELOPER))],
    hold: Annotated[str, Path(min_length=26, max_length=26, description="ULID", examples=[ULID])],
) -> AskedDocument:
    """Recorded as a request; whoever executes carries it out."""
    with service.store.reading() as connection:
        run_id = queries_lists.run_of_hold(connection, hold)
    if run_id is None:
        raise ApiError(404, f"there is no hold {hold}", remedy="GET /api/v1/holds")
    return _ask(service, principal, RequestKind.RELEASE, {"hold": hold}, run_id)


def _ask(
    service: Service,
    principal: Principal,
    kind: RequestKind,
    payload: dict[str, Any],
    run_id: int | None = None,
) -> AskedDocument:
    ulid = RequestBook(service.store).ask(
        kind, run_id, payload=payload, requested_by=principal.actor
    )
    with service.store.reading() as connection:
        return AskedDocument.model_validate(_named(queries_lists.request_called(connection, ulid)))
