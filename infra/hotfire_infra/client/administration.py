"""Tokens and the audit log, in the store beside the command line or at a service."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol
from urllib.parse import quote

from hotfire_infra.analysis.quantities import iso_utc
from hotfire_infra.client.connection import Connection, read_token
from hotfire_infra.states import Role
from hotfire_infra.store import credentials
from hotfire_infra.store.audit import (
    AuditEntry,
    AuditFilter,
    AuditOutcome,
    AuditRow,
    audit_log,
    record_audit,
)
from hotfire_infra.store.credentials import TokenRow, TokenWish
from hotfire_infra.store.database import Store

DAY_NS = 86_400 * 1_000_000_000


def token_values(row: TokenRow) -> dict[str, Any]:
    """Return a token as every door shows it; instants are RFC 3339, UTC."""
    return {
        "id": row.ulid,
        "name": row.name,
        "role": row.role.value,
        "team": row.team,
        "created_by": row.created_by,
        "created": iso_utc(row.created_ns),
        "expires": iso_utc(row.expires_ns),
        "revoked": iso_utc(row.revoked_ns),
        "last_used": iso_utc(row.last_used_ns),
    }


def audit_values(row: AuditRow) -> dict[str, Any]:
    """Return a line of the audit log as every door shows it."""
    return {
        "id": row.id,
        "at": iso_utc(row.at_ns),
        "actor": row.actor,
        "action": row.action,
        "target": row.target,
        "outcome": row.outcome,
        "address": row.address,
        "run": row.run,
        "reason": row.reason,
        "detail": dict(row.detail),
    }


class Administration(Protocol):
    """What an administrator does; raises InfraError and its children."""

    def create_token(
        self, name: str, role: Role, team: str | None, expires_days: int | None
    ) -> Mapping[str, Any]:
        """Make a token; `token` of the answer is its secret."""

    def tokens(self) -> Sequence[Mapping[str, Any]]:
        """Return all tokens, newest first."""

    def revoke_token(self, ref: str) -> Mapping[str, Any]:
        """Revoke by name or id."""

    def end_logins(self, actor: str) -> int:
        """End all sessions of a person; return how many there were."""

    def audit(self, wanted: AuditFilter, limit: int) -> Sequence[Mapping[str, Any]]:
        """Return the newest lines of the audit log."""


@dataclass(frozen=True, slots=True)
class StoreAdministration:
    """In the store itself: whoever may write its files is its administrator."""

    store: Store
    user: str

    def create_token(
        self, name: str, role: Role, team: str | None, expires_days: int | None
    ) -> Mapping[str, Any]:
        """Make a token."""
        now_ns = self.store.clock.wall_ns()
        expires_ns = None if expires_days is None else now_ns + expires_days * DAY_NS
        wish = TokenWish(name=name, role=role, team=team, expires_ns=expires_ns)
        with self.store.writing() as connection:
            row, secret = credentials.create_token(
                connection, wish, created_by=f"user:{self.user}", now_ns=now_ns
            )
            record_audit(connection, self._entry("tokens create", f"{name} ({role})"), now_ns)
        return {**token_values(row), "token": secret}

    def tokens(self) -> Sequence[Mapping[str, Any]]:
        """Return all tokens."""
        with self.store.reading() as connection:
            return [token_values(row) for row in credentials.tokens(connection)]

    def revoke_token(self, ref: str) -> Mapping[str, Any]:
        """Revoke a token."""
        now_ns = self.store.clock.wall_ns()
        with self.store.writing() as connection:
            row = credentials.revoke_token(connection, ref, now_ns=now_ns)
            record_audit(connection, self._entry("tokens revoke", row.name), now_ns)
        return token_values(row)

    def end_logins(self, actor: str) -> int:
        """End sessions."""
        now_ns = self.store.clock.wall_ns()
        with self.store.writing() as connection:
            ended = credentials.end_logins(connection, actor, now_ns=now_ns)
            record_audit(connection, self._entry("tokens sign-out", actor), now_ns)
        return ended

    def audit(self, wanted: AuditFilter, limit: int) -> Sequence[Mapping[str, Any]]:
        """Return lines of the audit log."""
        with self.store.reading() as connection:
            return [audit_values(row) for row in audit_log(connection, wanted, limit=limit)]

    def _entry(self, action: str, target: str) -> AuditEntry:
        return AuditEntry(
            actor=f"user:{self.user}", action=action, target=target,
            outcome=AuditOutcome.ALLOWED, address="local",
        )  # fmt: skip


@dataclass(frozen=True, slots=True)
class ServiceAdministration:
    """At a service, by its API."""

    connection: Connection

    @classmethod
    def connect(cls, server: str, token_file: Path | None) -> ServiceAdministration:
        """Return one for `server` with the token in a file of mode 0600."""
        return cls(Connection(server, read_token(token_file)))

    def create_token(
        self, name: str, role: Role, team: str | None, expires_days: int | None
    ) -> Mapping[str, Any]:
        """Make a token."""
        wish = {"name": name, "role": role.value, "team": team, "expires_days": expires_days}
        return dict(self.connection.post("/tokens", wish))

    def tokens(self) -> Sequence[Mapping[str, Any]]:
        """Return all tokens."""
        return list(self.connection.get("/tokens"))

    def revoke_token(self, ref: str) -> Mapping[str, Any]:
        """Revoke a token."""
        return dict(self.connection.request("DELETE", f"/tokens/{quote(ref, safe='')}").json())

    def end_logins(self, actor: str) -> int:
        """End sessions."""
        path = f"/logins/{quote(actor, safe='')}"
        return int(self.connection.request("DELETE", path).json()["ended"])

    def audit(self, wanted: AuditFilter, limit: int) -> Sequence[Mapping[str, Any]]:
        """Return lines of the audit log."""
        page = self.connection.get(
            "/audit",
            actor=wanted.actor,
            action=wanted.action,
            outcome=wanted.outcome,
            before=wanted.before_id,
            limit=limit,
        )
        return list(page["items"])
