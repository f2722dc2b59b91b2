"""How an attempt ended: from what the executor saw and what the stream says to state and class."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Self

from hotfire_infra.executors.protocol import Observation
from hotfire_infra.ingest.stream import ManifestCheck
from hotfire_infra.states import AttemptState
from hotfire_testframework.contract.exit_codes import AttemptEnd, RunnerExit, classify
from hotfire_testframework.contract.failure import FailureClass

SIGKILL, SIGTERM = -9, -15


@dataclass(frozen=True, slots=True, kw_only=True)
class Ending:
    """The last transition of an attempt."""

    state: AttemptState
    reason: str
    failure_class: str | None
    source: str
    """Who said so: runner, executor, lease, manifest or request."""
    confidence: float = 1.0

    @classmethod
    def lost(cls, reason: str, source: str) -> Self:
        """Return the end of an attempt that nobody saw end."""
        return cls(
            state=AttemptState.LOST,
            reason=reason,
            failure_class=FailureClass.INFRA_NODE.value,
            source=source,
            confidence=0.8,
        )

    @classmethod
    def cancelled(cls) -> Self:
        """Return the end of an attempt that was asked to end, or had not begun when it was."""
        return cls(
            state=AttemptState.CANCELLED,
            reason="cancelled on request",
            failure_class=None,
            source="request",
        )

    @classmethod
    def unclaimed(cls, reason: str) -> Self:
        """Return the end of an attempt whose runner never claimed: what it did does not count."""
        return cls(
            state=AttemptState.ERRORED,
            reason=f"the runner ended without a claim ({reason})",
            failure_class=FailureClass.HARNESS.value,
            source="runner",
        )


def ending_of(
    seen: Observation, manifest: ManifestCheck, *, is_cancelled: bool, problem: str = ""
) -> Ending:
    """Classify an attempt of which nothing runs any more; `problem` is what its runner met first."""
    code = seen.exit_code
    if is_cancelled and code in (None, SIGKILL, SIGTERM, RunnerExit.KILLED, RunnerExit.TERMINATED):
        return Ending.cancelled()
    if code is None or code == SIGKILL:
        how = seen.detail or ("killed by SIGKILL" if code == SIGKILL else "it left no exit code")
        return Ending.lost(f"the runner vanished: {how}", "executor")
    meaning = classify(code, has_valid_manifest=manifest.is_valid)
    if meaning.end is AttemptEnd.CANCELLED:
        return _terminated()
    if code == RunnerExit.PASSED and manifest.is_valid and manifest.is_empty:
        return Ending(
            state=AttemptState.ERRORED,
            reason="the runner says passed and collected nothing",
            failure_class=FailureClass.CONFIG.value,
            source="manifest",
        )
    reason = meaning.reason
    is_incomplete = code in (RunnerExit.PASSED, RunnerExit.PRODUCT_FAILURE) and manifest.reason
    if is_incomplete:
        reason = f"{reason}: {manifest.reason}"
    elif problem and meaning.end is AttemptEnd.ERRORED:
        reason = f"{reason}: {problem}"
    return Ending(
        state=AttemptState(meaning.end.value),
        reason=reason,
        failure_class=None if meaning.failure_class is None else meaning.failure_class.value,
        source="manifest" if is_incomplete else "runner",
    )


def _terminated() -> Ending:
    """Somebody other than us sent SIGTERM: the machine wants its place back."""
    return Ending(
        state=AttemptState.PREEMPTED,
        reason="terminated by somebody else",
        failure_class=FailureClass.PREEMPTED.value,
        source="runner",
        confidence=0.8,
    )
