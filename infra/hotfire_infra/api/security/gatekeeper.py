"""Before every route: the name asked for, who asks, how often and how much; after it: the audit.

What a route forgets to ask is asked here: without `require` it still needs a viewer.
"""

from __future__ import annotations

import logging
import re
import secrets
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from urllib.parse import quote

from anyio import to_thread
from starlette.datastructures import Headers
from starlette.exceptions import HTTPException
from starlette.requests import HTTPConnection
from starlette.responses import RedirectResponse, Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from hotfire_infra.api.access import COOKIE, Access, Principal, Refused
from hotfire_infra.api.problems import response_of
from hotfire_infra.api.security.addresses import Origin, admits_name, is_same_origin, origin_of
from hotfire_infra.api.security.auditing import SAFE_METHODS, Auditor, outcome_of
from hotfire_infra.api.security.bodies import (
    attempt_of,
    cap_of,
    capped,
    check_announced,
    run_of,
)
from hotfire_infra.api.security.rate_limits import Buckets, retry_after
from hotfire_infra.clock import Clock, SystemClock
from hotfire_infra.errors import InfraError
from hotfire_infra.operations.context import about
from hotfire_infra.sections.access import AccessSection
from hotfire_infra.sections.limits import LimitsSection
from hotfire_infra.store.audit import AuditEntry, AuditOutcome
from hotfire_infra.store.credentials import TOKEN_PREFIX

log = logging.getLogger(__name__)

PROBES = frozenset({"/healthz", "/readyz"})
"""They tell nothing, and whoever asks knows no name and has no token."""
SIGN_IN = frozenset({"/login", "/login/begin", "/login/callback", "/login/token"})
_OPEN_FOLDER = "/static/"

HEADERS: Mapping[str, str] = {
    "Content-Security-Policy": "default-src 'none'; base-uri 'none'; frame-ancestors 'none'",
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "same-origin",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Cache-Control": "private, no-store",
}
"""Of every answer that does not say otherwise; the pages have a policy of their own."""
TRANSPORT_SECURITY = "max-age=31536000"

_HEADERS = [(name.lower().encode(), value.encode()) for name, value in HEADERS.items()]
_SECURE_HEADERS = [*_HEADERS, (b"strict-transport-security", TRANSPORT_SECURITY.encode())]

_PARAMETER = re.compile(r"\{(\w+)(?::\w+)?\}")

Observe = Callable[[str, str | None, int, float], None]
"""Told of every answer: method, route as declared, status (0: broken off), seconds."""


@dataclass(slots=True)
class Visit:
    """One request on its way."""

    scope: Scope
    headers: Headers
    origin: Origin
    principal: Principal | None = None
    by_token: bool = False
    status: int = 0
    refusal: str = ""
    began: float = field(default_factory=time.perf_counter)
    is_audited: bool = False
    """What it did was written into the audit log where it was done, in the same transaction."""

    @property
    def path(self) -> str:
        """As asked for, decoded."""
        return str(self.scope["path"])

    @property
    def method(self) -> str:
        """In capitals."""
        return str(self.scope["method"])

    @property
    def token(self) -> str | None:
        """The secret after `Bearer`."""
        kind, _, value = self.headers.get("authorization", "").partition(" ")
        return value.strip() if kind.lower() == "bearer" else None

    def entry(self, outcome: AuditOutcome, status: int) -> AuditEntry:
        """Return its line of the audit log."""
        principal, state = self.principal, self.scope.get("state", {})
        attempt = principal.attempt if principal else None
        return AuditEntry(
            actor=principal.actor if principal else "anonymous",
            action=f"{self.method} {declared_path(self.scope) or self.path}",
            target=self.path,
            outcome=outcome,
            address=self.origin.address,
            detail={"status": status},
            run_id=attempt.run_id if attempt else state.get("audit_run_id"),
            reason=self.refusal,
        )

    @property
    def is_public(self) -> bool:
        """Whether nobody needs to say who they are."""
        return self.path in PROBES | SIGN_IN or self.path.startswith(_OPEN_FOLDER)


