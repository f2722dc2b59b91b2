"""The page for an address that names nothing: what was asked for, and what to type next."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class MissingPage:
    """Everything the template of a missing thing prints."""

    title: str
    why: str
    next_command: str
    live: bool = False
    address: str = ""
