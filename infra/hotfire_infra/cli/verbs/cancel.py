"""`hotfire cancel`: ask for the end of a run."""

from __future__ import annotations

from hotfire_infra.cli.console import progress
from hotfire_infra.cli.exit_codes import CliExit
from hotfire_infra.cli.session import open_session


def cancel(ref: str, reason: str) -> int:
    """Record the request; whoever executes the store carries it out."""
    with open_session() as session:
        session.client.cancel(ref, reason=reason)
        holder = session.client.holder()
    progress(f"asked for the end of run {ref}: {reason}")
    if holder is None:
        progress("nobody executes this store now; `hotfire run --resume` carries the request out")
    return CliExit.OK
