"""Claim the attempt: leased → started by exactly one runner; a second one gets 409 and runs nothing."""

from __future__ import annotations

import os
import time
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
CONFLICT = 409


class ClaimConflictError(RunnerError):
    """Another runner holds this attempt: nothing of its directory may be touched."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Claim:
    """A granted claim."""

    holder: str
    fence: int | None


def claim_attempt(directory: AttemptDir, spec: AttemptSpec) -> Claim:
    """Write the request and wait for the service's answer."""
    holder = f"{boot_id() or 'no-boot-id'}:{os.getpid()}"
    request = encode({"holder": holder, "boot_id": boot_id(), "pid": os.getpid()})
    if not create_exclusive(directory.claim_request, request):
        raise ClaimConflictError(
            f"{CONFLICT}: attempt {spec.attempt} is claimed already; this runner runs nothing",
            RunnerExit.UPLOAD_OR_DISK,
        )
    directory.wake_service()
    if not spec.claim:
        return Claim(holder=holder, fence=spec.fence)
    return _await_answer(directory, spec, holder)


def _await_answer(directory: AttemptDir, spec: AttemptSpec, holder: str) -> Claim:
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
        time.sleep(pause)
        pause = min(pause * 1.3, POLL_LONGEST)
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
