"""Tables of what is watched beside speed: errors of kernels, noise, and the detector itself."""

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
    Sha256,
    Ulid,
)


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


class SeriesNoise(Base):
    """Sums of squares of a series over runs of the same code; sums of several series add up."""

    __tablename__ = "series_noise"
    __table_args__ = (Index(None, "metric", "environment_class"),)

    series_key: Mapped[Sha256] = mapped_column(primary_key=True)
    metric: Mapped[Name]
    environment_class: Mapped[Name]
    run_id: Mapped[int] = mapped_column(ForeignKey("run.id"))
    """Whose end wrote it last."""
    updated_ns: Mapped[Nanoseconds]
    is_stale: Mapped[bool]
    """Points of it were invalidated, or came back: it counts again once it was computed anew."""
    attempts: Mapped[Count]
    """Of code that was measured at least twice."""
    codes: Mapped[Count]
    """Source stamps that they are of."""
    within_squares: Mapped[float]
    """Replicates of one process around their mean …"""
    process_squares: Mapped[float]
    """… means of processes around that of their attempt …"""
    run_squares: Mapped[float]
    """… levels of attempts around the mean of their build …"""
    build_squares: Mapped[float]
    """… and means of builds around that of their code."""
    process_size: Mapped[float]
    """Σ (N - Σ n²/N): with the degrees of freedom it gives the mean size of a class."""
    build_size: Mapped[float]
    within_freedom: Mapped[Count]
    process_freedom: Mapped[Count]
    run_freedom: Mapped[Count]
    build_freedom: Mapped[Count]
