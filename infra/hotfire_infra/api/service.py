"""The service behind the API: store, orchestrator, event feed and ingest in one value."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import threading
from collections.abc import AsyncIterator
from dataclasses import dataclass, field, replace
from typing import Annotated, Protocol

from anyio import to_thread
from fastapi import Depends, Request

from hotfire_infra.analysis.history import Reports
from hotfire_infra.analysis.reporting import StoreReports
from hotfire_infra.api.access import Principal
from hotfire_infra.api.drain import Drain
from hotfire_infra.api.events import EventFeed
from hotfire_infra.api.problems import ApiError
from hotfire_infra.client.driver import Driver
from hotfire_infra.client.embedded import EmbeddedClient
from hotfire_infra.configuration import Configuration
from hotfire_infra.errors import InfraError
from hotfire_infra.executors.protocol import Executor
from hotfire_infra.ingest.writer import IngestWriter
from hotfire_infra.settings import Settings
from hotfire_infra.store.database import Store
from hotfire_infra.store.rows import RunRow

log = logging.getLogger(__name__)

STANDBY_SECONDS = 2.0
"""How often a service that does not execute looks whether it may."""


class Companion(Protocol):
    """Something that works beside the service, in a thread of its own."""

    def start(self) -> None:
        """Begin."""

    def stop(self) -> None:
        """Finish what is due, then end."""


@dataclass(slots=True)
class Service:
    """One process that serves a store, and executes it when nobody else does."""

    store: Store
    settings: Settings
    executor: Executor
    reports: StoreReports
    configuration: Configuration = field(default_factory=Configuration)
    executes: bool = True
    """Whether to execute at all; a pure door does not."""
    drain: Drain = field(default_factory=Drain)
    companions: list[Companion] = field(default_factory=list)
    feed: EventFeed = field(init=False)
    writer: IngestWriter = field(init=False)
    driver: Driver = field(init=False)
    _standby: threading.Thread | None = None
    _stop: threading.Event = field(default_factory=threading.Event)
    is_leading: bool = False
    """Whether this process executes the store now."""

    def __post_init__(self) -> None:
        self.feed = EventFeed(self.store)
        self.writer = IngestWriter(self.store)
        self.driver = self.client_of(None).build_driver(f"service-{id(self):x}")

    @classmethod
    def over(cls, client: EmbeddedClient, settings: Settings, *, executes: bool = True) -> Service:
        """Return a service on what an embedded client has opened."""
        return cls(
            store=client.store,
            settings=settings,
            executor=client.executor,
            reports=StoreReports(client.store),
            configuration=client.configuration,
            executes=executes,
        )

    def client_of(self, principal: Principal | None) -> EmbeddedClient:
        """Return the verbs, acting for somebody."""
        settings = self.settings
        if principal is not None:
            settings = replace(settings, user=principal.actor)
        return EmbeddedClient(self.store, settings, self.executor, self.configuration)

    def find_run(self, ref: str) -> RunRow:
        """Return a run by any of its names; RunNotFoundError, AmbiguousRunError."""
        from hotfire_infra.store import queries

        with self.store.reading() as connection:
            return queries.find_run(connection, ref)

    @contextlib.asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """Start what works in the background; stop it in order: streams, ingest, orchestrator."""
        loop = asyncio.get_running_loop()
        self.drain.on_begin(lambda: loop.call_soon_threadsafe(self.feed.close))
        self.writer.start()
        for companion in self.companions:
            await to_thread.run_sync(companion.start)
        if self.executes:
            self.begin_executing()
        try:
            yield
        finally:
            self.drain.begin()
            self.feed.close()
            await to_thread.run_sync(self._end)

    def begin_executing(self) -> None:
        """Execute from now on, whenever nobody else does."""
        self.executes = True
        if self._standby is None:
            self._standby = threading.Thread(
                target=self._stand_by, name="hotfire-standby", daemon=True
            )
            self._standby.start()

    def _end(self) -> None:
        self._stop.set()
        if self._standby is not None:
            self._standby.join()
        # The round under way is finished and the lock let go; runners stay.
        self.driver.stop()
        for companion in self.companions:
            companion.stop()
        self.is_leading = False
        self.writer.close()

    def _stand_by(self) -> None:
        """Execute as soon as nobody else does; trouble is logged and tried again."""
        while not self._stop.is_set():
            try:
                leads = self.driver.ensure()
            except InfraError as error:
                log.error("the orchestrator stopped: %s", error)
                leads = False
            except Exception:
                log.exception("the orchestrator stopped by a defect; it is started again")
                leads = False
            if leads != self.is_leading:
                log.info("this service %s", "executes" if leads else "does not execute any more")
            self.is_leading = leads
            self._stop.wait(STANDBY_SECONDS)


async def service_of(request: Request) -> Service:
    """Return the service behind an application; 503 for one that only shows reports."""
    found = getattr(request.app.state, "service", None)
    if not isinstance(found, Service):
        raise ApiError(503, "this application has no store", remedy="start `hotfire serve`")
    return found


async def reports_of(request: Request) -> Reports:
    """Return what an application shows; every application has some."""
    found: Reports = request.app.state.reports
    return found


Serviced = Annotated[Service, Depends(service_of)]
