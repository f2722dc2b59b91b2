"""Run a list of tests in as few processes as possible: a crash or hang costs its test, the rest goes on."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Protocol

from hotfire_testframework.contract.evidence import Evidence, Witness
from hotfire_testframework.contract.exit_codes import RunnerExit
from hotfire_testframework.contract.failure import FailureClass
from hotfire_testframework.contract.outcomes import Outcome
from hotfire_testframework.contract.stream import Kind
from hotfire_testframework.errors import ContractError, RunnerError
from hotfire_testframework.runner.artifacts import record_artifact
from hotfire_testframework.runner.deaths import (
    Death,
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
from hotfire_testframework.runner.supervise import CommandEnd, Ended, Limits, Watch
from hotfire_testframework.runner.tail import Tail
from hotfire_testframework.runner.telemetry.memory import MemoryCounters, read_counters

NAMED_TESTS = 3
LAUNCHES_LIMIT = 500
"""Crashes and hangs of one attempt; beyond that something is wrong with all of it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Launch:
    """One process of the list."""

    argv: Sequence[str]
    env: Mapping[str, str]
    events: Path
    test_s: float | None = None
    """Limit of one test in it, instead of the task's; silence is allowed as long."""


class Driver(Protocol):
    """What differs between native executables and pytest."""

    @property
    def name(self) -> str:
        """Name of the harness, for the collected record."""

    def collect(self) -> Sequence[str] | None:
        """Return the tests if they are known before the first process, else None: an event will tell."""

    def launch(
        self, remaining: Sequence[str] | None, finished: Sequence[str], number: int
    ) -> Launch:
        """Return the process that runs what remains."""

    def advance(self) -> bool:
        """Go on to the next part of the list, after a process that did all it was asked to; False: none."""

    def translate(self, event: dict[str, Any]) -> dict[str, Any]:
        """Return an event in the words of the contract (kinds as in the stream, and crash, finish)."""

    def explain_start(self, returncode: int) -> RunnerError | None:
        """Return the error behind a process that ended before its first test, if its code says one."""


@dataclass(slots=True)
class _Process:
    """What one process has told so far."""

    in_flight: dict[str, tuple[int, float]] = field(default_factory=dict)
    ended: int = 0
    has_collected: bool = False
    crash_signal: str | None = None
    is_finished: bool = False


