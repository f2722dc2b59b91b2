"""The API under /api/v1: one router per noun, problem documents, OpenAPI."""

from __future__ import annotations

from fastapi import FastAPI

from hotfire_infra.analysis.history import Reports
from hotfire_infra.api.access import Access, install_access
from hotfire_infra.api.openapi import install_openapi
from hotfire_infra.api.problems import install_problems
from hotfire_infra.api.routers import (
    attempts,
    bisections,
    blobs,
    cells,
    changes,
    decisions,
    history,
    imports,
    ingest,
    noise,
    operations,
    planning,
    quarantines,
    records,
    reproduction,
    runs,
    schedules,
)
from hotfire_infra.api.service import Service

PREFIX = "/api/v1"


def create_app(reports: Reports, service: Service | None = None) -> FastAPI:
    """Build the API; it opens no port and knows no address.

    Without a service it shows `reports` to everybody and knows nothing else (503).
    """
    app = FastAPI(
        title="Hotfire",
        version="1",
        summary="Continuous testing of deep-learning libraries over every platform they ship for",
        openapi_url=f"{PREFIX}/openapi.json",
        # FastAPI's own documentation pages load scripts from elsewhere.
        docs_url=None,
        redoc_url=None,
        lifespan=None if service is None else lambda _app: service.running(),
    )
    app.state.reports = reports
    app.state.service = service
    if service is None:
        install_access(app, Access(None, "reader"))
    install_problems(app)
    # Routes are tried in this order, and nothing is asked for as often as ingest.
    nouns = (
        records,
        ingest,
        runs,
        cells,
        attempts,
        blobs,
        history,
        planning,
        operations,
        schedules,
    )
    for module in (
        *nouns,
        noise,
        bisections,
        changes,
        decisions,
        quarantines,
        reproduction,
        imports,
    ):
        app.include_router(module.router, prefix=PREFIX)
    install_openapi(app)
    return app
