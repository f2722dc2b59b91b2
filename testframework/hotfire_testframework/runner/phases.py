"""Setup, run and teardown of one attempt, and the exit code they add up to."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable, Iterator
from pathlib import Path

from hotfire_testframework.contract.evidence import Evidence, Witness
from hotfire_testframework.contract.exit_codes import RunnerExit
from hotfire_testframework.contract.outcomes import Harness, Phase
from hotfire_testframework.contract.stream import Kind
from hotfire_testframework.errors import RunnerError
from hotfire_testframework.runner.artifacts import keep_output
from hotfire_testframework.runner.deaths import describe_end
from hotfire_testframework.runner.environment import observe_environment
from hotfire_testframework.runner.harnesses.command import run_command
from hotfire_testframework.runner.harnesses.listed import Driver, ListRun
from hotfire_testframework.runner.harnesses.native import CasesDriver, GtestDriver
from hotfire_testframework.runner.harnesses.pytest import PytestDriver
from hotfire_testframework.runner.inputs import prepare_inputs
from hotfire_testframework.runner.session import CancelledError, RunTimeoutError, Session
from hotfire_testframework.runner.spool import DiskFullError
from hotfire_testframework.runner.supervise import Ended, Limits

# Codes that a setup or teardown command may use to say precisely what is wrong with the machine.
PASSED_THROUGH = frozenset({RunnerExit.BAD_CONFIGURATION, *range(30, 40)})
_DRIVERS: dict[Harness, Callable[[Session], Driver]] = {
    Harness.CASES: CasesDriver,
    Harness.GTEST: GtestDriver,
    Harness.PYTEST: PytestDriver,
}


def run_phases(session: Session) -> RunnerExit | int:
    """Run the three phases; teardown runs whatever came before, results are kept in every case."""
    verdict = _guarded(session, _setup_and_run)
    torn_down = _guarded(session, _tear_down)
    if torn_down is None:
        return _final(session) if verdict is None else verdict
    # Infrastructure found last does not hide what was found first.
    return torn_down if verdict is None else verdict


def _guarded(session: Session, step: Callable[[Session], None]) -> int | None:
    try:
        step(session)
    except DiskFullError as error:
        session.spool.release_ballast()
        _report_last(session, error)
        with contextlib.suppress(DiskFullError):
            session.witness(Evidence.of(Witness.DISK_FULL, "runner", str(error)))
        return error.exit_code
    except RunnerError as error:
        _report_last(session, error)
        return error.exit_code
    return None


def _report_last(session: Session, error: RunnerError) -> None:
    try:
        session.report(str(error))
    except DiskFullError:
        session.spool.release_ballast()
        with contextlib.suppress(DiskFullError):
            session.report(str(error))


def _final(session: Session) -> RunnerExit:
    if session.is_red:
        return RunnerExit.PRODUCT_FAILURE
    if not session.spool.collected and not session.spec.reports:
        return RunnerExit.NOTHING_COLLECTED
    outcomes = session.spool.finished.values()
    if session.problems or any(outcome in ("failed", "errored") for outcome in outcomes):
        return RunnerExit.BAD_CONFIGURATION
    return RunnerExit.PASSED


def _setup_and_run(session: Session) -> None:
    with _phase(session, Phase.SETUP):
        _set_up(session)
    with _phase(session, Phase.RUN):
        deadline = time.monotonic() + session.spec.timeouts.run_s
        _run_harness(session, deadline)
        _keep_outputs(session)


def _set_up(session: Session) -> None:
    prepare_inputs(session)
    session.build_environment()
    session.spool.emit(Kind.ENVIRONMENT, _observed(session))
    seconds = session.spec.timeouts.setup_s
    _run_commands(session, session.spec.setup, "setup", time.monotonic() + seconds, seconds)


def _observed(session: Session) -> dict[str, object]:
    cache = Path(session.placeholders.values["cache"])
    return observe_environment(session.placeholders.launcher, session.spec.tools, cache)


def _run_harness(session: Session, deadline: float) -> None:
    if session.spec.harness is Harness.COMMAND:
        run_command(session, deadline)
        return
    driver = _DRIVERS[session.spec.harness](session)
    ListRun(session, driver, deadline).run()
    if not session.spool.collected:
        raise RunnerError("no test was collected", RunnerExit.NOTHING_COLLECTED)


def _keep_outputs(session: Session) -> None:
    for output in session.spec.outputs:
        try:
            keep_output(session.directory, session.spool, output)
        except DiskFullError:
            raise
        except RunnerError as error:
            # A build that failed makes no output; that is said by the failure already.
            if not session.is_red:
                raise
            session.report(str(error))


def _tear_down(session: Session) -> None:
    if not session.spec.teardown:
        return
    with _phase(session, Phase.TEARDOWN):
        seconds = session.spec.timeouts.setup_s
        _run_commands(
            session, session.spec.teardown, "teardown", time.monotonic() + seconds, seconds
        )


def _run_commands(
    session: Session,
    commands: tuple[tuple[str, ...], ...],
    what: str,
    deadline: float,
    seconds: float,
) -> None:
    for command in commands:
        argv = session.placeholders.fill_argv(command)
        limits = Limits(deadline=deadline, grace_s=session.spec.timeouts.grace_s)
        try:
            end = session.supervisor.run(argv, env=session.environment, limits=limits)
        except OSError as error:
            message = f"{what}: {argv[0]!r} cannot be started: {error.strerror or error}"
            raise RunnerError(message, RunnerExit.BAD_CONFIGURATION) from error
        if end.ended is Ended.CANCELLED:
            raise CancelledError(session.stop.reason)
        if end.ended is Ended.RUN_TIMEOUT:
            raise RunTimeoutError(what, seconds)
        if end.returncode != 0:
            code = end.returncode if end.returncode in PASSED_THROUGH else RunnerExit.SMOKE_TEST
            raise RunnerError(
                f"{what}: {' '.join(argv)!r} ended with {describe_end(end.returncode)}", code
            )


@contextlib.contextmanager
def _phase(session: Session, phase: Phase) -> Iterator[None]:
    session.heartbeat.phase = phase.value
    session.spool.emit(Kind.PHASE, {"phase": phase.value, "state": "begin"})
    body: dict[str, object] = {"phase": phase.value, "state": "end"}
    try:
        yield
    except DiskFullError:
        # Nothing more is written until the ballast is released.
        raise
    except RunnerError as error:
        session.spool.emit(
            Kind.PHASE, {**body, "exit_code": int(error.exit_code), "reason": str(error)}
        )
        raise
    session.spool.emit(Kind.PHASE, body)
