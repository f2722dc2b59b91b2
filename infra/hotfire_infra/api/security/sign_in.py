"""Sign-in of people: by their provider of identities, or in a browser by a token; and sign-out."""

from __future__ import annotations

import base64
import binascii
import hashlib
import html
import json
import re
from dataclasses import asdict, dataclass
from typing import Annotated, Any
from urllib.parse import parse_qs, urlencode

from anyio import to_thread
from fastapi import APIRouter, Depends, Query, Request
from fastapi.responses import HTMLResponse, RedirectResponse, Response
from pydantic import BaseModel, Field

from hotfire_infra.api.access import COOKIE, Access, Principal, Refused, require
from hotfire_infra.api.documents import with_example
from hotfire_infra.api.security.addresses import origin_of
from hotfire_infra.api.security.auditing import Auditor
from hotfire_infra.api.security.oidc import Flow, Identity, Provider, SignInError, role_of
from hotfire_infra.sections.access import AccessSection, OidcSection
from hotfire_infra.states import Role
from hotfire_infra.store import credentials
from hotfire_infra.store.audit import AuditEntry, AuditOutcome
from hotfire_infra.store.database import Store

FLOW_COOKIE = "hotfire_sign_in"
FLOW_SECONDS = 600
FORM_BYTES = 4096
FORM_FIELDS = 4
TOKEN_SESSION_HOURS = 12.0

_STYLE = "body{font:16px/1.5 system-ui;margin:4rem auto;max-width:30rem;padding:0 1rem}"
_STYLE_HASH = base64.b64encode(hashlib.sha256(_STYLE.encode()).digest()).decode()
_PAGE_POLICY = (
    f"default-src 'none'; style-src 'sha256-{_STYLE_HASH}'; form-action 'self'; "
    "base-uri 'none'; frame-ancestors 'none'"
)
_LOCAL = re.compile(r"/(?![/\\])[^\\\x00-\x20\x7f]*")


class MeDocument(BaseModel):
    """Who the service takes the caller for."""

    model_config = with_example(actor="token:ci", name="ci", role="developer", team="perf")

    actor: str = Field(examples=["user:ada", "token:ci"])
    name: str
    role: Role | None
    team: str | None


@dataclass(slots=True)
class SignIn:
    """The acts behind the routes; every one of them is a line of the audit log."""

    store: Store
    section: AccessSection
    auditor: Auditor
    provider: Provider | None = None

    def admit(self, identity: Identity, oidc: OidcSection, address: str) -> str:
        """Begin a session for a person and return its cookie; raises Refused (403)."""
        role = role_of(identity, oidc)
        actor = f"user:{identity.subject}"
        if role is None:
            reason = "none of the person's groups has a role (`access.oidc.roles`)"
            self.note(actor, AuditOutcome.DENIED, address, reason)
            raise Refused(403, f"{identity.name} is known, but {reason}")
        self.note(actor, AuditOutcome.ALLOWED, address, f"as {role}")
        return self._begin(actor, identity.name, role, int(oidc.session_hours * 3600e9))

    def admit_token(self, access: Access, secret: str, address: str) -> str:
        """Begin a session for the holder of a token; it ends with the token at the latest."""
        try:
            principal = access.principal(secret, None)
        except Refused as refused:
            self.note("anonymous", AuditOutcome.DENIED, address, str(refused.detail))
            raise
        self.note(principal.actor, AuditOutcome.ALLOWED, address, "by token")
        with self.store.reading() as connection:
            token = credentials.find_token(connection, secret)
        lifetime_ns = int(TOKEN_SESSION_HOURS * 3600e9)
        if token is not None and token.expires_ns is not None:
            lifetime_ns = min(lifetime_ns, token.expires_ns - self.store.clock.wall_ns())
        role = principal.role or Role.VIEWER
        return self._begin(principal.actor, principal.name, role, lifetime_ns)

    def _begin(self, actor: str, name: str, role: Role, lifetime_ns: int) -> str:
        now_ns = self.store.clock.wall_ns()
        with self.store.writing() as connection:
            credentials.purge_logins(connection, now_ns)
            return credentials.create_login(
                connection, subject=actor, name=name, role=role,
                lifetime_ns=lifetime_ns, now_ns=now_ns,
            )  # fmt: skip

    def note(self, actor: str, outcome: AuditOutcome, address: str, reason: str) -> None:
        """Write a line of the audit log."""
        self.auditor.record(
            AuditEntry(
                actor=actor, action="sign-in", target="/login", outcome=outcome,
                address=address, reason=reason,
            )
        )  # fmt: skip

    def set_cookie(self, response: Response, name: str, value: str, seconds: int) -> None:
        """Set a cookie that no script reads and no other site sends along with a change."""
        response.set_cookie(
            name, value, max_age=seconds, path="/", httponly=True, samesite="lax",
            secure=(self.section.public_url or "").startswith("https:"),
        )  # fmt: skip


def sign_in_router(acts: SignIn) -> APIRouter:
    """Return /login, /login/callback, /login/token, /logout and /api/v1/me."""
    router = APIRouter()
    _attach_login(router, acts)
    _attach_provider(router, acts)
    _attach_token(router, acts)

    @router.get(
        "/api/v1/me", summary="Say who the caller is", operation_id="get_me", tags=["access"]
    )
    def me(principal: Annotated[Principal, Depends(require(Role.VIEWER))]) -> MeDocument:
        """Whom the service takes the caller for, by token, login or, embedded, as who serves."""
        return MeDocument(
            actor=principal.actor, name=principal.name, role=principal.role, team=principal.team
        )

    @router.post("/logout", include_in_schema=False)
    def logout(principal: Annotated[Principal, Depends(require(Role.VIEWER))]) -> Response:
        if principal.login_id is not None:
            with acts.store.writing() as connection:
                now_ns = acts.store.clock.wall_ns()
                credentials.end_login(connection, principal.login_id, now_ns=now_ns)
        response = RedirectResponse("/login", 303)
        response.delete_cookie(COOKIE, path="/")
        return response

    return router


