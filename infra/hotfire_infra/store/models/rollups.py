"""Tables of what remains when old rows go: one line per month."""

from __future__ import annotations

from sqlalchemy import ForeignKey
from sqlalchemy.orm import Mapped, mapped_column

from hotfire_infra.store.models.base import Base, Count, Json, Nanoseconds, Sha256


class MeasurementMonth(Base):
    """All valid points of one series in one month."""

    __tablename__ = "measurement_month"

    series_key: Mapped[Sha256] = mapped_column(primary_key=True)
    month: Mapped[Count] = mapped_column(primary_key=True)
    """yyyymm, as in `measurement`."""
    points: Mapped[Count]
    invalid: Mapped[Count]
    lowest: Mapped[float | None]
    highest: Mapped[float | None]
    median: Mapped[float | None]
    quantiles: Mapped[Json]
    """The 5th, 25th, 75th and 95th percentile."""
    seen: Mapped[Count]
    """Rows that were there when it was made, invalidated ones included: fewer later were pruned."""


class ResultMonth(Base):
    """All counted results of one test × variant in one month."""

    __tablename__ = "result_month"

    test_id: Mapped[int] = mapped_column(ForeignKey("test.id"), primary_key=True)
    variant_id: Mapped[int] = mapped_column(ForeignKey("variant.id"), primary_key=True)
    month: Mapped[Count] = mapped_column(primary_key=True)
    passed: Mapped[Count]
    failed: Mapped[Count]
    other: Mapped[Count]
    duration_ns: Mapped[Nanoseconds]
    """Sum over the month."""
    seen: Mapped[Count]
    """As in `measurement_month`."""
