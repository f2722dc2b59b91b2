"""Routes of running the service: itself, its requests and devices."""

from __future__ import annotations

from importlib.metadata import version
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Path, Query

from hotfire_infra.api.access import Principal, require
from hotfire_infra.api.documents import ULID, with_example
from hotfire_infra.api.operation_documents import (
    REQUEST_EXAMPLE,
    DeviceDetail,
    DevicePage,
    HealthWish,
    HolderAnswer,
    HolderDocument,
    RequestDocument,
    RequestPage,
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
    return DevicePage.model_validate({"items": [named(one) for one in found[:limit]], "next": more})


def named(row: dict[str, Any]) -> dict[str, Any]:
    """Return a row with its ULID as `id`: surrogates stay here."""
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
    return DeviceDetail.model_validate({**named(row), "evidence": evidence})


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
    return ask(
        service, principal, RequestKind.DEVICE,
        {"device": row["ulid"], "health": asked.health, "reason": asked.reason},
    )  # fmt: skip


def ask(
    service: Service,
    principal: Principal,
    kind: RequestKind,
    payload: dict[str, Any],
    run_id: int | None = None,
) -> AskedDocument:
    """Record a request of somebody, and return it as it was recorded."""
    ulid = RequestBook(service.store).ask(
        kind, run_id, payload=payload, requested_by=principal.actor
    )
    with service.store.reading() as connection:
        return AskedDocument.model_validate(named(queries_lists.request_called(connection, ulid)))
