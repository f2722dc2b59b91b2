"""Routes of attempts for people and programs that read: attempt, logs, artifacts."""

from __future__ import annotations

import re
from pathlib import PurePosixPath
from typing import Annotated, Any, Literal
from urllib.parse import quote

from fastapi import APIRouter, Header, Path, Query
from fastapi.responses import FileResponse, Response

from hotfire_infra.api import documents as docs
from hotfire_infra.api.bodies import etag_of
from hotfire_infra.api.operation_documents import ArtifactList
from hotfire_infra.api.problems import ApiError
from hotfire_infra.api.routers.runs import VIEWERS
from hotfire_infra.api.service import Service, Serviced
from hotfire_infra.store import queries, queries_lists
from hotfire_infra.store.rows import AttemptRow

router = APIRouter(prefix="/attempts/{ulid}", tags=["attempts"], dependencies=VIEWERS)

AttemptUlid = Annotated[
    str, Path(min_length=26, max_length=26, description="ULID", examples=[docs.ATTEMPT])
]
_RANGE = re.compile(r"bytes=([0-9]{1,18})-([0-9]{0,18})")
MOST_LOG_BYTES = 8 << 20
"""Of one answer; Content-Range says where the next piece begins."""


@router.get("", summary="Show an attempt", operation_id="get_attempt",
            response_model=docs.Attempt)  # fmt: skip
def attempt(ulid: AttemptUlid, service: Serviced) -> dict[str, Any]:
    """Its state, failure class and how far its stream is stored."""
    row = _found(service, ulid)
    with service.store.reading() as connection:
        names = queries_lists.cell_keys(connection, row.run_id)
        run = queries.run_by_id(connection, row.run_id)
    return docs.row_document(row, cell=names[row.cell_id], run=run.ulid)


@router.get(
    "/logs/{stream}",
    summary="Read the output of an attempt",
    operation_id="read_log",
    response_class=Response,
    responses={
        200: {
            "description": "From the beginning",
            "content": {
                "text/plain": {"schema": {"type": "string"}, "example": "1 passed\n"},
            },
        },
        206: {
            "description": "A piece; Content-Range says which",
            "content": {
                "text/plain": {"schema": {"type": "string"}, "example": "passed\n"},
            },
        },
        416: {"description": "Nothing there yet from this byte on"},
    },
)
def read_log(
    ulid: AttemptUlid,
    service: Serviced,
    stream: Annotated[Literal["stdout", "stderr"], Path(description="Which stream")],
    byte_range: Annotated[
        str | None,
        Header(alias="Range", max_length=60, description="bytes=FIRST- or bytes=FIRST-LAST",
               examples=["bytes=0-"]),
    ] = None,
    tail: Annotated[
        int | None, Query(ge=1, le=MOST_LOG_BYTES, description="Only so many bytes at the end",
                          examples=[4096])
    ] = None,
) -> Response:  # fmt: skip
    """While the attempt runs it grows: ask again from the next byte on.

    `Hotfire-Complete: true` says that nothing will follow.
    """
    row = _found(service, ulid)
    first, last = _range(byte_range)
    run = _run_ulid(service, row)
    piece = service.client_of(None).logs(run, attempt=ulid, stream=stream, offset=first)
    content = piece.content
    if tail is not None:
        first, content = first + max(0, len(content) - tail), content[-tail:]
    if last is not None:
        content = content[: max(0, last - first + 1)]
    is_cut = len(content) > MOST_LOG_BYTES
    content = content[:MOST_LOG_BYTES]
    headers = {
        "Hotfire-Complete": str(piece.is_complete and not is_cut and last is None).lower(),
        "Hotfire-More": str(is_cut).lower(),
        "Accept-Ranges": "bytes",
        "X-Content-Type-Options": "nosniff",
    }
    if not content and (first or byte_range):
        return Response(status_code=416, headers={**headers, "Content-Range": f"bytes */{first}"})
    is_part = byte_range is not None or is_cut or tail is not None
    if is_part:
        headers["Content-Range"] = f"bytes {first}-{first + len(content) - 1}/*"
    status = 206 if is_part and content else 200
    return Response(content, status, headers, media_type="text/plain; charset=utf-8")


def _range(value: str | None) -> tuple[int, int | None]:
    if value is None:
        return 0, None
    found = _RANGE.fullmatch(value.strip())
    if found is None:
        raise ApiError(400, f"{value!r} is no range that is read here", remedy="bytes=FIRST-")
    last = int(found[2]) if found[2] else None
    if last is not None and last < int(found[1]):
        raise ApiError(400, f"{value!r} ends before it begins", remedy="bytes=FIRST-LAST")
    return int(found[1]), last


@router.get("/artifacts", summary="List the artifacts of an attempt",
            operation_id="list_artifacts")  # fmt: skip
def artifacts(ulid: AttemptUlid, service: Serviced) -> ArtifactList:
    """By name; their content is one request further."""
    row = _found(service, ulid)
    with service.store.reading() as connection:
        return ArtifactList.model_validate(
            {"items": queries_lists.artifacts_of(connection, row.id)}
        )


@router.get(
    "/artifacts/{name:path}",
    summary="Download an artifact",
    operation_id="get_artifact",
    response_class=FileResponse,
    responses={
        200: {
            "description": "The content, as a download",
            "content": {
                "application/octet-stream": {
                    "schema": {"type": "string", "format": "binary"},
                    "example": "(bytes)",
                }
            },
        }
    },
)
def get_artifact(
    ulid: AttemptUlid,
    service: Serviced,
    name: Annotated[str, Path(max_length=1000, description="As listed", examples=["out.tar.gz"])],
) -> FileResponse:
    """Always a download: what a test left behind is never shown as a page. Range is read."""
    row = _found(service, ulid)
    with service.store.reading() as connection:
        found = queries_lists.artifact_called(connection, row.id, name)
    if found is None:
        raise ApiError(404, f"attempt {ulid} has no artifact {name!r}", remedy="list them")
    path = service.store.blobs.path(found["sha256"])
    if not path.exists():
        raise ApiError(410, f"the content of {name!r} was removed by retention",
                       remedy="retry the run", kind="blob-removed")  # fmt: skip
    return FileResponse(
        path,
        media_type="application/octet-stream",
        headers={
            "Content-Disposition": disposition(name),
            "ETag": etag_of(found["sha256"]),
            "X-Content-Type-Options": "nosniff",
        },
    )


def disposition(name: str) -> str:
    """Return Content-Disposition for a download under the last part of a name."""
    last = PurePosixPath(name).name or "artifact"
    plain = re.sub(r"[^A-Za-z0-9._-]", "_", last)
    return f"attachment; filename=\"{plain}\"; filename*=UTF-8''{quote(last, safe='')}"


def _found(service: Service, ulid: str) -> AttemptRow:
    with service.store.reading() as connection:
        row = queries.attempt_by_ulid(connection, ulid)
    if row is None:
        raise ApiError(404, f"there is no attempt {ulid}", remedy="list those of a run")
    return row


def _run_ulid(service: Service, row: AttemptRow) -> str:
    with service.store.reading() as connection:
        return queries.run_by_id(connection, row.run_id).ulid
