"""Harness `command`: the command is one test; it passes with exit 0."""

from __future__ import annotations

import time
from typing import Any

from hotfire_testframework.contract.exit_codes import RunnerExit
from hotfire_testframework.contract.failure import FailureClass
from hotfire_testframework.contract.identifiers import command_test_id
from hotfire_testframework.contract.stream import Kind
from hotfire_testframework.errors import RunnerError
from hotfire_testframework.runner.artifacts import record_artifact
from hotfire_testframework.runner.deaths import (
    count_memory_kills,
    describe_end,
    find_guest_signal,
    judge_death,
)
from hotfire_testframework.runner.session import (
    CancelledError,
    RunTimeoutError,
    Session,
    duration_since,
)
from hotfire_testframework.runner.supervise import CommandEnd, Ended, Watch
from hotfire_testframework.runner.tail import Tail

PASSED_ON = frozenset({"measurement", "accuracy_sample", "coverage"})
TAIL_LINES = 40


def run_command(session: Session, deadline: float) -> None:
    """Run the one command and record it as a test."""
    test = session.spec.test or str(command_test_id(session.attempt.task))
    session.spool.emit(Kind.COLLECTED, {"harness": "command", "tests": [test]})
    events = Tail(session.directory.events / "command.jsonl")
    environment = {**session.environment, "HOTFIRE_EVENTS": str(events.path)}
    launcher = session.placeholders.launcher
    argv = [*launcher, *session.placeholders.fill_argv((*session.spec.command, *session.spec.args))]
    error_offset = _size(session)
    kills_before = count_memory_kills()
    session.start_test(test, 1)
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
        _refuse_start(session, test, argv[0], error)
    body = {"test": test, "try": 1, "duration_ns": duration_since(began)}
    body.update(_judge(session, end, error_offset, count_memory_kills() != kills_before))
    _finish(session, end, body)


def _finish(session: Session, end: CommandEnd, body: dict[str, Any]) -> None:
    if end.ended is Ended.CANCELLED:
        raise CancelledError(session.stop.reason)
    if end.stacks:
        record_artifact(session.directory, session.spool, end.stacks)
    session.end_test(body)
    if end.ended is Ended.RUN_TIMEOUT:
        raise RunTimeoutError("run", session.spec.timeouts.run_s)
    if body.get("failure_class") == FailureClass.INFRA_NODE.value:
        raise RunnerError(str(body["message"]), RunnerExit.LAUNCHER_DIED)


def _judge(
    session: Session, end: CommandEnd, error_offset: int, memory_limit_hit: bool
) -> dict[str, Any]:
    if end.ended is Ended.ITSELF and end.returncode == 0:
        return {"outcome": "passed"}
    if end.ended is not Ended.ITSELF:
        if end.ended is Ended.FLOOD:
            message = "wrote more log than an attempt may"
            return {"outcome": "failed", "failure_class": "product", "message": message}
        limit = {Ended.SILENCE: "no output for too long"}.get(end.ended, "took too long")
        return {
            "outcome": "failed",
            "failure_class": "timeout",
            "message": f"{limit} ({end.ended})",
        }
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
        memory_limit_hit=memory_limit_hit,
    )
    return {
        "outcome": death.outcome.value,
        "failure_class": death.failure_class.value,
        "message": death.message,
        "detail": detail,
    }


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
