"""The shape of a pipeline file: axes, tasks, and what each task needs.

Words that GitHub Actions has are used as there: `needs`, `matrix`, `include`, `exclude`, `env`.
"""

from collections.abc import Mapping
from enum import StrEnum
from typing import Annotated, Literal, Self

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    StringConstraints,
    model_validator,
)

from hotfire_pipelines.accuracy_gates import AccuracyGate
from hotfire_pipelines.demands import Budget, Selection, Sufficient
from hotfire_pipelines.list_choice import ListChoice
from hotfire_pipelines.performance_gates import PerformanceGate, check_metrics
from hotfire_pipelines.shard_target import Shards
from hotfire_pipelines.strict import Name as Name
from hotfire_pipelines.strict import Strict as Strict
from hotfire_pipelines.strict import Text as Text
from hotfire_testframework.contract.outcomes import Harness, ReportFormat
from hotfire_testframework.contract.task import check_relative_path
from hotfire_testframework.errors import DecodeError

PIPELINE_SCHEMA = "hotfire.dev/pipeline/1"

AxisName = Annotated[str, StringConstraints(pattern=r"^[a-z][a-z0-9_]{0,31}$")]
AxisValue = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9][A-Za-z0-9_.+\-]{0,63}$")]
Argv = tuple[str, ...]
Seconds = Annotated[float, Field(gt=0, le=7 * 86_400)]
Command = Annotated[Argv, Field(min_length=1)]
EnvironmentName = Annotated[str, StringConstraints(pattern=r"^[A-Za-z_][A-Za-z0-9_]*$")]


def _stays_inside(path: str) -> str:
    try:
        return check_relative_path("path", path)
    except DecodeError:
        raise ValueError(f"{path!r} leaves the work directory; name a path below it") from None


WorkPath = Annotated[Text, AfterValidator(_stays_inside)]


class Required(StrEnum):
    """Whether a cell that cannot execute here keeps the run from passing."""

    ALWAYS = "always"
    WHEN_AVAILABLE = "when-available"


class Role(StrEnum):
    """Which tools of the platform a task needs: those that build, or those that execute."""

    BUILD = "build"
    TEST = "test"


class Axis(Strict):
    """One named dimension of choice. A value at `default` stays out of the variant."""

    values: Annotated[tuple[AxisValue, ...], Field(min_length=1)]
    """All values, each once; of an ordered axis from the lowest to the highest."""
    default: AxisValue | None = None
    """The value that stays out of the variant, so that a new axis keeps history."""
    ordered: bool = False
    """Whether the order of the values means something; `minmax` needs it."""
    description: str = ""
    """For readers."""


Assignments = tuple[dict[AxisName, AxisValue], ...]


def _is_no_switch(value: object) -> object:
    if isinstance(value, bool):  # In Python, and so for `Literal`, true is 1.
        raise ValueError("true and false are no strength; write all, or a number from 1 to 6")
    return value


Strength = Annotated[Literal["all", 1, 2, 3, 4, 5, 6], BeforeValidator(_is_no_switch)]


class Matrix(BaseModel):
    """Axes as keys, plus `include` and `exclude` with the rules of GitHub Actions."""

    model_config = ConfigDict(extra="allow", frozen=True, strict=True)
    __pydantic_extra__: dict[str, tuple[AxisValue, ...]]

    include: Assignments = ()
    """Extends each cell whose values it does not change, else is a cell of its own."""
    exclude: Assignments = ()
    """Removes the cells that agree with all its keys."""
    forbid: tuple[Text, ...] = ()
    """Constraints that hold for no cell: `platform.os == 'windows' and cuda < 12.4`."""
    require: tuple[Text, ...] = ()
    """Constraints that hold for every cell."""
    strength: Strength = "all"
    """`all`: the whole product. 1…6: every allowed combination of that many values, in few cells."""
    always: Assignments = ()
    """Assignments, whole or partial, that are in whatever the strength and the budget."""
    seed: Annotated[int, Field(ge=0)] | None = None
    """Chooses among covering arrays of equal strength; none: by the name of the task."""
    max_cells: Annotated[int, Field(ge=1)] | None = None
    """Cells of one run; what they do not cover is listed, and first in the next run."""
    cap: Annotated[int, Field(ge=1, le=1_000_000)] = 10_000
    """A matrix with more cells than this is an error."""

    @property
    def axes(self) -> Mapping[str, tuple[str, ...]]:
        """The axes that span the product, in the order they are written."""
        return self.__pydantic_extra__ or {}


