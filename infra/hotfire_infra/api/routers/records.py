"""What the runner of an attempt sends most of: the records of its stream."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Request
from fastapi.responses import Response
from fastapi.routing import APIRoute
from pydantic import BaseModel, Field

from hotfire_infra.api.access import AttemptScope, Principal, require_attempt
from hotfire_infra.api.bodies import binary_body, read_inflated
from hotfire_infra.api.documents import with_example
from hotfire_infra.api.limits import Limited
from hotfire_infra.api.problems import ApiError
from hotfire_infra.api.routers.ingest import Fence
from hotfire_infra.api.service import Service, Serviced
from hotfire_infra.api.usage import check_room, usage_of
from hotfire_infra.executors.spool import Spool
from hotfire_infra.ingest.wire import JSON_DOCUMENT, JSON_LINES, MSGPACK, WireError
from hotfire_infra.ingest.writer import (
    BatchBrokenError,
    Delivery,
    IngestRefusedError,
    QueueFullError,
)
from hotfire_infra.sections.limits import LimitsSection

RETRY_SECONDS = 1
FENCE_DIGITS = 18
_STATUS = {"unstorable": 422, "broken-record": 422}
_RECORDS = '{"v":1,"seq":1,"kind":"test_start","mono_ns":5,"test":"m/s/n","try":1}\n'

Handler = Callable[[Request], Coroutine[Any, Any, Response]]


class Acknowledgement(BaseModel):
    """How far the stream is stored for good."""

    model_config = with_example(acked_seq=1204)

    acked_seq: int = Field(description="Last record of the contiguous prefix that is committed")


class DirectRoute(APIRoute):
    """Takes a batch that plainly is as described without resolving each parameter of the route.

    FastAPI needs as long for that as for all else before a batch is queued. Whatever is not plain
    goes its way, so that there is one place for each refusal.
    """

    def get_route_handler(self) -> Handler:
        """Return what answers a request."""
        described = super().get_route_handler()

        async def handle(request: Request) -> Response:
            known = _plainly(request)
            return await described(request) if known is None else await _take(request, *known)

        return handle


router = APIRouter(prefix="/attempts/{ulid}", tags=["ingest"], route_class=DirectRoute)


def _plainly(request: Request) -> tuple[Principal, Service, int, LimitsSection] | None:
    """Return what the route asks for; None: FastAPI has to look, and may refuse."""
    principal = request.scope.get("state", {}).get("principal")
    # The gatekeeper leaves it once it has compared the token.
    if not isinstance(principal, Principal) or principal.attempt is None:
        return None
    fence = request.headers.get("hotfire-fence", "")
    if not (fence.isascii() and fence.isdigit() and len(fence) <= FENCE_DIGITS):
        return None
    state = request.app.state
    service, limits = getattr(state, "service", None), getattr(state, "limits", None)
    is_own = principal.attempt.ulid == request.path_params.get("ulid")
    if not is_own or not isinstance(service, Service) or not isinstance(limits, LimitsSection):
        return None
    return principal, service, int(fence), limits


@router.post(
    "/records",
    response_model=Acknowledgement,
    summary="Append records to the result stream",
    operation_id="append_records",
    openapi_extra=binary_body(
        "Consecutive records: JSON lines as in the spool, or one encoded document "
        "(docs/api.md); Content-Encoding: gzip is read",
        *sorted(JSON_LINES),
        JSON_DOCUMENT,
        *sorted(MSGPACK),
        example=_RECORDS,
    ),
)
async def append(
    request: Request,
    principal: Annotated[Principal, Depends(require_attempt(AttemptScope.APPEND))],
    service: Serviced,
    fence: Fence,
    limits: Limited,
) -> Response:
    """Answered after the commit. Records that are stored already are skipped.

    A gap is 409 with `acked_seq`: go on behind it. A broken record is 422; what precedes it is
    stored, what follows never will be. 429: wait for `Retry-After`, then send the same again.
    """
    return await _take(request, principal, service, fence, limits)


async def _take(
    request: Request, principal: Principal, service: Service, fence: int, limits: LimitsSection
) -> Response:
    assert principal.attempt is not None
    check_room(service.store.home, limits)
    media_type = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    content = await read_inflated(
        request, limit=limits.records_bytes, inflated=limits.inflated_bytes
    )
    spool = Spool(service.store.attempts / principal.attempt.ulid)
    usage_of(request).add(spool.root, limits, size=len(content))
    delivery = Delivery(
        attempt_id=principal.attempt.attempt_id,
        fence=fence,
        spool=spool,
        content=content,
        media_type=media_type,
    )
    try:
        acked = await asyncio.wrap_future(service.writer.deliver(delivery))
    except QueueFullError as error:
        raise ApiError(
            429, str(error), remedy="wait, then send the same again", kind="busy",
            headers={"Retry-After": str(RETRY_SECONDS)},
        ) from error  # fmt: skip
    except WireError as error:
        status = 415 if "not as" in str(error) else 400
        raise ApiError(status, str(error), remedy="see docs/api.md, Records") from error
    except IngestRefusedError as error:
        raise _refused(error) from error
    # Written out: FastAPI would check our own number against the model, for each batch.
    return Response(b'{"acked_seq":%d}' % acked, media_type=JSON_DOCUMENT)


def _refused(error: IngestRefusedError) -> ApiError:
    remedy = "correct the record; the attempt cannot pass any more"
    if not isinstance(error, BatchBrokenError):
        remedy = "go on behind acked_seq" if error.kind == "gap" else "stop sending"
    members: dict[str, Any] = {"acked_seq": error.acked_seq} if error.acked_seq >= 0 else {}
    status = _STATUS.get(error.kind, 409)
    return ApiError(status, str(error), remedy=remedy, kind=error.kind, **members)
