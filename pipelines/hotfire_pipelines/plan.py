"""The frozen plan: what a run will do, as values with one canonical form and one digest."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Self

from hotfire_pipelines.errors import PlanError
from hotfire_pipelines.priced import Price
from hotfire_pipelines.selected import PlannedOmission, PlannedSelection
from hotfire_testframework.contract.canonical import canonical_json, canonical_sha256
from hotfire_testframework.contract.jsonform import from_json, parse_json_text, to_json
from hotfire_testframework.contract.task import TaskSpec, expected_of_spec
from hotfire_testframework.contract.variants import variant_hash
from hotfire_testframework.errors import ContractError

PLAN_SCHEMA = "hotfire.dev/plan/1"
NOT_EXECUTABLE = "not_executable"
"""Beside a printed plan: cell key → why the machines that were asked could not execute it then."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Source:
    """The source stamp: what is under test. `patch_digest` is of uncommitted changes."""

    repository: str
    revision: str
    patch_digest: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class PlannedPlatform:
    """A platform as the plan shows it."""

    name: str
    description: str
    dimensions: Mapping[str, str]
    execution: str
    launcher: tuple[str, ...]
    reach: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class PlannedModel:
    """Weights that tasks read, pinned by content."""

    name: str
    package: str
    sha256: str


@dataclass(frozen=True, slots=True, kw_only=True)
class PlannedCell:
    """What must be reported. `inventory` is the digest of its expected tests, if they are known."""

    key: str
    task: str
    platform: str
    variant: Mapping[str, str]
    variant_hash: str
    required: str
    requires: Mapping[str, Any]
    inventory: str | None = None
    budget_s: float | None = None
    left_out: int = 0
    """Tests that the budget has no room for, or that no change concerns."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PlannedGap:
    """A combination of axis values that no cell has, and why; `age`: plans that could not pay it."""

    assignment: Mapping[str, str]
    reason: str
    proven: bool
    age: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class PlannedCoverage:
    """What the cells of a task cover of its matrix; an explanation, not part of the digest.

    `covered` and `uncovered` together are all combinations of `strength` axis values.
    """

    task: str
    strength: int
    covered: int
    uncovered: tuple[PlannedGap, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class PlannedDurations:
    """What the shards of a cell were cut by: how many of its tests have which duration."""

    cell: str
    measured: int
    """In earlier runs of this cell."""
    neighbours: int
    """Estimated from those."""
    unknown: int
    """As declared."""
    groups: Mapping[str, int] = field(default_factory=dict)
    """What the neighbours have in common → tests that were estimated from them."""
    samples: int = 0
    """Runs that the best known test was measured in."""
    pipelines: tuple[str, ...] = ()
    """Other pipelines whose runs of the same cell count too."""
    setup_s: float
    setup_measured: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class PlannedTask:
    """One schedulable piece of a cell; `shard` is (number, of how many), counted from 1."""

    key: str
    cell: str
    shard: tuple[int, int]
    spec: TaskSpec
    requested_digest: str


@dataclass(frozen=True, slots=True, kw_only=True)
class PlannedEdge:
    """The task `later` (`to`) waits for `earlier` (`from`): for its success or its artifact."""

    earlier: str = field(metadata={"json": "from"})
    later: str = field(metadata={"json": "to"})
    kind: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Policy:
    """What the pipeline says about its gate; the words are those of the pipeline file."""

    reuse: bool = False
    fails_on_merge_base: str = "off"
    rerun_tasks: int = 3
    gone_tests: str = "report"
    gone_share: float = 0.1
    accuracy: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    """Gates by accuracy task: tolerance, alpha, power, discordance, perhaps items."""
    performance: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    """Gates by metric: perhaps a tolerance."""


@dataclass(frozen=True, slots=True, kw_only=True)
class WaiverSource:
    """The file that the plan's waivers were read from: as the pipeline names it, by content."""

    file: str
    sha256: str


