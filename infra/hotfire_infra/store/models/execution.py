"""Tables of what was done: attempt, history, outbox, request, lock."""

from __future__ import annotations

from sqlalchemy import ForeignKey, Index, UniqueConstraint, text
from sqlalchemy.orm import Mapped, mapped_column

from hotfire_infra.states import AttemptState, RequestKind, RequestState
from hotfire_infra.store.models.base import (
    Base,
    Count,
    Json,
    Key,
    Name,
    Nanoseconds,
    Reason,
    Sha256,
    Ulid,
    closed,
)


class Attempt(Base):
    """One execution of a task on one allocation, numbered, never overwritten."""

    __tablename__ = "attempt"
    __table_args__ = (
        UniqueConstraint("task_id", "number"),
        # The orchestrator's loop: attempts that are not finished.
        Index(None, "state"),
        # Without the many that are valid: SQLite would take "is valid" for a good way in.
        Index(
            None,
            "invalidation_id",
            sqlite_where=text("invalidation_id IS NOT NULL"),
            postgresql_where=text("invalidation_id IS NOT NULL"),
        ),
        # Fair share: what ended since the last look.
        Index(None, "ended_ns"),
    )

    id: Mapped[Key]
    ulid: Mapped[Ulid]
    task_id: Mapped[int] = mapped_column(ForeignKey("task.id"))
    number: Mapped[Count]
    """1, 2, … within the task."""
    state: Mapped[AttemptState] = mapped_column(closed(AttemptState, "state"))
    reason: Mapped[Reason] = mapped_column(default="")
    failure_class: Mapped[str | None]
    """`FailureClass` of the contract."""
    failure_source: Mapped[str | None]
    """Who said so: runner, lease, executor, manifest, evidence."""
    confidence: Mapped[float | None]
    """Of the failure class, 0..1."""
    executor: Mapped[Name]
    pool: Mapped[Name]
    cpus: Mapped[Count] = mapped_column(default=1)
    """Slots of the pool that it takes; an exclusive attempt takes all."""
    holder: Mapped[str | None]
    """The runner that claimed: boot id and pid, or the pod's UID."""
    fence: Mapped[Count] = mapped_column(default=0)
    """Given out with the claim; a write with another fence is refused."""
    token_sha256: Mapped[Sha256]
    """The token itself is only on the machine that runs the attempt."""
    boot_id: Mapped[Name]
    """Boot that `lease_expires_mono_ns` counts in; under another boot the lease has expired."""
    lease_expires_mono_ns: Mapped[Nanoseconds]
    exit_code: Mapped[int | None]
    """Of the runner; a negative number is the signal that killed it."""
    created_ns: Mapped[Nanoseconds]
    started_ns: Mapped[Nanoseconds | None]
    ended_ns: Mapped[Nanoseconds | None]
    acked_seq: Mapped[Count] = mapped_column(default=0)
    """Last record of the contiguous prefix that is stored; 0 before the first."""
    acked_bytes: Mapped[Count] = mapped_column(default=0)
    """Where in the spool the record after `acked_seq` begins."""
    in_flight: Mapped[Json] = mapped_column(default=list)
    """Test ids started and not ended in the stored prefix."""
    environment_id: Mapped[int | None] = mapped_column(ForeignKey("environment.id"))
    device_id: Mapped[int | None] = mapped_column(ForeignKey("device.id"), index=True)
    """What it ran on."""
    evidence: Mapped[Json | None]
    """What spoke for its failure class: a list of {kind, class, source, confidence, detail}."""
    observed_digest: Mapped[str | None]
    """Observed part of the action digest."""
    purpose: Mapped[Name] = mapped_column(default="result")
    """`result`; `differential`, `health-check` or `merge-base`: these never count for the run."""
    invalidation_id: Mapped[int | None] = mapped_column(ForeignKey("invalidation.id"))
    """Its results do not count any more."""


class History(Base):
    """Every transition, with who made it and why."""

    __tablename__ = "history"
    # The story of one entity, in order.
    __table_args__ = (Index(None, "entity", "entity_id"),)

    id: Mapped[Key]
    entity: Mapped[Name]
    """`attempt`, `task`, `run` or `request`."""
    entity_id: Mapped[Count]
    from_state: Mapped[str | None]
    to_state: Mapped[str]
    reason: Mapped[Reason]
    at_ns: Mapped[Nanoseconds]
    by: Mapped[Name]


class Outbox(Base):
    """Events for others, written in the transaction that made them true.

    Whoever follows them (watchers, the log, traces) keeps its own place and reads on from its id.
    """

    __tablename__ = "outbox"

    id: Mapped[Key]
    topic: Mapped[Name]
    """`run.<state>`, `task.<state>`, `attempt.<state>`."""
    run_id: Mapped[int | None] = mapped_column(ForeignKey("run.id"), index=True)
    """For those who watch one run."""
    payload: Mapped[Json]
    created_ns: Mapped[Nanoseconds]
    delivered_ns: Mapped[Nanoseconds | None]
    """Of schema 0001, never written: one mark would not do for several followers."""


class Request(Base):
    """What somebody asks of whoever executes this store."""

    __tablename__ = "request"
    __table_args__ = (Index(None, "state"), Index(None, "run_id", "id"))

    id: Mapped[Key]
    ulid: Mapped[Ulid]
    kind: Mapped[RequestKind] = mapped_column(closed(RequestKind, "kind"))
    run_id: Mapped[int | None] = mapped_column(ForeignKey("run.id"))
    payload: Mapped[Json]
    state: Mapped[RequestState] = mapped_column(closed(RequestState, "state"))
    reason: Mapped[Reason] = mapped_column(default="")
    requested_by: Mapped[Name]
    created_ns: Mapped[Nanoseconds]


class Lock(Base):
    """Whoever holds the row `executor` executes; everybody else writes requests and watches."""

    __tablename__ = "lock"

    name: Mapped[Name] = mapped_column(primary_key=True)
    holder: Mapped[str]
    """Boot id, pid and start time of the process: a pid alone comes back; empty: nobody."""
    fence: Mapped[Count] = mapped_column(default=0)
    """Counts the takings; a write of an earlier holder is refused."""
    boot_id: Mapped[Name]
    mono_ns: Mapped[Nanoseconds]
    """Last sign of life."""
    info: Mapped[Json]
    """Who that is, for people: pid, host, command."""
