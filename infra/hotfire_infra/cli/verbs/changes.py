"""`hotfire changes`: list, label, accept."""

from __future__ import annotations

import json
from contextlib import AbstractContextManager
from dataclasses import asdict

from hotfire_infra.analysis.change_reports import ChangeReport
from hotfire_infra.cli.console import data
from hotfire_infra.cli.exit_codes import CliExit
from hotfire_infra.cli.session import open_desk
from hotfire_infra.cli.verbs.show_series import change_lines
from hotfire_infra.client.changes_desk import ChangesDesk, ServiceDesk, StoreDesk
from hotfire_infra.store.references import ChangeLabel


def _desk() -> AbstractContextManager[ChangesDesk]:
    return open_desk(StoreDesk, ServiceDesk)


def list_changes(limit: int, state: str | None, *, as_json: bool) -> int:
    """Print the changes noticed last, newest first."""
    with _desk() as desk:
        found = desk.changes(limit=limit, state=state)
    if as_json:
        data(json.dumps([asdict(one) for one in found], ensure_ascii=False))
        return CliExit.OK
    for one in found:
        _print(one)
    if not found:
        data(" no series of the target branch has changed")
    return CliExit.OK


def label(change: str, word: str) -> int:
    """Write what triage says."""
    with _desk() as desk:
        _print(desk.label(change, None if word == "none" else ChangeLabel(word)))
    return CliExit.OK


def accept(change: str, reason: str) -> int:
    """Let the reference begin with a change."""
    with _desk() as desk:
        _print(desk.accept(change, reason))
    return CliExit.OK


def withdraw(change: str) -> int:
    """Take an acceptance back."""
    with _desk() as desk:
        _print(desk.withdraw(change))
    return CliExit.OK


def _print(change: ChangeReport) -> None:
    for line in change_lines(change):
        data(line)
