"""Routes of imports: reports of other tools, put as blobs before, become a run."""

from __future__ import annotations

import secrets
import shutil
from pathlib import Path
from typing import Annotated, Any

from fastapi import APIRouter, Response
from pydantic import BaseModel, Field, StringConstraints

from hotfire_infra.analysis.transport import to_plain
from hotfire_infra.api import documents as docs
from hotfire_infra.api.problems import ApiError
from hotfire_infra.api.routers.runs import DEVELOPERS, Developer
from hotfire_infra.api.service import Service, Serviced
from hotfire_infra.api.trust import makes_trusted_runs
from hotfire_infra.ingest.formats.values import Format
from hotfire_infra.orchestrator.importing import PIPELINE, PLATFORM, ImportWish
from hotfire_infra.source.merge_base import MergeBase
from hotfire_infra.source.stamp import StoredSource

router = APIRouter(prefix="/imports", tags=["runs"], dependencies=DEVELOPERS)

MOST_FILES = 200
Short = Annotated[str, StringConstraints(min_length=1, max_length=200)]
Tolerance = Annotated[float, Field(ge=0, lt=1, allow_inf_nan=False)]
FileName = Annotated[str, StringConstraints(pattern=r"^[^/\\\x00-\x1f]{1,200}$")]


class ReportFile(BaseModel):
    """A report; its content was put as a blob before."""

    name: FileName = Field(description="Without folders; the task is named after it")
    sha256: str = Field(pattern="^[0-9a-f]{64}$")


class ImportedSource(BaseModel):
    """What was tested."""

    repository: str = Field(max_length=1000)
    revision: str = Field(min_length=1, max_length=200)
    subject: str = Field(default="", max_length=2000)


class StartImport(BaseModel):
    """An import to be; the same content under the same pipeline, variant and revision is one."""

    model_config = docs.with_example(
        files=[{"name": "junit.xml", "sha256": docs.DIGEST}],
        source={"repository": "aestus", "revision": "3f2a91c"},
        pipeline="import",
        platform="dgx",
    )

    files: list[ReportFile] = Field(min_length=1, max_length=MOST_FILES)
    source: ImportedSource
    format: Format | None = Field(default=None, description="None: by the content of each file")
    pipeline: Short = PIPELINE
    platform: Short = PLATFORM
    variant: dict[Short, Short] = Field(default_factory=dict, max_length=50)
    metrics: dict[Short, Short] = Field(
        default_factory=dict, max_length=1000, description="Foreign figure → registered metric"
    )
    merge_base: MergeBase | None = Field(default=None, description="Where the change began")
    gates: dict[Short, Tolerance] = Field(
        default_factory=dict, max_length=200, description="Tolerated loss by metric, `*`: all"
    )
    exonerates: bool = Field(
        default=False, description="What failed before the change, too, does not block"
    )


class ImportAnswer(BaseModel):
    """What came of it; without a run everything was there already."""

    model_config = docs.with_example(
        run_id=7,
        run_number=7,
        imported=[{"file": "0/junit.xml", "format": "junit", "sha256": docs.DIGEST, "tests": 2,
                   "totals": {"passed": 2}, "exit_code": 0, "degraded": [], "incomplete": "",
                   "ignored": {}}],
        known=[],
    )  # fmt: skip

    run_id: int | None
    run_number: int | None
    imported: list[dict[str, Any]] = Field(description="By report, `file` as PLACE/NAME")
    known: list[dict[str, Any]] = Field(description="Reports that were imported before, and where")


@router.post(
    "",
    summary="Import reports of other tools",
    operation_id="import_reports",
    status_code=201,
    response_model=ImportAnswer,
    responses={200: {"description": "All of it was imported before", "model": ImportAnswer}},
)
def start(
    asked: StartImport, principal: Developer, service: Serviced, response: Response
) -> dict[str, Any]:
    """Put each file first (`PUT /api/v1/blobs/sha256/{digest}`, under the cap of artifacts).

    The run is of whoever asks, and trusted only if section `access` trusts them. Nothing at all is
    recorded if one of the files is refused (422).
    """
    folder = service.store.home / "imports" / f"sent-{secrets.token_hex(8)}"
    try:
        files = [_laid_out(service, one, folder / str(at)) for at, one in enumerate(asked.files)]
        outcome = service.client_of(principal).import_reports(
            ImportWish(
                files=files,
                root=folder,
                source=StoredSource(
                    **asked.source.model_dump(), patch_digest="", archive_sha256=None
                ),
                requested_by=principal.actor,
                is_trusted=makes_trusted_runs(principal, service.configuration.access),
                format=asked.format,
                pipeline=asked.pipeline,
                platform=asked.platform,
                variant=asked.variant,
                metrics=asked.metrics,
                base=asked.merge_base,
                gates=asked.gates,
                exonerates=asked.exonerates,
            )
        )
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    response.status_code = 201 if outcome.run_id is not None else 200
    plain: dict[str, Any] = to_plain(outcome)
    return plain


def _laid_out(service: Service, asked: ReportFile, folder: Path) -> Path:
    blob = service.store.blobs.path(asked.sha256)
    if not blob.is_file() or asked.name in {".", ".."}:
        raise ApiError(
            422,
            f"the content {asked.sha256} of {asked.name!r} is not here",
            remedy=f"put it to /api/v1/blobs/sha256/{asked.sha256}",
            kind="blob-missing",
        )
    folder.mkdir(parents=True)
    path = folder / asked.name
    shutil.copyfile(blob, path)
    return path
