"""Routes for whoever plans: what earlier runs executed of some files, and what attempts took."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Path, Query
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from hotfire_infra.analysis.accuracy.linting import facts_of_pipeline
from hotfire_infra.analysis.transport import to_plain
from hotfire_infra.api import documents as docs
from hotfire_infra.api.problems import ApiError
from hotfire_infra.api.routers.runs import VIEWERS
from hotfire_infra.api.service import Serviced
from hotfire_infra.client.executability import AT_ONCE, LONGEST, refusals_of
from hotfire_infra.store import (
    queries_contexts,
    queries_coverage,
    queries_durations,
    queries_prices,
)
from hotfire_pipelines.changes import ContextFacts
from hotfire_pipelines.history import CellHistory

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
_RAN = {
    "path": "inference/python/aestus/library.py",
    "sha256": docs.DIGEST,
    "tests": "1",
    "shared": "0",
}
_APART = {
    "run": 12,
    "revision": _REVISION,
    "suite": "kernels-python",
    "platform": "linux-x86_64",
    "cell": "kernels-python|platform=linux-x86_64",
    "definition": docs.DIGEST,
    "tests": [docs.TEST_EXAMPLE["test"]],
    "files": [_RAN],
}
_TOOK = {
    "cell": "kernels|platform=linux-x86_64",
    "task": "kernels",
    "platform": "linux-x86_64",
    "shards": 2,
    "seconds": 1.8,
    "pipeline": "",
    "definition": "",
}
_HISTORY = {
    "tests": {docs.TEST_EXAMPLE["test"]: {"seconds": 1.2, "spread": 0.1, "samples": 5}},
    "setup": {"seconds": 2.5, "spread": 0.2, "samples": 5},
    "shards": [["gemm.f32:m=1,n=1,k=1,data=exact,seed=1"]],
    "is_own": True,
    "pipelines": ["post-merge"],
}
_ACCURACY = {"task": "gsm8k", "items": 1319, "pairs": 6595, "discordant": 131, "runs": 5}
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


class TestsOfFile(BaseModel):
    """Which tests of a suite ran one file."""

    model_config = docs.with_example(**_RAN)

    path: str
    sha256: str = Field(description="Of the file's content")
    tests: str = Field(description="Hexadecimal: bit i (from the least) is the test at i")
    shared: str = Field(description="Lines that ran for no test alone; bit i is line i + 1")


class ContextsOfCell(BaseModel):
    """Which tests of a cell ran which files, in its newest run that told them apart."""

    model_config = docs.with_example(**_APART)

    run: int
    revision: str
    suite: str
    platform: str
    cell: str
    definition: str = Field(description="Digest of how the cell ran its tests")
    tests: list[str] = Field(description="Those with a context; of others nothing is known")
    files: list[TestsOfFile]


class ContextAnswer(BaseModel):
    """Tests by file; a cell that no suite told apart by test is not in it."""

    model_config = docs.with_example(items=[_APART])

    items: list[ContextsOfCell]


class AttemptDuration(BaseModel):
    """What one passed attempt took, from its claim to its end."""

    model_config = docs.with_example(**_TOOK)

    cell: str
    task: str
    platform: str
    shards: int = Field(description="How many tasks the cell was cut into")
    seconds: float
    pipeline: str = Field(description="Another one that lends it; empty: the one asked for")
    definition: str = Field(description="Of what is lent: digest of how the cell ran its tests")


class DurationAnswer(BaseModel):
    """Durations of the newest runs of a pipeline, newest first."""

    model_config = docs.with_example(items=[_TOOK])

    items: list[AttemptDuration]


class DurationOfTest(BaseModel):
    """Median and spread of the last durations of a test, or of what attempts take beside tests."""

    model_config = docs.with_example(seconds=1.2, spread=0.1, samples=5)

    seconds: float
    spread: float = Field(description="Standard deviation of the logarithm")
    samples: int


class CellDurations(BaseModel):
    """What earlier runs tell of a cell."""

    model_config = docs.with_example(**_HISTORY)

    tests: dict[str, DurationOfTest]
    setup: DurationOfTest | None
    shards: list[list[str]] = Field(description="Case lines by shard, as last planned")
    is_own: bool = Field(description="False: of the same task with other axis values")
    pipelines: list[str] = Field(description="Others whose runs of the same cell count too")


class CellDurationAnswer(BaseModel):
    """Durations of a cell; null where nothing like it ever ran."""

    model_config = docs.with_example(history=_HISTORY)

    history: CellDurations | None


class Executability(BaseModel):
    """What the machines of the service can execute now."""

    model_config = docs.with_example(reasons=["no NVIDIA device", None])

    reasons: list[str | None] = Field(
        description="Of each requirement, in the order of the question; null: it can be executed"
    )


class Demanded(BaseModel):
    """What a task of the cell takes of a machine."""

    model_config = ConfigDict(extra="forbid")

    platform: Annotated[str, Field(max_length=200)] = ""
    cpus: Annotated[int, Field(ge=1)] = 1
    memory_mib: Annotated[int, Field(ge=0)] = 0
    exclusive: bool = False
    team: Annotated[str, Field(max_length=200)] = ""


class Required(BaseModel):
    """What a cell requires, as the plan has it, and what its tasks take."""

    model_config = ConfigDict(extra="forbid")

    facts: dict[str, str] = {}
    executables: list[str] = []
    devices: list[str] = []
    python_modules: list[str] = []
    # Folders below the cache, and no way out of it.
    toolchains: list[Annotated[str, Field(pattern="^[A-Za-z0-9][A-Za-z0-9._-]*$")]] = []
    reach: list[str] = []
    device_count: Annotated[int, Field(ge=1)] = 1
    demand: Demanded | None = None


Requirement = Annotated[str, Field(min_length=2, max_length=LONGEST)]


@router.get("/executability", summary="Show what can be executed here, and why not",
            operation_id="list_executability")  # fmt: skip
def executability(
    service: Serviced,
    requires: Annotated[
        list[Requirement],
        Query(max_length=AT_ONCE, description="JSON objects: `requires` of the plan's cells",
              examples=[['{"devices":["nvidia:sm_90"]}']]),
    ],
) -> Executability:  # fmt: skip
    """The answer of this moment, beside the plan: no part of it, and not of its digest."""
    try:
        asked = [
            Required.model_validate_json(text).model_dump_json(exclude_none=True)
            for text in requires
        ]
    except ValidationError as error:
        raise ApiError(
            422, f"`requires` is not what a plan's cell has: {error.errors()[0]['msg']}",
            remedy="send what `hotfire plan PIPELINE -o json` has in `cells`",
        ) from error  # fmt: skip
    return Executability(reasons=list(refusals_of(service.executor, asked)))


@router.get("/coverage/files", summary="Show what earlier runs executed of files",
            operation_id="list_coverage_of_files")  # fmt: skip
def coverage_of_files(
    service: Serviced,
    revision: Annotated[
        list[Revision],
        Query(max_length=100, description="Commits, the nearest first", examples=[[_REVISION]]),
    ],
    file: Annotated[
        list[File],
        Query(max_length=100, description="Files from the root of the source",
              examples=[["inference/src/gemm.cpp"]]),
    ],
) -> CoverageAnswer:  # fmt: skip
    """Of each suite and platform the nearest revision with a finalized run counts."""
    with service.store.reading() as connection:
        found = queries_coverage.coverage_of_files(connection, revision, file)
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


@router.get("/coverage/contexts", summary="Show which tests ran files in earlier runs",
            operation_id="list_contexts_of_files")  # fmt: skip
def contexts_of_files(
    service: Serviced,
    revision: Annotated[
        list[Revision],
        Query(max_length=100, description="Commits, the nearest first", examples=[[_REVISION]]),
    ],
    file: Annotated[
        list[File],
        Query(max_length=100, description="Files from the root of the source",
              examples=[["inference/python/aestus/library.py"]]),
    ],
) -> ContextAnswer:  # fmt: skip
    """Of each cell the nearest revision with a finalized run counts."""
    with service.store.reading() as connection:
        read = service.store.blobs.read
        found = queries_contexts.contexts_of_files(connection, read, revision, file)
    return ContextAnswer(items=[_contexts(one) for one in found])


def _contexts(found: ContextFacts) -> ContextsOfCell:
    return ContextsOfCell(
        run=found.run,
        revision=found.revision,
        suite=found.suite,
        platform=found.platform,
        cell=found.cell,
        definition=found.definition,
        tests=list(found.tests),
        files=[
            TestsOfFile(
                path=one.path, sha256=one.sha256, tests=f"{one.tests:x}", shared=f"{one.shared:x}"
            )
            for one in found.files
        ],
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
                pipeline=one.pipeline,
                definition=one.definition,
            )
            for one in found
        ]
    )


class AccuracyTask(BaseModel):
    """What runs of a pipeline measured of one accuracy task."""

    model_config = docs.with_example(**_ACCURACY)

    task: str
    items: int | None = Field(description="Samples of the last run that passed")
    pairs: int = Field(description="Of runs between which nothing changed beyond chance")
    discordant: int = Field(description="Of these, with different outcomes")
    runs: int


class AccuracyTaskAnswer(BaseModel):
    """Accuracy tasks by name; empty before the first run that passed."""

    model_config = docs.with_example(items=[_ACCURACY])

    items: list[AccuracyTask]


@router.get("/pipelines/{pipeline}/accuracy-tasks", summary="Show what accuracy tasks measured",
            operation_id="list_accuracy_tasks")  # fmt: skip
def accuracy_tasks(
    service: Serviced,
    pipeline: Annotated[str, Path(max_length=200, description="Its name", examples=["pre-merge"])],
) -> AccuracyTaskAnswer:
    """What tells whether the gates of the pipeline's next plan can see what they forbid."""
    with service.store.reading() as connection:
        found = facts_of_pipeline(connection, pipeline)
    return AccuracyTaskAnswer(items=[AccuracyTask(**to_plain(one)) for one in found])


Asked = Annotated[str, Query(min_length=1, max_length=2000)]


@router.get("/pipelines/{pipeline}/cell-durations", summary="Show what the tests of a cell took",
            operation_id="get_cell_durations")  # fmt: skip
def cell_durations(
    service: Serviced,
    pipeline: Annotated[str, Path(max_length=200, description="Its name", examples=["pre-merge"])],
    cell: Annotated[Asked, Query(description="Its key", examples=[_TOOK["cell"]])],
    task: Annotated[Asked, Query(description="Task of the cell", examples=["kernels"])],
    platform: Annotated[Asked, Query(description="Its platform", examples=["linux-x86_64"])],
    definition: Annotated[
        str | None,
        Query(max_length=64, description="Digest of how the task runs its tests: other pipelines "
              "that define the cell so tell too", examples=[docs.DIGEST]),
    ] = None,
) -> CellDurationAnswer:  # fmt: skip
    """What the shards of the pipeline's next plan are cut by."""
    with service.store.reading() as connection:
        found = queries_durations.cell_history(
            connection, pipeline, cell, task, platform, definition
        )
    return CellDurationAnswer(history=None if found is None else _plain(found))


def _plain(found: CellHistory) -> CellDurations:
    return CellDurations.model_validate(to_plain(found))
