"""An application with one route per need, secured, and a browser for it in this process."""

import asyncio
from typing import Annotated

import httpx
import pytest
from fastapi import Depends, FastAPI, Request

from hotfire_infra.api.access import AttemptScope, Principal, require, require_attempt
from hotfire_infra.api.security.listening import secure
from hotfire_infra.configuration import Configuration
from hotfire_infra.sections.access import AccessSection
from hotfire_infra.sections.limits import LimitsSection
from hotfire_infra.states import Role
from hotfire_infra.store import credentials
from hotfire_infra.store.audit import AuditFilter, audit_log
from hotfire_infra.store.credentials import TokenWish


def routes() -> FastAPI:
    app = FastAPI(openapi_url=None)

    for role in Role:

        @app.post(f"/api/v1/needs/{role}")
        def need(principal: Annotated[Principal, Depends(require(role))]) -> str:
            return principal.actor

    @app.get("/page")
    def page() -> str:
        return "a page that forgot to ask"

    @app.put("/api/v1/attempts/{ulid}/heartbeat")
    def beat(
        principal: Annotated[Principal, Depends(require_attempt(AttemptScope.HEARTBEAT))],
    ) -> str:
        return principal.actor

    @app.post("/api/v1/body")
    async def body(request: Request) -> int:
        return len(await request.body())

    @app.get("/api/v1/defect")
    def defect() -> None:
        raise ZeroDivisionError("the secret is hf_verysecret")

    return app


class Door:
    """Asks a secured application as some client would."""

    def __init__(self, store, *, host="127.0.0.1", name=None, peer="127.0.0.1", **sections):
        self.store = store
        configuration = Configuration(
            access=sections.get("access", AccessSection()),
            limits=sections.get("limits", LimitsSection()),
        )
        self.app = routes()
        secure(self.app, store, user="ada", host=host, configuration=configuration)
        self.name = name or "127.0.0.1:8321"
        self.peer = peer

    def ask(self, method, path, *, token=None, scheme="http", **options):
        headers = dict(options.pop("headers", {}))
        if token is not None:
            headers["Authorization"] = f"Bearer {token}"

        async def request():
            transport = httpx.ASGITransport(app=self.app, client=(self.peer, 4711))
            async with httpx.AsyncClient(
                transport=transport, base_url=f"{scheme}://{self.name}"
            ) as client:
                return await client.request(method, path, headers=headers, **options)

        return asyncio.run(request())

    def token(self, role="viewer", name="ci", **wish):
        with self.store.writing() as connection:
            made = TokenWish(name=name, role=Role(role), **wish)
            now_ns = self.store.clock.wall_ns()
            _, secret = credentials.create_token(
                connection, made, created_by="tester", now_ns=now_ns
            )
        return secret

    def audit(self, **wanted):
        with self.store.reading() as connection:
            return audit_log(connection, AuditFilter(**wanted))


SIGNED_IN = AccessSection(required=True)


@pytest.fixture
def open_door(store):
    return Door(store)


@pytest.fixture
def door(store):
    return Door(store, access=SIGNED_IN)


@pytest.fixture
def make_door(store):
    def make(**options):
        return Door(store, **options)

    return make
