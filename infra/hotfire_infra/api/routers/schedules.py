"""Routes of schedules and holds: what starts by itself, what is kept for people."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Path, Response
from pydantic import BaseModel, Field

from hotfire_infra.analysis.report import HoldReport
from hotfire_infra.analysis.transport import encode
from hotfire_infra.api.access import Principal
from hotfire_infra.api.documents import ULID, with_example
from hotfire_infra.api.history_examples import HOLD_EXAMPLE
from hotfire_infra.api.operation_documents import HoldPage, SchedulePage
from hotfire_infra.api.paging import Cursor, Limit, decode_cursor, encode_cursor
from hotfire_infra.api.problems import ApiError
from hotfire_infra.api.routers.operations import AskedDocument, Operator, ask, named
from hotfire_infra.api.routers.runs import VIEWERS, Developer
from hotfire_infra.api.service import Service, Serviced
from hotfire_infra.api.trust import LONGEST_HOLD_SECONDS
from hotfire_infra.client.operations import HoldName, ScheduleState, StoreOperations
from hotfire_infra.errors import RequestRefusedError
from hotfire_infra.states import RequestKind
from hotfire_infra.store import queries_lists

router = APIRouter(tags=["operations"], dependencies=VIEWERS)

NEWEST_FIRINGS = 10
NAMED_EXAMPLE: dict[str, Any] = {"id": ULID, "cell": "kernels", "run": 12}
SCHEDULE_EXAMPLE: dict[str, Any] = {
    "name": "nightly",
    "pipeline": "nightly",
    "trigger": "0 2 * * * Europe/Berlin",
    "team": "default",
    "paused": False,
    "next": "2026-11-22T01:00:00Z",
    "last": "2026-11-21T01:00:00Z: started run 12",
}
ScheduleName = Annotated[
    str, Path(max_length=200, description="As in the configuration", examples=["nightly"])
]
HoldRef = Annotated[
    str,
    Path(max_length=64, description="Its id, a prefix of it, or an attempt's id", examples=[ULID]),
]


class Pause(BaseModel):
    """Whether a schedule is to start nothing more."""

    model_config = with_example(paused=True)

    paused: bool


class Fired(BaseModel):
    """What came of starting a schedule by hand."""

    model_config = with_example(outcome="started run 12")

    outcome: str = Field(description="`started run N`, or why not")


class Longer(BaseModel):
    """How long a machine is kept, from now on."""

    model_config = with_example(seconds=7200)

    seconds: int = Field(ge=1, le=LONGEST_HOLD_SECONDS)


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


@router.get(
    "/schedules/declared",
    summary="List schedules as the configuration declares them",
    operation_id="list_declared_schedules",
    response_model=list[ScheduleState],
    responses={200: {"content": {"application/json": {"example": [SCHEDULE_EXAMPLE]}}}},
)
def declared(service: Serviced) -> Any:
    """What `hotfire schedules list` prints: trigger, next due time and what came of the last one."""
    return _operations(service, None).schedules()


@router.post(
    "/schedules/{name}/pause",
    summary="Pause or resume a schedule",
    operation_id="pause_schedule",
    response_model=ScheduleState,
    responses={200: {"content": {"application/json": {"example": SCHEDULE_EXAMPLE}}}},
)
def pause(service: Serviced, principal: Operator, name: ScheduleName, asked: Pause) -> Any:
    """What is due while it is paused is not made up for. 409 for a name that nobody declared."""
    operations = _operations(service, principal)
    operations.pause(name, paused=asked.paused)
    return next(one for one in operations.schedules() if one.name == name)


@router.post("/schedules/{name}/fire", summary="Start a schedule now",
             operation_id="fire_schedule")  # fmt: skip
def fire(service: Serviced, principal: Operator, name: ScheduleName) -> Fired:
    """The next due time stays as it is."""
    return Fired(outcome=_operations(service, principal).fire(name))


@router.get("/holds", summary="List machines kept for people", operation_id="list_holds")
def holds(service: Serviced, limit: Limit = 50, cursor: Cursor = None) -> HoldPage:
    """Newest first; `released_ns` is null while one is kept."""
    keys = decode_cursor("holds", cursor, (int,))
    with service.store.reading() as connection:
        found = queries_lists.holds_page(
            connection, limit=limit + 1, before=int(keys[0]) if keys else None
        )
    more = encode_cursor("holds", found[limit - 1]["id"]) if len(found) > limit else None
    return HoldPage.model_validate({"items": [named(one) for one in found[:limit]], "next": more})


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


@router.get(
    "/holds/active/{hold}",
    summary="Find the machine that is kept under a name",
    operation_id="get_active_hold",
    response_model=HoldName,
    responses={200: {"content": {"application/json": {"example": NAMED_EXAMPLE}}}},
)
def active_hold(service: Serviced, hold: HoldRef) -> Any:
    """404 where none or several are called so."""
    try:
        return _operations(service, None).hold(hold)
    except RequestRefusedError as error:
        remedy = "GET /api/v1/holds/active"
        raise ApiError(404, str(error), remedy=remedy, kind="request-refused") from error


@router.post(
    "/holds/{hold}/extend",
    summary="Keep a machine longer",
    operation_id="extend_hold",
    response_model=HoldName,
    responses={200: {"content": {"application/json": {"example": NAMED_EXAMPLE}}}},
)
def extend(service: Serviced, principal: Developer, hold: HoldRef, asked: Longer) -> Any:
    """From now on, up to `holds.longest_hours`; 409 beyond it and for a hold that is over."""
    return _operations(service, principal).extend(hold, asked.seconds)


@router.post("/holds/{hold}/release", summary="Let a machine go before its time",
             operation_id="release_hold", status_code=202)  # fmt: skip
def release(
    service: Serviced,
    principal: Developer,
    hold: Annotated[str, Path(min_length=26, max_length=26, description="ULID", examples=[ULID])],
) -> AskedDocument:
    """Recorded as a request; whoever executes carries it out."""
    with service.store.reading() as connection:
        run_id = queries_lists.run_of_hold(connection, hold)
    if run_id is None:
        raise ApiError(404, f"there is no hold {hold}", remedy="GET /api/v1/holds")
    return ask(service, principal, RequestKind.RELEASE, {"hold": hold}, run_id)


def _operations(service: Service, principal: Principal | None) -> StoreOperations:
    user = service.settings.user if principal is None else principal.actor
    return StoreOperations(service.client_of(principal), user)
