"""What the runner of an attempt sends beside its records: claim, heartbeat, output, its end."""

from __future__ import annotations

import contextlib
import errno
import os
from collections.abc import Callable
from pathlib import Path as FilePath
from typing import Annotated, Any, Literal

from anyio import to_thread
from fastapi import APIRouter, Depends, Header, Path, Query, Request
from fastapi.responses import FileResponse, Response
from pydantic import BaseModel, Field

from hotfire_infra.api.access import AttemptScope, Principal, require_attempt
from hotfire_infra.api.bodies import binary_body, read_inflated, receive_blob
from hotfire_infra.api.documents import DIGEST, with_example
from hotfire_infra.api.limits import Limited
from hotfire_infra.api.problems import ApiError
from hotfire_infra.api.service import Service, Serviced
from hotfire_infra.api.usage import check_room, usage_of
from hotfire_infra.errors import StorageFullError
from hotfire_infra.executors.protocol import Remote
from hotfire_infra.executors.spool import Spool, read_object, write_object
from hotfire_infra.ingest.confinement import name_problem
from hotfire_infra.ingest.logs import append_redacted
from hotfire_infra.ingest.redaction import holds_secret
from hotfire_infra.orchestrator.attendance import GRANTED, LEASE_SECONDS, grant_claim
from hotfire_infra.states import AttemptState
from hotfire_infra.store import queries
from hotfire_infra.store.audit import AuditEntry, record_audit
from hotfire_infra.store.rows import AttemptRow

router = APIRouter(prefix="/attempts/{ulid}", tags=["ingest"])

Fence = Annotated[
    int,
    Header(alias="Hotfire-Fence", ge=0, description="Given out with the claim", examples=[1]),
]
PRIVATE = "secret:"
_FULL = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG}


class ClaimRequest(BaseModel):
    """Who wants to run the attempt."""

    model_config = with_example(holder="9c1f…:4711", boot_id="9c1f…", pid=4711)

    holder: str = Field(min_length=1, max_length=300, description="Pod's UID, or boot id and pid")
    boot_id: str = Field(default="", max_length=100)
    pid: int = Field(default=0, ge=0, lt=1 << 31)


class ClaimAnswer(BaseModel):
    """A granted claim."""

    model_config = with_example(fence=1, lease_seconds=LEASE_SECONDS)

    fence: int = Field(description="Every write has to carry it as Hotfire-Fence")
    lease_seconds: float = Field(description="Without a heartbeat for this long it is lost")


class Beat(BaseModel):
    """What the runner is at."""

    model_config = with_example(phase="run", test="aestus.kernels/cases/matmul.f32:m=1")

    phase: str = Field(default="", max_length=100)
    test: str = Field(default="", max_length=2000)


class BeatAnswer(BaseModel):
    """What the service wants of the runner."""

    model_config = with_example(cancel=False, grace_seconds=None, acked_seq=1204)

    cancel: bool = Field(description="Stop, within the grace")
    grace_seconds: float | None
    acked_seq: int


class Stored(BaseModel):
    """How far a log is stored."""

    model_config = with_example(size=65536)

    size: int = Field(description="Bytes of the stream that are there without a gap")


class ArtifactStored(BaseModel):
    """An artifact that is on disk; its record names it."""

    model_config = with_example(name="out.tar.gz", sha256=DIGEST, size=1024)

    name: str
    sha256: str
    size: int


class EndRequest(BaseModel):
    """The runner's last word, once all it had is acknowledged."""

    model_config = with_example(exit_code=0)

    exit_code: int = Field(ge=-255, le=255, description="Of the runner, by the contract")


Claiming = Annotated[Principal, Depends(require_attempt(AttemptScope.CLAIM))]
Beating = Annotated[Principal, Depends(require_attempt(AttemptScope.HEARTBEAT))]
Appending = Annotated[Principal, Depends(require_attempt(AttemptScope.APPEND))]
Putting = Annotated[Principal, Depends(require_attempt(AttemptScope.PUT_ARTIFACT))]
Getting = Annotated[Principal, Depends(require_attempt(AttemptScope.GET_INPUTS))]


@router.post("/claim", summary="Claim the attempt", operation_id="claim_attempt")
def claim(asked: ClaimRequest, principal: Claiming, service: Serviced) -> ClaimAnswer:
    """Leased → started, once: a second holder gets 409 and must run nothing.

    The same holder asking again gets the same fence, since the first answer may have been lost.
    """
    return take_claim(asked, principal, service)


def take_claim(
    asked: ClaimRequest, principal: Principal, service: Service, audit: AuditEntry | None = None
) -> ClaimAnswer:
    """Grant a claim or raise ApiError (409); `audit` is written with a claim that is granted."""
    assert principal.attempt is not None
    attempt_id = principal.attempt.attempt_id
    with service.store.writing() as connection:
        status, fence = grant_claim(connection, service.store, attempt_id, asked.holder)
        if status == GRANTED and audit is not None:
            record_audit(connection, audit, service.store.clock.wall_ns())
    if status != GRANTED or fence is None:
        raise ApiError(
            409,
            f"attempt {principal.attempt.ulid} is claimed by another runner, or over",
            remedy="run nothing, and end",
            kind="claimed",
        )
    spool = _spool(service, principal)
    with _named_full(spool.root):
        spool.root.mkdir(parents=True, exist_ok=True)
        write_object(spool.root / "claim.request", asked.model_dump())
        spool.answer_claim(status, fence)
        _beat(service, spool, Beat(), fence)
    return ClaimAnswer(fence=fence, lease_seconds=LEASE_SECONDS)


