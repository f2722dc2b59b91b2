"""Tables of what is asked again and what people decide: confirmations, references, quarantines."""

from __future__ import annotations

from sqlalchemy import ForeignKey, Index
from sqlalchemy.orm import Mapped, mapped_column

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
)


class Confirmation(Base):
    """Suspect and parent run again, interleaved, until a sequential test decides or the budget ends.

    Its launches are runs with the purpose `confirm`, children of `run_id`.
    """

    __tablename__ = "confirmation"
    __table_args__ = (
        # What is still to be done.
        Index(None, "state"),
        Index(None, "change_id"),
    )

    id: Mapped[Key]
    ulid: Mapped[Ulid]
    run_id: Mapped[int] = mapped_column(ForeignKey("run.id"), index=True)
    """The run that measured the suspect."""
    change_id: Mapped[int | None] = mapped_column(ForeignKey("series_change.id"))
    """The change that it is about; none where a run or its gate asks."""
    state: Mapped[Name]
    """`open` or `decided`."""
    answer: Mapped[str | None]
    """`confirmed`, `refuted` or `undecided`, of all its series together."""
    reason: Mapped[Reason] = mapped_column(default="")
    budget_seconds: Mapped[Count]
    """Of the machine, over all launches."""
    body: Mapped[Json]
    """Both sides, the tasks, and the series with what matters of each."""
    result: Mapped[Json | None]
    """Blocks, device, and each series' answer with its interval."""
    requested_by: Mapped[Name]
    created_ns: Mapped[Nanoseconds]
    decided_ns: Mapped[Nanoseconds | None]


class Acceptance(Base):
    """A shift that people accepted: the series' reference begins with it."""

    __tablename__ = "acceptance"
    __table_args__ = (Index(None, "series_key", "id"),)

    id: Mapped[Key]
    series_key: Mapped[Sha256]
    change_id: Mapped[int] = mapped_column(ForeignKey("series_change.id"), index=True)
    run_id: Mapped[int] = mapped_column(ForeignKey("run.id"))
    """The first run of the new reference …"""
    until_run_id: Mapped[int] = mapped_column(ForeignKey("run.id"))
    """… of which all runs of the branch up to this one are part, whatever their gate said."""
    reason: Mapped[Reason]
    accepted_by: Mapped[Name]
    accepted_ns: Mapped[Nanoseconds]
    withdrawn_ns: Mapped[Nanoseconds | None]


class Quarantine(Base):
    """A flaky test that runs and does not block, for a time, with an owner and a way out."""

    __tablename__ = "quarantine"
    __table_args__ = (
        Index(None, "test_id", "variant_id"),
        Index(None, "state"),
    )

    id: Mapped[Key]
    ulid: Mapped[Ulid]
    test_id: Mapped[int] = mapped_column(ForeignKey("test.id"))
    variant_id: Mapped[int] = mapped_column(ForeignKey("variant.id"))
    state: Mapped[Name]
    """`proposed`, `active`, `passed`, `expired` or `withdrawn`."""
    owner: Mapped[Name]
    bug: Mapped[Name]
    reason: Mapped[Reason]
    signatures: Mapped[Json]
    """What its known failures say; a failure that says something else blocks."""
    limit_rate: Mapped[float]
    """It is over once the rate of failures is below this …"""
    confidence: Mapped[float]
    """… with this confidence."""
    since_ns: Mapped[Nanoseconds]
    expires_ns: Mapped[Nanoseconds]
    requested_by: Mapped[Name]
    created_ns: Mapped[Nanoseconds]
    ended_ns: Mapped[Nanoseconds | None]
    ended_reason: Mapped[Reason] = mapped_column(default="")
