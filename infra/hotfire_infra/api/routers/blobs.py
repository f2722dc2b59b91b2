"""Routes of blobs: content by its digest, put before what refers to it."""

from __future__ import annotations

from typing import Annotated

from anyio import to_thread
from fastapi import APIRouter, Path, Request, Response
from fastapi.responses import FileResponse

from hotfire_infra.api.bodies import binary_body, etag_of, receive_blob
from hotfire_infra.api.documents import DIGEST
from hotfire_infra.api.limits import Limited
from hotfire_infra.api.operation_documents import BlobDocument
from hotfire_infra.api.problems import ApiError
from hotfire_infra.api.routers.runs import DEVELOPERS, VIEWERS
from hotfire_infra.api.service import Serviced
from hotfire_infra.api.usage import check_room
from hotfire_infra.store import queries_lists

router = APIRouter(prefix="/blobs/sha256/{digest}", tags=["blobs"], dependencies=VIEWERS)

Digest = Annotated[
    str, Path(pattern="^[0-9a-f]{64}$", description="sha256 of the content", examples=[DIGEST])
]


@router.put(
    "",
    dependencies=DEVELOPERS,
    summary="Store content",
    operation_id="put_blob",
    status_code=201,
    response_model=BlobDocument,
    responses={200: {"description": "It is here already", "model": BlobDocument}},
    openapi_extra=binary_body("The content", "application/octet-stream"),
)
async def put(
    digest: Digest,
    request: Request,
    response: Response,
    service: Serviced,
    limits: Limited,
) -> BlobDocument:
    """The archive of a source goes here before the run that names it; content with another
    digest is refused and leaves nothing behind.
    """
    path = service.store.blobs.path(digest)
    if path.exists():
        response.status_code = 200
    check_room(service.store.home, limits)
    stored = await receive_blob(
        request, service.store.blobs, sha256=digest, limit=limits.artifact_bytes
    )
    return BlobDocument(sha256=stored.sha256, size=stored.size)


@router.head(
    "",
    dependencies=DEVELOPERS,
    summary="Ask whether content is here",
    operation_id="has_blob",
    response_class=Response,
    responses={200: {"description": "It is here"}},
)
def has(digest: Digest, service: Serviced) -> Response:
    """So that an archive that is here is not sent again."""
    path = service.store.blobs.path(digest)
    if not path.exists():
        raise ApiError(404, f"blob {digest} is not here", remedy="put it")
    return Response(headers={"Hotfire-Size": str(path.stat().st_size)})


@router.get(
    "",
    summary="Read a plan or an inventory by its digest",
    operation_id="get_blob",
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
async def get(digest: Digest, service: Serviced) -> FileResponse:
    """Other content is reached through the attempt or run that it belongs to."""

    def is_readable() -> bool:
        with service.store.reading() as connection:
            return queries_lists.is_content(connection, digest)

    path = service.store.blobs.path(digest)
    if not await to_thread.run_sync(is_readable) or not path.exists():
        raise ApiError(404, f"no plan or inventory has the digest {digest}", remedy="check it")
    return FileResponse(
        path, media_type="application/octet-stream", headers={"ETag": etag_of(digest)}
    )
