"""`runner.pyz --nursery`: a process that has imported the runner and forks one per attempt.

Starting an interpreter and reading the runner takes ten times as long as running a short command
does. The nursery is a courtesy of the machine that starts many attempts: what it forks is the same
runner, in its own session, and it outlives the nursery as it outlives the service. One order per
line on standard input, `{"root", "environment"}`; one line on standard output for each start,
`{"root", "pid"}`, and each end, `{"pid", "status"}` (as of waitpid). End of input ends it.
"""

from __future__ import annotations

import contextlib
import gc
import json
import os
import select
import signal
import sys
import traceback
from collections.abc import Callable, Sequence
from typing import Any, NoReturn

from hotfire_testframework.runner.spool import make_noise

READ_BYTES = 1 << 16
FAILED = 1

Main = Callable[[Sequence[str]], int]


def serve(main: Main, orders: int = 0, answers: int = 1) -> int:
    """Fork a runner per order until the orders end; `main` is the runner's own entry."""
    make_noise()
    gc.collect()
    gc.freeze()  # What is shared stays shared: a collection in the child would copy every page.
    ends, wake = os.pipe2(os.O_CLOEXEC | os.O_NONBLOCK)
    signal.signal(signal.SIGCHLD, lambda _number, _frame: None)
    signal.set_wakeup_fd(wake, warn_on_full_buffer=False)
    rest = b""
    while True:
        ready, _, _ = select.select([orders, ends], [], [])
        if ends in ready:
            with contextlib.suppress(BlockingIOError):
                os.read(ends, READ_BYTES)
            if not _report_ends(answers):
                return 0
        if orders in ready:
            data = os.read(orders, READ_BYTES)
            if not data:
                return 0
            *lines, rest = (rest + data).split(b"\n")
            for line in lines:
                order = json.loads(line)
                pid = os.fork()
                if pid == 0:
                    _live(main, order, (orders, answers, ends, wake))
                if not _answer(answers, {"root": order["root"], "pid": pid}):
                    return 0


def _report_ends(answers: int) -> bool:
    while True:
        try:
            pid, status = os.waitpid(-1, os.WNOHANG)
        except ChildProcessError:
            return True
        if pid == 0:
            return True
        if not _answer(answers, {"pid": pid, "status": status}):
            return False


def _answer(answers: int, value: dict[str, Any]) -> bool:
    """Write one line; False: nobody listens any more."""
    try:
        os.write(answers, json.dumps(value, separators=(",", ":")).encode() + b"\n")
    except BrokenPipeError:
        return False
    return True


def _live(main: Main, order: dict[str, Any], inherited: tuple[int, ...]) -> NoReturn:
    """Be the runner of one attempt; never returns into the nursery's loop."""
    code = FAILED
    try:
        os.setsid()
        signal.set_wakeup_fd(-1)
        signal.signal(signal.SIGCHLD, signal.SIG_DFL)
        _redirect(order["root"], inherited)
        os.environ.clear()
        os.environ.update(order["environment"])
        code = int(main([order["root"]]))
    except BaseException:  # noqa: BLE001 - a runner that dies of anything says so and is gone
        traceback.print_exc()
    finally:
        with contextlib.suppress(OSError, ValueError):
            sys.stdout.flush()
            sys.stderr.flush()
        os._exit(code)


def _redirect(root: str, inherited: tuple[int, ...]) -> None:
    for handle in inherited:
        os.close(handle)
    nothing = os.open(os.devnull, os.O_RDONLY)
    log = os.open(f"{root}/runner.log", os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o644)
    for handle, target in ((nothing, 0), (log, 1), (log, 2)):
        if handle != target:
            os.dup2(handle, target)
    for handle in (nothing, log):
        if handle > 2:
            os.close(handle)
