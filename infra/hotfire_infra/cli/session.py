"""The open store of one command: its client for acts, its reports for looking."""

from __future__ import annotations

import contextlib
import json
import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

from hotfire_infra.analysis.history import CommandReports
from hotfire_infra.analysis.reporting import DEFAULT_URL, StoreReports
from hotfire_infra.client import Client
from hotfire_infra.client.connection import Connection, read_token
from hotfire_infra.settings import Settings, read_settings
from hotfire_infra.store.database import Store, open_store

Desk = TypeVar("Desk")

SERVE_FILE = "serve.json"
"""Where `hotfire serve` says on which address it serves this home."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Session:
    """What a verb works with."""

    settings: Settings
    client: Client
    reports: CommandReports


def served_url(home: Path) -> str:
    """Return where the pages of this home are served, or would be by default."""
    try:
        note = json.loads((home / SERVE_FILE).read_text(encoding="utf-8"))
        # A killed server leaves its note behind.
        os.kill(int(note["pid"]), 0)
        return str(note["url"])
    except (OSError, ValueError, KeyError, TypeError):
        return DEFAULT_URL


@contextlib.contextmanager
def open_session() -> Iterator[Session]:
    """Open client and reports on one home, or on the service that is named; close both."""
    settings = read_settings()
    if settings.server is not None:
        with _service(settings) as session:
            yield session
        return
    from hotfire_infra.client.embedded import EmbeddedClient

    client = EmbeddedClient.open(settings)
    try:
        yield Session(settings=settings, client=client, reports=reports_of(client.store))
    finally:
        client.close()


@contextlib.contextmanager
def open_reports() -> Iterator[CommandReports]:
    """Open the store, or the service, only to look at it."""
    settings = read_settings()
    if settings.server is not None:
        with _service(settings) as session:
            yield session.reports
        return
    store = open_store(settings.home, database=settings.database)
    try:
        yield reports_of(store)
    finally:
        store.close()


@contextlib.contextmanager
def open_desk(
    here: Callable[[Store, str], Desk], far: Callable[[Connection], Desk]
) -> Iterator[Desk]:
    """Open a desk on the store here, for its user, or on the service that is named."""
    settings = read_settings()
    if settings.server:
        with contextlib.closing(
            Connection(settings.server, read_token(settings.token_file))
        ) as connection:
            yield far(connection)
        return
    store = open_store(settings.home, database=settings.database)
    try:
        yield here(store, settings.user)
    finally:
        store.close()


def wait_for_run(session: Session, run: str) -> None:
    """Return once a run is over."""
    events = session.client.watch(run)
    try:
        for _ in events:
            pass
    finally:
        close: Callable[[], None] | None = getattr(events, "close", None)
        if close is not None:
            close()


@contextlib.contextmanager
def _service(settings: Settings) -> Iterator[Session]:
    from hotfire_infra.client.http import HttpClient
    from hotfire_infra.client.http_reports import HttpReports

    client = HttpClient.open(settings)
    try:
        client.service()
        reports = HttpReports(client.connection)
        yield Session(settings=settings, client=client, reports=reports)
    finally:
        client.close()


def reports_of(store: Store) -> StoreReports:
    """Return the reports of a store, with the address its pages are served at."""
    return StoreReports(store, served_url(store.home))
