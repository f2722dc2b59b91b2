"""Tables of what was asked: source stamp, run, cell, task, edge, inventory."""

from __future__ import annotations

from sqlalchemy import ForeignKey, Index, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column

from hotfire_infra.states import Priority, RunState, RunVerdict, TaskState
from hotfire_infra.store.models.base import (
    Base,
    Count,
    Json,
    Key,
    Name,
    Nanoseconds,
    Reason,
    Sha256,
    Ulid,
    closed,
)


class SourceStamp(Base):
    """Immutable (repository, revision, patch digest): what is under test."""

    __tablename__ = "source_stamp"
    __table_args__ = (UniqueConstraint("repository", "revision", "patch_digest"),)

    id: Mapped[Key]
    repository: Mapped[Name]
    revision: Mapped[Name]
    """Full commit id."""
    patch_digest: Mapped[str]
    """sha256 of what differs from the commit; empty for a clean tree."""
    archive_sha256: Mapped[str | None]
    """Blob with all tracked, changed and untracked files."""
    subject: Mapped[Reason]
    """First line of the commit's message."""


class Run(Base):
    """One request to evaluate a source stamp against a pipeline; the root of all results."""

    __tablename__ = "run"
    __table_args__ = (
        # The home page and `latest`: newest runs of one pipeline.
        Index(None, "pipeline", "id"),
        # The orchestrator's loop: runs that are not finished.
        Index(None, "state"),
        # A new push looks for the runs that it supersedes.
        Index(None, "change", "state"),
        # Which runs were ended for this one.
        Index(None, "superseded_by_run_id"),
        # Runs of the same code: what they measure differently is noise.
        Index(None, "source_stamp_id"),
    )

    id: Mapped[Key]
    ulid: Mapped[Ulid]
    number: Mapped[Count] = mapped_column(unique=True)
    """What people call the run: 1, 2, 3 … in order of creation."""
    pipeline: Mapped[Name]
    source_stamp_id: Mapped[int] = mapped_column(ForeignKey("source_stamp.id"))
    plan_digest: Mapped[Sha256]
    plan_sha256: Mapped[Sha256]
    """Blob of the plan's JSON."""
    state: Mapped[RunState] = mapped_column(closed(RunState, "state"))
    verdict: Mapped[RunVerdict | None] = mapped_column(closed(RunVerdict, "verdict"))
    reason: Mapped[Reason] = mapped_column(default="")
    """One line per thing that keeps the run from passing."""
    headline: Mapped[Reason] = mapped_column(default="")
    """«passed on 2 of 3 platforms»."""
    parent_run_id: Mapped[int | None] = mapped_column(ForeignKey("run.id"))
    """The run that this one retries."""
    requested_by: Mapped[Name]
    created_ns: Mapped[Nanoseconds]
    started_ns: Mapped[Nanoseconds | None]
    finalized_ns: Mapped[Nanoseconds | None]
    cancel_requested_ns: Mapped[Nanoseconds | None]
    priority: Mapped[Priority] = mapped_column(
        closed(Priority, "priority"), default=Priority.DEVELOPER
    )
    team: Mapped[Name] = mapped_column(default="default")
    """Whose share of the machines it uses."""
    change: Mapped[str | None]
    """Branch or change request; a newer run of the same pipeline and change supersedes this one."""
    superseded_by_run_id: Mapped[int | None] = mapped_column(ForeignKey("run.id"))
    merge_base: Mapped[str | None]
    """Revision of the target branch that the change started from."""
    is_trusted: Mapped[bool] = mapped_column(default=True)
    """Whether its tasks may be given secrets."""
    hold_seconds: Mapped[Count] = mapped_column(default=0)
    """How long the machine of a failed attempt is kept for a person."""
    options: Mapped[Json] = mapped_column(default=dict)
    """What else was asked for with the run."""
    purpose: Mapped[Name] = mapped_column(default="result")
    """`result`; `merge-base`: asks whether failures of another run are old; never `latest`."""


