"""Routes that a bisection far away reads: what it is about, and what its runs said."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Path, Query
from fastapi.responses import Response

from hotfire_infra.analysis.questions import QuestionRun, Subject
from hotfire_infra.analysis.transport import encode
from hotfire_infra.api.documents import DIGEST, TEST_EXAMPLE
from hotfire_infra.api.problems import ApiError
from hotfire_infra.api.routers.runs import VIEWERS
from hotfire_infra.api.service import Serviced

router = APIRouter(prefix="/bisections", tags=["history"], dependencies=VIEWERS)

SUBJECT_EXAMPLE: dict[str, Any] = {
    "test": TEST_EXAMPLE["test"],
    "cell": "kernels|platform=linux-x86_64",
    "pipeline": "pre-merge",
    "false_fail": 0.02,
    "rise": None,
    "series": "",
    "metric": "",
}
RUNS_EXAMPLE: list[dict[str, Any]] = [
    {
        "run": 15,
        "state": "finalized",
        "body": {"key": DIGEST, "commit": "3f2a91c000000000000000000000000000000000"},
        "failed": [True],
        "levels": {},
        "why": "",
        "devices": {},
    }
]
Test = Annotated[
    str,
    Query(max_length=4000, description="module/scheme/name", examples=[TEST_EXAMPLE["test"]]),
]


@router.get("/subject", summary="Say what a bisection is about", operation_id="get_subject",
            response_model=Subject,
            responses={200: {"content": {"application/json": {"example": SUBJECT_EXAMPLE}}},
                       409: {"description": "There is nothing to search: it never failed"}})  # fmt: skip
def subject(
    service: Serviced,
    test: Test = "",
    axis: Annotated[
        list[str] | None,
        Query(max_length=100, description="AXIS=VALUE of the variant",
              examples=[["platform=linux-x86_64"]]),
    ] = None,
    series: Annotated[
        str, Query(max_length=64, description="Key of a series instead", examples=[DIGEST])
    ] = "",
) -> Response:  # fmt: skip
    """The cell and pipeline in which the test failed last, and the rates of its history."""
    pairs = [one.partition("=") for one in axis or ()]
    if any(not equals for _, equals, _ in pairs):
        raise ApiError(422, "an axis is AXIS=VALUE", remedy="say platform=linux-x86_64")
    variant = {key: value for key, _, value in pairs}
    found = service.reports.subject(test, variant, series)
    return Response(encode(found), media_type="application/json")


@router.get("/{question}/runs", summary="List the runs of a bisection",
            operation_id="list_bisection_runs", response_model=list[QuestionRun],
            responses={200: {"content": {"application/json": {"example": RUNS_EXAMPLE}}}})  # fmt: skip
def runs(
    service: Serviced,
    question: Annotated[
        str, Path(max_length=64, description="Key of the question", examples=[DIGEST])
    ],
    test: Test = "",
) -> Response:
    """Oldest first, with what the test said in them and measured."""
    found = service.reports.question_runs(question, test)
    return Response(encode(found), media_type="application/json")
