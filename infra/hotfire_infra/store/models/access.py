"""Tables of who may do what, and who did: token, login session, audit."""

from __future__ import annotations

from sqlalchemy import ForeignKey, Index
from sqlalchemy.orm import Mapped, mapped_column

from hotfire_infra.states import Role
from hotfire_infra.store.models.base import (
    Base,
    Json,
    Key,
    Name,
    Nanoseconds,
    Reason,
    Sha256,
    Ulid,
    closed,
)


class Token(Base):
    """A credential of a program; only its digest is stored."""

    __tablename__ = "token"

    id: Mapped[Key]
    ulid: Mapped[Ulid]
    name: Mapped[Name]
    token_sha256: Mapped[Sha256] = mapped_column(unique=True)
    role: Mapped[Role] = mapped_column(closed(Role, "role"))
    team: Mapped[str | None]
    """Runs that it starts count for this team; none: the default one."""
    created_by: Mapped[Name]
    created_ns: Mapped[Nanoseconds]
    expires_ns: Mapped[Nanoseconds | None]
    revoked_ns: Mapped[Nanoseconds | None]
    last_used_ns: Mapped[Nanoseconds | None]


class Login(Base):
    """A person's session after sign-in; only the digest of its cookie is stored."""

    __tablename__ = "login"

    id: Mapped[Key]
    cookie_sha256: Mapped[Sha256] = mapped_column(unique=True)
    subject: Mapped[Name]
    name: Mapped[Name]
    role: Mapped[Role] = mapped_column(closed(Role, "role"))
    created_ns: Mapped[Nanoseconds]
    expires_ns: Mapped[Nanoseconds]
    revoked_ns: Mapped[Nanoseconds | None]


class Audit(Base):
    """Who did what to what, from where, and whether it was allowed."""

    __tablename__ = "audit"
    __table_args__ = (Index(None, "actor", "id"), Index(None, "outcome", "id"))

    id: Mapped[Key]
    at_ns: Mapped[Nanoseconds]
    actor: Mapped[Name]
    """`token:<name>`, `user:<subject>`, `attempt:<ulid>` or `anonymous`."""
    action: Mapped[Name]
    target: Mapped[Name]
    outcome: Mapped[Name]
    """`allowed`, `denied` or `failed`."""
    address: Mapped[Name]
    detail: Mapped[Json]
    run_id: Mapped[int | None] = mapped_column(ForeignKey("run.id"))
    reason: Mapped[Reason] = mapped_column(default="")
