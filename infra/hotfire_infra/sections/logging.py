"""Section `logging`: what the service says on stderr, and how."""

from __future__ import annotations

from typing import Literal

from pydantic import BaseModel, ConfigDict


class LoggingSection(BaseModel):
    """`auto` is text for a terminal and JSON lines for everything else."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    format: Literal["auto", "json", "text"] = "auto"
    """Lines for people, or one JSON object per line; `auto`: by where the output goes."""
    level: Literal["debug", "info", "warning", "error"] = "info"
    """The least severe that is written."""
    requests: bool = False
    """A line per HTTP request, not only per refused or failed one."""
