"""Serve API and pages: on the loopback interface, elsewhere only behind sign-in."""

from __future__ import annotations

import contextlib
import gc
import signal
import socket
from collections.abc import Iterator
from importlib.metadata import entry_points
from types import FrameType

from fastapi import FastAPI

from hotfire_infra.analysis.detector_quality import keep_checked
from hotfire_infra.analysis.history import Reports
from hotfire_infra.api.app import create_app
from hotfire_infra.api.drain import GRACE_SECONDS
from hotfire_infra.api.probes import Watched, probes_router
from hotfire_infra.api.routers.plain import PlainRequests
from hotfire_infra.api.routers.records import DirectRecords
from hotfire_infra.api.security.listening import check_listening, secure, secure_literals
from hotfire_infra.api.service import Service
from hotfire_infra.errors import InfraError
from hotfire_infra.executors.protocol import Connected
from hotfire_infra.operations.event_log import EventLog
from hotfire_infra.operations.executor_check import ExecutorCheck
from hotfire_infra.operations.executor_metrics import ExecutorMetrics
from hotfire_infra.operations.metrics import Metrics
from hotfire_infra.operations.upkeep import Upkeep
from hotfire_infra.orchestrator.lock import LOCK_NAME
from hotfire_infra.settings import has_trace_collector

DEFAULT_PORT = 8321
ENDING_SIGNALS = (signal.SIGTERM, signal.SIGINT)


class ServingRefusedError(InfraError):
    """The address asked for cannot or must not be served."""

    exit_code = 2


def bind(service: Service, host: str, port: int) -> socket.socket:
    """Return a listening socket, so that a taken port is an error before anything starts.

    Any address but loopback needs somebody who can sign in (ListeningRefusedError).
    """
    return bind_to(check_listening(host, service.configuration.access, service.store), port)


def bind_to(address: str, port: int) -> socket.socket:
    """Return a listening socket on an address that was checked."""
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    # Named, for asyncio knows TCP by it: an answer goes out in two pieces, and without TCP_NODELAY
    # the second waits until the client's kernel has acknowledged the first, 40 ms later.
    listener = socket.socket(family, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind((address, port))
        listener.listen(128)
    except OSError as error:
        listener.close()
        raise ServingRefusedError(
            f"port {port} on {address} cannot be served: {error.strerror}; "
            f"try `hotfire serve --port {port + 1}`"
        ) from error
    return listener


def application(reports: Reports, service: Service | None = None, host: str = "") -> FastAPI:
    """Return the API with every installed dashboard attached, behind the gatekeeper."""
    app = create_app(reports, service)
    for entry_point in entry_points(group="hotfire.dashboards"):
        entry_point.load()(app, reports)
    if service is None:
        secure_literals(app)
    else:
        metrics = Metrics(service.store, lock_name=LOCK_NAME, leads=lambda: service.is_leading)
        if isinstance(service.executor, Connected):
            metrics.registry.register(ExecutorMetrics(service.executor))
        for companion in service.companions:
            if isinstance(companion, Upkeep):
                metrics.registry.register(companion)
        app.include_router(probes_router(_watched(service, metrics)))
        # Added first: the gatekeeper stands before it.
        app.add_middleware(DirectRecords)
        app.add_middleware(PlainRequests)
        secure(
            app,
            service.store,
            observe=metrics.answered,
            user=service.settings.user,
            host=host or "127.0.0.1",
            configuration=service.configuration,
        )
    return app


def _watched(service: Service, metrics: Metrics) -> Watched:
    return Watched(
        store=service.store,
        metrics=metrics,
        limits=service.configuration.limits,
        is_draining=lambda: service.drain.is_draining,
        executes=service.executes,
        others=lambda: tuple(
            finding
            for one in service.companions
            if isinstance(one, ExecutorCheck)
            for finding in one.findings()
        ),
    )


def _add_companions(service: Service, address: str) -> None:
    service.companions.append(EventLog(service.store, lambda: service.is_leading))
    if service.executes and isinstance(service.executor, Connected):
        service.companions.append(ExecutorCheck(service.executor))
    retention = service.configuration.retention
    service.companions.append(
        Upkeep(
            service.store, retention, leads=lambda: service.is_leading, then=(keep_checked,)
        )
    )  # fmt: skip
    if has_trace_collector():
        # Imported late: it is of no use to who has no collector.
        from hotfire_infra.operations.traces import RunTraces, collector

        url = service.configuration.access.public_url or address
        service.companions.append(
            RunTraces(service.store, collector(), url, lambda: service.is_leading)
        )


def serve_on(service: Service, listener: socket.socket) -> None:
    """Serve until the process is told to end, then drain.

    On SIGTERM or SIGINT nothing new is accepted, streams end at once, requests under way have
    `GRACE_SECONDS`, what ingest has taken is stored and the round under way is finished. Runners go
    on; the next service attaches to them.
    """
    import uvicorn

    host, port = listener.getsockname()[:2]
    _add_companions(service, f"http://{host}:{port}")
    configuration = uvicorn.Config(
        application(service.reports, service, host),
        # What uvicorn has to say goes where everything goes (section `logging`).
        log_config=None,
        log_level="warning",
        access_log=False,
        timeout_graceful_shutdown=GRACE_SECONDS,
        server_header=False,
        # The gatekeeper judges X-Forwarded-*, by the proxies that were configured.
        proxy_headers=False,
    )

    class Server(uvicorn.Server):
        """Tells the service first, so that its streams end before they are waited for."""

        def handle_exit(self, sig: int, frame: FrameType | None) -> None:
            service.drain.begin()
            super().handle_exit(sig, frame)

        @contextlib.contextmanager
        def capture_signals(self) -> Iterator[None]:
            # uvicorn raises the signal again at the end; the process has things to do then.
            before = {one: signal.signal(one, self.handle_exit) for one in ENDING_SIGNALS}
            try:
                yield
            finally:
                for one, handler in before.items():
                    signal.signal(one, handler)

    # What is loaded by now stays: looked through at each collection, it made ingest half as slow
    # again, since every record is a few new objects.
    gc.collect()
    gc.freeze()
    Server(configuration).run(sockets=[listener])
