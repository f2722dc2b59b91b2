"""Routes of the A/A noise floor: how far runs of the same code differ, and to measure it."""

from __future__ import annotations

from typing import Any

from fastapi import APIRouter
from fastapi.responses import Response
from pydantic import BaseModel, ConfigDict, Field

from hotfire_infra.analysis.noise import NoiseReport
from hotfire_infra.analysis.transport import encode
from hotfire_infra.api.documents import AT_NS, with_example
from hotfire_infra.api.routers.runs import VIEWERS, Developer, Shown
from hotfire_infra.api.service import Serviced
from hotfire_infra.client.noise_desk import StoreNoiseDesk
from hotfire_infra.orchestrator.repeating import MOST_RUNS, RUNS

router = APIRouter(prefix="/noise", tags=["history"], dependencies=VIEWERS)

NOISE_EXAMPLE: dict[str, Any] = {
    "metric": "aestus.decode_rate",
    "environment": "Xeon; x86-64-v4; native; clock performance",
    "series": 1,
    "attempts": 14,
    "codes": 5,
    "within": None,
    "processes": {"sd": 0.011, "freedom": 56, "low": 0.0093, "high": 0.0135},
    "runs": {"sd": 0.0046, "freedom": 9, "low": 0.0032, "high": 0.0084},
    "builds": None,
    "floor": 0.0211,
    "words": "A/A noise ±2.1 % (14 attempts of 5 sources, rebuilds not in it, 2026-11-21)",
    "updated_ns": AT_NS,
}


@router.get(
    "",
    summary="List how far runs of the same code differ",
    operation_id="list_noise",
    response_model=list[NoiseReport],
    responses={200: {"content": {"application/json": {"example": [NOISE_EXAMPLE]}}}},
)
def noise(reports: Shown) -> Response:
    """By metric and kind of device; standard deviations of logarithms where effects are ratios."""
    return Response(encode(reports.noise()), media_type="application/json")


class MeasureNoise(BaseModel):
    """What is to be measured again."""

    model_config = ConfigDict(extra="forbid", **with_example(run="12", runs=6, rebuild=False))

    run: str = Field(max_length=64, description="Number or id of the run whose code it is")
    runs: int = Field(default=RUNS, ge=1, le=MOST_RUNS, strict=True)
    rebuild: bool = Field(default=False, description="Build anew each time, for the layout")


class NoiseRuns(BaseModel):
    """Runs that were started."""

    model_config = with_example(runs=[13, 14, 15, 16, 17, 18])

    runs: list[int] = Field(description="Their numbers")


@router.post(
    "/runs",
    summary="Measure the same code again",
    operation_id="measure_noise",
    status_code=201,
    response_model=NoiseRuns,
    responses={404: {"description": "There is no such run"}},
)
def measure(service: Serviced, principal: Developer, asked: MeasureNoise) -> NoiseRuns:
    """Only the tasks that measured something, builds taken over; 409 where there are none."""
    desk = StoreNoiseDesk(service.store, principal.actor)
    return NoiseRuns(runs=list(desk.repeat(asked.run, runs=asked.runs, rebuild=asked.rebuild)))
