"""The service's end of the runner's nursery: orders to fork, news of starts and ends."""

from __future__ import annotations

import contextlib
import json
import os
import select
import signal
import sys
import time
import weakref
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from hotfire_infra.errors import ExecutorError

START_SECONDS = 60.0
"""For the answer to an order: the first one waits for an interpreter on a loaded machine."""
READ_BYTES = 1 << 16


class Nursery:
    """A process that forks runners; it ends with its owner, the runners do not."""

    def __init__(self, bundle: Path, environment: Mapping[str, str]) -> None:
        """Start it; raises OSError if the interpreter cannot be started."""
        theirs, self._orders = os.pipe()
        self._answers, answers = os.pipe()
        try:
            self._pid = os.posix_spawn(
                sys.executable,
                # Isolated: what somebody's environment adds to Python is no business of the runner.
                [sys.executable, "-I", str(bundle), "--nursery"],
                dict(environment),
                file_actions=[
                    (os.POSIX_SPAWN_DUP2, theirs, 0),
                    (os.POSIX_SPAWN_DUP2, answers, 1),
                    (os.POSIX_SPAWN_OPEN, 2, os.devnull, os.O_WRONLY, 0),
                ],
                # Its own session: a Ctrl-C in this terminal must not reach it.
                setsid=True,
                setsigdef=[signal.SIGPIPE, signal.SIGXFSZ],
            )
        finally:
            os.close(theirs)
            os.close(answers)
        os.set_blocking(self._answers, False)
        self.is_alive = True
        """False once it is known to have gone; the runners it forked go on."""
        self._rest = b""
        self._started: dict[str, int] = {}
        self._statuses: dict[int, int] = {}
        self._finalizer = weakref.finalize(self, _end, self._pid, self._orders, self._answers)

    def start(self, root: Path, environment: Mapping[str, str]) -> int:
        """Fork a runner for an attempt directory and return its pid.

        Raises OSError where the order could not be given, so that no runner can have come of it,
        and ExecutorError where nobody knows.
        """
        order = {"root": str(root), "environment": dict(environment)}
        os.write(self._orders, json.dumps(order, separators=(",", ":")).encode() + b"\n")
        deadline = time.monotonic() + START_SECONDS
        while str(root) not in self._started:
            left = deadline - time.monotonic()
            if left <= 0 or not self._read(left):
                raise ExecutorError(f"the nursery of runners gave no answer for {root}")
        return self._started.pop(str(root))

    def take_status(self, pid: int, seconds: float = 0) -> int | None:
        """Return the exit code of a runner that was forked here and has ended, once.

        With `seconds`, wait that long for the news of a runner that is known to be dead.
        """
        deadline = time.monotonic() + seconds
        while self.is_alive and pid not in self._statuses:
            left = deadline - time.monotonic()
            self._read(max(0.0, left))
            if left <= 0:
                break
        return self._statuses.pop(pid, None)

    def take_news(self) -> None:
        """Read what has come, so that the handle is readable for something new only."""
        self._read(0)

    def fileno(self) -> int:
        """Return what becomes readable when a runner starts or ends."""
        return self._answers

    def close(self) -> None:
        """Let it end."""
        self._finalizer()

    def _read(self, seconds: float) -> bool:
        """Take in the news; False once the nursery is gone."""
        ready, _, _ = select.select([self._answers], [], [], seconds)
        if not ready:
            return True
        data = os.read(self._answers, READ_BYTES)
        *lines, self._rest = (self._rest + data).split(b"\n")
        for line in lines:
            self._note(json.loads(line))
        self.is_alive = bool(data)
        return self.is_alive

    def _note(self, news: Mapping[str, Any]) -> None:
        if "root" in news:
            self._started[str(news["root"])] = int(news["pid"])
        else:
            self._statuses[int(news["pid"])] = os.waitstatus_to_exitcode(int(news["status"]))


class WakePipe:
    """The named pipe beside the attempts that runners write to when they want to be seen."""

    def __init__(self, path: Path) -> None:
        """Make and open it; raises OSError where the file system has no pipes."""
        with contextlib.suppress(FileExistsError):
            os.mkfifo(path, 0o600)
        # Open for writing too: without a writer it would be readable, at its end, for ever.
        self._handle = os.open(path, os.O_RDWR | os.O_NONBLOCK | os.O_CLOEXEC)
        self._finalizer = weakref.finalize(self, os.close, self._handle)

    def fileno(self) -> int:
        """Return what becomes readable when a runner asks."""
        return self._handle

    def drain(self) -> None:
        """Take out all that was written."""
        with contextlib.suppress(BlockingIOError):
            os.read(self._handle, READ_BYTES)


def _end(pid: int, *handles: int) -> None:
    for handle in handles:
        os.close(handle)
    with contextlib.suppress(ChildProcessError):
        os.waitpid(pid, 0)