@dataclass(slots=True)
class Gatekeeper:
    """ASGI middleware; the outermost of the application."""

    app: ASGIApp
    access: Access
    section: AccessSection = field(default_factory=AccessSection)
    limits: LimitsSection = field(default_factory=LimitsSection)
    auditor: Auditor | None = None
    observe: Observe | None = None
    logs_requests: bool = False
    clock: Clock = field(default_factory=SystemClock)
    _requests: Buckets = field(init=False)
    _attempts: Buckets = field(init=False)
    _refusals: Buckets = field(init=False)

    def __post_init__(self) -> None:
        self._requests = Buckets(self.limits.requests, self.clock.mono_ns)
        self._attempts = Buckets(self.limits.attempts, self.clock.mono_ns)
        self._refusals = Buckets(self.limits.refusals, self.clock.mono_ns)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass a request on or refuse it; never let an exception out."""
        if scope["type"] == "websocket":
            await send({"type": "websocket.close", "code": 1008})
            return
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            # The whole of the lifespan is over: what was only counted is written.
            if self.auditor is not None:
                await to_thread.run_sync(self.auditor.close)
            return
        visit = Visit(scope, Headers(scope=scope), origin_of(scope, self.section))
        outward = _outward(visit, send)
        try:
            await self._admit(visit)
            inward = capped(receive, cap_of(visit.path, self.limits))
            with about(run=run_of(visit.path), attempt=attempt_of(visit.path)):
                await self.app(scope, inward, outward)
        except HTTPException as refused:
            visit.refusal = str(refused.detail)
            await self._answer(visit, refused)(scope, receive, outward)
        except Exception as error:
            if visit.status:
                raise  # The answer has begun: only breaking it off tells that it is not whole.
            await _failed(error)(scope, receive, outward)
        finally:
            await self._record(visit)

    async def _admit(self, visit: Visit) -> None:
        if visit.path not in PROBES and not admits_name(visit.origin.host, self.section):
            raise Refused(
                421,
                f"not served under the name {visit.origin.host!r}: open it as 127.0.0.1, "
                "or add the name to `access.names` in service.yaml",
            )
        if self.access.embedded_user is not None and visit.origin.is_forwarded:
            raise Refused(
                421,
                "this came through a proxy, but everybody here is the user who serves: "
                "set `access.proxies` and `access.public_url` in service.yaml",
            )
        check_announced(visit.headers, cap_of(visit.path, self.limits))
        if "\0" in visit.path or b"%00" in visit.scope.get("query_string", b""):
            # PostgreSQL knows no text with one: it would be a fault of the query.
            raise Refused(422, "an address with a NUL in it names nothing")
        if visit.path in PROBES and self.access.embedded_user is None:
            # Anybody may ask, and every answer costs a query.
            self._slow_down(self._requests, f"probe:{visit.origin.address}")
        if visit.path in SIGN_IN and visit.path != "/login":
            self._slow_down(self._refusals, visit.origin.address)
        if not visit.is_public:
            await self._identify(visit)
        self._check_origin(visit)

    async def _identify(self, visit: Visit) -> None:
        try:
            principal = await self._principal(visit)
        except Refused:
            self._slow_down(self._refusals, visit.origin.address)
            raise
        visit.principal = principal
        visit.by_token = visit.token is not None
        visit.scope.setdefault("state", {}).update(principal=principal, visit=visit)
        if principal.attempt is not None:
            self._slow_down(self._attempts, principal.actor)
        elif self.access.embedded_user is None:
            self._slow_down(self._requests, principal.actor)

    async def _principal(self, visit: Visit) -> Principal:
        token, ulid = visit.token, attempt_of(visit.path)
        if token is not None and ulid is not None:
            known = self.access.recall(ulid, token)
            if known is not None:
                return known
            try:
                return await to_thread.run_sync(self.access.attempt, ulid, token)
            except Refused:
                if not token.startswith(TOKEN_PREFIX):
                    raise
        cookie = HTTPConnection(visit.scope).cookies.get(COOKIE)
        if token is None and cookie is None and self.access.embedded_user is not None:
            return self.access.principal(None, None)
        return await to_thread.run_sync(self.access.principal, token, cookie)

    def _check_origin(self, visit: Visit) -> None:
        """Refuse a change that a page elsewhere makes with the reader's cookie or presence."""
        if visit.method in SAFE_METHODS or visit.by_token:
            return
        same = is_same_origin(visit.headers, visit.origin)
        if same is None:
            # A program without a browser sends neither header, and no cookie.
            same = COOKIE not in HTTPConnection(visit.scope).cookies
        if not same:
            raise Refused(403, "a change must come from a page of this service, or with a token")

    @staticmethod
    def _slow_down(buckets: Buckets, key: str) -> None:
        wait = buckets.take(key)
        if wait > 0:
            headers = {"Retry-After": retry_after(wait)}
            raise Refused(429, "too many requests; see Retry-After", headers=headers)

    def _answer(self, visit: Visit, refused: HTTPException) -> Response:
        wants_page = "text/html" in visit.headers.get("accept", "") and visit.method == "GET"
        if refused.status_code == 401 and wants_page and not visit.path.startswith("/api/"):
            query = visit.scope.get("query_string", b"").decode("ascii", "replace")
            back = visit.path + (f"?{query}" if query else "")
            return RedirectResponse(f"/login?next={quote(back, safe='/')}", 303)
        return response_of(refused)

    async def _record(self, visit: Visit) -> None:
        principal = visit.principal
        route = declared_path(visit.scope)
        seconds = time.perf_counter() - visit.began
        if self.observe is not None:
            self.observe(visit.method, route, visit.status, seconds)
        if self.logs_requests:
            log.info(
                "%s %s %d", visit.method, visit.path, visit.status,
                extra={"seconds": round(seconds, 6), "address": visit.origin.address},
            )  # fmt: skip
        is_stream = bool(principal and principal.attempt) and not visit.path.endswith("/claim")
        outcome = outcome_of(visit.method, visit.status, is_stream=is_stream)
        if outcome is None or self.auditor is None:
            return
        if visit.is_audited and outcome is AuditOutcome.ALLOWED:
            return
        await to_thread.run_sync(self.auditor.record, visit.entry(outcome, visit.status))


