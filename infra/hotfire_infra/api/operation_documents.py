"""Documents of running a service: requests, devices, schedules, holds, and the service itself."""

from __future__ import annotations

from typing import Any

from pydantic import BaseModel, Field

from hotfire_infra.api.documents import AT_NS, ATTEMPT, DIGEST, TEST_EXAMPLE, ULID, with_example
from hotfire_infra.api.paging import Page


class PendingTask(BaseModel):
    """A task that has not started, and why."""

    key: str
    cell: str
    state: str
    why: str


class ExonerationDocument(BaseModel):
    """A recorded reason why a failing verdict does not block."""

    test: str | None
    kind: str = Field(description="waiver, known-issue, quarantine or fails-on-merge-base")
    reason: str
    evidence: Any


class RequestDocument(BaseModel):
    """What somebody asked of whoever executes."""

    id: str
    kind: str
    run: str | None
    payload: Any
    state: str = Field(description="open, done or refused")
    reason: str
    requested_by: str
    created_ns: int


REQUEST_EXAMPLE: dict[str, Any] = {
    "id": "01JD3Q8B0000000000000000AB",
    "kind": "cancel",
    "run": ULID,
    "payload": {"reason": "the branch was rewritten"},
    "state": "done",
    "reason": "the branch was rewritten",
    "requested_by": "token:jenkins",
    "created_ns": AT_NS,
}


class RequestPage(Page[RequestDocument]):
    """Recorded requests, newest first."""

    model_config = with_example(items=[REQUEST_EXAMPLE], next=None)


class DeviceDocument(BaseModel):
    """One schedulable unit, its health and what it offers."""

    id: str
    identity: str
    pool: str
    kind: str
    executor: str
    health: str
    reason: str
    facts: Any
    changed_ns: int
    last_seen_ns: int


DEVICE_EXAMPLE: dict[str, Any] = {
    "id": "01JD3Q8D0000000000000000AD",
    "identity": "GPU-6f1c0b2e",
    "pool": "dgx",
    "kind": "NVIDIA H200",
    "executor": "local",
    "health": "good",
    "reason": "",
    "facts": {"driver": "580.82"},
    "changed_ns": AT_NS,
    "last_seen_ns": AT_NS,
}


class DevicePage(Page[DeviceDocument]):
    """Devices in the order in which they became known."""

    model_config = with_example(items=[DEVICE_EXAMPLE], next=None)


class EvidenceDocument(BaseModel):
    """Something that speaks against a device."""

    kind: str
    failure_class: str | None
    source: str
    confidence: float
    detail: str
    at_ns: int
    attempt: str | None


class DeviceDetail(DeviceDocument):
    """A device with the newest evidence against it."""

    model_config = with_example(
        **DEVICE_EXAMPLE,
        evidence=[
            {
                "kind": "xid",
                "failure_class": "infra-device",
                "source": "nvml",
                "confidence": 0.95,
                "detail": "Xid 79",
                "at_ns": AT_NS,
                "attempt": ATTEMPT,
            }
        ],
    )

    evidence: list[EvidenceDocument]


class HealthWish(BaseModel):
    """Which health a device is to have, and why."""

    model_config = with_example(health="maintenance", reason="new firmware")

    health: str = Field(pattern="^(good|bad|maintenance|retired)$")
    reason: str = Field(min_length=1, max_length=2000)


class FiringDocument(BaseModel):
    """One due time and what came of it."""

    due: str
    outcome: str
    at_ns: int
    run: str | None


class ScheduleDocument(BaseModel):
    """A declared schedule and where it stands."""

    name: str
    definition: Any
    next_ns: int | None
    paused: bool
    firings: list[FiringDocument] = Field(description="The newest, at most ten")


class SchedulePage(Page[ScheduleDocument]):
    """Schedules by name."""

    model_config = with_example(
        items=[
            {
                "name": "nightly",
                "definition": {"pipeline": "nightly", "cron": "0 2 * * *"},
                "next_ns": AT_NS,
                "paused": False,
                "firings": [
                    {
                        "due": "2026-11-21T02:00:00Z",
                        "outcome": "started",
                        "at_ns": AT_NS,
                        "run": ULID,
                    }
                ],
            }
        ],
        next=None,
    )


class HoldDocument(BaseModel):
    """A machine kept for a person."""

    id: str
    attempt: str
    reason: str
    held_by: str
    until_ns: int
    released_ns: int | None


class HoldPage(Page[HoldDocument]):
    """Holds, newest first."""

    model_config = with_example(
        items=[
            {
                "id": "01JD3Q8E0000000000000000AE",
                "attempt": ATTEMPT,
                "reason": "the run asked for it",
                "held_by": "user:ada",
                "until_ns": AT_NS,
                "released_ns": None,
            }
        ],
        next=None,
    )


class HolderDocument(BaseModel):
    """Who executes the store now."""

    holder: str
    boot_id: str
    pid: int
    host: str
    command: str


HOLDER_EXAMPLE: dict[str, Any] = {
    "holder": "9c1f:4711:8812",
    "boot_id": "9c1f",
    "pid": 4711,
    "host": "stand-1",
    "command": "hotfire serve",
}