class Cases(Strict):
    """Kernel cases that are known before any build: committed lines, one test each."""

    files: Annotated[tuple[Text, ...], Field(min_length=1)]
    """Patterns of case files, from the root of the source."""
    operators: Annotated[tuple[Text, ...], Field(min_length=1)] = ("*",)
    """Patterns of `op.dtype` that are selected."""
    module: Name = "aestus.kernels"
    """First part of the tests' identifiers."""


class Input(Strict):
    """Something a task reads: the source, an artifact of another task, or a model."""

    name: Name
    """The task reads it as `{input:NAME}`."""
    source: Literal[True] | None = None
    """The source under test."""
    task: Name | None = None
    """The task that makes it."""
    artifact: Text | None = None
    """The output of that task."""
    platform: Name | None = None
    """Whose build is meant; none: the one of the same platform."""
    model: Name | None = None
    """A declared model."""

    @model_validator(mode="after")
    def _names_one_origin(self) -> Self:
        origins = [self.source, self.task, self.model]
        if sum(origin is not None for origin in origins) != 1:
            raise ValueError("an input has exactly one of `source: true`, `task:` and `model:`")
        if (self.task is None) != (self.artifact is None):
            raise ValueError("`task:` and `artifact:` go together")
        if self.platform is not None and self.task is None:
            raise ValueError("`platform:` says whose build is meant: it goes with `task:`")
        return self


class Output(Strict):
    """An artifact that a task leaves behind; a folder becomes a deterministic tar.gz."""

    name: Name
    """The artifact is known by it."""
    path: WorkPath
    """File or folder below the work directory."""


class Report(Strict):
    """A report that the command writes, with the results of its tests."""

    path: WorkPath
    """File below the work directory."""
    format: Annotated[ReportFormat, Field(strict=False)]
    """Who reads it: `junit`, `gtest-json`, `tap`, …"""


class Timeouts(Strict):
    """Limits of one attempt in seconds; they nest: a test ends before its run."""

    setup_s: Seconds = 300
    """All commands of `setup`."""
    test_s: Seconds = 300
    """One test."""
    run_s: Seconds = 1800
    """The whole attempt between set-up and tear-down."""
    silence_s: Seconds = 300
    """Without output or event."""
    grace_s: Seconds = 10
    """From the request to end until it is enforced."""

    @model_validator(mode="after")
    def _nest(self) -> Self:
        if self.test_s > self.run_s:
            raise ValueError(
                f"timeouts nest: test_s ({self.test_s:g}) must not exceed run_s ({self.run_s:g})"
            )
        return self


class Requirements(Strict):
    """What the machine that takes a task must offer; the executor answers, not the plan."""

    facts: dict[AxisName, Text] = Field(default={})
    """Dimensions of the machine itself: os, arch, distribution."""
    executables: tuple[Text, ...] = ()
    """Programs on PATH, or absolute paths."""
    devices: tuple[Text, ...] = ()
    """Accelerators, as `vendor:kind`."""
    python_modules: tuple[Text, ...] = ()
    """Modules that the host can import."""
    toolchains: tuple[Name, ...] = ()
    """Toolchains in the user's cache."""

    def __or__(self, other: "Requirements") -> "Requirements":
        """Both: the union of the lists; facts of `other` win."""
        return Requirements(
            facts={**self.facts, **other.facts},
            **{
                field: tuple(sorted({*getattr(self, field), *getattr(other, field)}))
                for field in ("executables", "devices", "python_modules", "toolchains")
            },
        )

    def to_json(self) -> dict[str, object]:
        """As the plan carries it: what is not asked for is left out."""
        lists = {
            field: list(getattr(self, field))
            for field in ("executables", "devices", "python_modules", "toolchains")
        }
        asked = {"facts": dict(self.facts), **lists}
        return {field: items for field, items in asked.items() if items}


def _as_list(value: object) -> object:
    return tuple(value) if isinstance(value, list | tuple) else (value,)


OneOrSeveral = Annotated[
    tuple[AxisValue, ...],
    Field(min_length=1),
    BeforeValidator(_as_list, json_schema_input_type=AxisValue | tuple[AxisValue, ...]),
]


