"""`hotfire retry`: the same plan of the same source again, without what passed."""

from __future__ import annotations

from hotfire_infra.cli.console import data, progress
from hotfire_infra.cli.exit_codes import CliExit
from hotfire_infra.cli.following import detach, follow
from hotfire_infra.cli.session import open_session


def retry(ref: str, *, wait: bool, everything: bool) -> int:
    """Start a child run; the old run stays as it is."""
    with open_session() as session:
        child = session.client.retry(ref, everything=everything)
        progress(f"run {child.number} retries run {child.parent_number}")
        if wait:
            return follow(session, str(child.number))
        detach(session, child.number)
    data(str(child.number))
    return CliExit.OK
