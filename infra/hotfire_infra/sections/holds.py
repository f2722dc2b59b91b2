"""Section `holds`: how much of the machines may be kept for people, and for how long."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict, Field


class HoldsSection(BaseModel):
    """What `--hold` may take."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    share: float = Field(default=0.5, ge=0, le=1)
    """Of a pool's slots, all holds together; what would exceed it is not held, and says so."""
    longest_hours: float = Field(default=24, gt=0, le=24 * 31)
    """Also after extensions, counted from now."""
