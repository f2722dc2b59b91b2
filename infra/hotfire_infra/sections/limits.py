"""Section `limits`: how fast and how much anybody may send."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict, Field

KIB, MIB, GIB = 1 << 10, 1 << 20, 1 << 30


class Rate(BaseModel):
    """A token bucket: `burst` requests at once, `per_second` in the long run."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    per_second: float = Field(gt=0)
    """How many in the long run."""
    burst: float = Field(ge=1)
    """How many at once."""


class LimitsSection(BaseModel):
    """Rates count per principal, before sign-in per address; sizes are bytes."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    requests: Rate = Rate(per_second=50, burst=200)
    """Per person or token."""
    attempts: Rate = Rate(per_second=200, burst=1000)
    """Per attempt: a runner streams what it finds."""
    refusals: Rate = Rate(per_second=1, burst=30)
    """Per address: requests without valid credentials, and sign-ins."""

    request_bytes: int = Field(default=16 * MIB, ge=KIB)
    """Body of any request that has no cap of its own."""
    records_bytes: int = Field(default=16 * MIB, ge=KIB)
    """One batch of records or one piece of a log, as sent."""
    artifact_bytes: int = Field(default=2 * GIB, ge=KIB)
    """One artifact, one source archive, one imported report."""
    inflated_bytes: int = Field(default=64 * MIB, ge=KIB)
    """One compressed body after inflating."""
    nesting: int = Field(default=64, ge=4)
    """Folders in the name of an artifact."""
    artifacts_per_attempt: int = Field(default=10_000, ge=1)
    """Artifacts that one attempt may put."""
    attempt_bytes: int = Field(default=20 * GIB, ge=MIB)
    """All artifacts and logs of one attempt."""
    free_disk_bytes: int = Field(default=1 * GIB, ge=0)
    """With less free, uploads are refused (507), so that what runs can still be recorded."""
