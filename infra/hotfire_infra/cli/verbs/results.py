"""`hotfire results`: invalidate in bulk, withdraw, list, accept what was lost."""

from __future__ import annotations

import datetime
import json
import time
from contextlib import AbstractContextManager
from dataclasses import asdict, dataclass

from hotfire_infra.analysis.quantities import count, utc
from hotfire_infra.cli.console import data, progress
from hotfire_infra.cli.durations import parse_duration
from hotfire_infra.cli.exit_codes import CliExit
from hotfire_infra.cli.problems import CliError
from hotfire_infra.cli.session import open_desk
from hotfire_infra.client.results_care import Care, ResultsCare, ServiceCare
from hotfire_infra.store.invalidations import Predicate

SHOWN_RUNS = 12
NANOSECONDS = 1_000_000_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Wish:
    """What was typed after `hotfire results invalidate`."""

    devices: tuple[str, ...]
    pools: tuple[str, ...]
    drivers: tuple[str, ...]
    environment: tuple[str, ...]
    since: str | None
    until: str | None


def _care() -> AbstractContextManager[Care]:
    return open_desk(ResultsCare, ServiceCare)


def invalidate(wish: Wish, reason: str, *, dry_run: bool, as_json: bool) -> int:
    """Take results out of the count, or say which it would be."""
    predicate = predicate_of(wish, time.time_ns())
    with _care() as care:
        found = care.invalidate(predicate, reason=reason, dry_run=dry_run)
    if as_json:
        data(json.dumps(asdict(found)))
        return CliExit.OK
    runs = ", ".join(str(number) for number in found.runs[:SHOWN_RUNS])
    more = f" and {len(found.runs) - SHOWN_RUNS} more" if len(found.runs) > SHOWN_RUNS else ""
    what = f"{count(found.attempts, 'attempt')} of {count(len(found.runs), 'run')}"
    data(
        f" {'would invalidate' if dry_run else 'invalidated'} {what}{': ' if runs else ''}{runs}{more}"
    )
    if found.still_running:
        progress(
            f" {count(found.still_running, 'attempt')} still running: repeat this when they are over"
        )
    if found.ulid:
        data(f" undo   hotfire results withdraw {found.ulid} --reason …")
    return CliExit.OK


def withdraw(ref: str, reason: str) -> int:
    """Let results count again."""
    with _care() as care:
        row = care.withdraw(ref, reason=reason)
    data(f" withdrawn {row.ulid}: {count(row.attempts, 'attempt')} count again")
    return CliExit.OK


def list_invalidations(limit: int, *, as_json: bool) -> int:
    """Print the newest decisions."""
    with _care() as care:
        rows = care.invalidations(limit)
    if as_json:
        data(json.dumps([asdict(row) for row in rows]))
        return CliExit.OK
    for row in rows:
        state = f"withdrawn {utc(row.withdrawn_ns)}" if row.withdrawn_ns else "in force"
        data(
            f" {row.ulid}  {utc(row.created_ns)}  {row.requested_by}  "
            f"{count(row.attempts, 'attempt')}  {state}  {row.reason}"
        )
    if not rows:
        data(" no results were ever invalidated")
    return CliExit.OK


def accept(run: str, cell: str | None, reason: str) -> int:
    """Expect no longer what a run lost."""
    with _care() as care:
        accepted = care.accept(run, cell=cell, reason=reason)
    for one in accepted:
        data(f" {one.cell}: {count(len(one.forgotten), 'test')} not expected any more")
        for test in one.forgotten:
            data(f"   {test}")
    if not accepted:
        data(" nothing to accept: no test is missing there")
    return CliExit.OK


def predicate_of(wish: Wish, now_ns: int) -> Predicate:
    """Read what was typed; CliError names what cannot be read."""
    fields = {}
    for text in wish.environment:
        key, equals, value = text.partition("=")
        if not key or not equals:
            raise CliError(
                f"--environment {text!r} is not KEY=VALUE",
                next_command="hotfire results invalidate --help",
            )
        fields[key] = value
    return Predicate(
        devices=wish.devices,
        pools=wish.pools,
        drivers=wish.drivers,
        environment=fields,
        since_ns=None if wish.since is None else moment(wish.since, now_ns),
        until_ns=None if wish.until is None else moment(wish.until, now_ns),
    )


def moment(text: str, now_ns: int) -> int:
    """Return a time in nanoseconds: RFC 3339 (UTC where it says no zone), or an age like `6h`."""
    if text[-1:] in "dhms" and text[:1].isdigit() and "-" not in text:
        return now_ns - parse_duration(text) * NANOSECONDS
    try:
        found = datetime.datetime.fromisoformat(text)
    except ValueError:
        raise CliError(
            f"{text!r} is no time: write 2026-11-21T09:00Z, or an age like 6h",
            next_command="hotfire results invalidate --help",
        ) from None
    zoned = found if found.tzinfo else found.replace(tzinfo=datetime.UTC)
    return int(zoned.timestamp()) * NANOSECONDS
