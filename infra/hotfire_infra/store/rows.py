"""What queries return: frozen values with the words of DESIGN, free of the database."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from hotfire_infra.states import (
    AttemptState,
    DeviceHealth,
    Priority,
    RunState,
    RunVerdict,
    TaskState,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class SourceRow:
    """What is under test."""

    repository: str
    revision: str
    patch_digest: str
    """Empty for a clean tree."""
    subject: str
    archive_sha256: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class RunRow:
    """One run, without its cells."""

    id: int
    ulid: str
    number: int
    pipeline: str
    plan_digest: str
    plan_sha256: str
    state: RunState
    verdict: RunVerdict | None
    reasons: tuple[str, ...]
    headline: str
    parent_number: int | None
    requested_by: str
    created_ns: int
    started_ns: int | None
    finalized_ns: int | None
    cancel_requested_ns: int | None
    source: SourceRow
    priority: Priority = Priority.DEVELOPER
    team: str = "default"
    change: str | None = None
    hold_seconds: int = 0
    is_trusted: bool = True
    """Whether its tasks may be given secrets."""
    superseded_by_number: int | None = None
    """The newer run of the same change that it was ended for."""
    devices: Mapping[str, str] = field(default_factory=dict)
    """Identity of the one device that will do, by cell key; others are free to choose."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CellRow:
    """One cell of a run with what its attempts and tests came to."""

    id: int
    key: str
    task: str
    platform: str
    variant: Mapping[str, str]
    variant_hash: str
    variant_id: int
    required: str
    requires: Any
    state: TaskState
    verdict: str | None
    """None while nothing is decided."""
    reason: str
    failure_class: str | None
    inventory_digest: str | None
    expected: int | None
    """Tests that the frozen inventory expects; None without one."""
    left_out: int
    attempts: int
    tests: Mapping[str, int]
    """Number of tests by verdict; while the cell runs, by outcome of what has come in."""
    started_ns: int | None
    ended_ns: int | None
    pending: str = ""
    """Why nothing of it runs yet; empty once something does."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TaskRow:
    """One schedulable piece of a cell."""

    id: int
    run_id: int
    cell_id: int
    key: str
    shard: int
    shards: int
    state: TaskState
    resolution: TaskState | None
    reason: str
    requested_digest: str
    origin_attempt_id: int | None = None
    """Where the results of a reused task come from."""
    pending: str = ""
    """Why a queued task has not started yet."""
    queued_ns: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class AttemptRow:
    """One attempt of a task."""

    id: int
    ulid: str
    task_id: int
    task_key: str
    cell_id: int
    run_id: int
    number: int
    state: AttemptState
    reason: str
    failure_class: str | None
    failure_source: str | None
    executor: str
    holder: str | None
    fence: int
    boot_id: str
    lease_expires_mono_ns: int
    exit_code: int | None
    created_ns: int
    started_ns: int | None
    ended_ns: int | None
    acked_seq: int
    acked_bytes: int
    in_flight: tuple[str, ...]
    environment_id: int | None
    device_id: int | None = None
    purpose: str = "result"
    """Anything else never counts for the run."""
    confidence: float | None = None
    evidence: Any = None
    """Bodies of `contract.evidence.Evidence`; None before the end."""


@dataclass(frozen=True, slots=True, kw_only=True)
class DeviceRow:
    """One schedulable unit and whether it may be given work."""

    id: int
    ulid: str
    identity: str
    pool: str
    kind: str
    executor: str
    facts: Mapping[str, Any]
    health: DeviceHealth
    reason: str
    changed_ns: int
    last_seen_ns: int


@dataclass(frozen=True, slots=True, kw_only=True)
class DeviceEvidenceRow:
    """Something that was noted of a device."""

    id: int
    device_id: int
    attempt_id: int | None
    attempt_ulid: str | None
    kind: str
    failure_class: str | None
    source: str
    confidence: float
    detail: str
    at_ns: int


@dataclass(frozen=True, slots=True, kw_only=True)
class DifferentialRow:
    """A 2×2 rerun, with the failure that asked for it."""

    id: int
    ulid: str
    device_id: int
    attempt_id: int
    attempt_ulid: str
    task_id: int
    task_key: str
    run_id: int
    state: str
    body: Mapping[str, Any]
    conclusion: str | None
    created_ns: int


@dataclass(frozen=True, slots=True)
class TransitionRow:
    """One step of the story of an entity."""

    from_state: str | None
    to_state: str
    reason: str
    at_ns: int
    by: str


@dataclass(frozen=True, slots=True, kw_only=True)
class TestRow:
    """The verdict of one test × variant in one run, with the result that decided it."""

    __test__ = False

    test: str
    cell_id: int
    cell_key: str
    verdict: str
    failure_class: str | None
    tries: int
    duration_ns: int
    message: str
    detail: str
    environment_class: str | None
    metrics: Mapping[str, Any]
    attempt_ulid: str | None
    is_new: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class EventRow:
    """One outbox row of a run: what a watcher is told."""

    id: int
    topic: str
    """`run.<state>`, `cell.<state>`, `task.<state>`, `attempt.<state>`, `attempt.progress`."""
    payload: Mapping[str, Any]
    created_ns: int


@dataclass(frozen=True, slots=True, kw_only=True)
class HolderRow:
    """Who executes this store now."""

    holder: str
    boot_id: str
    pid: int
    host: str
    command: str


@dataclass(frozen=True, slots=True, kw_only=True)
class RunSnapshot:
    """A run with its cells, in the order of the plan."""

    run: RunRow
    cells: tuple[CellRow, ...]
    tasks: tuple[TaskRow, ...]
