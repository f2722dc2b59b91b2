"""Evidence of why something failed: noted where it happened, weighed later by whoever sees all of it.

An item is one observation of one witness. It names the failure class that it speaks for and how much it
says (confidence); it decides nothing by itself. Kinds that this version does not know are kept and weighed
by what they say of themselves.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum
from typing import Any

from hotfire_testframework.contract.failure import FailureClass

DETAIL_LENGTH = 500
"""Signs of a detail that are kept; the whole of it is in logs and artifacts."""


class Witness(str, Enum):
    """What was seen; the table of `PRESUMPTIONS` says what each speaks for."""

    EXIT_CODE = "exit-code"
    CRASH = "crash"
    MEMORY_LIMIT = "memory-limit"
    OUT_OF_MEMORY = "out-of-memory"
    KILLED = "killed"
    EMULATOR = "emulator"
    HANG = "hang"
    UNKILLABLE = "unkillable"
    DISK_FULL = "disk-full"
    DOWNLOAD_REFUSED = "download-refused"
    DOWNLOAD_FAILED = "download-failed"
    DOWNLOAD_CORRUPT = "download-corrupt"
    XID = "xid"
    XID_OF_PROGRAM = "xid-of-program"
    ECC = "ecc"
    DEVICE_LOST = "device-lost"
    LEASE = "lease"
    VANISHED = "vanished"
    MANIFEST = "manifest"
    TERMINATED = "terminated"
    SUBMISSION = "submission"
    EVICTED = "evicted"
    NODE_LOST = "node-lost"
    IMAGE = "image"
    DEADLINE = "deadline"
    REQUEST = "request"

    __str__ = str.__str__


@dataclass(frozen=True, slots=True)
class Presumption:
    """What one kind of evidence speaks for, and how much, when the witness says nothing else."""

    failure_class: FailureClass
    confidence: float
    meaning: str


_F = FailureClass
PRESUMPTIONS: Mapping[Witness, Presumption] = {
    Witness.EXIT_CODE: Presumption(_F.UNKNOWN, 0.5, "the runner's exit code, by its own table"),
    Witness.CRASH: Presumption(_F.PRODUCT, 0.8, "the code under test died of its own signal"),
    Witness.MEMORY_LIMIT: Presumption(_F.PRODUCT, 0.95, "the task's own memory limit was hit"),
    Witness.OUT_OF_MEMORY: Presumption(_F.INFRA_NODE, 0.95, "the machine ran out of memory"),
    Witness.KILLED: Presumption(_F.INFRA_NODE, 0.6, "SIGKILL from outside, by nobody known"),
    Witness.EMULATOR: Presumption(_F.INFRA_NODE, 0.8, "the emulator died, not its guest"),
    Witness.HANG: Presumption(_F.TIMEOUT, 0.8, "no output, or no end, for the stated time"),
    Witness.UNKILLABLE: Presumption(_F.INFRA_NODE, 0.9, "a process did not die of SIGKILL"),
    Witness.DISK_FULL: Presumption(_F.INFRA_NODE, 0.95, "no space left, or a quota used up"),
    Witness.DOWNLOAD_REFUSED: Presumption(_F.CONFIG, 0.8, "the host answered: not this (4xx)"),
    Witness.DOWNLOAD_FAILED: Presumption(_F.INFRA_NETWORK, 0.9, "no answer, or 408, 429, 5xx"),
    Witness.DOWNLOAD_CORRUPT: Presumption(_F.INFRA_NETWORK, 0.7, "other bytes than expected"),
    Witness.XID: Presumption(_F.INFRA_DEVICE, 0.95, "the driver reports a fault of the device"),
    Witness.XID_OF_PROGRAM: Presumption(_F.PRODUCT, 0.6, "the driver reports a program's fault"),
    Witness.ECC: Presumption(_F.INFRA_DEVICE, 0.95, "uncorrectable errors of device memory"),
    Witness.DEVICE_LOST: Presumption(_F.INFRA_DEVICE, 0.95, "the device does not answer any more"),
    Witness.LEASE: Presumption(_F.INFRA_NODE, 0.7, "no sign of life until the lease was over"),
    Witness.VANISHED: Presumption(_F.INFRA_NODE, 0.7, "the runner ended and left no exit code"),
    Witness.MANIFEST: Presumption(_F.HARNESS, 0.9, "the stream does not fit its own manifest"),
    Witness.TERMINATED: Presumption(_F.PREEMPTED, 0.8, "SIGTERM from somebody else"),
    Witness.SUBMISSION: Presumption(_F.INFRA_NODE, 0.8, "the attempt could not be started"),
    Witness.EVICTED: Presumption(_F.PREEMPTED, 0.95, "the cluster took its place back"),
    Witness.NODE_LOST: Presumption(_F.INFRA_NODE, 0.95, "its node went, or could not go on"),
    Witness.IMAGE: Presumption(_F.INFRA_NETWORK, 0.9, "its image could not be had"),
    Witness.DEADLINE: Presumption(_F.INFRA_NODE, 0.9, "a limit behind the runner's own ended it"),
    Witness.REQUEST: Presumption(_F.UNKNOWN, 0.0, "somebody asked for the end"),
}
"""The one table of what evidence means; the operator's guide prints it."""

