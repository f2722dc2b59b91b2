"""Routes for whoever plans: what earlier runs executed of some files, and what attempts took."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Path, Query
from pydantic import BaseModel, Field

from hotfire_infra.api import documents as docs
from hotfire_infra.api.routers.runs import VIEWERS
from hotfire_infra.api.service import Serviced
from hotfire_infra.store import queries_coverage, queries_prices

router = APIRouter(tags=["history"], dependencies=VIEWERS)

_REVISION = "3f2a91c000000000000000000000000000000000"
_COVERED = {
    "run": 12,
    "revision": _REVISION,
    "suite": "native",
    "platform": "linux-x86_64",
    "path": "inference/src/gemm.cpp",
    "sha256": docs.DIGEST,
    "executable": "f7",
    "hit": "33",
}
_TOOK = {
    "cell": "kernels|platform=linux-x86_64",
    "task": "kernels",
    "platform": "linux-x86_64",
    "shards": 2,
    "seconds": 1.8,
}
Revision = Annotated[str, Field(min_length=1, max_length=64)]
File = Annotated[str, Field(min_length=1, max_length=1024)]


class CoveredFile(BaseModel):
    """What one suite executed of one file on one platform, in its newest run that counts."""

    model_config = docs.with_example(**_COVERED)

    run: int
    revision: str
    suite: str
    platform: str
    path: str
    sha256: str = Field(description="Of the file's content")
    executable: str = Field(description="Hexadecimal: bit i (from the least) is line i + 1")
    hit: str = Field(description="Lines that ran, in the same form")


class CoverageAnswer(BaseModel):
    """Coverage of the files that were asked for; a file that no suite measured is not in it."""

    model_config = docs.with_example(items=[_COVERED])

    items: list[CoveredFile]


class AttemptDuration(BaseModel):
    """What one passed attempt took, from its claim to its end."""

    model_config = docs.with_example(**_TOOK)

    cell: str
    task: str
    platform: str
    shards: int = Field(description="How many tasks the cell was cut into")
    seconds: float


class DurationAnswer(BaseModel):
    """Durations of the newest runs of a pipeline, newest first."""

    model_config = docs.with_example(items=[_TOOK])

    items: list[AttemptDuration]


@router.get("/coverage/files", summary="Show what earlier runs executed of files",
            operation_id="list_coverage_of_files")  # fmt: skip
def coverage_of_files(
    service: Serviced,
    revision: Annotated[
        list[Revision],
        Query(max_length=100, description="Commits, the nearest first", examples=[[_REVISION]]),
    ],
    path: Annotated[
        list[File],
        Query(max_length=100, description="Files from the root of the source",
              examples=[["inference/src/gemm.cpp"]]),
    ],
) -> CoverageAnswer:  # fmt: skip
    """Of each suite and platform the nearest revision with a finalized run counts."""
    with service.store.reading() as connection:
        found = queries_coverage.coverage_of_files(connection, revision, path)
    return CoverageAnswer(
        items=[
            CoveredFile(
                run=fact.run,
                revision=fact.revision,
                suite=fact.suite,
                platform=fact.platform,
                path=fact.path,
                sha256=fact.sha256,
                executable=f"{fact.executable:x}",
                hit=f"{fact.hit:x}",
            )
            for fact in found
        ]
    )


@router.get("/pipelines/{pipeline}/attempt-durations", summary="List what attempts took",
            operation_id="list_attempt_durations")  # fmt: skip
def attempt_durations(
    service: Serviced,
    pipeline: Annotated[str, Path(max_length=200, description="Its name", examples=["pre-merge"])],
) -> DurationAnswer:
    """What the price of the pipeline's next plan rests on."""
    with service.store.reading() as connection:
        found = queries_prices.samples_of(connection, pipeline)
    return DurationAnswer(
        items=[
            AttemptDuration(
                cell=one.cell,
                task=one.task,
                platform=one.platform,
                shards=one.shards,
                seconds=one.seconds,
            )
            for one in found
        ]
    )
