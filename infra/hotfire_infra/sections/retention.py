"""Section `retention`: for how long what is kept; without it all but access is, for ever."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict, Field


class KeepSection(BaseModel):
    """A row stays while either rule keeps it; without a rule it stays for ever."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    days: int | None = Field(default=None, ge=1)
    """Since the run was created."""
    runs: int | None = Field(default=None, ge=1)
    """The newest so many finished runs of each pipeline."""

    @property
    def has_rule(self) -> bool:
        """Whether anything may go."""
        return self.days is not None or self.runs is not None


class RetentionSection(BaseModel):
    """What `hotfire serve db prune` takes away; runs, cells, attempts and their history stay."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    results: KeepSection = Field(default_factory=KeepSection)
    """Results, verdicts, samples, coverage and stream records; their months remain as sums."""
    measurements: KeepSection = Field(default_factory=KeepSection)
    """Points of series; their months remain as quantiles."""
    logs: KeepSection = Field(default_factory=KeepSection)
    artifacts: KeepSection = Field(default_factory=KeepSection)
    events: KeepSection = Field(default_factory=KeepSection)
    """What watchers are told."""
    access_days: int | None = Field(default=400, ge=1)
    """Lines of the audit log and ended sessions, which name people; none: for ever."""
    baseline_runs: int = Field(default=50, ge=1)
    """Measurements of the newest so many runs of a pipeline stay: new ones are compared with them."""
    grace_hours: float = Field(default=24, ge=1)
    """A blob that no row names is left alone for so long: its row may be on the way."""

    @property
    def has_rule(self) -> bool:
        """Whether anything of runs may go; what names people has `access_days`."""
        kinds = (self.results, self.measurements, self.logs, self.artifacts, self.events)
        return any(kind.has_rule for kind in kinds)
