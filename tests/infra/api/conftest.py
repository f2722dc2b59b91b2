"""A service over a store with something in it, in this process and without a port."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager

import httpx
import pytest
from sqlalchemy import select, update

from hotfire_infra.analysis.reporting import StoreReports
from hotfire_infra.api.service import Service
from hotfire_infra.api.serving import application
from hotfire_infra.configuration import Configuration
from hotfire_infra.executors.fake import FakeExecutor, Script
from hotfire_infra.orchestrator.attendance import grant_claim
from hotfire_infra.settings import read_settings
from hotfire_infra.states import Role
from hotfire_infra.store import credentials
from hotfire_infra.store.credentials import TokenWish
from hotfire_infra.store.models import Attempt


class Running:
    """An application whose lifespan is entered, asked from any thread."""

    def __init__(self, app, loop):
        self.app = app
        self._loop = loop
        self._http = httpx.AsyncClient(
            transport=httpx.ASGITransport(app=app, raise_app_exceptions=True),
            base_url="http://127.0.0.1:8321",
        )

    def ask(self, method, path, **options):
        asked = self._http.request(method, path, **options)
        return asyncio.run_coroutine_threadsafe(asked, self._loop).result(60)


@contextmanager
def running(service: Service) -> Iterator[Running]:
    """Enter the lifespan of the service's application in a loop of its own."""
    app = application(service.reports, service, "127.0.0.1")
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever)
    thread.start()
    lifespan = app.router.lifespan_context(app)
    asyncio.run_coroutine_threadsafe(lifespan.__aenter__(), loop).result(30)
    try:
        yield Running(app, loop)
    finally:
        asyncio.run_coroutine_threadsafe(lifespan.__aexit__(None, None, None), loop).result(60)
        loop.call_soon_threadsafe(loop.stop)
        thread.join(30)
        loop.close()


@pytest.fixture
def make_service(store, tmp_path):
    def make(configuration: Configuration | None = None) -> Service:
        environ = {"HOTFIRE_HOME": str(store.home), "HOTFIRE_USER": "ada"}
        return Service(
            store=store,
            settings=read_settings(environ=environ),
            executor=FakeExecutor(store.attempts, clock=store.clock),
            reports=StoreReports(store),
            configuration=configuration or Configuration(),
            executes=False,
        )

    return make


@pytest.fixture
def finished_run(make_stand, make_plan):
    """A run that is over, so that lists and documents hold something."""
    return make_stand(label="before").run(make_plan({"a": ["m/s/x"], "b": ["m/s/y"]})).run


@pytest.fixture
def live_attempts(store, make_stand, make_plan, finished_run):
    """(ULID, token, fence) of attempts that runners have claimed."""

    def make(count):
        stand = make_stand(lambda _spec: Script(is_endless=True), label="before", cpus=count)
        stand.start(make_plan({f"c{number}": ["m/s/z"] for number in range(count)}))
        stand.rounds(3)
        return [_take_over(store, row) for row in _newest(store, count)]

    return make


def _newest(store, count):
    with store.reading() as connection:
        return connection.execute(select(Attempt).order_by(Attempt.id.desc()).limit(count)).all()


def _take_over(store, row):
    """Let the test be the runner: it knows the token."""
    secret = f"{row.id:043d}"
    with store.writing() as connection:
        connection.execute(
            update(Attempt)
            .where(Attempt.id == row.id)
            .values(token_sha256=credentials.digest_of(secret))
        )
        status, fence = grant_claim(connection, store, row.id, row.holder or "test")
    assert (status, fence is not None) == (200, True)
    return row.ulid, secret, fence


@pytest.fixture
def live_attempt(live_attempts):
    """(ULID, token, fence) of one."""
    return live_attempts(1)[0]


@pytest.fixture
def admin_token(store):
    with store.writing() as connection:
        wish = TokenWish(name="admin", role=Role.ADMIN)
        _, secret = credentials.create_token(
            connection, wish, created_by="tester", now_ns=store.clock.wall_ns()
        )
    return secret


@pytest.fixture
def enter():
    """Enter services until the test is over."""
    with ExitStack() as stack:
        yield lambda service: stack.enter_context(running(service))