HARDWARE = frozenset({Witness.XID, Witness.ECC, Witness.DEVICE_LOST})
"""What no program can cause: it stands against a device whatever the tests say."""

CERTAIN = 0.9
"""From here on a single item decides by itself."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Evidence:
    """One observation; `kind` is a `Witness`, or a word of a newer version."""

    kind: str
    failure_class: FailureClass
    source: str
    """Who saw it: runner, executor, lease, manifest, driver, kernel, request."""
    confidence: float
    detail: str = ""
    device: str = ""
    """Identity of the device it speaks against, where it names one."""
    test: str = ""
    """Test that was in flight, where that is known."""

    @classmethod
    def of(
        cls,
        kind: Witness,
        source: str,
        detail: str = "",
        *,
        failure_class: FailureClass | None = None,
        confidence: float | None = None,
        device: str = "",
        test: str = "",
    ) -> Evidence:
        """Return evidence with what the table presumes, unless the witness knows better."""
        presumed = PRESUMPTIONS[kind]
        return cls(
            kind=kind.value,
            failure_class=failure_class or presumed.failure_class,
            source=source,
            confidence=presumed.confidence if confidence is None else confidence,
            detail=detail[:DETAIL_LENGTH],
            device=device,
            test=test,
        )

    @property
    def is_hardware(self) -> bool:
        """Whether no program can have caused it."""
        is_such = self.kind in {witness.value for witness in HARDWARE}
        return is_such and self.confidence >= CERTAIN

    def to_json(self) -> dict[str, Any]:
        """Return the body of an `evidence` record; `what` because a record's own kind is `kind`."""
        body: dict[str, Any] = {
            "what": self.kind,
            "class": self.failure_class.value,
            "source": self.source,
            "confidence": self.confidence,
        }
        optional = {"detail": self.detail, "device": self.device, "test": self.test}
        return {**body, **{name: text for name, text in optional.items() if text}}

    @classmethod
    def from_json(cls, body: Mapping[str, Any]) -> Evidence:
        """Read a body of any version: a class that is unknown here speaks for nothing."""
        word = str(body.get("class", ""))
        is_known = word in {item.value for item in FailureClass}
        confidence = body.get("confidence", 0.0)
        is_number = type(confidence) in (int, float)
        return cls(
            kind=str(body.get("what", "unknown")),
            failure_class=FailureClass(word) if is_known else FailureClass.UNKNOWN,
            source=str(body.get("source", "runner")),
            confidence=min(1.0, max(0.0, float(confidence))) if is_number else 0.0,
            detail=str(body.get("detail", ""))[:DETAIL_LENGTH],
            device=str(body.get("device", "")),
            test=str(body.get("test", "")),
        )


def of_answer(name: str, status: int | None, detail: str = "") -> Evidence:
    """Judge a download by the host's answer: `status` is the HTTP code, None for no answer at all.

    A refusal (4xx) is the request's fault and the same next time; 408, 429, 5xx and silence pass.
    """
    said = "no answer" if status is None else f"HTTP {status}"
    text = f"{name}: {said}" + (f" ({detail})" if detail else "")
    if status is not None and 400 <= status < 500 and status not in (408, 425, 429):
        return Evidence.of(Witness.DOWNLOAD_REFUSED, "runner", text)
    return Evidence.of(Witness.DOWNLOAD_FAILED, "runner", text)
