"""`python -m hotfire_testframework.runner ATTEMPT_DIR`: run one attempt, end with an exit code of the contract."""

from __future__ import annotations

import contextlib
import json
import os
import platform
import sys
import time
from collections.abc import Sequence
from pathlib import Path

from hotfire_testframework.contract.exit_codes import RunnerExit
from hotfire_testframework.contract.stream import Kind
from hotfire_testframework.contract.task import AttemptSpec
from hotfire_testframework.errors import ContractError, RunnerError
from hotfire_testframework.runner import RUNNER_VERSION
from hotfire_testframework.runner.attempt_dir import AttemptDir, boot_id, write_whole
from hotfire_testframework.runner.claim import Claim, ClaimConflictError, claim_attempt
from hotfire_testframework.runner.environment import observe_environment
from hotfire_testframework.runner.heartbeat import Heartbeat
from hotfire_testframework.runner.phases import run_phases
from hotfire_testframework.runner.placeholders import Placeholders
from hotfire_testframework.runner.processes import become_subreaper, kill_descendants
from hotfire_testframework.runner.redaction import Redactor, read_secrets
from hotfire_testframework.runner.session import Session
from hotfire_testframework.runner.spool import DiskFullError, Spool, fill_ballast
from hotfire_testframework.runner.stop import StopRequest
from hotfire_testframework.runner.supervise import Supervisor
from hotfire_testframework.runner.telemetry.closing import closing_evidence, take_baseline

USAGE = "usage: python -m hotfire_testframework.runner ATTEMPT_DIR"
OBSERVE = "--observe"
NURSERY = "--nursery"
SHIP = "ship"


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the attempt in a directory and return its exit code."""
    words = sys.argv[1:] if arguments is None else list(arguments)
    if len(words) == 2 and words[0] == OBSERVE:
        return _observe(words[1])
    if words == [NURSERY]:
        from hotfire_testframework.runner.nursery import serve  # Needs fork: not on Windows.

        return serve(main)
    if words[:1] == [SHIP]:
        from hotfire_testframework.runner.ship import main as ship

        return ship(words[1:])
    if len(words) != 1 or not Path(words[0]).is_dir():
        print(USAGE, file=sys.stderr)
        return RunnerExit.BAD_CONFIGURATION
    directory = AttemptDir(Path(words[0]).resolve())
    stop = StopRequest(directory.cancel)
    stop.install()
    try:
        code = _claim_and_run(directory, stop)
    except ClaimConflictError as error:
        # The directory belongs to the other runner: not even an exit code is written.
        print(error, file=sys.stderr)
        return error.exit_code
    except ContractError as error:
        print(f"attempt.json: {error}", file=sys.stderr)
        code = RunnerExit.BAD_CONFIGURATION
    except RunnerError as error:
        print(_redacted(directory, str(error)), file=sys.stderr)
        code = error.exit_code
    _write_exit(directory, code)
    return int(code)


def _observe(question: str) -> int:
    """Print what an attempt on this machine would record as its environment now.

    `question` is JSON: launcher and tools of the task, and where the user's cache is.
    """
    asked = json.loads(question)
    cache = asked["cache"]
    launcher = [str(word).replace("{cache}", cache) for word in asked["launcher"]]
    print(json.dumps(observe_environment(launcher, asked["tools"], Path(cache))["values"]))
    return RunnerExit.PASSED


def _claim_and_run(directory: AttemptDir, stop: StopRequest) -> int:
    attempt = _read_spec(directory)
    claim = _claim(directory, attempt)
    heartbeat = Heartbeat(directory, claim.fence)
    try:
        for folder in (directory.artifacts, directory.work, directory.events):
            folder.mkdir(exist_ok=True)
        spool = Spool(directory.stream, directory.ballast, _secrets_of(directory, attempt))
    except OSError as error:
        message = f"the attempt directory cannot be written: {error}"
        raise RunnerError(message, RunnerExit.UPLOAD_OR_DISK) from error
    heartbeat.start()
    try:
        return _run_and_close(directory, attempt, claim, spool, stop, heartbeat)
    finally:
        heartbeat.stop()


def _claim(directory: AttemptDir, attempt: AttemptSpec) -> Claim:
    """Claim, and do meanwhile what takes time and is nobody's business; trouble shows afterwards."""

    def prepare() -> None:
        become_subreaper()
        with contextlib.suppress(OSError):
            fill_ballast(directory.ballast)

    try:
        return claim_attempt(directory, attempt, prepare)
    except ClaimConflictError:
        raise  # The directory is another runner's.
    except RunnerError:
        with contextlib.suppress(OSError):
            directory.ballast.unlink()
        raise


def _secrets_of(directory: AttemptDir, attempt: AttemptSpec) -> Redactor:
    try:
        return read_secrets(directory.secrets, attempt.spec.secrets)
    except OSError as error:
        message = f"the secret {Path(error.filename or '').name!r} was not handed over"
        raise RunnerError(message, RunnerExit.BAD_CONFIGURATION) from error


def _redacted(directory: AttemptDir, text: str) -> str:
    """Return what may stand in the runner's own log: an error may quote the output of a command."""
    try:
        names = [path.name for path in directory.secrets.iterdir()]
        return read_secrets(directory.secrets, names).text(text)
    except OSError:
        return text


def _run_and_close(
    directory: AttemptDir,
    attempt: AttemptSpec,
    claim: Claim,
    spool: Spool,
    stop: StopRequest,
    heartbeat: Heartbeat,
) -> int:
    session = Session(
        directory=directory,
        attempt=attempt,
        spool=spool,
        stop=stop,
        heartbeat=heartbeat,
        placeholders=Placeholders.of(directory, attempt),
        supervisor=Supervisor(directory, stop, redactor=spool.redactor),
    )
    code = int(RunnerExit.UPLOAD_OR_DISK)
    baseline = take_baseline()
    try:
        spool.emit(Kind.SESSION, _session_body(attempt, claim))
        code = int(run_phases(session))
        for item in closing_evidence(baseline, code):
            session.witness(item)
    except DiskFullError as error:
        print(error, file=sys.stderr)
    finally:
        kill_descendants()
    if code == RunnerExit.PASSED:
        _give_slot_back(directory)
    spool.release_ballast()
    try:
        spool.finish(code)
    except DiskFullError:
        return int(RunnerExit.UPLOAD_OR_DISK)
    return code


def _give_slot_back(directory: AttemptDir) -> None:
    """Let the next attempt begin while this one closes its stream."""
    with contextlib.suppress(OSError):
        directory.free.touch()
        directory.wake_service()


def _read_spec(directory: AttemptDir) -> AttemptSpec:
    try:
        return AttemptSpec.parse(directory.spec.read_bytes())
    except OSError as error:
        raise RunnerError(
            f"attempt.json cannot be read: {error}", RunnerExit.BAD_CONFIGURATION
        ) from error


def _session_body(attempt: AttemptSpec, claim: Claim) -> dict[str, object]:
    body: dict[str, object] = {
        "attempt": attempt.attempt,
        "task": attempt.task,
        "runner_version": RUNNER_VERSION,
        "boot_id": boot_id(),
        "pid": os.getpid(),
        "wall_ns": time.time_ns(),
        "python": platform.python_version(),
        "holder": claim.holder,
    }
    if claim.fence is not None:
        body["fence"] = claim.fence
    return body


def _write_exit(directory: AttemptDir, code: int) -> None:
    # A disk that is full to the last byte leaves the process's own code as the only witness.
    with contextlib.suppress(OSError):
        write_whole(directory.exit, f"{int(code)}\n".encode())


if __name__ == "__main__":
    sys.exit(main())
