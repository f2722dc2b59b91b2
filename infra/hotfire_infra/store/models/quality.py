"""Tables of what is watched beside speed: errors of kernels, and the change detector itself."""

from __future__ import annotations

from sqlalchemy import ForeignKey, Index
from sqlalchemy.orm import Mapped, mapped_column

from hotfire_infra.store.models.base import Base, Count, Json, Key, Name, Nanoseconds, Ulid


class KernelError(Base):
    """Errors of the cases of one kernel, data type, shape class and architecture in one run."""

    __tablename__ = "kernel_error"
    __table_args__ = (Index(None, "kernel", "run_id"),)

    run_id: Mapped[int] = mapped_column(ForeignKey("run.id"), primary_key=True)
    kernel: Mapped[Name] = mapped_column(primary_key=True)
    dtype: Mapped[Name] = mapped_column(primary_key=True)
    shape: Mapped[Name] = mapped_column(primary_key=True)
    arch: Mapped[Name] = mapped_column(primary_key=True)
    cases: Mapped[Count]
    ulp: Mapped[Json]
    """Quantiles 0.5, 0.9, 0.99 and the largest."""
    relative: Mapped[Json]
    over_bound: Mapped[float]
    """Largest error ÷ bound; 1 is the tolerance."""
    ulp_level: Mapped[float]
    """Mean over cases of log₂ against each case's first: 1 is doubled."""
    relative_level: Mapped[float]


class DetectorCheck(Base):
    """One look at the change detector's own quality: steps injected into stored series."""

    __tablename__ = "detector_check"

    id: Mapped[Key]
    ulid: Mapped[Ulid]
    checked_ns: Mapped[Nanoseconds]
    seed: Mapped[Count]
    series: Mapped[Count]
    """Stored series that were replayed."""
    body: Mapped[Json]
    """Counts by class of step, and of what was found beside them."""
