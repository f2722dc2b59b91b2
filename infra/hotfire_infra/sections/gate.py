"""Section `gate`: against which branch a change is judged."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict, Field


class GateSection(BaseModel):
    """What the gate has to know of the house; what it lets pass is the pipeline's to say."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    target_branches: tuple[str, ...] = Field(
        default=("origin/HEAD", "origin/main", "origin/master", "main", "master"), min_length=1
    )
    """The first that exists in the checkout is the target of a change."""
