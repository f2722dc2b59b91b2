"""Routes to do an attempt again by hand elsewhere: what it was told, and the files it read."""

from __future__ import annotations

from pathlib import Path as FilePath
from typing import Annotated, Any

from fastapi import APIRouter, Path
from fastapi.responses import FileResponse

from hotfire_infra.api.operation_documents import ReproductionDocument
from hotfire_infra.api.problems import ApiError
from hotfire_infra.api.routers.attempts import AttemptUlid, disposition
from hotfire_infra.api.routers.runs import DEVELOPERS
from hotfire_infra.api.service import Service, Serviced
from hotfire_infra.executors.spool import read_object
from hotfire_infra.store import queries

router = APIRouter(
    prefix="/attempts/{ulid}/reproduction", tags=["attempts"], dependencies=DEVELOPERS
)


@router.get(
    "", summary="Read what an attempt was told to do", operation_id="get_reproduction",
    response_model=ReproductionDocument,
)  # fmt: skip
def reproduction(ulid: AttemptUlid, service: Serviced) -> dict[str, Any]:
    """As docs/formats/runner.md describes `attempt.json`; the paths of inputs are the service's own."""
    return {"attempt": _told(service, ulid)}


@router.get(
    "/inputs/{name}",
    summary="Get a file that an attempt read",
    operation_id="get_reproduction_input",
    response_class=FileResponse,
    responses={
        200: {
            "description": "The content",
            "content": {
                "application/octet-stream": {
                    "schema": {"type": "string", "format": "binary"},
                    "example": "(bytes)",
                }
            },
        }
    },
)
def reproduction_input(
    ulid: AttemptUlid,
    service: Serviced,
    name: Annotated[
        str, Path(pattern="^[A-Za-z0-9][A-Za-z0-9_.-]{0,99}$", examples=["source"],
                  description="As the attempt's inputs name it"),
    ],
) -> FileResponse:  # fmt: skip
    """Only inputs that it declares: sources, artifacts, weights. Secrets are none."""
    inputs = _told(service, ulid).get("inputs", ())
    paths = [str(item["path"]) for item in inputs if item.get("name") == name]
    if not paths:
        raise ApiError(404, f"attempt {ulid} has no input {name!r}", remedy="read its inputs")
    if not FilePath(paths[0]).is_file():
        raise ApiError(410, f"the content of {name!r} is not kept any more",
                       remedy="retry the run", kind="blob-removed")  # fmt: skip
    return FileResponse(
        paths[0],
        media_type="application/octet-stream",
        headers={
            "Content-Disposition": disposition(name),
            "X-Content-Type-Options": "nosniff",
        },
    )


def _told(service: Service, ulid: str) -> dict[str, Any]:
    with service.store.reading() as connection:
        row = queries.attempt_by_ulid(connection, ulid)
    if row is None:
        raise ApiError(404, f"there is no attempt {ulid}", remedy="list those of a run")
    found = read_object(service.store.attempts / row.ulid / "attempt.json")
    if found is None:
        raise ApiError(410, f"attempt {ulid} left nothing at the service: its files are gone",
                       remedy="retry the run", kind="blob-removed")  # fmt: skip
    return dict(found)
