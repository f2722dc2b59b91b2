"""Who asks, and what they may do: the dependencies that every route declares.

On the loopback interface without configured authentication everybody is the user who serves, as
with the embedded CLI. Everywhere else a caller shows a token, a login cookie, or, on the routes of
one attempt, that attempt's token. A route says what it needs:

    @router.post("/runs")
    def start(principal: Annotated[Principal, Depends(require(Role.DEVELOPER))]): ...

    @router.put("/attempts/{ulid}/heartbeat")
    def beat(principal: Annotated[Principal, Depends(require_attempt(AttemptScope.HEARTBEAT))]): ...
"""

from __future__ import annotations

import hmac
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Annotated

from anyio import to_thread
from fastapi import Depends, FastAPI, HTTPException, Path
from fastapi.security import APIKeyCookie, HTTPAuthorizationCredentials, HTTPBearer
from starlette.requests import HTTPConnection

from hotfire_infra.states import Role
from hotfire_infra.store import credentials
from hotfire_infra.store.credentials import AttemptCredential
from hotfire_infra.store.database import Store

COOKIE = "hotfire_login"
REMEMBERED_ATTEMPTS = 4096

_BEARER = HTTPBearer(
    auto_error=False, scheme_name="token", description="`hotfire tokens create`, or an attempt's"
)
_COOKIE = APIKeyCookie(
    name=COOKIE, auto_error=False, scheme_name="login", description="Sign-in by OpenID Connect"
)

_RANK = {role: rank for rank, role in enumerate(Role)}


class AttemptScope(StrEnum):
    """What the token of an attempt is for; it opens nothing else."""

    CLAIM = "claim"
    HEARTBEAT = "heartbeat"
    APPEND = "append"
    PUT_ARTIFACT = "put-artifact"
    GET_INPUTS = "get-inputs"


@dataclass(frozen=True, slots=True, kw_only=True)
class Principal:
    """Who asks."""

    actor: str
    """`token:<name>`, `user:<subject>` or `attempt:<ulid>`: the word of the audit log."""
    role: Role | None
    """None for an attempt, which may do what its scopes say and nothing a role may."""
    team: str | None = None
    """Runs that it starts count for this team; None: the default one."""
    name: str = ""
    """For people to read."""
    attempt: AttemptCredential | None = None
    login_id: int | None = None
    """Of the session, when the cookie spoke."""

    def may(self, role: Role) -> bool:
        """Return whether the principal has at least this role."""
        return self.role is not None and _RANK[self.role] >= _RANK[role]


class Refused(HTTPException):
    """Access denied, with the status and a reason that tells nothing about what exists."""


def unauthenticated(reason: str) -> Refused:
    """Return the refusal of somebody who did not show (valid) credentials."""
    return Refused(401, reason, headers={"WWW-Authenticate": 'Bearer realm="hotfire"'})


