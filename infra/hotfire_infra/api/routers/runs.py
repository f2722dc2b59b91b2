"""Routes of runs: start, list, show, cancel, retry."""

from __future__ import annotations

from dataclasses import replace
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Path, Query, Response
from pydantic import BaseModel, Field

from hotfire_infra.analysis.history import Reports, RunSummary
from hotfire_infra.analysis.quantities import iso_utc
from hotfire_infra.analysis.report import FailedTest, RunReport, run_document
from hotfire_infra.analysis.transport import encode
from hotfire_infra.api import documents as docs
from hotfire_infra.api.access import Principal, require
from hotfire_infra.api.history_examples import REPORT_EXAMPLE, SUMMARY_EXAMPLE
from hotfire_infra.api.paging import Cursor, Limit, decode_cursor, encode_cursor
from hotfire_infra.api.problems import ApiError
from hotfire_infra.api.service import Service, Serviced, reports_of
from hotfire_infra.api.trust import makes_trusted_runs, place_in_queue, place_of_retry
from hotfire_infra.client.protocol import AS_PLANNED, RunWish
from hotfire_infra.errors import PlanRefusedError, RunNotFoundError
from hotfire_infra.orchestrator.run_options import order_of
from hotfire_infra.source.merge_base import MergeBase
from hotfire_infra.source.stamp import StoredSource
from hotfire_infra.states import Role
from hotfire_infra.store import queries
from hotfire_infra.store.rows import RunRow
from hotfire_pipelines.plan import Plan
from hotfire_testframework.contract.ulid import parse_ulid

VIEWERS = [Depends(require(Role.VIEWER))]
DEVELOPERS = [Depends(require(Role.DEVELOPER))]
router = APIRouter(prefix="/runs", tags=["runs"], dependencies=VIEWERS)

RunRef = Annotated[
    str,
    Path(
        max_length=64,
        description="Run number, id, unambiguous prefix of the id, or `latest`",
        examples=["latest"],
    ),
]
Developer = Annotated[Principal, Depends(require(Role.DEVELOPER))]
Shown = Annotated[Reports, Depends(reports_of)]


class StartedSource(BaseModel):
    """The source of a run; its archive was put as a blob before."""

    repository: str = Field(max_length=1000)
    revision: str = Field(min_length=1, max_length=200)
    patch_digest: str = Field(default="", max_length=64, description="Empty for a clean tree")
    subject: str = Field(default="", max_length=2000, description="First line of the commit")
    archive_sha256: str | None = Field(default=None, pattern="^[0-9a-f]{64}$")


class StartRun(BaseModel):
    """A run to be: its id is chosen by the caller, so that asking twice starts once."""

    model_config = docs.with_example(
        id=docs.ULID,
        plan={"schema": "hotfire.dev/plan/1", "pipeline": "pre-merge", "digest": docs.DIGEST},
        source={
            "repository": "https://git.example.org/aestus.git",
            "revision": "3f2a91c000000000000000000000000000000000",
            "archive_sha256": docs.DIGEST,
        },
    )

    id: str = Field(min_length=26, max_length=26, description="A fresh ULID")
    plan: dict[str, Any] = Field(description="As `hotfire plan PIPELINE -o json` prints it")
    source: StartedSource
    requested_by: str | None = Field(
        default=None,
        max_length=200,
        description="For whom, for people to read; the run is of the principal that asks",
    )
    merge_base: MergeBase | None = Field(default=None, description="Where the change began")
    wish: RunWish = Field(default=AS_PLANNED, description="How to carry it out")


class Reason(BaseModel):
    """Why."""

    model_config = docs.with_example(reason="the branch was rewritten")

    reason: str = Field(default="cancelled on request", max_length=2000)


@router.get("", summary="List runs, newest first", operation_id="list_runs")
def runs(reports: Shown, limit: Limit = 50, cursor: Cursor = None) -> docs.RunPage:
    """A line each; the totals count cells by verdict."""
    keys = decode_cursor("runs", cursor, (int,))
    before = int(keys[0]) if keys else None
    found = reports.runs(limit + 1) if before is None else _older(reports, limit + 1, before)
    items = [_line(one) for one in found[:limit]]
    last = encode_cursor("runs", items[-1].number) if len(found) > limit else None
    return docs.RunPage(items=items, next=last)