class ListRun:
    """The loop over processes for one list of tests."""

    def __init__(self, session: Session, driver: Driver, deadline: float) -> None:
        self._session = session
        self._driver = driver
        self._deadline = deadline
        self._process = _Process()
        self._limits = session.run_limits(deadline)
        self._collected: dict[str, None] = {}
        self._is_collected = False
        self._tries: dict[str, int] = {}

    def run(self) -> None:
        """Run every test of the list once, in new processes after a crash or hang."""
        known = self._driver.collect()
        if known is not None:
            self._add_collected(known)
            if not known:
                return
        number = repetitions = 0
        while repetitions < LAUNCHES_LIMIT:
            number += 1
            self._process = _Process()
            if self._run_one_process(number):
                repetitions += 1
            elif not self._driver.advance():
                return
        self._session.report(f"gave up after {LAUNCHES_LIMIT} processes that crashed or hung")

    def _run_one_process(self, number: int) -> bool:
        """Run one process; True if another one is needed for the rest."""
        session = self._session
        launch = self._driver.launch(self._remaining(), list(session.spool.finished), number)
        launch.events.parent.mkdir(parents=True, exist_ok=True)
        tail = Tail(launch.events)
        error_offset = (
            session.directory.stderr.stat().st_size if session.directory.stderr.exists() else 0
        )
        memory_before = read_counters()
        self._limits = self._limits_of(launch)
        try:
            end = session.supervisor.run(
                launch.argv,
                env=launch.env,
                limits=self._limits,
                watch=Watch(pump=lambda: self._pump(tail.read()), test_began=self._oldest_start),
            )
        except OSError as error:
            message = f"{launch.argv[0]!r} cannot be started: {error.strerror or error}"
            raise RunnerError(message, RunnerExit.BAD_CONFIGURATION) from error
        self._pump(tail.read_all())
        for line in tail.broken:
            session.report("an event is no JSON object", line)
        for name in end.artifacts:
            record_artifact(session.directory, session.spool, name)
        return self._settle(end, error_offset, memory_before)

    def _limits_of(self, launch: Launch) -> Limits:
        limits = self._session.run_limits(self._deadline)
        if launch.test_s is None:
            return limits
        silence = max(limits.silence_s or 0.0, launch.test_s)
        return replace(limits, test_s=launch.test_s, silence_s=silence)

    # -- events ---------------------------------------------------------------------------------

    def _pump(self, events: Sequence[dict[str, Any]]) -> bool:
        for event in events:
            self._take(self._driver.translate(event))
        return bool(events)

    def _take(self, event: dict[str, Any]) -> None:
        kind = str(event.pop("kind", ""))
        if kind == Kind.COLLECTED:
            self._process.has_collected = True
            self._add_collected([str(test) for test in event.get("tests", ())])
        elif kind == Kind.TEST_START:
            self._start(str(event.get("test")))
        elif kind == Kind.TEST_ATTEMPT:
            self._end(event)
        elif kind == "crash":
            self._process.crash_signal = str(event.get("signal") or "an unnamed signal")
        elif kind == "finish":
            self._process.is_finished = True
        elif kind == "artifact_file":
            self._keep_file(event)
        elif kind:
            self._session.pass_on(kind, event)

    def _start(self, test: str) -> None:
        """Number the try here: a new process or xdist worker does not know of earlier ones."""
        self._require_collected(test)
        number = self._tries.get(test, 0) + 1
        self._tries[test] = number
        self._process.in_flight[test] = number, time.monotonic()
        self._session.start_test(test, number)

    def _end(self, event: dict[str, Any]) -> None:
        test = str(event.get("test"))
        if test not in self._process.in_flight:
            self._start(test)
        number, began = self._process.in_flight.pop(test)
        event["try"] = number
        event.setdefault("duration_ns", duration_since(began))
        self._process.ended += 1
        try:
            self._session.end_test(event)
        except ContractError as error:
            self._session.report(f"the result of {test} was refused", str(error))
            message = "the harness wrote a result that the contract refuses"
            duration = duration_since(began)
            body = _result(test, number, Outcome.ERRORED, FailureClass.HARNESS, message, duration)
            self._session.end_test(body)

    def _keep_file(self, event: dict[str, Any]) -> None:
        name = str(event.get("name"))
        if (self._session.directory.artifacts / name).is_file():
            record_artifact(
                self._session.directory, self._session.spool, name, event.get("media_type")
            )
        else:
            self._session.report("an artifact is missing", name)

    def _require_collected(self, test: str) -> None:
        if test not in self._collected:
            self._add_collected([test])

    def _add_collected(self, tests: Sequence[str]) -> None:
        new = [test for test in dict.fromkeys(tests) if test not in self._collected]
        self._is_collected = True
        if new:
            self._collected.update(dict.fromkeys(new))
            self._session.spool.emit(Kind.COLLECTED, {"harness": self._driver.name, "tests": new})

    def _remaining(self) -> list[str] | None:
        if not self._is_collected:
            return None
        finished = self._session.spool.finished
        return [test for test in self._collected if test not in finished]

    def _oldest_start(self) -> float | None:
        return min((began for _, began in self._process.in_flight.values()), default=None)

    # -- the end of a process -------------------------------------------------------------------

    def _settle(self, end: CommandEnd, error_offset: int, memory: MemoryCounters) -> bool:
        self._session.require_killed(end)
        if end.ended is Ended.CANCELLED:
            raise CancelledError(self._session.stop.reason)
        if end.ended is Ended.RUN_TIMEOUT:
            message = f"the run's time was used up; {end.remains}"
            self._witness(Witness.HANG, message)
            self._fail_in_flight(Outcome.ERRORED, FailureClass.TIMEOUT, message)
            raise RunTimeoutError("run", self._session.spec.timeouts.run_s)
        if end.ended is not Ended.ITSELF:
            return self._settle_hang(end)
        process = self._process
        if process.is_finished and not process.in_flight:
            self._judge_late_crash(end)
            return False
        death = judge_death(
            end.returncode,
            is_emulated=self._session.spec.emulated,
            crash_signal=process.crash_signal,
            guest_signal=find_guest_signal(self._session.directory.stderr, error_offset),
            memory_limit_hit=(now := read_counters()).hit_limit_since(memory),
            machine_out_of_memory=now.hit_machine_since(memory),
        )
        return self._settle_in_flight(death) if process.in_flight else self._settle_idle(end, death)

    def _settle_hang(self, end: CommandEnd) -> bool:
        if end.ended is Ended.FLOOD:
            message = "wrote more log than an attempt may"
            self._fail_in_flight(Outcome.FAILED, FailureClass.PRODUCT, message)
            raise RunnerError(message, RunnerExit.PRODUCT_FAILURE)
        limits = self._limits
        limit = limits.test_s if end.ended is Ended.TEST_TIMEOUT else limits.silence_s
        seconds = limit or 0.0
        words = "took longer than" if end.ended is Ended.TEST_TIMEOUT else "gave no output for"
        if not self._process.in_flight:
            message = f"no output for {seconds:g} s outside of any test; {end.remains}"
            self._witness(Witness.HANG, message)
            raise RunnerError(message, RunnerExit.TIMED_OUT)
        message = f"{words} {seconds:g} s; {end.remains}"
        self._witness(Witness.HANG, message)
        self._fail_in_flight(Outcome.FAILED, FailureClass.TIMEOUT, message)
        return bool(self._remaining())

    def _witness(self, kind: Witness, message: str) -> None:
        tests = list(self._process.in_flight)
        name = ", ".join(tests[:NAMED_TESTS])
        detail = f"{name}: {message}" if tests else message
        test = tests[0] if len(tests) == 1 else ""
        self._session.witness(Evidence.of(kind, "runner", detail, test=test))

    def _settle_in_flight(self, death: Death) -> bool:
        self._witness(death.witness, death.message)
        self._fail_in_flight(death.outcome, death.failure_class, death.message)
        if death.is_infrastructure:
            raise RunnerError(death.message, RunnerExit.LAUNCHER_DIED)
        return bool(self._remaining())

    def _settle_idle(self, end: CommandEnd, death: Death) -> bool:
        """The process died between tests, or never began one."""
        process = self._process
        error = self._driver.explain_start(end.returncode)
        if error is not None and not process.ended:
            raise error
        remaining = self._remaining()
        # Of a list in several parts, the first can have told its tests and a later one not.
        told = remaining is not None and (remaining or process.ended or process.has_collected)
        if not told and end.returncode != 0:
            self._session.report(f"died while collecting: {death.message}")
            return False
        if not remaining:
            self._judge_late_crash(end)
            return False
        self._witness(death.witness, death.message)
        if death.is_infrastructure:
            raise RunnerError(death.message, RunnerExit.LAUNCHER_DIED)
        if self._process.ended:
            return True
        for test in remaining:
            self._start(test)
        message = f"the executable ended before its first test: {death.message}"
        self._fail_in_flight(death.outcome, death.failure_class, message)
        return False

    def _judge_late_crash(self, end: CommandEnd) -> None:
        if end.returncode < 0 or end.returncode > 5:
            what = (
                f"all tests had ended, then the process ended with {describe_end(end.returncode)}"
            )
            self._session.report(what)
            self._session.is_red = True

    def _fail_in_flight(self, outcome: Outcome, failure_class: FailureClass, message: str) -> None:
        in_flight = list(self._process.in_flight.items())
        self._process.in_flight.clear()
        if len(in_flight) > 1:
            message = f"{message} (one of {len(in_flight)} tests that were at stake)"
        for test, (attempt_number, began) in in_flight:
            duration = duration_since(began)
            body = _result(test, attempt_number, outcome, failure_class, message, duration)
            self._session.end_test(body)


def _result(
    test: str,
    number: int,
    outcome: Outcome,
    failure_class: FailureClass,
    message: str,
    duration: int,
) -> dict[str, Any]:
    return {
        "test": test,
        "try": number,
        "outcome": outcome.value,
        "failure_class": failure_class.value,
        "duration_ns": duration,
        "message": message,
    }
