"""`hotfire schedules …` and `hotfire holds …`, on the store of this home or at a service."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Iterator
from dataclasses import asdict

from hotfire_infra.analysis.quantities import duration
from hotfire_infra.analysis.report import HoldReport
from hotfire_infra.cli.console import data, progress, table
from hotfire_infra.cli.durations import parse_duration
from hotfire_infra.cli.exit_codes import CliExit
from hotfire_infra.cli.problems import CliError
from hotfire_infra.client.connection import Connection, read_token
from hotfire_infra.client.operations import Operations, ServiceOperations, StoreOperations
from hotfire_infra.settings import read_settings


@contextlib.contextmanager
def open_operations() -> Iterator[Operations]:
    """Open the service that `$HOTFIRE_SERVER` names, or the store of this home."""
    settings = read_settings()
    if settings.server is not None:
        token = read_token(settings.token_file)
        with contextlib.closing(Connection(settings.server, token)) as connection:
            yield ServiceOperations(connection)
        return
    from hotfire_infra.client.embedded import EmbeddedClient

    client = EmbeddedClient.open(settings)
    try:
        yield StoreOperations(client, settings.user, is_audited=True)
    finally:
        client.close()


def list_schedules(*, as_json: bool) -> int:
    """Print what is declared and when it is due."""
    with open_operations() as operations:
        found = operations.schedules()
    if as_json:
        data(json.dumps({"schedules": [asdict(one) for one in found]}, ensure_ascii=False))
    elif found:
        rows = [
            (
                one.name,
                one.pipeline,
                one.trigger,
                "paused" if one.paused else one.next or "",
                one.last,
            )
            for one in found
        ]
        data(table(("NAME", "PIPELINE", "TRIGGER", "NEXT", "LAST"), rows, frozenset()))
    else:
        settings = read_settings()
        where = settings.configuration if settings.server is None else "the service's configuration"
        progress(f"no schedule is declared; they stand below `schedules:` in {where}")
    return CliExit.OK


def pause(name: str, *, paused: bool) -> int:
    """Pause or resume."""
    with open_operations() as operations:
        operations.pause(name, paused=paused)
    progress(f"{name} is paused" if paused else f"{name} goes on")
    return CliExit.OK


def fire(name: str) -> int:
    """Start a schedule by hand."""
    with open_operations() as operations:
        outcome = operations.fire(name)
    if not outcome.startswith("started"):
        raise CliError(f"{name}: {outcome}", next_command="hotfire schedules list")
    number = outcome.rpartition(" ")[2]
    data(number)
    progress(f"next:  hotfire watch {number}")
    return CliExit.OK


def list_holds(*, as_json: bool) -> int:
    """Print the machines that are kept now."""
    with open_operations() as operations:
        found = operations.holds()
    if as_json:
        data(json.dumps({"holds": [asdict(one) for one in found]}, ensure_ascii=False))
    elif found:
        rows = [
            (one.id, str(one.run), one.cell, one.held_by, left_words(one), one.directory)
            for one in found
        ]
        header = ("HOLD", "RUN", "CELL", "FOR", "LEFT", "DIRECTORY")
        data(table(header, rows, frozenset({1})))
    else:
        progress("no machine is held; `hotfire run PIPELINE --hold 30m` keeps one that fails")
    return CliExit.OK


def left_words(hold: HoldReport) -> str:
    """Return how long a hold lasts yet."""
    return duration(hold.seconds_left * 1_000_000_000)


def release(prefix: str) -> int:
    """Ask for the end of a hold."""
    with open_operations() as operations:
        hold = operations.release(prefix)
    progress(f"asked for the end of hold {hold.id}: {hold.cell} of run {hold.run}")
    return CliExit.OK


def extend(prefix: str, time: str) -> int:
    """Let a hold last longer."""
    seconds = parse_duration(time)
    with open_operations() as operations:
        hold = operations.extend(prefix, seconds)
    progress(f"hold {hold.id} lasts for {duration(seconds * 1_000_000_000)} from now")
    return CliExit.OK
