"""Save the stacks of a process that hangs, before it is killed."""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import subprocess
import time
from pathlib import Path

from hotfire_testframework.runner.processes import IS_WINDOWS, tree_of

DEBUGGER_SECONDS = 15.0
ABORT_SECONDS = 2.0
PROCESSES_LIMIT = 8


def save_stacks(process: subprocess.Popen[bytes], target: Path, *, is_python: bool) -> None:
    """Write what can be known: state of each process, debugger's backtrace; Python is asked by SIGABRT.

    SIGABRT makes faulthandler (armed by the pytest harness) write the Python stacks to standard error.
    """
    if IS_WINDOWS:
        return
    pids = tree_of(process.pid)[:PROCESSES_LIMIT]
    parts = [_kernel_view(pid) for pid in pids]
    debugger = shutil.which("gdb")
    if debugger is None:
        parts.append("no gdb on this machine: native stacks are not available\n")
    else:
        parts.extend(_backtrace(debugger, pid) for pid in pids)
    with contextlib.suppress(OSError):
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_text("\n".join(parts), encoding="utf-8", errors="replace")
    if is_python:
        _abort(process)


def _kernel_view(pid: int) -> str:
    lines = [f"== process {pid}"]
    for name in ("cmdline", "wchan", "syscall", "status"):
        with contextlib.suppress(OSError):
            text = Path("/proc", str(pid), name).read_text(errors="replace")
            lines.append(f"{name}: {text.replace(chr(0), ' ').strip()}")
    return "\n".join(lines)


def _backtrace(debugger: str, pid: int) -> str:
    command = [debugger, "-p", str(pid), "-batch", "-nx", "-ex", "thread apply all bt 64"]
    try:
        done = subprocess.run(
            command,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            timeout=DEBUGGER_SECONDS,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        return f"== gdb on process {pid}: {error}"
    return f"== gdb on process {pid}\n{done.stdout.decode(errors='replace')}"


def _abort(process: subprocess.Popen[bytes]) -> None:
    with contextlib.suppress(OSError):
        os.kill(process.pid, signal.SIGABRT)
    deadline = time.monotonic() + ABORT_SECONDS
    while process.poll() is None and time.monotonic() < deadline:
        time.sleep(0.02)
