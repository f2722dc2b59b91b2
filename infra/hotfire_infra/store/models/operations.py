"""Tables of running a service: devices and their health, holds, schedules, invalidations."""

from __future__ import annotations

from sqlalchemy import ForeignKey, Index, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column

from hotfire_infra.states import DeviceHealth
from hotfire_infra.store.models.base import (
    Base,
    Count,
    Json,
    Key,
    Name,
    Nanoseconds,
    Reason,
    Ulid,
    closed,
)


class Device(Base):
    """One schedulable unit with identity: a GPU by its UUID, a MIG slice, a board, a machine."""

    __tablename__ = "device"
    __table_args__ = (
        # A pool's devices by health: the cap of quarantine, and what may be leased.
        Index(None, "pool", "health"),
    )

    id: Mapped[Key]
    ulid: Mapped[Ulid]
    identity: Mapped[Name] = mapped_column(unique=True)
    """`GPU-…`, `MIG-…`, `machine:<id>`: what the machine itself calls it."""
    pool: Mapped[Name]
    kind: Mapped[Name]
    """Device or CPU model."""
    executor: Mapped[Name]
    facts: Mapped[Json]
    """Dimensions that it offers, driver and firmware as last reported."""
    health: Mapped[DeviceHealth] = mapped_column(closed(DeviceHealth, "health"))
    reason: Mapped[Reason] = mapped_column(default="")
    changed_ns: Mapped[Nanoseconds]
    last_seen_ns: Mapped[Nanoseconds]


class DeviceEvidence(Base):
    """Something that speaks against a device, with its source and how much it says."""

    __tablename__ = "device_evidence"
    __table_args__ = (Index(None, "device_id", "id"),)

    id: Mapped[Key]
    device_id: Mapped[int] = mapped_column(ForeignKey("device.id"))
    attempt_id: Mapped[int | None] = mapped_column(ForeignKey("attempt.id"))
    kind: Mapped[Name]
    """`xid`, `ecc`, `hang`, `lost`, `smoke`, `differential`, …"""
    failure_class: Mapped[str | None]
    source: Mapped[Name]
    confidence: Mapped[float]
    detail: Mapped[Reason]
    at_ns: Mapped[Nanoseconds]


class Differential(Base):
    """A 2×2 rerun: the failed test elsewhere, and a known-good test on the suspect device."""

    __tablename__ = "differential"
    __table_args__ = (Index(None, "device_id", "id"), Index(None, "state"))

    id: Mapped[Key]
    ulid: Mapped[Ulid]
    device_id: Mapped[int] = mapped_column(ForeignKey("device.id"))
    attempt_id: Mapped[int] = mapped_column(ForeignKey("attempt.id"))
    """The failure that asked for it."""
    state: Mapped[Name]
    """`open`, `decided` or `abandoned`."""
    body: Mapped[Json]
    """The four fields and the attempts that filled them."""
    conclusion: Mapped[str | None]
    """`product`, `device`, `both` or `unclear`."""
    created_ns: Mapped[Nanoseconds]


class Hold(Base):
    """A machine kept for a person after an attempt, for a stated time."""

    __tablename__ = "hold"
    __table_args__ = (Index(None, "released_ns"),)

    id: Mapped[Key]
    ulid: Mapped[Ulid]
    attempt_id: Mapped[int] = mapped_column(ForeignKey("attempt.id"), unique=True)
    cpus: Mapped[Count]
    """Slots of the attempt's pool that stay taken."""
    reason: Mapped[Reason]
    """Why it is held; for one that was refused (released at once): why not."""
    held_by: Mapped[Name]
    boot_id: Mapped[Name]
    until_mono_ns: Mapped[Nanoseconds]
    until_ns: Mapped[Nanoseconds]
    """The same for people to read."""
    released_ns: Mapped[Nanoseconds | None]


class Schedule(Base):
    """Where a declared schedule stands; what it says is in the service's configuration."""

    __tablename__ = "schedule"

    name: Mapped[Name] = mapped_column(primary_key=True)
    definition: Mapped[Json]
    """Pipeline, cron, time zone, branch, team as last read."""
    next_ns: Mapped[Nanoseconds | None]
    paused: Mapped[bool] = mapped_column(default=False)


class Firing(Base):
    """One due time of a schedule, made once whoever looks at the clock."""

    __tablename__ = "firing"
    __table_args__ = (UniqueConstraint("schedule", "due"),)

    id: Mapped[Key]
    schedule: Mapped[Name]
    due: Mapped[Name]
    """The due minute (RFC 3339), or the revision that was pushed."""
    run_id: Mapped[int | None] = mapped_column(ForeignKey("run.id"))
    outcome: Mapped[Reason]
    """What came of it: started, nothing new, skipped and why."""
    at_ns: Mapped[Nanoseconds]


class Invalidation(Base):
    """A decision that results of many attempts do not count: a bad driver, a broken probe."""

    __tablename__ = "invalidation"

    id: Mapped[Key]
    ulid: Mapped[Ulid]
    predicate: Mapped[Json]
    reason: Mapped[Reason]
    requested_by: Mapped[Name]
    attempts: Mapped[Count]
    created_ns: Mapped[Nanoseconds]
    withdrawn_ns: Mapped[Nanoseconds | None]
