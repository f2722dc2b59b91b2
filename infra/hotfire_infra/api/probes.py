"""What other machines ask: /healthz (alive), /readyz (send requests here), /metrics (Prometheus)."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from fastapi import APIRouter, Depends, Response
from fastapi.responses import JSONResponse, PlainTextResponse

from hotfire_infra.api.access import require
from hotfire_infra.operations.health import Finding, Level, readiness
from hotfire_infra.operations.metrics import CONTENT_TYPE, Metrics
from hotfire_infra.orchestrator.lock import LOCK_NAME
from hotfire_infra.sections.limits import LimitsSection
from hotfire_infra.states import Role
from hotfire_infra.store.database import Store


@dataclass(frozen=True, slots=True, kw_only=True)
class Watched:
    """What the probes look at."""

    store: Store
    metrics: Metrics
    limits: LimitsSection
    is_draining: Callable[[], bool]
    executes: bool
    others: Callable[[], Sequence[Finding]] = tuple
    """What is looked at elsewhere."""


def probes_router(watched: Watched) -> APIRouter:
    """Return the three routes; the first two need no credentials and tell no names."""
    router = APIRouter()

    @router.get("/healthz", include_in_schema=False)
    async def alive() -> Response:
        # Answered by the event loop itself: whoever hangs there is to be restarted.
        return PlainTextResponse("alive\n")

    @router.get("/readyz", include_in_schema=False)
    def ready() -> Response:
        findings = readiness(
            watched.store,
            lock_name=LOCK_NAME,
            free_bytes=watched.limits.free_disk_bytes,
            is_draining=watched.is_draining(),
            executes=watched.executes,
            others=watched.others(),
        )
        is_ready = all(finding.level is not Level.FAIL for finding in findings)
        # Anybody may ask, so not what was said: that names paths and hosts.
        document = {"ready": is_ready, "checks": {one.name: one.level for one in findings}}
        return JSONResponse(document, 200 if is_ready else 503)

    @router.get("/metrics", include_in_schema=False, dependencies=[Depends(require(Role.VIEWER))])
    def metrics() -> Response:
        return Response(watched.metrics.render(), media_type=CONTENT_TYPE)

    return router
