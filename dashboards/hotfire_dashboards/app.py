"""The routes of the dashboard; `hotfire serve` finds `attach` by the entry point."""

from __future__ import annotations

from dataclasses import asdict

from fastapi import FastAPI, Response
from fastapi.responses import HTMLResponse, JSONResponse
from starlette.datastructures import MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from hotfire_dashboards.assets import served_asset
from hotfire_dashboards.commands import command
from hotfire_dashboards.compare_page import compare_page
from hotfire_dashboards.home_page import home_page
from hotfire_dashboards.missing_page import MissingPage
from hotfire_dashboards.noise_page import noise_page
from hotfire_dashboards.quality_page import quality_page
from hotfire_dashboards.rendering import VISITOR, render
from hotfire_dashboards.run_page import run_page
from hotfire_dashboards.series_page import series_document, series_page
from hotfire_dashboards.test_page import test_page
from hotfire_infra.analysis.comparing import MERGE_BASE
from hotfire_infra.analysis.history import Reports
from hotfire_infra.analysis.report import run_document
from hotfire_infra.analysis.transport import encode

RUNS_ON_HOME = 50
CHECKS_SHOWN = 60
"""Of the change detector: about two months."""

SECURITY_HEADERS = {
    # Nothing from elsewhere, nothing inline: a hostile test name stays text.
    "Content-Security-Policy": (
        "default-src 'self'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'"
    ),
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "same-origin",
}


class WithVisitor:
    """Lets pages say who signed in; whoever decides that stands before and leaves it in the scope."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass a request on."""
        principal = scope.get("state", {}).get("principal")
        # Only a session can be ended: on open loopback and with a token there is none.
        is_session = getattr(principal, "login_id", None) is not None
        known = VISITOR.set(f"{principal.name} ({principal.role})" if is_session else "")
        try:
            await self._app(scope, receive, send)
        finally:
            VISITOR.reset(known)


class WithSecurityHeaders:
    """Adds the headers; it neither buffers nor delays, since live events pass through it too."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass a request on."""

        async def with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                for name, value in SECURITY_HEADERS.items():
                    headers.setdefault(name, value)
            await send(message)

        await self._app(scope, receive, with_headers if scope["type"] == "http" else send)


def attach(app: FastAPI, reports: Reports) -> None:
    """Add the pages and their JSON twins to `app`, reading everything from `reports`."""

    app.add_middleware(WithSecurityHeaders)
    app.add_middleware(WithVisitor)
    _attach_assets(app)
    _attach_runs(app, reports)
    _attach_tests(app, reports)
    _attach_series(app, reports)
    _attach_comparisons(app, reports)
    _attach_quality(app, reports)


def _attach_assets(app: FastAPI) -> None:
    @app.get("/static/{name}", include_in_schema=False)
    def static(name: str) -> Response:
        asset = served_asset(name)
        if asset is None:
            return Response(status_code=404)
        forever = {"Cache-Control": "public, max-age=31536000, immutable"}
        return Response(asset.content, media_type=asset.media_type, headers=forever)


def _attach_runs(app: FastAPI, reports: Reports) -> None:
    @app.get("/", include_in_schema=False)
    def home() -> Response:
        return _page("home", home_page(reports.runs(RUNS_ON_HOME)))

    @app.get("/index.json", include_in_schema=False)
    def home_twin() -> Response:
        return JSONResponse({"runs": [asdict(run) for run in reports.runs(RUNS_ON_HOME)]})

    @app.get("/r/{run}.json", include_in_schema=False)
    def run_twin(run: str) -> Response:
        report = reports.report(run)
        return JSONResponse(run_document(report)) if report else _missing_document("run", run)

    @app.get("/r/{run}", include_in_schema=False)
    def run(run: str) -> Response:
        report = reports.report(run)
        return _page("run", run_page(report)) if report else _missing("run", run)


def _attach_tests(app: FastAPI, reports: Reports) -> None:
    @app.get("/t.json", include_in_schema=False)
    def test_twin(id: str = "") -> Response:  # noqa: A002 - the name in the address
        history = reports.test(id)
        return JSONResponse(asdict(history)) if history else _missing_document("test", id)

    @app.get("/t", include_in_schema=False)
    def test_by_query(id: str = "") -> Response:  # noqa: A002 - the name in the address
        return _test(id)

    @app.get("/t/{identifier:path}", include_in_schema=False)
    def test_by_path(identifier: str) -> Response:
        return _test(identifier)

    def _test(identifier: str) -> Response:
        history = reports.test(identifier)
        return _page("test", test_page(history)) if history else _missing("test", identifier)


def _attach_series(app: FastAPI, reports: Reports) -> None:
    @app.get("/p/{key}.json", include_in_schema=False)
    def series_twin(key: str) -> Response:
        series = reports.series(key)
        return JSONResponse(series_document(series)) if series else _missing_document("series", key)

    @app.get("/p/{key}", include_in_schema=False)
    def series(key: str) -> Response:
        found = reports.series(key)
        return _page("series", series_page(found)) if found else _missing("series", key)


def _attach_quality(app: FastAPI, reports: Reports) -> None:
    @app.get("/quality.json", include_in_schema=False)
    def quality_twin() -> Response:
        found = encode(reports.detector(CHECKS_SHOWN))
        return Response(found, media_type="application/json")

    @app.get("/quality", include_in_schema=False)
    def quality() -> Response:
        return _page("quality", quality_page(reports.detector(CHECKS_SHOWN)))


def _attach_comparisons(app: FastAPI, reports: Reports) -> None:
    @app.get("/noise.json", include_in_schema=False)
    def noise_twin() -> Response:
        return JSONResponse([asdict(one) for one in reports.noise()])

    @app.get("/noise", include_in_schema=False)
    def noise() -> Response:
        return _page("noise", noise_page(reports.noise()))

    @app.get("/compare/{before}/{after}.json", include_in_schema=False)
    def compare_twin(before: str, after: str) -> Response:
        unknown = _unknown(before, after)
        if unknown is not None:
            return _missing_document("run", unknown)
        return JSONResponse(asdict(reports.comparison(before, after)))

    @app.get("/compare/{before}/{after}", include_in_schema=False)
    def compare(before: str, after: str) -> Response:
        unknown = _unknown(before, after)
        if unknown is not None:
            return _missing("run", unknown)
        return _page("compare", compare_page(reports.comparison(before, after)))

    def _unknown(*runs: str) -> str | None:
        named = [run for run in runs if run != MERGE_BASE]
        return next((run for run in named if reports.report(run) is None), None)


def _page(template: str, page: object, status: int = 200) -> Response:
    return HTMLResponse(render(template, page), status_code=status)


def _missing(kind: str, name: str) -> Response:
    page = MissingPage(
        title=f"No such {kind}",
        why=f"Nothing was recorded under {name!r} in this store.",
        next_command=command("ps"),
    )
    return _page("missing", page, status=404)


def _missing_document(kind: str, name: str) -> Response:
    return JSONResponse({"error": f"no {kind} {name!r} in this store"}, status_code=404)
