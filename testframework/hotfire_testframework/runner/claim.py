"""Claim the attempt: leased → started by exactly one runner; a second one gets 409 and runs nothing."""

from __future__ import annotations

import contextlib
import os
import select
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from hotfire_testframework.contract.exit_codes import RunnerExit
from hotfire_testframework.contract.task import AttemptSpec
from hotfire_testframework.errors import RunnerError
from hotfire_testframework.runner.attempt_dir import (
    AttemptDir,
    boot_id,
    create_exclusive,
    encode,
    read_json_object,
)

POLL_SHORTEST = 0.0005
POLL_LONGEST = 0.02
"""The answer comes within milliseconds, or when a service comes back: minutes."""
RUNG_SECONDS = 0.25
"""Between looks where a pipe is rung for the answer: for whoever answers and cannot ring."""
CONFLICT = 409


class ClaimConflictError(RunnerError):
    """Another runner holds this attempt: nothing of its directory may be touched."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Claim:
    """A granted claim."""

    holder: str
    fence: int | None


def claim_attempt(
    directory: AttemptDir, spec: AttemptSpec, prepare: Callable[[], object] = lambda: None
) -> Claim:
    """Write the request and wait for the service's answer; `prepare` is done while it waits."""
    holder = f"{boot_id() or 'no-boot-id'}:{os.getpid()}"
    request = encode({"holder": holder, "boot_id": boot_id(), "pid": os.getpid()})
    if not create_exclusive(directory.claim_request, request):
        raise ClaimConflictError(
            f"{CONFLICT}: attempt {spec.attempt} is claimed already; this runner runs nothing",
            RunnerExit.UPLOAD_OR_DISK,
        )
    if not spec.claim:
        directory.wake_service()
        prepare()
        return Claim(holder=holder, fence=spec.fence)
    with _bell(directory) as sleep:
        directory.wake_service()
        prepare()
        return _await_answer(directory, spec, holder, sleep)


@contextlib.contextmanager
def _bell(directory: AttemptDir) -> Iterator[Callable[[float], object]]:
    """Yield how to sleep until the answer may be there."""
    try:
        os.mkfifo(directory.claim_wake, 0o600)
        # Open for writing too: without a writer it would be readable, at its end, for ever.
        handle = os.open(directory.claim_wake, os.O_RDWR | os.O_NONBLOCK | os.O_CLOEXEC)
    except (OSError, AttributeError):
        yield lambda seconds: time.sleep(min(seconds, POLL_LONGEST))
        return
    try:
        yield lambda seconds: select.select([handle], [], [], seconds)
    finally:
        os.close(handle)
        with contextlib.suppress(OSError):
            directory.claim_wake.unlink()


def _await_answer(
    directory: AttemptDir, spec: AttemptSpec, holder: str, sleep: Callable[[float], object]
) -> Claim:
    deadline = time.monotonic() + spec.claim_timeout_s
    pause = POLL_SHORTEST
    while time.monotonic() < deadline:
        answer = read_json_object(directory.claim_answer)
        if answer:
            return _judge_answer(dict(answer), spec, holder)
        if not directory.claim_request.exists():
            # Somebody removed the attempt from the machine: nobody will ever answer.
            raise RunnerError(
                f"the directory of attempt {spec.attempt} is gone; nothing is run",
                RunnerExit.UPLOAD_OR_DISK,
            )
        sleep(pause)
        pause = min(pause * 1.3, RUNG_SECONDS)
    raise RunnerError(
        f"no answer to the claim of attempt {spec.attempt} within {spec.claim_timeout_s:g} s",
        RunnerExit.UPLOAD_OR_DISK,
    )


def _judge_answer(answer: dict[str, object], spec: AttemptSpec, holder: str) -> Claim:
    status, fence = answer.get("status"), answer.get("fence")
    if status == 200:
        return Claim(holder=holder, fence=fence if isinstance(fence, int) else None)
    raise RunnerError(
        f"the claim of attempt {spec.attempt} was answered with {status!r}; nothing is run",
        RunnerExit.UPLOAD_OR_DISK,
    )
