"""`hotfire quarantine`: list, add, approve, end."""

from __future__ import annotations

import json
from contextlib import AbstractContextManager
from dataclasses import asdict

from hotfire_infra.cli.console import data
from hotfire_infra.cli.exit_codes import CliExit
from hotfire_infra.cli.problems import CliError
from hotfire_infra.cli.session import open_desk
from hotfire_infra.client.quarantine_desk import (
    QuarantineDesk,
    QuarantineReport,
    ServiceQuarantines,
    StoreQuarantines,
    Terms,
)


def _desk() -> AbstractContextManager[QuarantineDesk]:
    return open_desk(StoreQuarantines, ServiceQuarantines)


def terms_of(owner: str, bug: str, days: int, reason: str) -> Terms:
    """Return what was typed."""
    return Terms(owner=owner, bug=bug, days=days, reason=reason)


def listed(*, everything: bool, as_json: bool) -> int:
    """Print quarantines, newest first."""
    with _desk() as desk:
        found = desk.quarantines(all_states=everything)
    if as_json:
        data(json.dumps([asdict(one) for one in found], ensure_ascii=False))
        return CliExit.OK
    for one in found:
        _print(one)
    if not found:
        data(" no test is in quarantine, and none is proposed")
    return CliExit.OK


def add(test: str, variant: tuple[str, ...], terms: Terms) -> int:
    """Put a test into quarantine."""
    for word in variant:
        if "=" not in word:
            raise CliError(
                f"--variant {word!r} is no AXIS=VALUE",
                next_command="hotfire quarantine add --help",
            )
    axes = {key: value for key, _, value in (word.partition("=") for word in variant)}
    with _desk() as desk:
        for one in desk.begin(test, axes, terms):
            _print(one)
    return CliExit.OK


def approve(ref: str, terms: Terms) -> int:
    """Take a proposal on."""
    with _desk() as desk:
        _print(desk.approve(ref, terms))
    return CliExit.OK


def end(ref: str, reason: str) -> int:
    """Let a test block again."""
    with _desk() as desk:
        _print(desk.end(ref, reason))
    return CliExit.OK


def _print(one: QuarantineReport) -> None:
    axes = " ".join(value for _, value in sorted(one.variant.items()))
    data(f" {one.id}  {one.test}   {axes}".rstrip())
    data(f"     {one.words}")
    if one.reason:
        data(f"     {one.reason}")