class Override(Strict):
    """Other values for the cells that agree with `match`; the last match wins."""

    match: Annotated[dict[AxisName, OneOrSeveral], Field(min_length=1)]
    """Axes, or `execution`, with the value or one of the values that a cell must have."""
    budget_seconds: Seconds | None = None
    """Instead of the task's."""
    estimate_seconds: Seconds | None = None
    """Instead of the task's."""
    shards: Shards | None = None
    """Instead of the task's."""
    cpus: Annotated[int, Field(ge=1)] | None = None
    """Instead of the task's."""
    timeouts: Timeouts | None = None
    """Instead of the task's, as a whole."""
    env: dict[EnvironmentName, str] = Field(default={})
    """Beside the task's, and wins over it."""
    args: tuple[str, ...] | None = None
    """Instead of the task's."""
    inputs: tuple[Input, ...] = ()
    """More inputs, beside those that every cell has."""


class Task(Strict):
    """One task definition: its matrix makes cells, each cell becomes tasks."""

    description: str = ""
    """For readers."""
    role: Role = Role.TEST
    """`build` uses the platform's compilers on the host, `test` executes behind its launcher."""
    harness: Harness
    """How tests are found and reported."""
    matrix: Matrix
    """The cells."""
    needs: tuple[Name, ...] = ()
    """Tasks that must have passed on the same platform."""
    setup: tuple[Command, ...] = ()
    """Commands before; a failure is infrastructure."""
    command: Argv = ()
    """What is executed, as a list of words."""
    teardown: tuple[Command, ...] = ()
    """Commands after; a failure is infrastructure."""
    env: dict[EnvironmentName, str] = Field(default={})
    """Environment, beside the platform's."""
    inputs: tuple[Input, ...] = ()
    """What it reads."""
    outputs: tuple[Output, ...] = ()
    """What it leaves behind."""
    reports: tuple[Report, ...] = ()
    """For `harness: command`: the tests are those of these files, not the command itself."""
    cases: Cases | None = None
    """Kernel cases, for `harness: cases`."""
    paths: tuple[Text, ...] = ()
    """For `harness: pytest`."""
    tests: ListChoice | None = None
    """For `harness: pytest`: tests of a list; `paths:` is the one folder its paths start from."""
    args: tuple[str, ...] = ()
    """More arguments for the harness."""
    requires: Requirements = Requirements()
    """What a machine must offer beside the platform's requirements."""
    timeouts: Timeouts = Timeouts()
    """Limits of one attempt."""
    budget_seconds: Seconds | None = None
    """Estimated seconds that the cases of a cell may take."""
    estimate_seconds: Seconds = 60
    """Declared duration, until one is measured."""
    shards: Shards = 1
    """Tasks that a cell with cases becomes at most, or `{target: 10m, max: 32}`."""
    exclusive: bool = False
    """Whether an attempt takes the machine alone."""
    cpus: Annotated[int, Field(ge=1)] = 1
    """CPUs of an attempt."""
    memory_mib: Annotated[int, Field(ge=1)] | None = None
    """Memory of an attempt in MiB."""
    retries: Annotated[int, Field(ge=0, le=5)] = 1
    """Attempts after one that infrastructure ended."""
    sufficient: Sufficient | None = None
    """The least GPU it could do with; the plan names a cheaper platform that has it."""
    secrets: tuple[Name, ...] = ()
    """Names of secrets, given to trusted runs as files: `{secret:NAME}` is the path of one."""
    overrides: tuple[Override, ...] = ()
    """Other values for some cells; the last match wins."""

    def all_inputs(self) -> tuple[Input, ...]:
        """Inputs of every cell, and those that only some cells have."""
        return self.inputs + tuple(item for change in self.overrides for item in change.inputs)

    @model_validator(mode="after")
    def _fits_its_harness(self) -> Self:
        if (self.cases is not None) != (self.harness is Harness.CASES):
            raise ValueError("`cases:` and `harness: cases` go together")
        if self.reports and self.harness is not Harness.COMMAND:
            raise ValueError("`reports:` goes with `harness: command`")
        if len({report.path for report in self.reports}) != len(self.reports):
            raise ValueError("two `reports:` have the same path")
        if self.harness is not Harness.PYTEST and not self.command:
            raise ValueError(f"`harness: {self.harness.value}` needs a `command:`")
        if self.harness is Harness.PYTEST and not self.paths:
            raise ValueError("`harness: pytest` needs `paths:`")
        if self.tests is not None and (self.harness is not Harness.PYTEST or len(self.paths) != 1):
            raise ValueError("`tests:` goes with `harness: pytest` and one path, the list's root")
        wanted = [self.shards, *(change.shards for change in self.overrides)]
        has_list = self.cases is not None or self.tests is not None
        if not has_list and any(count not in (None, 1) for count in wanted):
            raise ValueError("only `cases:` and a list of `tests:` can be cut into `shards:`")
        budgets = [self.budget_seconds, *(change.budget_seconds for change in self.overrides)]
        if self.cases is None and any(budget is not None for budget in budgets):
            raise ValueError("only `harness: cases` has a list that `budget_seconds:` can cut")
        return self


