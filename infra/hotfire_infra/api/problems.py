"""Problem documents (RFC 9457): every error of the API has one form and says what to do next."""

from __future__ import annotations

import json
import logging
import re
from collections.abc import Mapping
from http import HTTPStatus
from typing import Any

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from pydantic import BaseModel, ConfigDict, Field
from starlette.exceptions import HTTPException

from hotfire_infra.errors import InfraError

log = logging.getLogger(__name__)

MEDIA_TYPE = "application/problem+json"


class Problem(BaseModel):
    """What went wrong, for programs and for people (RFC 9457)."""

    model_config = ConfigDict(
        extra="allow",
        json_schema_extra={
            "examples": [
                {
                    "type": "about:blank#run-not-found",
                    "title": "Not Found",
                    "status": 404,
                    "detail": "no run is called '99'; the newest is 12. "
                    "List them with `hotfire ps`",
                    "remedy": "hotfire ps",
                }
            ]
        },
    )

    type: str = Field(description="Names the kind of problem; it does not change between releases")
    title: str = Field(description="The status in words")
    status: int = Field(description="The HTTP status")
    detail: str = Field(description="What is wrong here, with the value and its place")
    remedy: str = Field(description="What to do about it")


class ApiError(InfraError):
    """A refusal that only the API can give, with its status, remedy and further members."""

    def __init__(
        self,
        status: int,
        detail: str,
        *,
        remedy: str,
        kind: str | None = None,
        headers: Mapping[str, str] | None = None,
        **members: Any,
    ) -> None:
        super().__init__(detail)
        self.status = status
        self.remedy = remedy
        self.kind = kind or HTTPStatus(status).phrase.lower().replace(" ", "-")
        self.headers = dict(headers or {})
        self.members = members


# By class name and its bases', nearest first; the store's own classes come from several modules.
_STATUS: Mapping[str, int] = {
    "RunNotFoundError": 404,
    "BlobMissingError": 404,
    "AmbiguousRunError": 409,
    "RequestRefusedError": 409,
    "TransitionRefusedError": 409,
    "AttemptConflictError": 409,
    "PlanRefusedError": 422,
    "SourceError": 422,
    "ReportRefusedError": 422,
    "BlobCorruptError": 422,
    "PipelineError": 422,
    "ContractError": 422,
    "FrameworkError": 422,
    "StorageFullError": 507,
    "DatabaseBusyError": 503,
    "DatabaseUnreachableError": 503,
    "LockLostError": 503,
    "InfraError": 500,
}
_REMEDY: Mapping[int, str] = {
    400: "correct the request; /api/v1/openapi.json describes it",
    401: "send a token that is in force: Authorization: Bearer …",
    403: "ask an operator for a token with the role that this needs",
    404: "check the name; lists are at /api/v1/runs",
    405: "use a method that /api/v1/openapi.json names for this path",
    409: "read what is there now, then decide again",
    413: "send less at once",
    415: "send the media type that /api/v1/openapi.json names",
    421: "open the service by its own name",
    422: "correct the value named in the detail",
    429: "wait as long as Retry-After says, then send the same again",
    500: "report it with the service's log",
    503: "send the same again in a few seconds",
    507: "free space on the service's disk; nothing that was acknowledged is lost",
}
_COMMAND = re.compile(r"`((?:hotfire|make|git) [^`]+)`")


def document(
    status: int, detail: str, *, kind: str, remedy: str | None = None, **members: Any
) -> dict[str, Any]:
    """Return a problem document as plain JSON values."""
    named = _COMMAND.findall(detail)
    return {
        "type": f"about:blank#{kind}",
        "title": _phrase(status),
        "status": status,
        "detail": detail,
        "remedy": remedy or (named[-1] if named else _REMEDY.get(status, _REMEDY[400])),
        **members,
    }


def _phrase(status: int) -> str:
    try:
        return HTTPStatus(status).phrase
    except ValueError:
        return "Error"


def problem_of(error: Exception) -> tuple[int, dict[str, Any], dict[str, str]]:
    """Return status, document and headers of an error of any room."""
    if isinstance(error, ApiError):
        body = document(
            error.status, str(error), kind=error.kind, remedy=error.remedy, **error.members
        )
        return error.status, body, error.headers
    if isinstance(error, HTTPException):
        kind = _phrase(error.status_code).lower().replace(" ", "-")
        body = document(error.status_code, str(error.detail), kind=kind)
        return error.status_code, body, dict(error.headers or {})
    names = [base.__name__ for base in type(error).__mro__]
    name = next((one for one in names if one in _STATUS), None)
    if name is None:
        detail = f"a defect of Hotfire itself: {type(error).__name__}"
        return 500, document(500, detail, kind="defect"), {}
    status = _STATUS[name]
    headers = {"Retry-After": "2"} if status == 503 else {}
    return status, document(status, str(error), kind=_kebab(names[0])), headers


def _kebab(name: str) -> str:
    return re.sub(r"(?<!^)(?=[A-Z])", "-", name.removesuffix("Error")).lower()


def validation_problem(error: RequestValidationError) -> dict[str, Any]:
    """Return the document for a request that does not fit its description."""
    places = [
        {"where": ".".join(str(part) for part in one["loc"]), "what": str(one["msg"])}
        for one in error.errors()[:20]
    ]
    detail = "; ".join(f"{one['where']}: {one['what']}" for one in places) or "not as described"
    return document(422, detail, kind="invalid-request", errors=places)


class ProblemResponse(JSONResponse):
    """A problem document; what it quotes may be half a character, which no answer can carry."""

    media_type = MEDIA_TYPE

    def render(self, content: Any) -> bytes:
        """Return the document as bytes."""
        return json.dumps(content, ensure_ascii=False).encode("utf-8", "replace")


def response_of(error: Exception) -> JSONResponse:
    """Return the response for an error of any room; our own defects are logged whole."""
    if isinstance(error, RequestValidationError):
        return ProblemResponse(validation_problem(error), 422)
    status, body, headers = problem_of(error)
    if status >= 500 and status not in {503, 507}:
        log.error("a request failed: %s", error, exc_info=error)
    return ProblemResponse(body, status, headers)


def install_problems(app: FastAPI) -> None:
    """Answer every error of `app` with a problem document."""

    async def answer(_request: Request, error: Exception) -> JSONResponse:
        return response_of(error)

    from hotfire_pipelines.errors import PipelineError
    from hotfire_testframework.errors import FrameworkError

    for kind in (
        InfraError,
        PipelineError,
        FrameworkError,
        HTTPException,
        RequestValidationError,
        Exception,
    ):
        app.add_exception_handler(kind, answer)
