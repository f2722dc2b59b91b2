"""The API under /api/v1: runs, one run, results of a run."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any

from fastapi import FastAPI, HTTPException, Path, Query
from pydantic import BaseModel, Field

from hotfire_infra.analysis.history import Reports, RunSummary
from hotfire_infra.analysis.quantities import iso_utc
from hotfire_infra.analysis.report import FailedTest, HoldReport, RunReport, run_document


class SourceDocument(BaseModel):
    """The source stamp: what is under test."""

    repository: str
    revision: str
    patch_digest: str | None


class CellDocument(BaseModel):
    """One cell of a run; `verdict` is `missing` until the cell has reported."""

    task: str
    variant: dict[str, str]
    state: str
    verdict: str
    reason: str
    failure_class: str | None
    attempts: int
    tests: dict[str, int]
    pending: str


class RunDocument(BaseModel):
    """One run, exactly as `hotfire show RUN -o json` prints it."""

    id: str = Field(examples=["01JD3Q6X7V8W9Y0Z1A2B3C4D5E"])
    pipeline: str
    source: SourceDocument
    plan_digest: str
    state: str
    verdict: str
    reasons: list[str]
    url: str
    cells: list[CellDocument]
    totals: dict[str, int]
    priority: str
    team: str
    change: str | None
    superseded_by: int | None
    supersedes: list[int]
    holds: list[HoldReport]


class RunLine(BaseModel):
    """One run in the list."""

    id: str
    number: int
    pipeline: str
    revision: str
    state: str
    verdict: str | None
    headline: str
    created: str | None = Field(description="RFC 3339, UTC")
    totals: dict[str, int]


class ResultDocument(BaseModel):
    """A result that is not green, with its message."""

    test: str
    outcome: str
    failure_class: str | None
    message: str
    cell: str


RunName = Annotated[
    str, Path(description="Run number, id, unambiguous prefix of the id, or `latest`")
]
NOT_FOUND: Mapping[int | str, dict[str, Any]] = {404: {"description": "No such run"}}


def create_app(reports: Reports) -> FastAPI:
    """Build the API over `reports`; it opens no port and knows no address."""
    app = FastAPI(
        title="Hotfire",
        version="1",
        openapi_url="/api/v1/openapi.json",
        # FastAPI's own documentation pages load scripts from elsewhere.
        docs_url=None,
        redoc_url=None,
    )
    _attach_routes(app, reports)
    return app


def _attach_routes(app: FastAPI, reports: Reports) -> None:
    @app.get("/api/v1/runs", summary="List runs, newest first")
    def runs(limit: Annotated[int, Query(ge=1, le=500)] = 50) -> list[RunLine]:
        return [_line(one) for one in reports.runs(limit)]

    @app.get("/api/v1/runs/{run}", summary="Show one run", responses=dict(NOT_FOUND))
    def run(run: RunName) -> RunDocument:
        return RunDocument.model_validate(run_document(_found(reports, run)))

    @app.get(
        "/api/v1/runs/{run}/results",
        summary="List the results of a run that are not green",
        responses=dict(NOT_FOUND),
    )
    def results(run: RunName) -> list[ResultDocument]:
        return [_result(failure) for failure in _found(reports, run).failures]


def _found(reports: Reports, run: str) -> RunReport:
    report = reports.report(run)
    if report is None:
        raise HTTPException(404, f"no run {run!r} in this store; list them with `hotfire ps`")
    return report


def _line(one: RunSummary) -> RunLine:
    return RunLine(
        id=one.ulid, number=one.number, pipeline=one.pipeline, revision=one.source.revision,
        state=one.state, verdict=one.verdict, headline=one.headline,
        created=iso_utc(one.created_ns), totals=dict(one.totals),
    )  # fmt: skip


def _result(failure: FailedTest) -> ResultDocument:
    return ResultDocument(
        test=failure.test, outcome=failure.outcome, failure_class=failure.failure_class,
        message=failure.message, cell=failure.cell,
    )  # fmt: skip