class Model(Strict):
    """Weights that tasks read, pinned by content."""

    package: Text
    """Package of the model in the cache."""
    sha256: Annotated[str, StringConstraints(pattern=r"^[0-9a-f]{64}$")]
    """Digest of the weights."""
    description: str = ""
    """For readers."""


class OnMergeBase(StrEnum):
    """How it is found out whether a failure is as old as the merge base."""

    OFF = "off"
    HISTORY = "history"
    """From recorded runs of the merge base or its nearest ancestor."""
    RERUN = "rerun"
    """From them, or else by one run of the failed tasks on the merge base."""


class Exonerate(Strict):
    """Which failures do not block because they are not the change's."""

    fails_on_merge_base: Annotated[
        OnMergeBase, Field(alias="fails-on-merge-base", strict=False)
    ] = OnMergeBase.OFF
    """Whether failures that are older than the change block."""
    rerun_tasks: Annotated[int, Field(alias="rerun-tasks", ge=1, le=100)] = 3
    """Failed tasks that one run may execute again on the merge base."""


class GoneTests(StrEnum):
    """What it means that a test of the last inventory is not collected from another source."""

    REPORT = "report"
    """It is listed; the run can pass if the test was taken out of the source."""
    BLOCK = "block"
    """It is missing, whatever the source says."""


class Gone(Strict):
    """Tests that were taken out or renamed."""

    tests: Annotated[GoneTests, Field(strict=False)] = GoneTests.REPORT
    """What a test means that is expected and not collected."""
    share: Annotated[float, Field(ge=0, le=1)] = 0.1
    """Of a cell's tests; when more are gone at once, the suite has stopped collecting them."""


class PriorityClass(StrEnum):
    """Classes of runs, most urgent first."""

    GATE = "gate"
    PRE_MERGE = "pre-merge"
    DEVELOPER = "developer"
    NIGHTLY = "nightly"
    BACKFILL = "backfill"


class PipelineFile(Strict):
    """One pipeline file as written."""

    schema_: Annotated[Literal["hotfire.dev/pipeline/1"], Field(alias="schema")]
    """Version of this format."""
    name: Name
    """The name people run it by."""
    description: str = ""
    """For readers."""
    include: tuple[Text, ...] = ()
    """Files below this one's folder whose axes, required, models and tasks are added."""
    axes: dict[AxisName, Axis]
    """Dimensions of choice; `platform` is always one."""
    required: dict[Name, Required] = Field(default={})
    """Platforms whose cells may be not executable without blocking."""
    priority: PriorityClass | None = None
    """Class of its runs in the queue; none: by the pipeline's name, else `developer`."""
    supersede: bool | None = None
    """Whether a newer run of a change ends the older ones; none: not for nightly and backfill."""
    reuse: bool = False
    """Take over results whose action digest is equal, unless the run is told otherwise."""
    exonerate: Exonerate = Exonerate()
    """Failures that do not block."""
    gone: Gone = Gone()
    """Tests that were taken out or renamed."""
    accuracy: dict[Text, AccuracyGate] = Field(default={})
    """Gates by accuracy task; `*` is for those not named. Without one nothing blocks."""
    performance: Annotated[dict[Text, PerformanceGate], AfterValidator(check_metrics)] = Field(
        default={}
    )
    """Gates by metric; `*` is for those not named. Without one nothing blocks."""
    selection: Selection | None = None
    """What a change may leave out; none: nothing."""
    budget: Budget = Budget()
    """What a run may cost."""
    waivers: Text | None = None
    """File below this one's folder with the waivers that count in its gate."""
    models: dict[Name, Model] = Field(default={})
    """Weights that tasks read."""
    tasks: Annotated[dict[Name, Task], Field(min_length=1)]
    """What is built and tested."""