def _attach_login(router: APIRouter, acts: SignIn) -> None:
    @router.get("/login", include_in_schema=False)
    def login(next: Annotated[str, Query()] = "/") -> Response:  # noqa: A002 - as in the address
        return _page(acts, local_path(next), "")


def _attach_provider(router: APIRouter, acts: SignIn) -> None:
    @router.get("/login/begin", include_in_schema=False)
    def begin(next: Annotated[str, Query()] = "/") -> Response:  # noqa: A002 - as in the address
        if acts.provider is None:
            return _page(acts, "/", "Nobody can sign in by name here: `access.oidc` is not set.")
        flow = Flow.begin()
        try:
            response = RedirectResponse(acts.provider.authorization_url(flow), 303)
        except SignInError as error:
            return _page(acts, local_path(next), str(error), 502)
        acts.set_cookie(response, FLOW_COOKIE, _packed(flow, local_path(next)), FLOW_SECONDS)
        return response

    @router.get("/login/callback", include_in_schema=False)
    def callback(request: Request) -> Response:
        oidc, address = acts.section.oidc, origin_of(request.scope, acts.section).address
        kept = _unpacked(request.cookies.get(FLOW_COOKIE, ""))
        if acts.provider is None or oidc is None or kept is None:
            return _page(acts, "/", "This sign-in was not begun here; begin again.", 400)
        flow, back = kept
        try:
            identity = acts.provider.finish(flow, dict(request.query_params))
            cookie = acts.admit(identity, oidc, address)
        except SignInError as error:
            acts.note("anonymous", AuditOutcome.DENIED, address, str(error))
            return _ended(_page(acts, back, str(error), 403))
        except Refused as refused:
            return _ended(_page(acts, back, str(refused.detail), 403))
        response = RedirectResponse(back, 303)
        acts.set_cookie(response, COOKIE, cookie, int(oidc.session_hours * 3600))
        return _ended(response)


def _attach_token(router: APIRouter, acts: SignIn) -> None:
    @router.post("/login/token", include_in_schema=False)
    async def by_token(request: Request) -> Response:
        body = (await request.body())[:FORM_BYTES]
        try:
            form = parse_qs(body.decode("utf-8", "replace"), max_num_fields=FORM_FIELDS)
        except ValueError:
            return _page(acts, "/", "this is not the form of this page; fill it in again", 422)
        secret, back = form.get("token", [""])[0].strip(), local_path(form.get("next", ["/"])[0])
        address = origin_of(request.scope, acts.section).address
        access: Access = request.app.state.access
        try:
            cookie = await to_thread.run_sync(acts.admit_token, access, secret, address)
        except Refused as refused:
            return _page(acts, back, str(refused.detail), 403)
        response = RedirectResponse(back, 303)
        acts.set_cookie(response, COOKIE, cookie, int(TOKEN_SESSION_HOURS * 3600))
        return response


def local_path(wish: str) -> str:
    """Return the path to go back to; `/` for whatever leads elsewhere."""
    return wish if _LOCAL.fullmatch(wish) else "/"


def _packed(flow: Flow, back: str) -> str:
    text = json.dumps({**asdict(flow), "back": back})
    return base64.urlsafe_b64encode(text.encode()).decode("ascii")


def _unpacked(cookie: str) -> tuple[Flow, str] | None:
    """Return what `_packed` packed; the cookie is the browser's, so it may be anything."""
    try:
        found: Any = json.loads(base64.urlsafe_b64decode(cookie.encode("ascii", "replace")))
        flow = Flow(**{name: str(found[name]) for name in ("state", "nonce", "verifier")})
        return flow, local_path(str(found["back"]))
    except (binascii.Error, ValueError, KeyError, TypeError, RecursionError):
        return None


def _ended(response: Response) -> Response:
    response.delete_cookie(FLOW_COOKIE, path="/")
    return response


def _page(acts: SignIn, back: str, problem: str, status: int = 200) -> Response:
    said = f"<p role='alert'>{html.escape(problem)}</p>" if problem else ""
    by_name = ""
    if acts.section.oidc is not None:
        link = html.escape(f"/login/begin?{urlencode({'next': back})}")
        by_name = f"<p><a href='{link}'>Sign in by {html.escape(acts.section.oidc.issuer)}</a></p>"
    content = (
        "<!doctype html><html lang='en'><head><meta charset='utf-8'>"
        "<meta name='viewport' content='width=device-width, initial-scale=1'>"
        f"<title>Sign in · Hotfire</title><style>{_STYLE}</style></head><body>"
        f"<h1>Hotfire</h1>{said}{by_name}<form method='post' action='/login/token'>"
        "<p><label>Token <input name='token' type='password' autocomplete='off' required></label> "
        f"<input type='hidden' name='next' value='{html.escape(back)}'>"
        "<button>Sign in</button></p></form></body></html>"
    )
    headers = {"Content-Security-Policy": _PAGE_POLICY}
    return HTMLResponse(content, status, headers=headers)