class HolderAnswer(BaseModel):
    """Who executes the store, if anybody does."""

    model_config = with_example(holder=HOLDER_EXAMPLE)

    holder: HolderDocument | None


class ServiceDocument(BaseModel):
    """What this service is, for clients that have to agree with it."""

    model_config = with_example(
        version="0.1.0",
        api=1,
        schema_revision="0002",
        runner_sha256=DIGEST,
        slots=8,
        executes=True,
        is_draining=False,
        target_branches=["main"],
        holder=HOLDER_EXAMPLE,
    )

    version: str
    api: int = Field(description="Grows when a client of the version before would break")
    schema_revision: str
    runner_sha256: str = Field(description="Plans have to be frozen with this runner")
    slots: int = Field(description="What attempts may take at once; shards are cut by it")
    executes: bool = Field(description="Whether this process carries runs out now")
    is_draining: bool
    target_branches: list[str] = Field(description="Where merge bases are looked for")
    holder: HolderDocument | None


class InventoryDocument(BaseModel):
    """What a cell last collected."""

    digest: str
    tests: list[str]


class InventoryAnswer(BaseModel):
    """Recorded inventories of a pipeline, by the key of the cell."""

    model_config = with_example(
        cells={"kernels|platform=linux-x86_64": {"digest": DIGEST, "tests": [TEST_EXAMPLE["test"]]}}
    )

    cells: dict[str, InventoryDocument]


class BlobDocument(BaseModel):
    """Content that is on disk."""

    model_config = with_example(sha256=DIGEST, size=1_048_576)

    sha256: str
    size: int


class ReproductionDocument(BaseModel):
    """What an attempt was told to do."""

    model_config = with_example(
        attempt={
            "attempt": "01JD3Q7A0000000000000000AA",
            "run": "12",
            "task": "kernels|platform=here",
            "spec": {"harness": "command", "command": ["make", "check"]},
            "inputs": [{"name": "source", "path": "/srv/blob", "unpack": True, "sha256": DIGEST}],
        }
    )

    attempt: dict[str, Any]
    """`attempt.json` of docs/formats/runner.md; never with a token or a secret."""


class ArtifactDocument(BaseModel):
    """A named output of an attempt."""

    name: str
    sha256: str
    size: int
    media_type: str


class ArtifactList(BaseModel):
    """The artifacts of an attempt by name."""

    model_config = with_example(
        items=[
            {
                "name": "out.tar.gz",
                "sha256": DIGEST,
                "size": 1_048_576,
                "media_type": "application/gzip",
            }
        ]
    )

    items: list[ArtifactDocument]


ACCURACY_EXAMPLE: dict[str, Any] = {
    "task": "gsm8k",
    "platform": "linux-x86_64",
    "dataset": DIGEST,
    "pairs": 1319,
    "items": 1319,
    "better": 6,
    "worse": 9,
    "errored": 0,
    "drop": 0.00227,
    "low": -0.0029,
    "high": 0.0077,
    "p_value": 0.304,
    "decision": "unchanged",
    "reason": "no drop of 1 point",
    "tolerance": 0.01,
    "alpha": 0.0002,
    "is_gate": True,
    "samples": [1319, 1319],
    "score_change": None,
    "score_p_value": None,
}
COMPARISON_EXAMPLE: dict[str, Any] = {
    "before": 11,
    "after": 12,
    "tests": [{"name": "kernels|platform=linux-x86_64", "before": "passed", "after": "failed"}],
    "metrics": [
        {
            "test": "aestus.performance/pytest/test_speed.py::test_model[decode]",
            "platform": "linux-x86_64",
            "metric": "aestus.decode_rate",
            "unit": "token/s",
            "before": 43.5,
            "after": 39.4,
            "change": "regressed",
            "reason": "the interval excludes no change",
            "interval": [-0.099, -0.118, -0.08],
            "series": DIGEST,
            "noise": "A/A noise ±1.9 % (14 attempts of 5 sources, 2026-11-21)",
            "operators": "operators: attention +31 % (92 % of it)",
            "is_sure": True,
        }
    ],
    "tests_compared": 31,
    "accuracy": [ACCURACY_EXAMPLE],
}
MEASUREMENT_EXAMPLE: dict[str, Any] = {
    "run_id": 12,
    "run_number": 12,
    "revision": "3f2a91c000000000000000000000000000000000",
    "run_created_ns": AT_NS,
    "cell_key": "speed|platform=linux-x86_64",
    "platform": "linux-x86_64",
    "test_id": 4,
    "test": "aestus.performance/pytest/test_speed.py::test_decode",
    "variant_id": 3,
    "variant": {"execution": "native", "platform": "linux-x86_64"},
    "metric": "aestus.decode_rate",
    "version": 1,
    "unit": "token/s",
    "value": 41.7,
    "replicates": [41.2, 41.7, 41.9],
    "probe": 21.0,
    "valid": True,
    "reason": "",
    "environment_class": "avx2",
    "machine": "stand-1",
    "series_key": DIGEST,
}