@router.post(
    "",
    summary="Start a run",
    operation_id="start_run",
    status_code=201,
    response_model=docs.Run,
    responses={200: {"description": "This run was started before", "model": docs.Run}},
)
def start(
    asked: StartRun, principal: Developer, service: Serviced, response: Response
) -> dict[str, Any]:
    """Put the source's archive first (`PUT /api/v1/blobs/sha256/{digest}`).

    The same id with the same plan and source gives the same run (200); with another one 409.
    Class and team are refused (403) where the role does not allow them, whether the wish says them
    or the plan; the run is trusted only if section `access` trusts who asks.
    """
    plan = Plan.from_json(asked.plan)
    order = place_in_queue(principal, plan, asked.wish.order)
    is_trusted = asked.wish.is_trusted and _is_trusted(service, principal)
    ulid = parse_ulid(asked.id)
    _check_archive(service, asked.source.archive_sha256)
    known = _by_ulid(service, ulid)
    run = known or service.client_of(principal).record_run(
        plan,
        StoredSource(**asked.source.model_dump()),
        asked.merge_base,
        requested_by=principal.actor,
        said_by=asked.requested_by or "",
        wish=replace(asked.wish, order=order, is_trusted=is_trusted),
        ulid=ulid,
    )
    # The plan's digest covers the source stamp; of one stamp the first archive is kept.
    if run.plan_digest != plan.digest:
        raise ApiError(
            409,
            f"run {ulid} exists with another plan or source (run {run.number})",
            remedy="choose a fresh id",
            kind="another-run",
        )
    response.status_code = 201 if known is None else 200
    response.headers["Location"] = f"/api/v1/runs/{run.ulid}"
    return docs.row_document(run)


def _is_trusted(service: Service, principal: Principal) -> bool:
    return makes_trusted_runs(principal, service.configuration.access)


def _check_archive(service: Service, sha256: str | None) -> None:
    if sha256 is not None and not service.store.blobs.path(sha256).exists():
        raise PlanRefusedError(
            f"the source's archive {sha256} is not here; put it to /api/v1/blobs/sha256/{sha256}"
        )


def _by_ulid(service: Service, ulid: str) -> RunRow | None:
    try:
        return service.find_run(ulid)
    except RunNotFoundError:
        return None


@router.get(
    "/rows", summary="List runs with all their fields", operation_id="list_run_rows",
    response_model=docs.RunRowPage,
)  # fmt: skip
def run_rows(
    service: Serviced,
    limit: Limit = 100,
    cursor: Cursor = None,
    pipeline: Annotated[
        str | None, Query(max_length=200, description="Only its runs", examples=["pre-merge"])
    ] = None,
    unfinished: Annotated[
        bool, Query(description="Only runs that are not over, oldest first", examples=[False])
    ] = False,
) -> dict[str, Any]:
    """For programs that follow runs; newest first."""
    keys = decode_cursor("run-rows", cursor, (int,))
    with service.store.reading() as connection:
        if unfinished:
            rows = queries.unfinished_runs(connection)
            return {"items": [docs.row_document(row) for row in rows], "next": None}
        rows = queries.newest_runs(
            connection, limit=limit + 1, before=int(keys[0]) if keys else None, pipeline=pipeline
        )
    shown = rows[:limit]
    more = encode_cursor("run-rows", shown[-1].number) if len(rows) > limit else None
    return {"items": [docs.row_document(row) for row in shown], "next": more}


@router.get(
    "/summaries",
    summary="List runs as the home page shows them",
    operation_id="list_run_summaries",
    response_model=list[RunSummary],
    responses={200: {"content": {"application/json": {"example": [SUMMARY_EXAMPLE]}}}},
)
def summaries(reports: Shown, limit: Limit = 50) -> Response:
    """The newest ones, as `hotfire ps` prints them."""
    return Response(encode(reports.runs(limit)), media_type="application/json")