@dataclass(slots=True)
class Access:
    """Decides who a request is from; one per application, in `app.state.access`.

    `embedded_user` is set only where everybody is the user who serves.
    """

    store: Store | None
    embedded_user: str | None = None
    _attempts: dict[str, AttemptCredential] = field(default_factory=dict)

    def principal(self, token: str | None, cookie: str | None) -> Principal:
        """Return who shows these credentials; raises Refused (401)."""
        if token is not None:
            return self._by_token(token)
        if cookie is not None and self.embedded_user is None:
            return self._by_cookie(cookie)
        if self.embedded_user is not None:
            return Principal(
                actor=f"user:{self.embedded_user}", role=Role.ADMIN, name=self.embedded_user
            )
        raise unauthenticated(
            "sign in, or send a token: `Authorization: Bearer hf_…` (`hotfire tokens create`)"
        )

    def attempt(self, ulid: str, token: str | None) -> Principal:
        """Return the attempt whose token this is; raises Refused (401)."""
        digest = credentials.digest_of(token or "")
        known = self._attempts.get(ulid)
        # Seen before, a heartbeat costs no query; a new submission of the attempt has a new token.
        if token and (known is None or not hmac.compare_digest(digest, known.token_sha256)):
            known = self._read_attempt(ulid)
        # Compared even where nothing is known, so that an answer tells not which ULIDs exist.
        expected = known.token_sha256 if known else "0" * 64
        if not hmac.compare_digest(digest, expected) or known is None:
            raise unauthenticated("this is not the token of this attempt")
        if len(self._attempts) >= REMEMBERED_ATTEMPTS:
            self._attempts.clear()
        self._attempts[ulid] = known
        return Principal(actor=f"attempt:{ulid}", role=None, team=known.team, attempt=known)

    def recall(self, ulid: str, token: str) -> Principal | None:
        """Return the attempt if its token was seen before: without any input or output."""
        known = self._attempts.get(ulid)
        digest = credentials.digest_of(token)
        if known is None or not hmac.compare_digest(digest, known.token_sha256):
            return None
        return Principal(actor=f"attempt:{ulid}", role=None, team=known.team, attempt=known)

    def _by_token(self, secret: str) -> Principal:
        store = self._stored()
        now_ns = store.clock.wall_ns()
        with store.reading() as connection:
            row = credentials.find_token(connection, secret)
        if row is None:
            raise unauthenticated("this token is not known here")
        refusal = row.refusal(now_ns)
        if refusal is not None:
            raise unauthenticated(f"{refusal}; `hotfire tokens create` makes a new one")
        if credentials.use_is_stale(row, now_ns):
            with store.writing() as connection:
                credentials.note_use(connection, row, now_ns)
        return Principal(actor=f"token:{row.name}", role=row.role, team=row.team, name=row.name)

    def _by_cookie(self, secret: str) -> Principal:
        store = self._stored()
        with store.reading() as connection:
            row = credentials.find_login(connection, secret)
        refusal = "not signed in" if row is None else row.refusal(store.clock.wall_ns())
        if row is None or refusal is not None:
            raise unauthenticated(f"{refusal}; sign in at /login")
        return Principal(actor=row.subject, role=row.role, name=row.name, login_id=row.id)

    def _read_attempt(self, ulid: str) -> AttemptCredential | None:
        with self._stored().reading() as connection:
            return credentials.attempt_credential(connection, ulid)

    def _stored(self) -> Store:
        if self.store is None:
            raise unauthenticated("there are no tokens here: this application has no store")
        return self.store


def install_access(app: FastAPI, access: Access) -> None:
    """Let the routes of `app` ask `access`; an application without it refuses everybody."""
    app.state.access = access


def access_of(connection: HTTPConnection) -> Access:
    """Return what decides for this application."""
    access = getattr(connection.app.state, "access", None)
    if not isinstance(access, Access):
        raise unauthenticated("this application decides about nobody: `install_access` is missing")
    return access


def current_principal(
    connection: HTTPConnection,
    bearer: Annotated[HTTPAuthorizationCredentials | None, Depends(_BEARER)] = None,
    cookie: Annotated[str | None, Depends(_COOKIE)] = None,
) -> Principal:
    """Return who asks; 401 when nobody says."""
    known = getattr(connection.state, "principal", None)
    if isinstance(known, Principal):
        return known
    found = access_of(connection).principal(bearer.credentials if bearer else None, cookie)
    connection.state.principal = found
    return found


def require(role: Role) -> Callable[[Principal], Principal]:
    """Return a dependency that admits those who have at least `role`: 401, 403, or a Principal."""

    def admitted(principal: Annotated[Principal, Depends(current_principal)]) -> Principal:
        if not principal.may(role):
            has = f"is {principal.role}" if principal.role else "is the token of one attempt"
            raise Refused(403, f"this needs the role {role}; {principal.actor} {has}")
        return principal

    return admitted


def require_attempt(scope: AttemptScope) -> Callable[..., Awaitable[Principal]]:
    """Return a dependency for routes below `/attempts/{ulid}`: only that attempt's own token.

    The principal's `attempt` has the store's id of the attempt and of its run.
    """

    async def admitted(
        connection: HTTPConnection,
        ulid: Annotated[
            str,
            Path(
                description="ULID of the attempt",
                min_length=26,
                max_length=26,
                examples=["01JD3Q7A0000000000000000AA"],
            ),
        ],
        bearer: Annotated[HTTPAuthorizationCredentials | None, Depends(_BEARER)] = None,
    ) -> Principal:
        token = bearer.credentials if bearer else None
        access = access_of(connection)
        # What the gatekeeper has just looked up costs no thread a second time.
        known = access.recall(ulid, token) if token else None
        principal = (
            known if known is not None else await to_thread.run_sync(access.attempt, ulid, token)
        )
        connection.state.principal = principal
        connection.state.attempt_scope = scope
        return principal

    return admitted
