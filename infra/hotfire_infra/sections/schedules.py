"""Section `schedules`: what starts by the clock or by a push, name by name."""

from __future__ import annotations

from pathlib import Path
from typing import Literal, Self
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from pydantic import BaseModel, ConfigDict, Field, field_validator, model_validator

from hotfire_infra.sections.queue import DEFAULT_TEAM
from hotfire_infra.states import Priority


class PushSection(BaseModel):
    """A new revision at the tip of a branch; of several pushed at once only the tip is tested."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    push: str = Field(min_length=1)
    """Branch of the local clone, or any other name that git knows: `origin/main`."""
    poll_seconds: float = Field(default=60, ge=1)
    """Between two looks at the branch."""


class ScheduleSection(BaseModel):
    """One schedule: a pipeline, and either `cron` or `on: {push: BRANCH}`."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    pipeline: str = Field(min_length=1)
    """Name of the pipeline."""
    checkout: Path
    """A local clone; what is tested is a revision of it, never its working tree."""
    cron: str | None = None
    """Five fields: minute, hour, day of month, month, day of week."""
    on: PushSection | None = None
    timezone: str = "UTC"
    """Of `cron`. In a skipped hour a job of a fixed time starts right after, in a repeated one
    once."""
    revision: str = "HEAD"
    """What `cron` tests."""
    team: str = DEFAULT_TEAM
    """On whose account its runs are."""
    priority: Priority | None = None
    """None: as the pipeline says."""
    catch_up: Literal["latest", "none"] = "latest"
    """After downtime: start for the latest missed time once, or for none."""
    paused: bool = False
    """Whether it starts nothing for now."""

    @field_validator("timezone")
    @classmethod
    def _is_known(cls, value: str) -> str:
        try:
            ZoneInfo(value)
        except (ZoneInfoNotFoundError, ValueError, OSError):
            raise ValueError(f"{value!r} is no time zone; write Europe/Berlin or UTC") from None
        return value

    @model_validator(mode="after")
    def _has_one_trigger(self) -> Self:
        if (self.cron is None) == (self.on is None):
            raise ValueError("a schedule has exactly one of `cron:` and `on:`")
        if self.cron is not None:
            check_cron(self.cron)
        return self


def check_cron(text: str) -> None:
    """Refuse what is no cron expression of five fields."""
    # Imported late: without schedules nobody needs the package.
    from datetime import UTC, datetime

    try:
        from cronsim import CronSim, CronSimError
    except ImportError:
        raise ValueError("`cron:` needs a package; pip install 'hotfire[server]'") from None
    try:
        if len(text.split()) != 5:
            raise CronSimError("five fields: minute, hour, day of month, month, day of week")
        CronSim(text, datetime.now(UTC))
    except CronSimError as error:
        raise ValueError(f"{text!r} is no cron expression: {error}") from None
