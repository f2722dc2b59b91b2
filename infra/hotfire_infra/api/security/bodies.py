"""Caps on what a request carries, by its path; counted while it comes, whatever its header says."""

from __future__ import annotations

import re
from collections.abc import Mapping

from fastapi import HTTPException
from starlette.types import Message, Receive

from hotfire_infra.sections.limits import LimitsSection

_ATTEMPT = re.compile(r"/api/v1/attempts/(?P<ulid>[^/]{1,40})/")
_RUN = re.compile(r"/api/v1/runs/(?P<run>[^/]{1,40})")
_BULK = re.compile(r"/api/v1/(attempts/[^/]+/artifacts|sources|blobs|imports|ingest)(/|$)")
_STREAM = re.compile(r"/api/v1/attempts/[^/]+/(records|logs)(/|$)")


def attempt_of(path: str) -> str | None:
    """Return the ULID in a path below one attempt."""
    found = _ATTEMPT.match(path)
    return found["ulid"] if found else None


def run_of(path: str) -> str | None:
    """Return the name of the run in a path below one run."""
    found = _RUN.match(path)
    return found["run"] if found else None


def cap_of(path: str, limits: LimitsSection) -> int:
    """Return how many bytes the body of a request to `path` may have."""
    if _BULK.match(path):
        return limits.artifact_bytes
    return limits.records_bytes if _STREAM.match(path) else limits.request_bytes


def check_announced(headers: Mapping[str, str], cap: int) -> None:
    """Refuse what says itself that it is too large (413), or says nonsense (400)."""
    announced = headers.get("content-length")
    if announced is None:
        return
    if not (announced.isascii() and announced.isdigit()):
        raise HTTPException(400, "Content-Length must be a number")
    if int(announced) > cap:
        raise too_large(cap)


def too_large(cap: int) -> HTTPException:
    """Return the refusal of a body over `cap` bytes."""
    return HTTPException(
        413, f"the body is larger than {cap} bytes; send less at once (section `limits`)"
    )


def capped(receive: Receive, cap: int) -> Receive:
    """Return a `receive` that raises HTTPException 413 once more than `cap` bytes have come."""
    seen = 0

    async def counted() -> Message:
        nonlocal seen
        message = await receive()
        if message["type"] == "http.request":
            seen += len(message.get("body", b""))
            if seen > cap:
                raise too_large(cap)
        return message

    return counted
