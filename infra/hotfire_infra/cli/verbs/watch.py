"""`hotfire watch`: follow a run to its verdict."""

from __future__ import annotations

from hotfire_infra.cli.following import follow
from hotfire_infra.cli.session import open_session


def watch(ref: str, timeout_seconds: float | None) -> int:
    """Follow; a run that nobody executes is executed by this process."""
    with open_session() as session:
        return follow(session, ref, timeout_seconds=timeout_seconds)
