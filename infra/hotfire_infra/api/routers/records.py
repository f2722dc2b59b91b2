"""What the runner of an attempt sends most of: the records of its stream."""

from __future__ import annotations

import asyncio
from typing import Annotated, Any

from fastapi import APIRouter, Depends, HTTPException, Request
from fastapi.responses import Response
from pydantic import BaseModel, Field
from starlette.types import ASGIApp, Receive, Scope, Send

from hotfire_infra.api.access import AttemptScope, Principal, require_attempt
from hotfire_infra.api.bodies import binary_body, read_inflated
from hotfire_infra.api.documents import with_example
from hotfire_infra.api.limits import Limited
from hotfire_infra.api.problems import ApiError, response_of
from hotfire_infra.api.routers.ingest import Fence
from hotfire_infra.api.service import Service, Serviced
from hotfire_infra.api.usage import usage_of
from hotfire_infra.errors import InfraError
from hotfire_infra.executors.spool import Spool
from hotfire_infra.ingest.wire import JSON_DOCUMENT, JSON_LINES, MSGPACK, WireError
from hotfire_infra.ingest.writer import (
    BatchBrokenError,
    Delivery,
    IngestRefusedError,
    QueueFullError,
)
from hotfire_infra.sections.limits import LimitsSection
from hotfire_infra.store.credentials import AttemptCredential

RETRY_SECONDS = 1
FENCE_DIGITS = 18
_STATUS = {"unstorable": 422, "broken-record": 422}
_RECORDS = '{"v":1,"seq":1,"kind":"test_start","mono_ns":5,"test":"m/s/n","try":1}\n'


class Acknowledgement(BaseModel):
    """How far the stream is stored for good."""

    model_config = with_example(acked_seq=1204)

    acked_seq: int = Field(description="Last record of the contiguous prefix that is committed")


router = APIRouter(prefix="/attempts/{ulid}", tags=["ingest"])


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


class DirectRecords:
    """Middleware behind the gatekeeper: takes a batch that plainly is as the route describes it.

    To find the route and to resolve its parameters takes FastAPI as long as all else before a batch
    is queued. Whatever is not plain goes its way, so that there is one place for each refusal.
    """

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a plain batch; pass on all else."""
        is_one = scope["type"] == "http" and scope["path"].endswith("/records")
        known = _plainly(scope) if is_one else None
        if known is None:
            await self._app(scope, receive, send)
            return
        scope["route"] = _ROUTE
        scope["path_params"] = {"ulid": _attempt_in(known[0]).ulid}
        try:
            answer = await _take(Request(scope, receive), *known)
        except (InfraError, HTTPException) as error:
            answer = response_of(error)
        await answer(scope, receive, send)


def _plainly(scope: Scope) -> tuple[Principal, Service, int, LimitsSection] | None:
    """Return what the route asks for; None: FastAPI has to look, and may refuse."""
    # The gatekeeper leaves it once it has compared the token.
    principal = scope.get("state", {}).get("principal")
    if (
        scope["method"] != "POST"
        or not isinstance(principal, Principal)
        or principal.attempt is None
    ):
        return None
    if scope["path"] != f"/api/v1/attempts/{principal.attempt.ulid}/records":
        return None
    fences = [value for name, value in scope["headers"] if name == b"hotfire-fence"]
    if len(fences) != 1 or not fences[0].isdigit() or len(fences[0]) > FENCE_DIGITS:
        return None
    state = scope["app"].state
    service, limits = getattr(state, "service", None), getattr(state, "limits", None)
    if not isinstance(service, Service) or not isinstance(limits, LimitsSection):
        return None
    return principal, service, int(fences[0]), limits


def _attempt_in(principal: Principal) -> AttemptCredential:
    assert principal.attempt is not None
    return principal.attempt


async def _take(
    request: Request, principal: Principal, service: Service, fence: int, limits: LimitsSection
) -> Response:
    attempt = _attempt_in(principal)
    usage = usage_of(request)
    usage.check_room(service.store.home, limits)
    media_type = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    content = await read_inflated(
        request, limit=limits.records_bytes, inflated=limits.inflated_bytes
    )
    spool = Spool(service.store.attempts / attempt.ulid)
    usage.add(spool.root, limits, size=len(content))
    delivery = Delivery(
        attempt_id=attempt.attempt_id,
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


_ROUTE = router.routes[0]
"""What the figures of the service count a plain batch under."""


def _refused(error: IngestRefusedError) -> ApiError:
    remedy = "correct the record; the attempt cannot pass any more"
    if not isinstance(error, BatchBrokenError):
        remedy = "go on behind acked_seq" if error.kind == "gap" else "stop sending"
    members: dict[str, Any] = {"acked_seq": error.acked_seq} if error.acked_seq >= 0 else {}
    status = _STATUS.get(error.kind, 409)
    return ApiError(status, str(error), remedy=remedy, kind=error.kind, **members)