class Cell(Base):
    """One task definition × one assignment of its axes: what must be reported, run or not."""

    __tablename__ = "cell"
    __table_args__ = (UniqueConstraint("run_id", "key"),)

    id: Mapped[Key]
    run_id: Mapped[int] = mapped_column(ForeignKey("run.id"))
    key: Mapped[Name]
    """Task name and sorted planned axes, as in the plan."""
    task: Mapped[Name]
    platform: Mapped[Name]
    variant_id: Mapped[int] = mapped_column(ForeignKey("variant.id"))
    required: Mapped[Name]
    """`always` or `when-available`."""
    requires: Mapped[Json]
    """Dimension facts that a machine must offer."""
    inventory_digest: Mapped[str | None]
    """Tests expected, frozen with the plan; none: whatever is collected."""
    left_out: Mapped[Count] = mapped_column(default=0)
    """Tests that the budget of an emulated cell left out."""
    state: Mapped[TaskState] = mapped_column(closed(TaskState, "state"))
    verdict: Mapped[str | None]
    """`Verdict` of the contract."""
    reason: Mapped[Reason] = mapped_column(default="")
    failure_class: Mapped[str | None]
    """`FailureClass` of the contract."""


class Task(Base):
    """One schedulable piece of a cell: the cell itself or one of its shards."""

    __tablename__ = "task"
    __table_args__ = (
        UniqueConstraint("run_id", "key"),
        # Shards of a cell, for its fold.
        Index(None, "cell_id"),
        # Tasks and attempts of a run in order, page by page.
        Index(None, "run_id", "id"),
        # Where a result could be reused from.
        Index(None, "requested_digest"),
        Index(None, "action_digest"),
        # The queue, and what runs.
        Index(None, "state"),
    )

    id: Mapped[Key]
    run_id: Mapped[int] = mapped_column(ForeignKey("run.id"))
    cell_id: Mapped[int] = mapped_column(ForeignKey("cell.id"))
    key: Mapped[Name]
    shard: Mapped[Count]
    shards: Mapped[Count]
    spec: Mapped[Json]
    """TaskSpec of the contract."""
    requested_digest: Mapped[str]
    """Requested part of the action digest as the plan knows it: inputs by their makers."""
    action_digest: Mapped[str | None]
    """The same with every input by its content, once the task was ready."""
    state: Mapped[TaskState] = mapped_column(closed(TaskState, "state"))
    resolution: Mapped[TaskState | None] = mapped_column(closed(TaskState, "resolution"))
    """Why there is no attempt: reused, precluded, not_executable or cancelled."""
    reason: Mapped[Reason] = mapped_column(default="")
    origin_attempt_id: Mapped[int | None] = mapped_column(
        ForeignKey("attempt.id", use_alter=True, name="fk_task_origin_attempt_id_attempt")
    )
    """Where the results of a reused task come from."""
    pending: Mapped[Reason] = mapped_column(default="")
    """Why a queued task has not started yet."""
    queued_ns: Mapped[Nanoseconds | None]
    """When it was last queued: its patience counts from there."""


class Edge(Base):
    """`to_task` needs `from_task`: its success, or an artifact of it."""

    __tablename__ = "edge"

    run_id: Mapped[int] = mapped_column(ForeignKey("run.id"), primary_key=True)
    from_task_id: Mapped[int] = mapped_column(ForeignKey("task.id"), primary_key=True)
    to_task_id: Mapped[int] = mapped_column(ForeignKey("task.id"), primary_key=True)
    kind: Mapped[str] = mapped_column(primary_key=True)
    """`success` or `artifact`."""


class Inventory(Base):
    """A frozen, sorted list of test ids; the list itself is a blob."""

    __tablename__ = "inventory"

    digest: Mapped[Sha256] = mapped_column(primary_key=True)
    sha256: Mapped[Sha256]
    """Blob: a JSON list of test ids."""
    tests: Mapped[Count]


class RecordedInventory(Base):
    """What a cell last collected: the expectation of the next plan."""

    __tablename__ = "recorded_inventory"

    pipeline: Mapped[Name] = mapped_column(primary_key=True)
    cell_key: Mapped[Name] = mapped_column(primary_key=True)
    digest: Mapped[str] = mapped_column(ForeignKey("inventory.digest"))
    run_id: Mapped[int] = mapped_column(ForeignKey("run.id"))