@router.put("/heartbeat", summary="Renew the lease", operation_id="heartbeat_attempt")
def heartbeat(beat: Beat, principal: Beating, service: Serviced, fence: Fence) -> BeatAnswer:
    """The lease goes by the service's clock; the answer says whether to stop."""
    attempt = _live(service, principal, fence)
    spool = _spool(service, principal)
    with _named_full(spool.root):
        _beat(service, spool, beat, fence)
    asked = read_object(spool.root / "cancel")
    grace = (asked or {}).get("grace_seconds")
    return BeatAnswer(
        cancel=asked is not None,
        grace_seconds=float(grace) if isinstance(grace, (int, float)) else None,
        acked_seq=attempt.acked_seq,
    )


@router.post(
    "/logs/{stream}",
    summary="Append to the output of the attempt",
    operation_id="append_log",
    openapi_extra=binary_body("Bytes of the stream", "application/octet-stream", "text/plain"),
)
async def append_log(
    request: Request,
    principal: Appending,
    service: Serviced,
    fence: Fence,
    limits: Limited,
    stream: Annotated[Literal["stdout", "stderr"], Path(description="Which stream")],
    offset: Annotated[
        int, Query(ge=0, lt=1 << 62, description="Byte at which it begins", examples=[0])
    ],
) -> Stored:
    """Bytes that are there already may be sent again; a gap is 409 with `size`."""
    check_room(service.store.home, limits)
    body = await read_inflated(request, limit=limits.records_bytes, inflated=limits.inflated_bytes)

    def store() -> int:
        _live(service, principal, fence)
        spool = _spool(service, principal)
        usage_of(request).add(spool.root, limits, size=len(body))
        return _put_log(spool, stream, offset, body)

    return Stored(size=await to_thread.run_sync(store))


def _put_log(spool: Spool, stream: str, offset: int, body: bytes) -> int:
    path = spool.log(stream)
    size = path.stat().st_size if path.exists() else 0
    if offset > size:
        raise ApiError(
            409, f"the stream has {size} bytes, this piece begins at {offset}",
            remedy=f"send from byte {size} on", kind="gap", size=size,
        )  # fmt: skip
    new = body[size - offset :]
    with _named_full(path):
        append_redacted(path, size, new, spool.redactor())
    return size + len(new)


@router.put(
    "/artifacts/{name:path}",
    summary="Store an artifact",
    operation_id="put_artifact",
    openapi_extra=binary_body("The artifact's content", "application/octet-stream"),
)
async def put_artifact(
    request: Request,
    principal: Putting,
    service: Serviced,
    fence: Fence,
    limits: Limited,
    name: Annotated[
        str, Path(max_length=1000, description="As in its record", examples=["out.tar.gz"])
    ],
    sha256: Annotated[
        str, Query(pattern="^[0-9a-f]{64}$", description="Of the content", examples=[DIGEST])
    ],
) -> ArtifactStored:
    """To be sent before its record; sending it again does nothing."""
    spool = _spool(service, principal)
    path = _artifact_path(spool, name, limits.nesting)
    await to_thread.run_sync(_live, service, principal, fence)
    check_room(service.store.home, limits)
    usage = usage_of(request)
    await to_thread.run_sync(lambda: usage.add(spool.root, limits, files=not path.exists()))
    blob = await receive_blob(
        request, service.store.blobs, sha256=sha256, limit=limits.artifact_bytes,
        check=_refuse_secrets(spool),
    )  # fmt: skip
    usage.add(spool.root, limits, size=blob.size)
    await to_thread.run_sync(_link, service.store.blobs.path(blob.sha256), path)
    return ArtifactStored(name=name, sha256=blob.sha256, size=blob.size)


def _refuse_secrets(spool: Spool) -> Callable[[FilePath], None]:
    redactor = spool.redactor()

    def check(path: FilePath) -> None:
        if holds_secret(path, redactor):
            raise ApiError(
                422, "the artifact holds a secret of the task, and was not stored",
                remedy="redact it where it is made", kind="secret",
            )  # fmt: skip

    return check


def _artifact_path(spool: Spool, name: str, depth: int) -> FilePath:
    problem = name_problem(name, depth=depth)
    confined = None if problem else spool.confined(f"artifacts/{name}")
    if confined is None or not confined.is_relative_to((spool.root / "artifacts").resolve()):
        raise ApiError(
            422,
            f"{name[:200]!r} is no name of an artifact: {problem or 'it leads outside'}",
            remedy="use a relative path without '..'",
        )
    return confined


