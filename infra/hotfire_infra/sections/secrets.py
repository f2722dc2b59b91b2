"""Section `secrets`: which secrets there are, and whose tasks may be given them."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field, StringConstraints

SecretName = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9][A-Za-z0-9_.\-]{0,63}$")]


class SecretScope(BaseModel):
    """Whose tasks may be given one secret; an empty list admits all."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    pipelines: tuple[str, ...] = ()
    """Names of the pipelines that may have it; empty: all."""
    teams: tuple[str, ...] = ()
    """Names of the teams that may have it; empty: all."""


class SecretsSection(BaseModel):
    """Names and scopes; the values lie in files and never in a configuration."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    directory: Path | None = None
    """One file per secret, named like it, of mode 0600; none: there are no secrets."""
    available: Mapping[SecretName, SecretScope] = Field(default_factory=dict)
    """A file that is not listed here is given to nobody."""