@dataclass(frozen=True, slots=True, kw_only=True)
class QueueOrder:
    """What the pipeline says about its place in the queue; not part of the digest."""

    priority: str | None = None
    """Class of its runs; none: by the pipeline's name, else `developer`."""
    supersede: bool | None = None
    """Whether a newer run of a change ends the older ones; none: by the class."""


@dataclass(frozen=True, slots=True, kw_only=True)
class BlindGate:
    """A gate that cannot see the drop that it forbids; not part of the digest."""

    task: str
    place: str
    """File, line and column where the pipeline declares it."""
    fault: str
    """Its figures, what it could see, and what it needs."""
    is_error: bool = True
    """No run is made of the plan; else the pipeline only wants it told."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Estimate:
    """Expected wall time of the whole plan and duration of each task; not part of the digest."""

    seconds: float
    by_task: Mapping[str, float]


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """The expanded, validated, frozen list of tasks of a run; nothing runs that is not in it."""

    schema: str = PLAN_SCHEMA
    pipeline: str
    source: Source
    platforms: tuple[PlannedPlatform, ...]
    models: tuple[PlannedModel, ...] = ()
    cells: tuple[PlannedCell, ...]
    tasks: tuple[PlannedTask, ...]
    edges: tuple[PlannedEdge, ...]
    inventories: Mapping[str, tuple[str, ...]]
    waivers: tuple[Mapping[str, Any], ...] = ()
    waiver_file: WaiverSource | None = None
    runner_sha256: str | None = None
    policy: Policy = Policy()
    unselected: tuple[PlannedOmission, ...] = ()
    """Cells of the pipeline that no change concerns; they are neither missing nor green."""
    selection: PlannedSelection | None = None
    order: QueueOrder | None = None
    coverage: tuple[PlannedCoverage, ...] = ()
    durations: tuple[PlannedDurations, ...] = ()
    unanswered: tuple[str, ...] = ()
    """Questions about earlier runs that failed, each with what counts instead."""
    blind_gates: tuple[BlindGate, ...] = ()
    estimate: Estimate | None = None
    price: Price | None = None
    created: str | None = None

    def frozen(self) -> dict[str, Any]:
        """Everything that the digest covers: all but order, explanations, estimates and times."""
        plain: dict[str, Any] = to_json(replace(self, **_NOTHING_OUTSIDE))
        plain.pop("coverage")
        plain.pop("durations")
        plain.pop("unanswered")
        plain.pop("blind_gates")
        for planned, task in zip(plain["tasks"], self.tasks, strict=True):
            planned["spec"] = task.spec.to_json()
        for planned, cell in zip(plain["cells"], self.cells, strict=True):
            planned["inventory"] = cell.inventory
            planned["budget_s"] = cell.budget_s
        plain["runner_sha256"] = self.runner_sha256
        if self.policy == Policy():
            # A new word of the policy keeps the digest of plans that do not use it.
            plain.pop("policy")
        else:
            for gates in ("accuracy", "performance"):
                if not getattr(self.policy, gates):
                    plain["policy"].pop(gates, None)
        if not self.unselected:
            plain.pop("unselected")
        return plain

    @property
    def digest(self) -> str:
        """sha256 of the canonical form."""
        return canonical_sha256(self.frozen())

    def to_dict(self) -> dict[str, Any]:
        """Plain JSON values: the frozen part, its digest, and what lies outside it."""
        outside = {
            "order": to_json(self.order),
            "coverage": [to_json(item) for item in self.coverage] or None,
            "durations": [to_json(item) for item in self.durations] or None,
            "unanswered": list(self.unanswered) or None,
            "blind_gates": [to_json(item) for item in self.blind_gates] or None,
            "selection": to_json(self.selection),
            "estimate": to_json(self.estimate),
            "price": to_json(self.price),
            "created": self.created,
        }
        kept = {name: value for name, value in outside.items() if value is not None}
        return {**self.frozen(), "digest": self.digest, **kept}

    def to_json(self) -> str:
        """Canonical JSON text (RFC 8785), one line."""
        return canonical_json(self.to_dict()).decode("utf-8")

    @classmethod
    def from_json(cls, text: str | bytes | Mapping[str, Any]) -> Self:
        """Read a saved plan; one that was edited after it was frozen is refused."""
        try:
            value = dict(text) if isinstance(text, Mapping) else parse_json_text(text, "plan")
            if not isinstance(value, dict):
                raise PlanError("a plan is a JSON object. Save one with `hotfire plan -o json`.")
            schema = value.get("schema")
            if schema != PLAN_SCHEMA:
                raise PlanError(
                    f"the plan has the schema {schema!r}, this Hotfire reads {PLAN_SCHEMA!r}. "
                    "Plan again with `hotfire plan`."
                )
            digest = value.pop("digest", None)
            # An answer of the machines of that day: the plan is the same without it.
            value.pop(NOT_EXECUTABLE, None)
            # The inventory's `null` is part of the frozen form, absence is how it reads.
            plan = from_json(cls, value, "plan")
        except ContractError as error:
            raise PlanError(f"the plan cannot be read: {error}. Plan it again.") from error
        plan.check()
        if digest != plan.digest:
            raise PlanError(
                f"the plan was changed after it was frozen: it says digest {digest}, "
                f"its content has {plan.digest}. Plan again instead of editing."
            )
        return plan

    def check(self) -> None:
        """Refuse a plan that refers to what it does not hold."""
        cells = {cell.key: cell for cell in self.cells}
        tasks = {task.key for task in self.tasks}
        left_out = {cell.key for cell in self.unselected}
        if len(left_out) != len(self.unselected) or left_out & set(cells):
            raise PlanError("a cell of the plan is selected twice, or also not. Plan it again.")
        if len(cells) != len(self.cells) or len(tasks) != len(self.tasks):
            raise PlanError("two cells or two tasks of the plan have one key. Plan it again.")
        for task in self.tasks:
            if task.cell not in cells:
                raise PlanError(f"task {task.key!r} has no cell in the plan. Plan it again.")
        for edge in self.edges:
            if edge.earlier not in tasks or edge.later not in tasks:
                raise PlanError(f"an edge names a task that is not planned: {edge}. Plan it again.")
        for cell in cells.values():
            if cell.inventory is not None and cell.inventory not in self.inventories:
                raise PlanError(f"the inventory of {cell.key!r} is not in the plan. Plan it again.")
            if cell.variant_hash != variant_hash(cell.variant):
                raise PlanError(f"the variant hash of {cell.key!r} is wrong. Plan it again.")

    def expected(self, cell: PlannedCell) -> tuple[str, ...] | None:
        """The tests that a cell must report, or None where no inventory was ever recorded."""
        return None if cell.inventory is None else self.inventories[cell.inventory]

    def unconcerned(self, cell: PlannedCell) -> tuple[str, ...]:
        """The tests that a cell leaves out because no change concerns them."""
        return next((task.spec.leave_out for task in self.tasks if task.cell == cell.key), ())

    def expected_of(self, task: PlannedTask) -> tuple[str, ...] | None:
        """The tests that one task must report: its shard of the cell's inventory."""
        cell = next(cell for cell in self.cells if cell.key == task.cell)
        expected = self.expected(cell)
        return None if expected is None else expected_of_spec(task.spec, task.shard[1], expected)


_NOTHING_OUTSIDE: Mapping[str, Any] = {
    "order": None,
    "coverage": (),
    "durations": (),
    "unanswered": (),
    "blind_gates": (),
    "selection": None,
    "estimate": None,
    "price": None,
    "created": None,
}


def inventory_digest(tests: tuple[str, ...]) -> str:
    """Digest of a sorted list of test identifiers."""
    return canonical_sha256(list(tests))


def pretty(plan: Plan) -> str:
    """The plan as indented JSON, for people."""
    return json.dumps(plan.to_dict(), indent=2, ensure_ascii=False, sort_keys=True)
