"""Routes of administration: tokens and the audit log."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Depends, Path, Query
from pydantic import BaseModel, ConfigDict, Field

from hotfire_infra.api.access import Principal, require
from hotfire_infra.api.documents import with_example
from hotfire_infra.client.administration import DAY_NS, audit_values, token_values
from hotfire_infra.states import Role
from hotfire_infra.store import credentials
from hotfire_infra.store.audit import AuditFilter, AuditOutcome, audit_log
from hotfire_infra.store.credentials import TokenWish
from hotfire_infra.store.database import Store

Admin = Annotated[Principal, Depends(require(Role.ADMIN))]
_ADMIN_ONLY = [Depends(require(Role.ADMIN))]
_OPERATOR_ONLY = [Depends(require(Role.OPERATOR))]
Actor = Annotated[
    str | None,
    Query(max_length=200, description="Only what this actor did", examples=["token:ci"]),
]
Action = Annotated[
    str | None,
    Query(max_length=200, description="Beginning of the action", examples=["POST /api/v1/runs"]),
]
TokenName = Annotated[
    str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]{0,99}$", description="Unique while in force")
]


TOKEN_EXAMPLE: dict[str, Any] = {
    "id": "01JD3Q6X7V8W9Y0Z1A2B3C4D5E",
    "name": "ci",
    "role": "developer",
    "team": "perf",
    "created_by": "user:ada",
    "created": "2026-01-12T08:00:00+00:00",
    "expires": "2026-04-12T08:00:00+00:00",
    "revoked": None,
    "last_used": "2026-02-01T12:30:00+00:00",
}
AUDIT_EXAMPLE: dict[str, Any] = {
    "id": 1204,
    "at": "2026-02-01T12:30:00+00:00",
    "actor": "token:ci",
    "action": "POST /api/v1/runs/{run}/cancel",
    "target": "/api/v1/runs/12/cancel",
    "outcome": "allowed",
    "address": "192.0.2.7",
    "run": 12,
    "reason": "",
    "detail": {"status": 200},
}


class TokenDocument(BaseModel):
    """A token without its secret."""

    model_config = with_example(**TOKEN_EXAMPLE)

    id: str = Field(examples=["01JD3Q6X7V8W9Y0Z1A2B3C4D5E"])
    name: str = Field(examples=["ci"])
    role: Role
    team: str | None
    created_by: str
    created: str = Field(description="RFC 3339, UTC")
    expires: str | None
    revoked: str | None
    last_used: str | None = Field(description="To within ten minutes")


class NewToken(BaseModel):
    """What a token is to be."""

    model_config = ConfigDict(
        extra="forbid",
        json_schema_extra={"examples": [{"name": "ci", "role": "developer", "expires_days": 90}]},
    )

    name: TokenName
    role: Role
    team: Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]{0,99}$")] | None = None
    expires_days: Annotated[int, Field(ge=1, le=3650)] | None = Field(
        default=90, description="null: until it is revoked"
    )


class CreatedToken(TokenDocument):
    """A token just made; nobody can read its secret again."""

    model_config = with_example(**TOKEN_EXAMPLE, token="hf_…")  # noqa: S106 - an example

    token: str = Field(examples=["hf_…"])


class AuditDocument(BaseModel):
    """One line of the audit log."""

    model_config = with_example(**AUDIT_EXAMPLE)

    id: int
    at: str | None = Field(description="RFC 3339, UTC")
    actor: str = Field(examples=["token:ci"])
    action: str = Field(examples=["POST /api/v1/runs/{run}/cancel"])
    target: str
    outcome: AuditOutcome
    address: str
    run: int | None
    reason: str
    detail: dict[str, Any]


class AuditPage(BaseModel):
    """Newest lines first; `before` of the next page is `next` of this one."""

    model_config = with_example(items=[AUDIT_EXAMPLE], next=1204)

    items: list[AuditDocument]
    next: int | None


class EndedLogins(BaseModel):
    """How many sessions were ended."""

    model_config = with_example(actor="user:248289", ended=2)

    actor: str
    ended: int


def administration_router(store: Store) -> APIRouter:
    """Return the routes /api/v1/tokens and /api/v1/audit."""
    router = APIRouter(prefix="/api/v1", tags=["access"])
    _attach_tokens(router, store)
    _attach_logins(router, store)

    @router.get(
        "/audit",
        summary="Read the audit log",
        operation_id="list_audit",
        dependencies=_OPERATOR_ONLY,
    )
    def audit(
        actor: Actor = None,
        action: Action = None,
        outcome: Annotated[
            AuditOutcome | None, Query(description="How it ended", examples=["denied"])
        ] = None,
        before: Annotated[
            int | None,
            Query(ge=1, le=1 << 62, description="`next` of the page before", examples=[1204]),
        ] = None,
        limit: Annotated[int, Query(ge=1, le=500, description="How many lines at most")] = 100,
    ) -> AuditPage:
        """Newest first: every change and every denial, with who, what, from where, and why."""
        wanted = AuditFilter(actor=actor, action=action, outcome=outcome, before_id=before)
        with store.reading() as connection:
            rows = audit_log(connection, wanted, limit=limit)
        return AuditPage(
            items=[AuditDocument(**audit_values(row)) for row in rows],
            next=rows[-1].id if len(rows) == limit else None,
        )

    return router


def _attach_tokens(router: APIRouter, store: Store) -> None:
    @router.get(
        "/tokens", summary="List tokens", operation_id="list_tokens", dependencies=_ADMIN_ONLY
    )
    def tokens() -> list[TokenDocument]:
        """Newest first, also those that are revoked or have expired; never their secrets."""
        with store.reading() as connection:
            return [TokenDocument(**token_values(row)) for row in credentials.tokens(connection)]

    @router.post(
        "/tokens",
        status_code=201,
        summary="Make a token",
        operation_id="create_token",
        responses={409: {"description": "A token of this name is in force"}},
    )
    def create(principal: Admin, wish: NewToken) -> CreatedToken:
        """Its secret is in this answer only: only a digest is stored."""
        now_ns = store.clock.wall_ns()
        days = wish.expires_days
        made = TokenWish(
            name=wish.name, role=wish.role, team=wish.team,
            expires_ns=None if days is None else now_ns + days * DAY_NS,
        )  # fmt: skip
        with store.writing() as connection:
            row, secret = credentials.create_token(
                connection, made, created_by=principal.actor, now_ns=now_ns
            )
        return CreatedToken(**token_values(row), token=secret)

    @router.delete(
        "/tokens/{name}",
        summary="Revoke a token",
        operation_id="revoke_token",
        dependencies=_ADMIN_ONLY,
        responses={409: {"description": "No such token"}},
    )
    def revoke(
        name: Annotated[str, Path(description="Name or id", max_length=100, examples=["ci"])],
    ) -> TokenDocument:
        """At once and for good, with the sessions that it opened. A second time changes nothing."""
        with store.writing() as connection:
            row = credentials.revoke_token(connection, name, now_ns=store.clock.wall_ns())
        return TokenDocument(**token_values(row))


def _attach_logins(router: APIRouter, store: Store) -> None:
    @router.delete(
        "/logins/{actor}",
        summary="End all sessions of a person",
        operation_id="end_logins",
        dependencies=_ADMIN_ONLY,
    )
    def end(
        actor: Annotated[
            str,
            Path(description="As in the audit log", max_length=300, examples=["user:248289"]),
        ],
    ) -> EndedLogins:
        """At once. Whether they can sign in again is their provider's decision."""
        with store.writing() as connection:
            ended = credentials.end_logins(connection, actor, now_ns=store.clock.wall_ns())
        return EndedLogins(actor=actor, ended=ended)
