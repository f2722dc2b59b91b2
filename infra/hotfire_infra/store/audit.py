"""The audit log: who did what to what, from where, and whether it was allowed."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

from sqlalchemy import Connection, bindparam, insert, select

from hotfire_infra.store.database import Store
from hotfire_infra.store.models import Audit, Run
from hotfire_infra.store.prepared import prepare

TEXT_LIMIT = 1024
"""Of every name in a row; a request may carry longer ones."""


class AuditOutcome(StrEnum):
    """What became of it."""

    ALLOWED = "allowed"
    DENIED = "denied"
    FAILED = "failed"


@dataclass(frozen=True, slots=True, kw_only=True)
class AuditEntry:
    """One act or one denial."""

    actor: str
    action: str
    """`POST /api/v1/runs/{run}/cancel`, `sign-in`, `tokens create`."""
    target: str
    """The path as it was asked for, or the name of what was changed."""
    outcome: AuditOutcome
    address: str
    """Of the client; `local` for a command on this machine."""
    detail: Mapping[str, Any] = field(default_factory=dict)
    run_id: int | None = None
    reason: str = ""


def local_entry(
    user: str,
    action: str,
    target: str,
    *,
    detail: Mapping[str, Any] | None = None,
    run_id: int | None = None,
    reason: str = "",
) -> AuditEntry:
    """Return the line of a command that was carried out on this machine, as `action` says."""
    is_actor = user.startswith(("user:", "token:"))
    return AuditEntry(
        actor=user if is_actor else f"user:{user}",
        action=action,
        target=target,
        outcome=AuditOutcome.ALLOWED,
        address="local",
        detail=detail or {},
        run_id=run_id,
        reason=reason,
    )


def audit_locally(store: Store, user: str, action: str, target: str, reason: str) -> None:
    """Write the line of a command that was carried out on this machine, on its own."""
    with store.writing() as connection:
        entry = local_entry(user, action, target, reason=reason)
        record_audit(connection, entry, store.clock.wall_ns())


@dataclass(frozen=True, slots=True, kw_only=True)
class AuditRow:
    """One line of the log."""

    id: int
    at_ns: int
    actor: str
    action: str
    target: str
    outcome: str
    address: str
    detail: Mapping[str, Any]
    run: int | None
    """Number of the run that was acted on."""
    reason: str


def record_audit(connection: Connection, entry: AuditEntry, at_ns: int) -> None:
    """Write one line, in the transaction of what it tells of where there is one."""
    _LINE.run(
        connection,
        the_time=at_ns,
        the_actor=_clean(entry.actor),
        the_action=_clean(entry.action),
        the_target=_clean(entry.target),
        the_outcome=entry.outcome.value,
        the_address=_clean(entry.address),
        the_detail=dict(entry.detail),
        the_run_id=entry.run_id,
        the_reason=_clean(entry.reason),
    )


# One comes with every claim: building it costs more than executing it.
_LINE = prepare(
    insert(Audit).values(
        at_ns=bindparam("the_time"),
        actor=bindparam("the_actor"),
        action=bindparam("the_action"),
        target=bindparam("the_target"),
        outcome=bindparam("the_outcome"),
        address=bindparam("the_address"),
        detail=bindparam("the_detail"),
        run_id=bindparam("the_run_id"),
        reason=bindparam("the_reason"),
    )
)


@dataclass(frozen=True, slots=True, kw_only=True)
class AuditFilter:
    """Which lines are asked for; None: all."""

    actor: str | None = None
    action: str | None = None
    """Beginning of it."""
    outcome: str | None = None
    before_id: int | None = None


def audit_log(
    connection: Connection, wanted: AuditFilter, *, limit: int = 100
) -> tuple[AuditRow, ...]:
    """Return the newest lines first; the next page is `before_id` of the last one."""
    query = (
        select(
            Audit.id, Audit.at_ns, Audit.actor, Audit.action, Audit.target, Audit.outcome,
            Audit.address, Audit.detail, Run.number.label("run"), Audit.reason,
        )
        .join(Run, Run.id == Audit.run_id, isouter=True)
        .order_by(Audit.id.desc())
        .limit(limit)
    )  # fmt: skip
    if wanted.actor is not None:
        query = query.where(Audit.actor == wanted.actor)
    if wanted.action is not None:
        query = query.where(Audit.action.startswith(wanted.action, autoescape=True))
    if wanted.outcome is not None:
        query = query.where(Audit.outcome == wanted.outcome)
    if wanted.before_id is not None:
        query = query.where(Audit.id < wanted.before_id)
    return tuple(AuditRow(**row._mapping) for row in connection.execute(query))


def _clean(text: str) -> str:
    """Return what every database stores: no NUL, no lone surrogate, not endless."""
    printable = text.encode("utf-8", "backslashreplace").decode("utf-8").replace("\x00", "\\0")
    return printable if len(printable) <= TEXT_LIMIT else printable[: TEXT_LIMIT - 1] + "…"
