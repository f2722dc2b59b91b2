"""Harness `command`: the command is one test; it passes with exit 0.

With `reports` the tests are those that the command writes down, and ingest reads them. Then the
command is a test only where it did not come to an end of its own: its report may say nothing of that.
"""

from __future__ import annotations

import time
from typing import Any

from hotfire_testframework.contract.evidence import Evidence, Witness
from hotfire_testframework.contract.exit_codes import RunnerExit
from hotfire_testframework.contract.failure import FailureClass
from hotfire_testframework.contract.identifiers import command_test_id
from hotfire_testframework.contract.stream import Kind
from hotfire_testframework.errors import RunnerError
from hotfire_testframework.runner.artifacts import record_artifact
from hotfire_testframework.runner.deaths import (
    describe_end,
    find_guest_signal,
    judge_death,
)
from hotfire_testframework.runner.reports import forget_reports, keep_reports
from hotfire_testframework.runner.session import (
    CancelledError,
    RunTimeoutError,
    Session,
    duration_since,
)
from hotfire_testframework.runner.supervise import CommandEnd, Ended, Watch
from hotfire_testframework.runner.tail import Tail
from hotfire_testframework.runner.telemetry.memory import MemoryCounters, read_counters

PASSED_ON = frozenset({"measurement", "accuracy_sample", "coverage", "evidence"})
TAIL_LINES = 40


def run_command(session: Session, deadline: float) -> None:
    """Run the one command and record it as a test."""
    test = session.spec.test or str(command_test_id(session.attempt.task))
    reports = session.spec.reports
    if reports:
        forget_reports(session)
    else:
        _begin(session, test)
    events = Tail(session.directory.events / "command.jsonl")
    environment = {**session.environment, "HOTFIRE_EVENTS": str(events.path)}
    launcher = session.placeholders.launcher
    argv = [*launcher, *session.placeholders.fill_argv((*session.spec.command, *session.spec.args))]
    error_offset = _size(session)
    memory_before = read_counters()
    began = time.monotonic()

    def pump() -> bool:
        found = events.read()
        for event in found:
            kind = str(event.pop("kind", ""))
            if kind in PASSED_ON:
                session.pass_on(kind, {"test": test, **event} if kind != "coverage" else event)
        return bool(found)

    try:
        end = session.supervisor.run(
            argv,
            env=environment,
            limits=session.run_limits(deadline),
            watch=Watch(pump=pump, test_began=lambda: began),
        )
    except OSError as error:
        if reports:
            _begin(session, test)
        _refuse_start(session, test, argv[0], error)
    if reports:
        keep_reports(session, end.returncode)
        if end.ended is Ended.ITSELF and end.returncode >= 0:
            _keep_artifacts(session, end)
            return
        _begin(session, test)
    body = {"test": test, "try": 1, "duration_ns": duration_since(began)}
    body.update(_judge(session, end, error_offset, memory_before))
    _finish(session, end, body)


def _begin(session: Session, test: str) -> None:
    session.spool.emit(Kind.COLLECTED, {"harness": "command", "tests": [test]})
    session.start_test(test, 1)


def _finish(session: Session, end: CommandEnd, body: dict[str, Any]) -> None:
    _keep_artifacts(session, end)
    session.end_test(body)
    if end.ended is Ended.RUN_TIMEOUT:
        raise RunTimeoutError("run", session.spec.timeouts.run_s)
    if body.get("failure_class") == FailureClass.INFRA_NODE.value:
        raise RunnerError(str(body["message"]), RunnerExit.LAUNCHER_DIED)


def _keep_artifacts(session: Session, end: CommandEnd) -> None:
    session.require_killed(end)
    if end.ended is Ended.CANCELLED:
        raise CancelledError(session.stop.reason)
    for name in end.artifacts:
        record_artifact(session.directory, session.spool, name)


def _judge(
    session: Session, end: CommandEnd, error_offset: int, memory_before: MemoryCounters
) -> dict[str, Any]:
    if end.ended is Ended.ITSELF and end.returncode == 0:
        return {"outcome": "passed"}
    if end.ended is not Ended.ITSELF:
        if end.ended is Ended.FLOOD:
            message = "wrote more log than an attempt may"
            return {"outcome": "failed", "failure_class": "product", "message": message}
        return _hang(session, end)
    detail = _last_lines(session)
    if end.returncode > 0:
        message = f"the command ended with {describe_end(end.returncode)}"
        return {
            "outcome": "failed",
            "failure_class": "product",
            "message": message,
            "detail": detail,
        }
    death = judge_death(
        end.returncode,
        is_emulated=session.spec.emulated and bool(session.spec.launcher),
        crash_signal=None,
        guest_signal=find_guest_signal(session.directory.stderr, error_offset),
        memory_limit_hit=(now := read_counters()).hit_limit_since(memory_before),
        machine_out_of_memory=now.hit_machine_since(memory_before),
    )
    test = session.heartbeat.test
    session.witness(Evidence.of(death.witness, "runner", death.message, test=test))
    return {
        "outcome": death.outcome.value,
        "failure_class": death.failure_class.value,
        "message": death.message,
        "detail": detail,
    }


def _hang(session: Session, end: CommandEnd) -> dict[str, Any]:
    times = session.spec.timeouts
    words = {
        Ended.SILENCE: f"gave no output for {times.silence_s:g} s",
        Ended.TEST_TIMEOUT: f"took longer than {times.test_s:g} s",
    }.get(end.ended, f"took longer than the run's {times.run_s:g} s")
    message = f"{words}; {end.remains}"
    test = session.heartbeat.test
    session.witness(Evidence.of(Witness.HANG, "runner", f"{test} {message}", test=test))
    return {"outcome": "failed", "failure_class": "timeout", "message": message}


def _refuse_start(session: Session, test: str, program: str, error: OSError) -> None:
    message = f"{program!r} cannot be started: {error.strerror or error}"
    session.end_test(
        {
            "test": test,
            "try": 1,
            "outcome": "errored",
            "failure_class": "config",
            "duration_ns": 0,
            "message": message,
        }
    )
    raise RunnerError(message, RunnerExit.BAD_CONFIGURATION) from error


def _last_lines(session: Session) -> str:
    try:
        data = session.directory.stderr.read_bytes()[-16384:]
    except OSError:
        return ""
    return "\n".join(data.decode(errors="replace").splitlines()[-TAIL_LINES:])


def _size(session: Session) -> int:
    try:
        return session.directory.stderr.stat().st_size
    except OSError:
        return 0
