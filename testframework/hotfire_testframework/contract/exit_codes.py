"""Exit codes of the runner and what they mean for an attempt: one table for executors, store and docs."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum, IntEnum

from hotfire_testframework.contract.failure import FailureClass


class RunnerExit(IntEnum):
    """What the runner says when it ends; not the exit codes of the command line `hotfire`."""

    PASSED = 0
    PRODUCT_FAILURE = 10
    BAD_CONFIGURATION = 20
    NOTHING_COLLECTED = 21
    DEVICE_MISSING = 30
    DEVICE_FAULT = 31
    DOWNLOAD = 32
    COLLECTIVE_INIT = 33
    SMOKE_TEST = 34
    UPLOAD_OR_DISK = 35
    LAUNCHER_DIED = 36
    TIMED_OUT = 40
    KILLED = 137
    TERMINATED = 143

    @property
    def meaning(self) -> str:
        """One sentence for people."""
        return _SENTENCES[self]


class AttemptEnd(str, Enum):
    """State of an attempt that an exit code leads to (a subset of the attempt's states)."""

    PASSED = "passed"
    FAILED = "failed"
    ERRORED = "errored"
    TIMED_OUT = "timed_out"
    CANCELLED = "cancelled"

    __str__ = str.__str__


@dataclass(frozen=True, slots=True, kw_only=True)
class ExitMeaning:
    """What an exit code says about the attempt."""

    end: AttemptEnd
    failure_class: FailureClass | None
    reason: str


_SENTENCES = {
    RunnerExit.PASSED: "all tests passed",
    RunnerExit.PRODUCT_FAILURE: "tests failed, results are complete",
    RunnerExit.BAD_CONFIGURATION: "the plan or the configuration is wrong",
    RunnerExit.NOTHING_COLLECTED: "no test was collected",
    RunnerExit.DEVICE_MISSING: "a device is missing",
    RunnerExit.DEVICE_FAULT: "a device is at fault",
    RunnerExit.DOWNLOAD: "an input could not be fetched or unpacked",
    RunnerExit.COLLECTIVE_INIT: "the collective did not come up",
    RunnerExit.SMOKE_TEST: "a setup or teardown command failed",
    RunnerExit.UPLOAD_OR_DISK: "results could not be written: disk, quota, upload or claim",
    RunnerExit.LAUNCHER_DIED: "the launcher or emulator died",
    RunnerExit.TIMED_OUT: "a time limit ended the attempt",
    RunnerExit.KILLED: "the runner was killed",
    RunnerExit.TERMINATED: "the attempt was terminated on request",
}

_INFRASTRUCTURE = {
    RunnerExit.DEVICE_MISSING: FailureClass.INFRA_DEVICE,
    RunnerExit.DEVICE_FAULT: FailureClass.INFRA_DEVICE,
    RunnerExit.DOWNLOAD: FailureClass.INFRA_NETWORK,
    RunnerExit.COLLECTIVE_INIT: FailureClass.INFRA_NETWORK,
    RunnerExit.SMOKE_TEST: FailureClass.INFRA_NODE,
    RunnerExit.UPLOAD_OR_DISK: FailureClass.INFRA_NODE,
    RunnerExit.LAUNCHER_DIED: FailureClass.INFRA_NODE,
}


def classify(code: int, *, has_valid_manifest: bool, memory_limit_hit: bool = False) -> ExitMeaning:
    """Return what an exit code of the runner means for its attempt.

    `has_valid_manifest`: the stream ends with a manifest that fits and whose tests equal what was collected;
    without it no exit code is a success or a product failure. `memory_limit_hit`: there is evidence of the
    task's own memory limit, which alone makes 137 the product's.
    A negative code is a signal as `subprocess` reports it and reads like 128 + signal.
    """
    shell_code = 128 - code if code < 0 else code
    # A code 3x is what the runner says with a manifest or without; 0 and 10 need one.
    if shell_code in (RunnerExit.PASSED, RunnerExit.PRODUCT_FAILURE):
        return _judge_completed(RunnerExit(shell_code), has_valid_manifest)
    if shell_code == RunnerExit.KILLED:
        return _judge_kill(memory_limit_hit)
    return _judge_other(shell_code)


def _judge_completed(code: RunnerExit, has_valid_manifest: bool) -> ExitMeaning:
    if not has_valid_manifest:
        reason = (
            f"exit {int(code)} ({code.meaning}) without a valid manifest: results are incomplete"
        )
        return ExitMeaning(
            end=AttemptEnd.ERRORED, failure_class=FailureClass.HARNESS, reason=reason
        )
    if code is RunnerExit.PASSED:
        return ExitMeaning(end=AttemptEnd.PASSED, failure_class=None, reason=code.meaning)
    return ExitMeaning(
        end=AttemptEnd.FAILED, failure_class=FailureClass.PRODUCT, reason=code.meaning
    )


def _judge_kill(memory_limit_hit: bool) -> ExitMeaning:
    if memory_limit_hit:
        return ExitMeaning(
            end=AttemptEnd.FAILED,
            failure_class=FailureClass.PRODUCT,
            reason="killed at the task's own memory limit",
        )
    return ExitMeaning(
        end=AttemptEnd.ERRORED,
        failure_class=FailureClass.INFRA_NODE,
        reason="killed (SIGKILL) without evidence of the task's own memory limit",
    )


def _judge_other(code: int) -> ExitMeaning:
    if code in (RunnerExit.BAD_CONFIGURATION, RunnerExit.NOTHING_COLLECTED):
        return ExitMeaning(
            end=AttemptEnd.ERRORED,
            failure_class=FailureClass.CONFIG,
            reason=RunnerExit(code).meaning,
        )
    if code == RunnerExit.TIMED_OUT:
        return ExitMeaning(
            end=AttemptEnd.TIMED_OUT,
            failure_class=FailureClass.TIMEOUT,
            reason=RunnerExit.TIMED_OUT.meaning,
        )
    if code == RunnerExit.TERMINATED:
        return ExitMeaning(
            end=AttemptEnd.CANCELLED, failure_class=None, reason=RunnerExit.TERMINATED.meaning
        )
    if 30 <= code <= 39:
        known = code in RunnerExit._value2member_map_
        exit_code = RunnerExit(code) if known else None
        failure = _INFRASTRUCTURE[exit_code] if exit_code else FailureClass.INFRA_NODE
        reason = (
            exit_code.meaning
            if exit_code
            else f"infrastructure trouble with the unknown code {code}"
        )
        return ExitMeaning(end=AttemptEnd.ERRORED, failure_class=failure, reason=reason)
    return ExitMeaning(
        end=AttemptEnd.ERRORED,
        failure_class=FailureClass.HARNESS,
        reason=f"the runner ended with the unexpected code {code}",
    )
