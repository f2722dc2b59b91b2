"""Tables of watched series: where a detector stands, which points it took, what changed."""

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


class SeriesState(Base):
    """The detector of one series of the mainline; made again from its points when it is missing."""

    __tablename__ = "series_state"

    series_key: Mapped[Sha256] = mapped_column(primary_key=True)
    version: Mapped[Count]
    """Of how points are fed; the detector's own version stands in `state`."""
    run_id: Mapped[int] = mapped_column(ForeignKey("run.id"))
    """The last run on the branch whose point it has seen."""
    points: Mapped[Count]
    """How many it took: the position of the next one."""
    state: Mapped[Json]


class SeriesPoint(Base):
    """One run's point as the detector of its series took it, or why it did not."""

    __tablename__ = "series_point"
    __table_args__ = (Index(None, "series_key", "position"),)

    series_key: Mapped[Sha256] = mapped_column(primary_key=True)
    run_id: Mapped[int] = mapped_column(ForeignKey("run.id"), primary_key=True)
    position: Mapped[Count | None]
    """0, 1, … in the order of the branch; none: it was skipped."""
    reason: Mapped[Reason] = mapped_column(default="")
    """Why it was skipped."""


class SeriesChange(Base):
    """A changepoint of a series: since which commits, by how much, how sure, and what became of it."""

    __tablename__ = "series_change"
    __table_args__ = (
        Index(None, "series_key", "id"),
        # What a run noticed, and what it withdrew.
        Index(None, "noticed_run_id"),
        Index(None, "withdrawn_run_id"),
        Index(None, "cause"),
    )

    id: Mapped[Key]
    ulid: Mapped[Ulid]
    series_key: Mapped[Sha256]
    test_id: Mapped[int] = mapped_column(ForeignKey("test.id"))
    variant_id: Mapped[int] = mapped_column(ForeignKey("variant.id"))
    metric: Mapped[Name]
    kind: Mapped[Name]
    """`step`, `drift`, `variance` or `mix`."""
    position: Mapped[Count | None]
    """Of the first point of what is new; none once its points were pruned."""
    run_id: Mapped[int] = mapped_column(ForeignKey("run.id"))
    """The run of that point."""
    after_run_id: Mapped[int | None] = mapped_column(ForeignKey("run.id"))
    """The last run before the interval of the position: the change came after it …"""
    until_run_id: Mapped[int] = mapped_column(ForeignKey("run.id"))
    """… and no later than this one."""
    before: Mapped[float]
    after: Mapped[float]
    """As the detector says: levels, or shares of a mode, or spreads."""
    confidence: Mapped[float]
    effect: Mapped[float | None]
    """Share of the level before (0.02 is 2 %), or a difference where the metric is linear."""
    direction: Mapped[Name]
    """`worse`, `better` or `neither`, by the metric's declared direction."""
    state: Mapped[Name]
    """`alert`, `recorded` (no notice, for `reason`) or `withdrawn`."""
    reason: Mapped[Reason] = mapped_column(default="")
    cause: Mapped[str | None]
    """ULID that all changes of one alert share."""
    noticed_run_id: Mapped[int] = mapped_column(ForeignKey("run.id"))
    withdrawn_run_id: Mapped[int | None] = mapped_column(ForeignKey("run.id"))
    label: Mapped[str | None]
    """What triage says of it."""
    labelled_by: Mapped[str | None]
    labelled_ns: Mapped[Nanoseconds | None]
    operators: Mapped[str | None]
    """Which parts of the metric moved with it, in words; none: they were not measured."""
