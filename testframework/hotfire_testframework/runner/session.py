"""What the parts of the runner share while one attempt runs."""

from __future__ import annotations

import os
import time
from dataclasses import dataclass, field
from typing import Any

from hotfire_testframework.contract.evidence import Evidence, Witness
from hotfire_testframework.contract.exit_codes import RunnerExit
from hotfire_testframework.contract.failure import FailureClass
from hotfire_testframework.contract.stream import Kind
from hotfire_testframework.contract.task import AttemptSpec, TaskSpec
from hotfire_testframework.errors import ContractError, RunnerError
from hotfire_testframework.runner.attempt_dir import AttemptDir
from hotfire_testframework.runner.heartbeat import Heartbeat
from hotfire_testframework.runner.placeholders import Placeholders
from hotfire_testframework.runner.processes import wait_channel
from hotfire_testframework.runner.spool import DiskFullError, Spool, is_disk_full
from hotfire_testframework.runner.stop import StopRequest
from hotfire_testframework.runner.supervise import CommandEnd, Limits, Supervisor

# Failure classes that make an attempt red rather than errored.
RED = frozenset({FailureClass.PRODUCT, FailureClass.TEST, FailureClass.TIMEOUT})


class CancelledError(RunnerError):
    """Somebody asked to stop."""

    def __init__(self, reason: str) -> None:
        super().__init__(f"stopped on request: {reason}", RunnerExit.TERMINATED)


class RunTimeoutError(RunnerError):
    """A phase used up its time."""

    def __init__(self, phase: str, seconds: float) -> None:
        super().__init__(f"{phase} took longer than {seconds:g} s", RunnerExit.TIMED_OUT)


@dataclass(slots=True)
class Session:
    """One attempt on its way; `is_red` and `problems` decide the exit code at the end."""

    directory: AttemptDir
    attempt: AttemptSpec
    spool: Spool
    stop: StopRequest
    heartbeat: Heartbeat
    placeholders: Placeholders
    supervisor: Supervisor
    environment: dict[str, str] = field(default_factory=dict)
    is_red: bool = False
    problems: list[str] = field(default_factory=list)

    @property
    def spec(self) -> TaskSpec:
        """The task."""
        return self.attempt.spec

    def build_environment(self) -> None:
        """Take the runner's environment and put the task's own on top."""
        self.environment = dict(os.environ)
        self.environment.update(self.placeholders.fill_environment(self.spec.env))
        self.environment.setdefault("PYTHONUNBUFFERED", "1")
        # A Python that hangs is asked for its stacks by SIGABRT.
        self.environment.setdefault("PYTHONFAULTHANDLER", "1")
        self.environment["HOTFIRE_ATTEMPT"] = self.attempt.attempt

    def run_limits(self, deadline: float) -> Limits:
        """Return the limits of the run phase."""
        times = self.spec.timeouts
        return Limits(
            deadline=deadline,
            grace_s=times.grace_s,
            silence_s=times.silence_s,
            test_s=times.test_s,
        )

    def start_test(self, test: str, attempt_number: int) -> None:
        """Record that a test begins."""
        self.heartbeat.test = self.spool.redactor.text(test)
        self.spool.emit(Kind.TEST_START, {"test": test, "try": attempt_number})

    def end_test(self, body: dict[str, Any]) -> None:
        """Record a result; on a full disk a failure is the disk's, not the product's."""
        self.heartbeat.test = ""
        failed = body["outcome"] in ("failed", "errored")
        if failed and is_disk_full(self.directory.root):
            self.spool.release_ballast()
            body = {
                **body,
                "outcome": "errored",
                "failure_class": FailureClass.INFRA_NODE.value,
                "message": f"no space left on the device; the test said: {body.get('message', '')}",
            }
            test = str(body["test"])
            self.witness(Evidence.of(Witness.DISK_FULL, "runner", str(body["message"]), test=test))
            self.spool.emit(Kind.TEST_ATTEMPT, body)
            raise DiskFullError("the test's own files")
        self.spool.emit(Kind.TEST_ATTEMPT, body)
        if failed and body.get("failure_class", FailureClass.PRODUCT.value) in RED:
            self.is_red = True

    def report(self, what: str, detail: str = "") -> None:
        """Record trouble that is no test's result; the attempt cannot pass any more."""
        self.problems.append(what)
        body = {"what": what, "detail": detail} if detail else {"what": what}
        self.spool.emit(Kind.PROBLEM, body)

    def witness(self, item: Evidence) -> None:
        """Record evidence of a failure, at the point where it is seen."""
        self.spool.emit(Kind.EVIDENCE, item.to_json())

    def require_killed(self, end: CommandEnd) -> None:
        """Raise for processes that SIGKILL did not end: what they hold cannot be given to others."""
        if not end.unkillable:
            return
        waits = ", ".join(wait_channel(pid) for pid in end.unkillable)
        message = f"{len(end.unkillable)} processes do not die of SIGKILL; they wait in {waits}"
        is_driver = "nv" in waits or "uvm" in waits
        failure = FailureClass.INFRA_DEVICE if is_driver else None
        item = Evidence.of(Witness.UNKILLABLE, "runner", message, failure_class=failure)
        self.witness(item)
        code = RunnerExit.DEVICE_FAULT if is_driver else RunnerExit.LAUNCHER_DIED
        raise RunnerError(message, code)

    def pass_on(self, kind: str, body: dict[str, Any]) -> None:
        """Emit a record that came from a harness; a broken one is reported, not dropped in silence."""
        try:
            self.spool.emit(kind, body)
        except ContractError as error:
            self.report(f"a {kind} record was refused", str(error))


def duration_since(began: float) -> int:
    """Return the nanoseconds since a monotonic time in seconds."""
    return max(0, int((time.monotonic() - began) * 1e9))
