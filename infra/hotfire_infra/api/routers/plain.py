"""What a runner says of itself, answered without FastAPI where it plainly is as the routes describe.

Claim, specification, heartbeat and end come from every attempt, and a heartbeat twice a second. To
find the route, resolve its parameters and check our own answer takes longer than to do what is
asked, and goes through two more threads. Whatever is not plain goes the usual way, so that there is
one place for each refusal of a request; what the store refuses is refused by the same functions.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Any

from anyio import to_thread
from fastapi import HTTPException
from fastapi.responses import Response
from pydantic import BaseModel, ValidationError
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from hotfire_infra.api.access import Principal
from hotfire_infra.api.problems import response_of
from hotfire_infra.api.routers import ingest
from hotfire_infra.api.security.gatekeeper import Visit
from hotfire_infra.api.service import Service
from hotfire_infra.errors import InfraError
from hotfire_infra.store.audit import AuditOutcome

JSON = "application/json"
FENCE_DIGITS = 18
MOST_BYTES = 1 << 16
"""Of a body; a longer one is nothing that a runner of ours sends."""


@dataclass(frozen=True, slots=True)
class Asked:
    """A request that is plain so far."""

    scope: Scope
    principal: Principal
    service: Service
    fence: int
    """0 where none was sent; the routes that need one are asked with it only."""


class PlainRequests:
    """Middleware behind the gatekeeper."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer what is plain; pass on all else."""
        asked = _plainly(scope) if scope["type"] == "http" else None
        if asked is None:
            await self._app(scope, receive, send)
            return
        verb = _VERBS[_last(scope["path"])]
        document: Any = None
        if verb.model is not None:
            body, receive = await _read(receive)
            try:
                document = None if body is None else verb.model.model_validate_json(body)
            except ValidationError:
                document = None
            if document is None:
                await self._app(scope, receive, send)
                return
        # What the figures of the service and the audit log know it by.
        scope["route"] = _ROUTES[verb.name]
        scope["path_params"] = {"ulid": asked.scope["path"].split("/")[4]}
        try:
            answer = await verb.do(asked, document)
        except (InfraError, HTTPException) as error:
            answer = response_of(error)
        await answer(scope, receive, send)


@dataclass(frozen=True, slots=True)
class _Verb:
    name: str
    method: str
    model: type[BaseModel] | None
    """Of its body; None: it has none."""
    is_fenced: bool
    do: Callable[[Asked, Any], Awaitable[Response]]


async def _claim(asked: Asked, document: ingest.ClaimRequest) -> Response:
    visit = asked.scope["state"].get("visit")
    known = visit if isinstance(visit, Visit) else None
    entry = None if known is None else known.entry(AuditOutcome.ALLOWED, 200)
    answer = await to_thread.run_sync(
        ingest.take_claim, document, asked.principal, asked.service, entry
    )
    if known is not None:
        known.is_audited = True
    return _answer(answer)


async def _spec(asked: Asked, _document: None) -> Response:
    # A small file that was just written: to ask a thread for it takes longer.
    return ingest.spec(asked.principal, asked.service)


async def _heartbeat(asked: Asked, document: ingest.Beat) -> Response:
    return _answer(
        await to_thread.run_sync(
            ingest.heartbeat, document, asked.principal, asked.service, asked.fence
        )
    )


async def _end(asked: Asked, document: ingest.EndRequest) -> Response:
    return _answer(
        await to_thread.run_sync(ingest.end, document, asked.principal, asked.service, asked.fence)
    )


_VERBS: Mapping[str, _Verb] = {
    one.name: one
    for one in (
        _Verb("claim", "POST", ingest.ClaimRequest, False, _claim),
        _Verb("spec", "GET", None, False, _spec),
        _Verb("heartbeat", "PUT", ingest.Beat, True, _heartbeat),
        _Verb("end", "POST", ingest.EndRequest, True, _end),
    )
}
_ROUTES: Mapping[str, Any] = {
    _last_part: route
    for route in ingest.router.routes
    if (_last_part := str(getattr(route, "path", "")).rpartition("/")[2]) in _VERBS
}


def _last(path: str) -> str:
    return path.rpartition("/")[2]


def _plainly(scope: Scope) -> Asked | None:
    """Return what is asked for; None: FastAPI has to look, and may refuse."""
    verb = _VERBS.get(_last(scope["path"]))
    if verb is None or scope["method"] != verb.method or scope.get("query_string"):
        return None
    # The gatekeeper leaves it once it has compared the token.
    principal = scope.get("state", {}).get("principal")
    if not isinstance(principal, Principal) or principal.attempt is None:
        return None
    if scope["path"] != f"/api/v1/attempts/{principal.attempt.ulid}/{verb.name}":
        return None
    service = getattr(scope["app"].state, "service", None)
    fence = _fence(scope, verb)
    if not isinstance(service, Service) or fence is None:
        return None
    return Asked(scope, principal, service, fence)


def _fence(scope: Scope, verb: _Verb) -> int | None:
    """Return the fence, 0 where none is needed; None: the headers are not plain."""
    fence = 0 if not verb.is_fenced else None
    is_json = verb.model is None
    for name, value in scope["headers"]:
        if name == b"content-type":
            is_json = value == JSON.encode()
        elif name in (b"content-encoding", b"expect"):
            return None
        elif name == b"hotfire-fence" and verb.is_fenced:
            if fence is not None or not value.isdigit() or len(value) > FENCE_DIGITS:
                return None
            fence = int(value)
    return fence if is_json else None


async def _read(receive: Receive) -> tuple[bytes | None, Receive]:
    """Return a whole small body, and how whoever looks next receives all of it again."""
    messages: list[Message] = []
    size, is_whole = 0, False
    while not is_whole and size <= MOST_BYTES:
        message = await receive()
        messages.append(message)
        if message["type"] != "http.request":
            break
        size += len(message.get("body", b""))
        is_whole = not message.get("more_body", False)
    body = b"".join(one.get("body", b"") for one in messages) if is_whole else None
    rest = iter(messages)

    async def again() -> Message:
        kept = next(rest, None)
        return await receive() if kept is None else kept

    return body, again


def _answer(document: BaseModel) -> Response:
    return Response(document.model_dump_json(), media_type=JSON)