def declared_path(scope: Scope) -> str | None:
    """Return the path of the route that answered, as it is declared; None when there was none.

    A route of an included router knows its own part only; what stands before it is static.
    """
    own = getattr(scope.get("route"), "path", None)
    if own is None:
        return None
    rendered = str(own)
    values = scope.get("path_params", {})
    rendered = _PARAMETER.sub(lambda found: str(values.get(found[1], found[0])), rendered)
    path = str(scope["path"])
    return path.removesuffix(rendered) + str(own) if path.endswith(rendered) else str(own)


def _outward(visit: Visit, send: Send) -> Send:
    async def outward(message: Message) -> None:
        if message["type"] == "http.response.start":
            visit.status = int(message["status"])
            wanted = _SECURE_HEADERS if visit.origin.scheme == "https" else _HEADERS
            said = list(message.get("headers", ()))
            names = {name.lower() for name, _ in said}
            message["headers"] = said + [one for one in wanted if one[0] not in names]
        await send(message)

    return outward


def _failed(error: Exception) -> Response:
    """Return the answer to an error that no route expected; what happened stands in the log only."""
    if isinstance(error, InfraError):
        return response_of(error)
    number = secrets.token_hex(6)
    log.error("defect %s: %s", number, type(error).__name__, exc_info=error)
    said = f"a defect of Hotfire itself; the log of the service tells more: {number}"
    return response_of(HTTPException(500, said))
