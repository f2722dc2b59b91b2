"""What the OpenAPI document says beyond the routes themselves: errors, security, tags."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from http import HTTPStatus
from typing import Any

from fastapi import FastAPI
from fastapi.openapi.utils import get_openapi

from hotfire_infra.api.problems import MEDIA_TYPE, Problem, document

TAGS: Mapping[str, str] = {
    "runs": "Start, list, watch, cancel and retry runs; what came of their cells and tests",
    "attempts": "Executions of tasks: state, output, artifacts",
    "ingest": "What the runner of one attempt sends, with that attempt's token",
    "blobs": "Content by its digest: archives of sources, plans, inventories",
    "history": "Tests and series over many runs",
    "operations": "The service itself: requests, devices, schedules, holds",
    "access": "Tokens, sign-in and the audit log",
}
_METHODS = ("get", "put", "post", "delete", "patch", "head")
_REASONS: Mapping[int, str] = {
    400: "the cursor, the range or the body cannot be read",
    401: "this token is not known here",
    403: "this needs the role developer; token:ci is viewer",
    404: "no run is called '99'; the newest is 12. List them with `hotfire ps`",
    409: "run 12 is over (finalized); nothing to cancel",
    413: "the body is larger than 16777216 bytes",
    415: "Content-Encoding 'br' is not read here",
    422: "query.limit: Input should be greater than or equal to 1",
    429: "too many requests; see Retry-After",
    503: "the database does not answer",
    507: "no room left for blobs",
}
_ALWAYS = (401, 403, 422, 429, 503)
_WITH_NAME = (404,)
_WITH_CHANGE = (409,)
_WITH_BODY = (400, 413, 507)
_OF_INGEST = (415,)


def install_openapi(app: FastAPI) -> None:
    """Let `app` describe itself whole."""

    def openapi() -> dict[str, Any]:
        if app.openapi_schema is None:
            app.openapi_schema = _build(app)
        return app.openapi_schema

    app.openapi = openapi  # type: ignore[method-assign]


def _build(app: FastAPI) -> dict[str, Any]:
    whole = get_openapi(
        title=app.title,
        version=app.version,
        summary=app.summary,
        description=(
            "Errors are problem documents (RFC 9457) with a remedy. Lists are paged by an opaque "
            "cursor. Ids are ULIDs; a run's is chosen by whoever starts it."
        ),
        routes=app.routes,
        tags=[{"name": name, "description": text} for name, text in TAGS.items()],
    )
    schemas = whole.setdefault("components", {}).setdefault("schemas", {})
    schemas["Problem"] = Problem.model_json_schema()
    for unused in ("HTTPValidationError", "ValidationError"):
        schemas.pop(unused, None)
    for path, method, operation in operations(whole):
        _describe_errors(path, method, operation)
        if operation.get("tags", [""])[0] == "ingest":
            operation["security"] = [{"token": []}]
    return whole


def operations(whole: Mapping[str, Any]) -> Iterator[tuple[str, str, dict[str, Any]]]:
    """Yield (path, method, operation) of a document."""
    for path, item in whole["paths"].items():
        for method in _METHODS:
            if method in item:
                yield path, method, item[method]


def _describe_errors(path: str, method: str, operation: dict[str, Any]) -> None:
    statuses = set(_ALWAYS)
    named = {one.get("name") for one in operation.get("parameters", ())}
    if "{" in path or named & {"run", "test"}:
        statuses |= set(_WITH_NAME)
    if "run" in named:
        # A prefix may be that of several runs.
        statuses |= {409}
    if method not in ("get", "head"):
        statuses |= set(_WITH_CHANGE)
    if "requestBody" in operation or method in ("put", "post"):
        statuses |= set(_WITH_BODY)
    if any(one.get("name") in ("cursor", "Range") for one in operation.get("parameters", ())):
        statuses |= {400}
    if operation.get("tags", [""])[0] == "ingest":
        statuses |= set(_OF_INGEST)
    responses = operation.setdefault("responses", {})
    # What a route declares itself is a problem document too.
    statuses |= {int(one) for one in responses if int(one) in _REASONS}
    for status in sorted(statuses):
        told = responses.get(str(status), {})
        is_generic = status == 422 or "description" not in told
        phrase = HTTPStatus(status).phrase
        responses[str(status)] = {
            **told,
            "description": phrase if is_generic else told["description"],
            "content": {
                MEDIA_TYPE: {
                    "schema": {"$ref": "#/components/schemas/Problem"},
                    "example": document(
                        status, _REASONS[status], kind=phrase.lower().replace(" ", "-")
                    ),
                }
            },
        }
