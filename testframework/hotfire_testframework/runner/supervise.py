"""Run one command under limits: cancel, run time, time of one test, silence, a full disk."""

from __future__ import annotations

import contextlib
import subprocess
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from enum import Enum
from pathlib import Path

from hotfire_testframework.runner.attempt_dir import AttemptDir
from hotfire_testframework.runner.log_files import open_logs
from hotfire_testframework.runner.processes import (
    end_tree,
    kill_tree,
    sleep_beside,
    start_process,
)
from hotfire_testframework.runner.redaction import NOTHING_SECRET, Redactor
from hotfire_testframework.runner.stacks import CORES_LIMIT, Captured, save_stacks
from hotfire_testframework.runner.stop import StopRequest

TICK_SHORTEST = 0.002
TICK_LONGEST = 0.05
STACKS_LIMIT = 1 << 20
HANG_GRACE_SECONDS = 2.0
LOG_LIMIT = 1 << 30
"""Both logs of an attempt together; a test that writes more would fill the disk of others."""


class Ended(str, Enum):
    """Why a command ended."""

    ITSELF = "itself"
    CANCELLED = "cancelled"
    RUN_TIMEOUT = "run_timeout"
    TEST_TIMEOUT = "test_timeout"
    SILENCE = "silence"
    FLOOD = "flood"

    __str__ = str.__str__


HANGS = frozenset({Ended.SILENCE, Ended.TEST_TIMEOUT, Ended.RUN_TIMEOUT})
"""Ends of which it has to be known what they waited for."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """Deadline of the phase on the monotonic clock, and durations in seconds; None is no limit."""

    deadline: float
    grace_s: float
    silence_s: float | None = None
    test_s: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class CommandEnd:
    """How a command ended; `returncode` is negative for a signal."""

    returncode: int
    ended: Ended
    stacks: str | None = None
    """Name of the artifact that holds the stacks of a hang."""
    core: str | None = None
    """Name of the artifact with the core of its innermost native process."""
    unkillable: tuple[int, ...] = ()
    """Processes that SIGKILL did not end: they wait inside the kernel, as a rule in a driver."""

    @property
    def artifacts(self) -> tuple[str, ...]:
        """What was saved, to be recorded."""
        return tuple(name for name in (self.stacks, self.core) if name)

    @property
    def remains(self) -> str:
        """Where to look, for a message."""
        return f"stacks are in {self.stacks}" if self.stacks else "no stacks could be saved"


@dataclass(slots=True)
class Watch:
    """What a harness lets the supervisor see; all are called on every tick."""

    pump: Callable[[], bool] = lambda: False
    """Read new events; True if there were any."""
    test_began: Callable[[], float | None] = lambda: None
    """Monotonic time at which the test in flight began."""


class Supervisor:
    """Starts commands of one attempt, one at a time, with output into the attempt's logs."""

    def __init__(
        self,
        directory: AttemptDir,
        stop: StopRequest,
        log_limit: int = LOG_LIMIT,
        redactor: Redactor = NOTHING_SECRET,
    ) -> None:
        self._directory = directory
        self._redactor = redactor
        self._stop = stop
        self._log_limit = log_limit
        self._hangs = 0

    def run(
        self,
        argv: Sequence[str],
        *,
        env: Mapping[str, str],
        limits: Limits,
        watch: Watch | None = None,
    ) -> CommandEnd:
        """Run a command to its end or to the first limit; the whole tree is gone afterwards.

        `OSError` is raised if it cannot be started.
        """
        watch = watch or Watch()
        logs = open_logs((self._directory.stdout, self._directory.stderr), self._redactor)
        with logs as (out, err):
            process = start_process(argv, env=env, cwd=self._directory.work, stdout=out, stderr=err)
        stacks: str | None = None
        captured = Captured(python=())
        left: list[int] = []
        try:
            ended = self._watch(process, limits, watch)
            if ended in HANGS:
                stacks, captured = self._save_stacks(process)
            if ended is not Ended.ITSELF:
                end_tree(process, _grace(limits, ended))
        finally:
            left = kill_tree(process)
            logs.finish()
        watch.pump()
        return CommandEnd(
            # A process that cannot be killed has no status; it was sent SIGKILL.
            returncode=-9 if process.returncode is None else process.returncode,
            ended=ended,
            stacks=stacks,
            core=captured.core or None,
            unkillable=tuple(left),
        )

    def _watch(self, process: subprocess.Popen[bytes], limits: Limits, watch: Watch) -> Ended:
        quiet_since = time.monotonic()
        sizes = self._log_sizes()
        tick = TICK_SHORTEST
        while True:
            is_over = process.poll() is not None
            has_events = watch.pump()
            now = time.monotonic()
            if is_over:
                return Ended.ITSELF
            new_sizes = self._log_sizes()
            if has_events or new_sizes != sizes:
                sizes, quiet_since, tick = new_sizes, now, TICK_SHORTEST
            if sum(sizes) > self._log_limit:
                return Ended.FLOOD
            limit = self._exceeded(limits, watch.test_began(), quiet_since, now)
            if limit is not None:
                return limit
            sleep_beside(process, tick)
            tick = min(tick * 1.5, TICK_LONGEST)

    def _exceeded(
        self, limits: Limits, test_began: float | None, quiet_since: float, now: float
    ) -> Ended | None:
        if self._stop.is_requested():
            return Ended.CANCELLED
        if now > limits.deadline:
            return Ended.RUN_TIMEOUT
        if (
            limits.test_s is not None
            and test_began is not None
            and now - test_began > limits.test_s
        ):
            return Ended.TEST_TIMEOUT
        if limits.silence_s is not None and now - quiet_since > limits.silence_s:
            return Ended.SILENCE
        return None

    def _log_sizes(self) -> tuple[int, int]:
        return _size(self._directory.stdout), _size(self._directory.stderr)

    def _save_stacks(self, process: subprocess.Popen[bytes]) -> tuple[str, Captured]:
        self._hangs += 1
        name = f"hang-{self._hangs}.stacks.txt"
        target = self._directory.artifacts / name
        core = self._directory.artifacts / f"hang-{self._hangs}.core"
        offset = _size(self._directory.stderr)
        wanted = core if self._hangs <= CORES_LIMIT else None
        captured = save_stacks(process.pid, target, core=wanted)
        if captured.python:
            _append_tail(self._directory.stderr, offset, target)
        return name, captured


def _grace(limits: Limits, ended: Ended) -> float:
    """Return how long the tree may take to end: a hang has used up its time, and must not hold a device."""
    return limits.grace_s if ended is Ended.CANCELLED else min(limits.grace_s, HANG_GRACE_SECONDS)


def _append_tail(log: Path, offset: int, target: Path) -> None:
    """Add what faulthandler wrote to standard error: the Python stacks."""
    with contextlib.suppress(OSError), log.open("rb") as source, target.open("ab") as file:
        source.seek(offset)
        file.write(b"\n== Python stacks\n" + source.read(STACKS_LIMIT))


def _size(path: Path) -> int:
    try:
        return path.stat().st_size
    except OSError:
        return 0
