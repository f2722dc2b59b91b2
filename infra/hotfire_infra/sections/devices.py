"""Section `devices`: when a device is doubted, how far quarantine may go, and what checks it."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict, Field


class DevicesSection(BaseModel):
    """Numbers of device health; the rules themselves are tables in `orchestrator.device_health`."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    suspect_at: float = Field(default=0.5, gt=0, le=1)
    """Weight of all evidence since the last acquittal from which a device is suspect."""
    interruption_weight: float = Field(default=0.3, ge=0, le=1)
    """What one attempt says against its device that was lost there for a reason nobody knows."""
    window_hours: float = Field(default=24.0, gt=0)
    """Older evidence does not count."""
    cap_share: float = Field(default=0.25, ge=0, le=1)
    """Of a pool's devices, at most this share is taken out by the service itself (one at least)."""
    cap_count: int | None = Field(default=None, ge=0)
    """And at most so many; none: the share alone."""
    differential_seconds: float = Field(default=3600.0, gt=0)
    """A differential rerun that has not been decided by then is given up: unclear."""
    acquit_after: int = Field(default=3, ge=1)
    """Attempts that must pass on a suspect device, against which nothing was found, to trust it."""
    report_seconds: float = Field(default=60.0, gt=0)
    """How often the executor is asked which devices there are."""
