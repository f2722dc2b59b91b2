"""Routes over many runs: the history of a test, of a series, what pipelines collected."""

from __future__ import annotations

import json
from typing import Annotated

from fastapi import APIRouter, Path, Query
from fastapi.responses import Response
from pydantic import BaseModel

from hotfire_infra.analysis.change_reports import ChangeReport
from hotfire_infra.analysis.change_tracking import ChangeState
from hotfire_infra.analysis.confirmations import shown_changes
from hotfire_infra.analysis.detector_quality import DetectorQuality
from hotfire_infra.analysis.history import SeriesHistory, TestHistory
from hotfire_infra.analysis.numerics.history import ErrorHistory
from hotfire_infra.analysis.transport import encode
from hotfire_infra.api import documents as docs
from hotfire_infra.api.history_examples import (
    CHANGE_EXAMPLE,
    DETECTOR_EXAMPLE,
    KERNEL_ERRORS_EXAMPLE,
    SERIES_EXAMPLE,
    TEST_HISTORY_EXAMPLE,
)
from hotfire_infra.api.operation_documents import InventoryAnswer, InventoryDocument
from hotfire_infra.api.paging import Cursor, Limit, decode_cursor, encode_cursor
from hotfire_infra.api.problems import ApiError
from hotfire_infra.api.routers.runs import VIEWERS, Shown
from hotfire_infra.api.service import Serviced
from hotfire_infra.store import queries_lists, series_changes

router = APIRouter(tags=["history"], dependencies=VIEWERS)


@router.get(
    "/tests/history",
    summary="Show the history of a test",
    operation_id="get_test_history",
    response_model=TestHistory,
    responses={200: {"content": {"application/json": {"example": TEST_HISTORY_EXAMPLE}}}},
)
def test_history(
    reports: Shown,
    test: Annotated[
        str, Query(max_length=4000, description="Identifier: module/scheme/name",
                   examples=[docs.TEST_EXAMPLE["test"]])
    ],
) -> Response:  # fmt: skip
    """Newest run first, with the series that it measures."""
    found = reports.test(test)
    if found is None:
        raise ApiError(404, f"no test {test!r} was recorded here",
                       remedy="GET /api/v1/tests/similar names those that are like it")  # fmt: skip
    return Response(encode(found), media_type="application/json")


class SimilarTests(BaseModel):
    """Recorded identifiers that a mistyped one may have meant."""

    model_config = docs.with_example(items=[docs.TEST_EXAMPLE["test"]])

    items: list[str]


@router.get("/tests/similar", summary="Find tests with a name like this",
            operation_id="find_similar_tests")  # fmt: skip
def similar_tests(
    service: Serviced,
    text: Annotated[
        str, Query(max_length=4000, description="What was typed", examples=["aestus.kernels"])
    ],
) -> SimilarTests:
    """Those of the same module, else the newest."""
    return SimilarTests(items=list(service.reports.similar_tests(text)))


@router.get(
    "/kernels/errors",
    summary="Show the numeric errors of a kernel's cases over runs",
    operation_id="get_kernel_errors",
    response_model=list[ErrorHistory],
    responses={200: {"content": {"application/json": {"example": [KERNEL_ERRORS_EXAMPLE]}}}},
)
def kernel_errors(
    service: Serviced,
    kernel: Annotated[
        str, Query(max_length=200, description="As case lines begin", examples=["gemm"])
    ],
) -> Response:
    """By data type, shape class and what ran; oldest run first. Empty for no kernel."""
    return Response(encode(service.reports.kernel_errors(kernel)), media_type="application/json")


@router.get(
    "/detector/quality",
    summary="Show how good the change detector is on this store",
    operation_id="get_detector_quality",
    response_model=DetectorQuality,
    responses={200: {"content": {"application/json": {"example": DETECTOR_EXAMPLE}}}},
)
def detector_quality(reports: Shown, limit: Limit = 20) -> Response:
    """Precision by labels, and recall of steps injected into stored series once a day; newest first."""
    return Response(encode(reports.detector(limit)), media_type="application/json")


@router.get(
    "/series/{key}",
    summary="Show the history of a series",
    operation_id="get_series",
    response_model=SeriesHistory,
    responses={200: {"content": {"application/json": {"example": SERIES_EXAMPLE}}}},
)
def series(
    reports: Shown,
    key: Annotated[
        str, Path(max_length=64, description="Key, or at least eight signs of it",
                  examples=[docs.DIGEST])
    ],
) -> Response:  # fmt: skip
    """Oldest first, each point with its comparison to the earlier runs."""
    found = reports.series(key)
    if found is None:
        raise ApiError(404, f"no series has the key {key!r}", remedy="take it from a test's page")
    return Response(encode(found), media_type="application/json")


class ChangePage(BaseModel):
    """Changes of series, those noticed last first."""

    model_config = docs.with_example(items=[CHANGE_EXAMPLE], next=None)

    items: list[ChangeReport]
    next: str | None = None


@router.get("/changes", summary="List changes of series", operation_id="list_changes")
def changes(
    service: Serviced,
    limit: Limit = 100,
    cursor: Cursor = None,
    state: Annotated[
        ChangeState | None, Query(description="Only those", examples=["alert"])
    ] = None,
) -> ChangePage:
    """Changes of one alert share their `cause`; `after_revision..until_revision` is as git reads it."""
    before = decode_cursor("changes", cursor, (int,))
    with service.store.reading() as connection:
        rows = series_changes.newest_changes(
            connection,
            limit=limit,
            before=int(before[0]) if before else None,
            states=() if state is None else (state.value,),
        )
        items = list(shown_changes(connection, rows))
    following = encode_cursor("changes", rows[-1].id) if len(rows) == limit else None
    return ChangePage(items=items, next=following)


@router.get("/pipelines/{pipeline}/inventories", summary="List what cells last collected",
            operation_id="list_inventories")  # fmt: skip
def inventories(
    service: Serviced,
    pipeline: Annotated[str, Path(max_length=200, description="Its name", examples=["pre-merge"])],
) -> InventoryAnswer:
    """What the next plan of the pipeline expects; the client that plans puts it in."""
    with service.store.reading() as connection:
        found = queries_lists.inventories_of(connection, pipeline)
    read = {digest: json.loads(service.store.blobs.read(digest)) for digest in set(found.values())}
    return InventoryAnswer(
        cells={
            key: InventoryDocument(digest=digest, tests=read[digest])
            for key, digest in found.items()
        }
    )
