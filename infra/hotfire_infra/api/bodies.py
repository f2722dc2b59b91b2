"""Request bodies that are not parsed by FastAPI: read whole under a cap, or passed into a blob."""

from __future__ import annotations

import hashlib
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

from anyio import to_thread
from fastapi import Request

from hotfire_infra.api.problems import ApiError
from hotfire_infra.ingest.wire import WireError, inflate
from hotfire_infra.store.blobs import BlobStore, StoredBlob
from hotfire_infra.store.uploads import Upload

PIECE_BYTES = 1 << 20
"""Written at once, in a thread."""


def too_large(limit: int) -> ApiError:
    """Return the refusal of a body over its cap."""
    return ApiError(
        413, f"the body is larger than {limit} bytes", remedy=f"send at most {limit} bytes at once"
    )


async def read_body(request: Request, *, limit: int) -> bytes:
    """Return a body of at most `limit` bytes as it was sent."""
    pieces, size = [], 0
    async for piece in request.stream():
        size += len(piece)
        if size > limit:
            raise too_large(limit)
        pieces.append(piece)
    return b"".join(pieces)


async def read_inflated(request: Request, *, limit: int, inflated: int) -> bytes:
    """Return a body after inflating it, where Content-Encoding says gzip."""
    encoding = request.headers.get("content-encoding", "identity").strip().lower()
    body = await read_body(request, limit=limit)
    if encoding in {"", "identity"}:
        return body
    if encoding != "gzip":
        raise ApiError(
            415,
            f"Content-Encoding {encoding!r} is not read here",
            remedy="send gzip, or no encoding",
            headers={"Accept-Encoding": "gzip, identity"},
        )
    try:
        return inflate(body, inflated)
    except WireError as error:
        status = 413 if "more than" in str(error) else 400
        raise ApiError(status, str(error), remedy="send smaller batches, whole") from error


async def receive_blob(
    request: Request,
    blobs: BlobStore,
    *,
    sha256: str,
    limit: int,
    check: Callable[[Path], None] | None = None,
) -> StoredBlob:
    """Stream a body into the blob store; its content must have the digest announced.

    `check` raises where it must not be stored.
    """
    with Upload(blobs, sha256, check=check) as upload:
        async for piece in _pieces(request, limit):
            await to_thread.run_sync(upload.write, piece)
        return await to_thread.run_sync(upload.finish)


async def _pieces(request: Request, limit: int) -> AsyncIterator[bytes]:
    waiting = bytearray()
    size = 0
    async for piece in request.stream():
        size += len(piece)
        if size > limit:
            raise too_large(limit)
        waiting += piece
        if len(waiting) >= PIECE_BYTES:
            yield bytes(waiting)
            waiting.clear()
    if waiting:
        yield bytes(waiting)


def binary_body(description: str, *media_types: str, example: str = "") -> dict[str, Any]:
    """Return what OpenAPI is told of a body that FastAPI does not parse."""
    schema = {"type": "string", "format": "binary"}
    shown = example or "(bytes)"
    content = {kind: {"schema": schema, "example": shown} for kind in media_types}
    return {
        "requestBody": {"required": True, "description": description, "content": content},
    }


def etag_of(sha256: str) -> str:
    """Return the entity tag of content with this digest."""
    return f'"{sha256}"'


def digest_of(content: bytes) -> str:
    """Return the sha256 of bytes."""
    return hashlib.sha256(content).hexdigest()
