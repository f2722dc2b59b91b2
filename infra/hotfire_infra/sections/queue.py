"""Section `queue`: teams with weights and caps, and how long who may be made to wait."""

from __future__ import annotations

from collections.abc import Mapping

from pydantic import BaseModel, ConfigDict, Field

DEFAULT_TEAM = "default"


class TeamSection(BaseModel):
    """One team's claim to the machines."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    weight: float = Field(default=1, gt=0)
    """Twice the weight is twice the share, as long as both have work waiting."""
    cap: int | None = Field(default=None, ge=1)
    """Most attempts at once; none: no limit."""


class CapsSection(BaseModel):
    """Most attempts at once; a hold counts as one."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    pipelines: Mapping[str, int] = Field(default_factory=dict)
    """By name of the pipeline."""
    pools: Mapping[str, int] = Field(default_factory=dict)
    """By name of the pool."""
    users: Mapping[str, int] = Field(default_factory=dict)
    """By name of the user."""
    per_user: int | None = Field(default=None, ge=1)
    """For every user who has no line of their own in `users`."""


class QueueSection(BaseModel):
    """In which order queued tasks start, and how many of a kind at once."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    teams: Mapping[str, TeamSection] = Field(default_factory=dict)
    """A team that is not listed has weight 1 and no cap."""
    caps: CapsSection = CapsSection()
    patience_minutes: float = Field(default=10, ge=0)
    """A task that has waited for longer keeps what it needs free from those behind it."""
    reserve: float = Field(default=0.02, ge=0, le=0.5)
    """Share of the machine time that each class has even while more urgent ones wait: its tasks
    that have waited longer than `patience_minutes` start first until it is used up; 0 is strict."""
    half_life_hours: float = Field(default=4, gt=0, le=24 * 31)
    """After so long, a use of the machines counts half against its team."""
    nominal_seconds: float = Field(default=60, gt=0)
    """What an attempt counts at least while it runs: nobody knows yet how long it will."""
