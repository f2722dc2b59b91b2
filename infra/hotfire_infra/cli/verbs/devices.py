"""`hotfire devices …`: look at devices, and ask for another health of one."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Iterator, Mapping
from typing import Any

from hotfire_infra.analysis.quantities import utc
from hotfire_infra.cli.console import data, progress, table
from hotfire_infra.cli.exit_codes import CliExit
from hotfire_infra.cli.problems import CliError
from hotfire_infra.client.devices import DeviceCare, ServiceDeviceCare, StoreDeviceCare
from hotfire_infra.settings import read_settings
from hotfire_infra.states import DeviceHealth
from hotfire_infra.store.database import open_store

HEADER = ("device", "pool", "kind", "health", "since", "why")
SHOWN_EVIDENCE = 20


@contextlib.contextmanager
def open_care() -> Iterator[DeviceCare]:
    """Open the service that `$HOTFIRE_SERVER` names, or the store of this home."""
    settings = read_settings()
    if settings.server is not None:
        from hotfire_infra.client.connection import Connection, read_token

        connection = Connection(settings.server, read_token(settings.token_file))
        try:
            yield ServiceDeviceCare(connection)
        finally:
            connection.close()
        return
    store = open_store(settings.home, database=settings.database)
    try:
        yield StoreDeviceCare(store, settings.user)
    finally:
        store.close()


def list_devices(pool: str | None, *, as_json: bool) -> int:
    """Print all devices, the sick ones first."""
    with open_care() as care:
        found = care.devices(pool)
    if as_json:
        data(json.dumps(list(found), ensure_ascii=False))
        return CliExit.OK
    if not found:
        progress("no device is known yet: they are registered when a run is executed")
        return CliExit.OK
    order = ("bad", "suspect", "maintenance", "good", "retired")
    ranked = sorted(found, key=lambda one: (order.index(one["health"]), one["identity"]))
    rows = [
        (
            one["identity"],
            one["pool"],
            one["kind"],
            one["health"],
            utc(one["changed_ns"]),
            one["reason"],
        )
        for one in ranked
    ]
    data(table(HEADER, rows, frozenset()))
    return CliExit.OK


def show(ref: str, *, as_json: bool) -> int:
    """Print one device with what speaks against it and its history."""
    with open_care() as care:
        one = care.device(ref)
    if as_json:
        data(json.dumps(one, ensure_ascii=False))
        return CliExit.OK
    why = f": {one['reason']}" if one["reason"] else ""
    data(f" device  {one['identity']}   {one['kind']}   pool {one['pool']}")
    data(f" health  {one['health']} since {utc(one['changed_ns'])}{why}")
    facts = {name: value for name, value in sorted(one["facts"].items()) if value not in ("", None)}
    if facts:
        data(f" facts   {', '.join(f'{name} {value}' for name, value in facts.items())}")
    _print_story(one)
    return CliExit.OK


def _print_story(one: Mapping[str, Any]) -> None:
    if one.get("evidence"):
        data("\n evidence")
    for item in one.get("evidence", ())[:SHOWN_EVIDENCE]:
        blame = item["failure_class"] or "-"
        attempt = f"   attempt {item['attempt']}" if item["attempt"] else ""
        data(
            f"   {utc(item['at_ns'])}  {item['kind']} ({blame}, {item['source']}, "
            f"{item['confidence']:.2f})  {item['detail']}{attempt}".rstrip()
        )
    if one.get("differentials"):
        data("\n differential reruns")
    for item in one.get("differentials", ()):
        fields = (
            f"failed test elsewhere: {item.get('failed_elsewhere', 'not yet')}, "
            f"known-good test here: {item.get('good_here', 'not yet')}"
        )
        data(f"   {item['conclusion']}   {item['task']}   {fields}")
    if one.get("history"):
        data("\n history")
    for step in one.get("history", ()):
        before = f"{step['from']} → " if step["from"] else ""
        data(f"   {utc(step['at_ns'])}  {before}{step['to']}  by {step['by']}: {step['reason']}")


def ask(ref: str, health: DeviceHealth, reason: str, *, force: bool = False) -> int:
    """Ask for another health of a device."""
    if not reason.strip():
        raise CliError(
            "--reason must say why; it stays in the device's history",
            next_command=f"hotfire devices show {ref}",
        )
    with open_care() as care:
        progress(care.ask(ref, health, reason.strip(), force=force))
    return CliExit.OK