def _link(blob: FilePath, path: FilePath) -> None:
    """Let the spool's copy have the artifact under its name, without a second copy."""
    with _named_full(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        beside = path.with_name(f".{os.getpid()}.{blob.name[:16]}")
        beside.unlink(missing_ok=True)
        os.link(blob, beside)
        beside.replace(path)


@router.post("/end", summary="Report the runner's exit code", operation_id="end_attempt")
def end(asked: EndRequest, principal: Appending, service: Serviced, fence: Fence) -> BeatAnswer:
    """The orchestrator then holds the stream against its manifest and ends the attempt.

    Saying it again does nothing.
    """
    attempt = _attempt(service, principal)
    if attempt.state is AttemptState.STARTED:
        _check_fence(attempt, fence)
        spool = _spool(service, principal)
        with _named_full(spool.root):
            aside = spool.root / f"exit.{os.getpid()}.tmp"
            aside.write_text(f"{asked.exit_code}\n", encoding="ascii")
            aside.replace(spool.root / "exit")
        if isinstance(service.executor, Remote):
            service.executor.nudge()
    return BeatAnswer(cancel=False, grace_seconds=None, acked_seq=attempt.acked_seq)


@router.get(
    "/spec",
    summary="Read what the attempt is to do",
    operation_id="get_attempt_spec",
    response_class=Response,
    responses={
        200: {
            "description": "attempt.json of docs/formats/runner.md",
            "content": {
                "application/json": {
                    "schema": {"type": "object"},
                    "example": {"attempt": "01JD3Q7A0000000000000000AA", "task": "kernels"},
                }
            },
        }
    },
)
def spec(principal: Getting, service: Serviced) -> Response:
    """The paths of inputs in it are the service's own; get each by its name."""
    path = _spool(service, principal).root / "attempt.json"
    if not path.exists():
        raise ApiError(404, "the attempt has not been submitted yet", remedy="ask again shortly")
    return Response(path.read_bytes(), media_type="application/json")


@router.get(
    "/inputs/{name}",
    summary="Get an input that the task declares",
    operation_id="get_attempt_input",
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
def get_input(
    principal: Getting,
    service: Serviced,
    name: Annotated[
        str,
        Path(
            pattern="^(secret:)?[A-Za-z0-9][A-Za-z0-9_.-]{0,99}$",
            examples=["source"],
            description="Name of the input, or `secret:` and the name of a secret",
        ),
    ],
) -> FileResponse:
    """Only what stands in the attempt's own specification; Range is read.

    A secret is there while the attempt is not over, for whoever has its token; keep it in a file of
    mode 0600.
    """
    path = _declared(_spool(service, principal), name)
    if path is None or not path.is_file():
        raise ApiError(404, f"the attempt has no input {name!r}", remedy="read its spec")
    headers = {"Cache-Control": "no-store"} if name.startswith(PRIVATE) else None
    return FileResponse(path, media_type="application/octet-stream", headers=headers)


def _declared(spool: Spool, name: str) -> FilePath | None:
    """Return where an input that the specification names is, or a secret that it names."""
    found: Any = read_object(spool.root / "attempt.json") or {}
    if name.startswith(PRIVATE):
        secret = name.removeprefix(PRIVATE)
        is_named = secret in found.get("spec", {}).get("secrets", ())
        return spool.root / "secrets" / secret if is_named else None
    paths = (item["path"] for item in found.get("inputs", ()) if item.get("name") == name)
    return next(map(FilePath, paths), None)


def _spool(service: Service, principal: Principal) -> Spool:
    assert principal.attempt is not None
    return Spool(service.store.attempts / principal.attempt.ulid)


def _attempt(service: Service, principal: Principal) -> AttemptRow:
    assert principal.attempt is not None
    ulid = principal.attempt.ulid
    with service.store.reading() as connection:
        found = queries.attempt_by_ulid(connection, ulid)
    if found is None:
        raise ApiError(404, f"there is no attempt {ulid} any more", remedy="stop")
    return found


def _live(service: Service, principal: Principal, fence: int) -> AttemptRow:
    """Return the attempt if it runs under this fence, else refuse with 409."""
    attempt = _attempt(service, principal)
    _check_fence(attempt, fence)
    return attempt


def _check_fence(attempt: AttemptRow, fence: int) -> None:
    if attempt.state is not AttemptState.STARTED or attempt.fence != fence:
        is_over = attempt.state is not AttemptState.STARTED
        raise ApiError(
            409,
            f"the attempt is {attempt.state}, its fence is not {fence}"
            if not is_over
            else f"the attempt is {attempt.state}",
            remedy="stop: nothing of this runner is taken any more",
            kind="attempt-over" if is_over else "fence",
        )


def _beat(service: Service, spool: Spool, beat: Beat, fence: int) -> None:
    clock = service.store.clock
    body = {"mono_ns": clock.mono_ns(), "boot_id": clock.boot_id, "fence": fence}
    # A test may be named after what it was given.
    words = spool.redactor().value(beat.model_dump())
    write_object(spool.root / "heartbeat", {**words, **body})


@contextlib.contextmanager
def _named_full(path: FilePath) -> Any:
    try:
        yield
    except OSError as error:
        if error.errno not in _FULL:
            raise
        raise StorageFullError(f"no room left for {path.name}: {error.strerror}") from error
