"""How an attempt ended: from what the executor saw and what the stream says to state and class."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Self

from hotfire_infra.executors.protocol import Observation
from hotfire_infra.ingest.reports import ReadReports
from hotfire_infra.ingest.stream import ManifestCheck
from hotfire_infra.orchestrator import classification
from hotfire_infra.states import ATTEMPT_COUNTED, AttemptState
from hotfire_testframework.contract.evidence import Evidence, Witness
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
    evidence: tuple[Evidence, ...] = ()
    """Everything that was weighed, the exit code or the lease among it."""

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
    seen: Observation,
    manifest: ManifestCheck,
    *,
    is_cancelled: bool,
    problem: str = "",
    evidence: Sequence[Evidence] = (),
    reports: ReadReports | None = None,
) -> Ending:
    """Classify an attempt of which nothing runs any more.

    `problem` is what its runner met first; `evidence` what its stream holds. Exit code and manifest
    say how it ended, all evidence together whose trouble that was. `reports` decide where the runner
    has only carried out a command that writes down its tests itself.
    """
    if reports is not None and seen.exit_code == RunnerExit.PASSED and manifest.is_valid:
        said = _by_reports(reports)
    else:
        taken = None if is_cancelled or manifest.is_valid else taken_away(seen)
        said = taken or _by_exit(seen, manifest, is_cancelled=is_cancelled, problem=problem)
    return weighed(said, [*evidence, *seen.evidence], exit_code=seen.exit_code)


def weighed(said: Ending, evidence: Sequence[Evidence], *, exit_code: int | None = None) -> Ending:
    """Hold an ending against all evidence.

    - A device that reports a fault of its own ends any attempt but a passed one errored: its results
      say nothing of the product.
    - A runner killed at the task's own memory limit failed; every other kill is the machine's.
    - Of an attempt that did not come to its end the class is what all evidence says, without what
      speaks for the product: that costs a test its result, not the attempt its end.
    """
    if said.state in (AttemptState.PASSED, AttemptState.CANCELLED):
        return replace(said, evidence=tuple(evidence))
    faults = [item for item in evidence if item.is_hardware]
    whole = (*evidence, _own_word(said))
    if (said.state in ATTEMPT_COUNTED or said.source == REPORT_SOURCE) and not faults:
        return replace(said, evidence=whole)
    if exit_code in (SIGKILL, RunnerExit.KILLED) and not faults:
        limit = next((item for item in evidence if item.kind == Witness.MEMORY_LIMIT), None)
        if limit is not None:
            return _at_memory_limit(limit, whole)
    found = classification.classify(faults or [item for item in whole if _tells_of_an_end(item)])
    state = AttemptState.ERRORED if said.state in ATTEMPT_COUNTED else said.state
    if state is AttemptState.PREEMPTED and not faults:
        return replace(said, evidence=whole)
    is_own = found.source == said.source and found.failure_class.value == said.failure_class
    return Ending(
        state=AttemptState.ERRORED if faults else state,
        reason=said.reason if is_own or not found.reason else f"{said.reason}: {found.reason}",
        failure_class=found.failure_class.value,
        source=found.source,
        confidence=found.confidence,
        evidence=whole,
    )


REPORT_SOURCE = "report"
"""The runner came to its end, and what its command has written down decides."""
LEASE_SOURCE = "lease"
"""Nobody saw the attempt end: its time ran out."""
_SOURCES = {LEASE_SOURCE: Witness.LEASE, "executor": Witness.VANISHED, "manifest": Witness.MANIFEST}
SAID_CONFIDENCE = 0.85
"""Of a class that stands for an exit code: the runner was there, and saw only its own side."""


def _own_word(said: Ending) -> Evidence:
    """Return what exit code, lease or manifest say, as one piece of evidence among the others."""
    kind = _SOURCES.get(said.source, Witness.EXIT_CODE)
    if said.state is AttemptState.PREEMPTED:
        kind = Witness.TERMINATED
    failure = FailureClass(said.failure_class) if said.failure_class else None
    sure = min(said.confidence, SAID_CONFIDENCE)
    return Evidence.of(kind, said.source, said.reason, failure_class=failure, confidence=sure)


def _tells_of_an_end(item: Evidence) -> bool:
    return item.failure_class not in (
        FailureClass.PRODUCT,
        FailureClass.TEST,
        FailureClass.TIMEOUT,
        FailureClass.UNKNOWN,
    )


def _at_memory_limit(limit: Evidence, whole: tuple[Evidence, ...]) -> Ending:
    return Ending(
        state=AttemptState.FAILED,
        reason=f"killed at the task's own memory limit: {limit.detail}",
        failure_class=FailureClass.PRODUCT.value,
        source=limit.source,
        confidence=limit.confidence,
        evidence=whole,
    )


def taken_away(seen: Observation) -> Ending | None:
    """Return the end of an attempt that did not come to its own: an executor saw what took it.

    Only of a runner that left no verdict; one that ended with a whole stream keeps what it said,
    whatever became of its machine a moment later.
    """
    if seen.exit_code not in _CUT_SHORT:
        return None
    witnesses = {item.kind: item for item in seen.evidence if item.confidence >= SAID_CONFIDENCE}
    found = next(((kind, witnesses[kind]) for kind in _TAKEN_AWAY if kind in witnesses), None)
    if found is None:
        return None
    kind, item = found
    return Ending(
        state=_TAKEN_AWAY[kind],
        reason=item.detail or kind,
        failure_class=item.failure_class.value,
        source=item.source,
        confidence=item.confidence,
    )


_TAKEN_AWAY = {
    Witness.EVICTED: AttemptState.PREEMPTED,
    Witness.NODE_LOST: AttemptState.LOST,
    Witness.DEADLINE: AttemptState.ERRORED,
    Witness.IMAGE: AttemptState.ERRORED,
    Witness.SUBMISSION: AttemptState.ERRORED,
}
"""State by what an executor saw; the first that was seen counts."""
_CUT_SHORT = frozenset(
    {None, SIGKILL, SIGTERM, *map(int, (
        RunnerExit.PASSED, RunnerExit.PRODUCT_FAILURE, RunnerExit.UPLOAD_OR_DISK,
        RunnerExit.KILLED, RunnerExit.TERMINATED,
    ))}
)  # fmt: skip
"""Exit codes that a runner may leave which was not let come to its end."""


def _by_exit(
    seen: Observation, manifest: ManifestCheck, *, is_cancelled: bool, problem: str
) -> Ending:
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
    elif (problem or seen.detail) and meaning.end is AttemptEnd.ERRORED:
        reason = f"{reason}: {problem or seen.detail}"
    return Ending(
        state=AttemptState(meaning.end.value),
        reason=reason,
        failure_class=None if meaning.failure_class is None else meaning.failure_class.value,
        source="manifest" if is_incomplete else "runner",
    )


def _by_reports(found: ReadReports) -> Ending:
    """Judge a command by what it has written down; no answer is never a green one."""
    files = ", ".join(found.files)
    if found.faults:
        return Ending(
            state=AttemptState.ERRORED,
            reason="; ".join(found.faults),
            failure_class=FailureClass.HARNESS.value,
            source=REPORT_SOURCE,
        )
    if not found.tests:
        nothing = classify(RunnerExit.NOTHING_COLLECTED, has_valid_manifest=True)
        return Ending(
            state=AttemptState(nothing.end.value),
            reason=f"{nothing.reason}: no test is in {files}",
            failure_class=None if nothing.failure_class is None else nothing.failure_class.value,
            source=REPORT_SOURCE,
        )
    if found.errored and not found.failed:
        return Ending(
            state=AttemptState.ERRORED,
            reason=f"tests in {files} could not be asked",
            failure_class=FailureClass.TEST.value,
            source=REPORT_SOURCE,
        )
    if found.failed or found.exit_code:
        red = f"tests in {files} failed"
        alone = f"the command ended with {found.exit_code}, and no test in {files} failed"
        return Ending(
            state=AttemptState.FAILED,
            reason=red if found.failed else alone,
            failure_class=FailureClass.PRODUCT.value,
            source=REPORT_SOURCE,
        )
    return Ending(
        state=AttemptState.PASSED,
        reason=f"all tests in {files} passed",
        failure_class=None,
        source=REPORT_SOURCE,
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