@router.get("/{run}", summary="Show a run", operation_id="get_run")
def run(run: RunRef, reports: Shown) -> docs.RunDocument:
    """Exactly what `hotfire show RUN -o json` prints."""
    return docs.RunDocument.model_validate(run_document(_found(reports, run)))


@router.get(
    "/{run}/report",
    summary="Show a run with all that its page shows",
    operation_id="get_run_report",
    response_model=RunReport,
    responses={200: {"content": {"application/json": {"example": REPORT_EXAMPLE}}}},
)
def report(run: RunRef, reports: Shown) -> Response:
    """The value that page, CLI and Jenkins print; fields may be added, never taken away."""
    return Response(encode(_found(reports, run)), media_type="application/json")


@router.get(
    "/{run}/snapshot",
    summary="Show a run with its cells and tasks",
    operation_id="get_run_snapshot",
    response_model=docs.Snapshot,
)
def snapshot(run: RunRef, service: Serviced) -> dict[str, Any]:
    """What a watcher reads after each event."""
    return docs.snapshot_document(service.client_of(None).show(run))


@router.get(
    "/{run}/results",
    summary="List the results of a run that are not green",
    operation_id="list_red_results",
)
def results(run: RunRef, reports: Shown) -> list[docs.ResultDocument]:
    """In the order of the cells, with the message of each."""
    return [_result(failure) for failure in _found(reports, run).failures]


@router.post(
    "/{run}/cancel",
    summary="Ask for the end of a run",
    operation_id="cancel_run",
    status_code=202,
    response_model=docs.Run,
)
def cancel(run: RunRef, asked: Reason, service: Serviced, principal: Developer) -> dict[str, Any]:
    """What has not started ends, the rest is stopped with a grace; results so far are kept.

    409 for a run that is over.
    """
    row = service.find_run(run)
    service.client_of(principal).cancel(row.ulid, reason=asked.reason)
    return docs.row_document(service.find_run(row.ulid))


@router.post(
    "/{run}/retry",
    summary="Run the same plan of the same source again",
    operation_id="retry_run",
    status_code=201,
    response_model=docs.Run,
)
def retry(
    run: RunRef,
    service: Serviced,
    principal: Developer,
    response: Response,
    everything: Annotated[
        bool, Query(description="Also what passed, instead of reusing it", examples=[False])
    ] = False,
) -> dict[str, Any]:
    """As a child run; the old one stays as it is. 409 while the run is not over.

    It is of the most urgent class that you may ask for, at most the old one's, and trusted only if
    the old one was and your runs are.
    """
    row = service.find_run(run)
    child = service.client_of(principal).retry(
        row.ulid,
        everything=everything,
        order=place_of_retry(principal, order_of(row)),
        may_be_trusted=_is_trusted(service, principal),
    )
    response.headers["Location"] = f"/api/v1/runs/{child.ulid}"
    return docs.row_document(child)


def _older(reports: Reports, limit: int, before: int) -> tuple[RunSummary, ...]:
    # Literal reports have a handful of runs; the store's own answer by key.
    page = getattr(reports, "runs_before", None)
    if page is not None:
        found: tuple[RunSummary, ...] = page(limit, before)
        return found
    return tuple(one for one in reports.runs(1000) if one.number < before)[:limit]


def _found(reports: Reports, run: str) -> RunReport:
    # The store says what is wrong with a name; literal reports only that there is none.
    find = getattr(reports, "find", reports.report)
    report = find(run)
    if report is None:
        raise RunNotFoundError(f"no run {run!r} in this store; list them with `hotfire ps`")
    return report


def _line(one: RunSummary) -> docs.RunLine:
    return docs.RunLine(
        id=one.ulid, number=one.number, pipeline=one.pipeline, revision=one.source.revision,
        state=one.state, verdict=one.verdict, headline=one.headline,
        created=iso_utc(one.created_ns), totals=dict(one.totals),
    )  # fmt: skip


def _result(failure: FailedTest) -> docs.ResultDocument:
    return docs.ResultDocument(
        test=failure.test, outcome=failure.outcome, failure_class=failure.failure_class,
        message=failure.message, cell=failure.cell,
    )  # fmt: skip
