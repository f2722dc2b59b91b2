"""Serve API and pages on the loopback interface, and nowhere else."""

from __future__ import annotations

import ipaddress
import re
import socket
from importlib.metadata import entry_points

from fastapi import FastAPI
from fastapi.responses import PlainTextResponse
from starlette.datastructures import Headers
from starlette.types import ASGIApp, Receive, Scope, Send

from hotfire_infra.analysis.history import Reports
from hotfire_infra.api.app import create_app
from hotfire_infra.errors import InfraError

DEFAULT_PORT = 8321


class ServingRefusedError(InfraError):
    """The address asked for cannot or must not be served."""

    exit_code = 2


def loopback(host: str) -> str:
    """Return `host` when it is the loopback interface; refuse everything else.

    There are no users and no passwords yet: whoever reaches the port may read everything.
    """
    name = "127.0.0.1" if host == "localhost" else host
    try:
        inside = ipaddress.ip_address(name).is_loopback
    except ValueError:
        inside = False
    if not inside:
        raise ServingRefusedError(
            f"refused to serve on {host!r}: Hotfire has no sign-in yet, so it serves the loopback "
            "interface only; reach it from elsewhere by `ssh -L 8321:127.0.0.1:8321`"
        )
    return name


def bind(host: str, port: int) -> socket.socket:
    """Return a listening socket, so that a taken port is an error before anything starts."""
    address = loopback(host)
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    listener = socket.socket(family, socket.SOCK_STREAM)
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


def application(reports: Reports) -> FastAPI:
    """Return the API with every installed dashboard attached."""
    app = create_app(reports)
    for entry_point in entry_points(group="hotfire.dashboards"):
        entry_point.load()(app, reports)
    app.add_middleware(OwnNamesOnly)
    return app


class OwnNamesOnly:
    """Answers only to names of the loopback interface.

    A page elsewhere can let its own name point to 127.0.0.1 and have the reader's browser ask for
    it; that request carries the foreign name in `Host`.
    """

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass a request on, or refuse it with 421."""
        if scope["type"] == "http" and not _is_own(Headers(scope=scope).get("host", "")):
            refusal = PlainTextResponse(
                "this address serves the loopback interface only: open it as 127.0.0.1\n", 421
            )
            await refusal(scope, receive, send)
            return
        await self._app(scope, receive, send)


def _is_own(host: str) -> bool:
    name = re.sub(r":[0-9]*$", "", host).strip("[]")
    try:
        loopback(name)
    except ServingRefusedError:
        return False
    return True


def serve_on(reports: Reports, listener: socket.socket) -> None:
    """Serve until the process is told to end."""
    import uvicorn

    configuration = uvicorn.Config(application(reports), log_level="warning", access_log=False)
    uvicorn.Server(configuration).run(sockets=[listener])
