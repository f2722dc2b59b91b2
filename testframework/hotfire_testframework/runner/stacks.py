"""What can be known of a hang before it is killed: stacks of the whole tree, and one core.

Order matters: the kernel's view and the debugger leave a process as it is, SIGABRT ends it. A Python
process has faulthandler armed by its environment and answers SIGABRT with the stacks of its threads on
its standard error.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import subprocess
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from hotfire_testframework.runner.processes import IS_WINDOWS, tree_of

DEBUGGER_SECONDS = 15.0
ALL_SECONDS = 45.0
"""For all debuggers of one hang together: a hang is killed soon, whatever its size."""
ABORT_SECONDS = 2.0
PROCESSES_LIMIT = 32
CORE_LIMIT = 256 << 20
CORES_LIMIT = 2
"""Cores of one attempt."""
SPARE_FACTOR = 4
"""A core is taken only where this many times its size is free."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Captured:
    """What was saved of one hang."""

    python: tuple[int, ...]
    """Processes that were asked for Python stacks; they end by it."""
    core: str = ""
    """Name of the file beside the stacks; empty: none was taken."""


def save_stacks(root: int, target: Path, *, core: Path | None = None) -> Captured:
    """Write what can be known of the tree of `root`, then ask its Python processes for their stacks.

    `core`: where the core of the innermost native process goes, capped; None takes none.
    """
    if IS_WINDOWS:
        return Captured(python=())
    pids = tree_of(root)[:PROCESSES_LIMIT]
    parts = [_kernel_view(pid) for pid in pids]
    parts += _debugger_views(pids)
    python = tuple(pid for pid in pids if _is_python(pid))
    native = [pid for pid in pids if pid not in python]
    taken = ""
    if core is not None and native:
        said = _take_core(native[-1], core)
        parts.append(f"== core of process {native[-1]}: {said or core.name}\n")
        taken = "" if said else core.name
    with contextlib.suppress(OSError):
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_text("\n".join(parts), encoding="utf-8", errors="replace")
    _abort(python)
    return Captured(python=python, core=taken)


def _kernel_view(pid: int) -> str:
    lines = [f"== process {pid}"]
    # `stack` is for root alone and then the best answer to a wait inside a driver.
    for name in ("cmdline", "wchan", "syscall", "stack", "status"):
        with contextlib.suppress(OSError):
            text = Path("/proc", str(pid), name).read_text(errors="replace")
            lines.append(f"{name}: {text.replace(chr(0), ' ').strip()}")
    with contextlib.suppress(OSError):
        for thread in sorted(os.listdir(f"/proc/{pid}/task"), key=int)[:64]:
            text = Path("/proc", str(pid), "task", thread, "wchan").read_text(errors="replace")
            lines.append(f"thread {thread} waits in: {text.strip() or '0'}")
    return "\n".join(lines)


def _debugger_views(pids: Sequence[int]) -> list[str]:
    debugger = shutil.which("gdb")
    if debugger is None:
        return ["no gdb on this machine: native stacks are not available\n"]
    parts = []
    deadline = time.monotonic() + ALL_SECONDS
    for pid in pids:
        left = min(DEBUGGER_SECONDS, deadline - time.monotonic())
        if left <= 0:
            parts.append(f"== gdb on process {pid}: no time left for it\n")
            continue
        what = _debug(debugger, pid, "thread apply all bt 64", left)
        parts.append(f"== gdb on process {pid}\n{what}")
    return parts


def _debug(debugger: str, pid: int, command: str, seconds: float, *, limit: int = 0) -> str:
    argv = [debugger, "-p", str(pid), "-batch", "-nx", "-ex", "set pagination off", "-ex", command]
    if limit:
        # The debugger's own limit caps the file it writes, whatever the process maps.
        argv = ["sh", "-c", f'ulimit -f {limit // 512}; exec "$@"', "sh", *argv]
    try:
        done = subprocess.run(
            argv,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            timeout=seconds,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        return f"{error}\n"
    return done.stdout.decode(errors="replace")


def _take_core(pid: int, core: Path) -> str:
    """Write a core; returns why not, or an empty string."""
    debugger = shutil.which("gdb")
    if debugger is None:
        return "no gdb on this machine"
    size = _resident_bytes(pid)
    if size > CORE_LIMIT:
        return f"{size >> 20} MiB are resident, more than the {CORE_LIMIT >> 20} MiB that are kept"
    with contextlib.suppress(OSError):
        core.parent.mkdir(parents=True, exist_ok=True)
        if shutil.disk_usage(core.parent).free < SPARE_FACTOR * CORE_LIMIT:
            return "too little space is free"
    command = f"generate-core-file {core}"
    said = _debug(debugger, pid, command, DEBUGGER_SECONDS, limit=CORE_LIMIT)
    if not core.exists():
        return said.strip().splitlines()[-1][:200] if said.strip() else "the debugger wrote none"
    if core.stat().st_size >= CORE_LIMIT:
        core.unlink()
        return f"it is larger than {CORE_LIMIT >> 20} MiB"
    return ""


def _resident_bytes(pid: int) -> int:
    try:
        pages = int(Path("/proc", str(pid), "statm").read_text().split()[1])
    except (OSError, ValueError, IndexError):
        return 0
    return pages * os.sysconf("SC_PAGE_SIZE")


def _is_python(pid: int) -> bool:
    """Whether SIGABRT will be answered with Python stacks: an interpreter with faulthandler armed."""
    with contextlib.suppress(OSError):
        name = Path("/proc", str(pid), "exe").readlink().name
        is_armed = b"PYTHONFAULTHANDLER=1" in Path("/proc", str(pid), "environ").read_bytes()
        return name.startswith("python") and is_armed
    return False


def _abort(pids: Sequence[int]) -> None:
    for pid in pids:
        with contextlib.suppress(OSError):
            os.kill(pid, signal.SIGABRT)
    deadline = time.monotonic() + ABORT_SECONDS
    while any(_is_running(pid) for pid in pids) and time.monotonic() < deadline:
        time.sleep(0.02)


def _is_running(pid: int) -> bool:
    try:
        text = Path("/proc", str(pid), "stat").read_text(errors="replace")
    except OSError:
        return False
    return text.rpartition(")")[2].split()[0] not in "ZX"
