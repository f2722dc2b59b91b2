"""A service in this process, on a port of its own: what tests of both its sides share."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager

import uvicorn

from hotfire_infra.api.service import Service
from hotfire_infra.api.serving import application, bind_to


class Live(uvicorn.Server):
    """Says when it answers, so that nobody polls."""

    def __init__(self, config: uvicorn.Config) -> None:
        super().__init__(config)
        self.answers = threading.Event()

    async def startup(self, sockets=None) -> None:
        await super().startup(sockets)
        self.answers.set()


@contextmanager
def served(service: Service) -> Iterator[str]:
    """Serve until the block ends; yield the address."""
    listener = bind_to("127.0.0.1", 0)
    app = application(service.reports, service, "127.0.0.1")
    server = Live(uvicorn.Config(app, log_level="error", timeout_graceful_shutdown=5))
    thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]})
    thread.start()
    try:
        assert server.answers.wait(20), "the service did not start"
        yield f"http://127.0.0.1:{listener.getsockname()[1]}"
    finally:
        service.drain.begin()
        server.should_exit = True
        thread.join(30)
        listener.close()
        assert not thread.is_alive(), "the service did not end"
