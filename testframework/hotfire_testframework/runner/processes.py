"""Process trees: start one in its own session, find every descendant, end it with a grace."""

from __future__ import annotations

import contextlib
import ctypes
import os
import select
import signal
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import IO

IS_WINDOWS = sys.platform == "win32"
PR_SET_CHILD_SUBREAPER = 36
POLL_SECONDS = 0.02
UNKILLABLE_SECONDS = 20.0
"""From SIGKILL until a process counts as stuck in the kernel."""


def become_subreaper() -> None:
    """Adopt orphans of our children, so that a daemonised grandchild cannot outlive the attempt unseen."""
    if sys.platform != "linux":
        return
    with contextlib.suppress(OSError, AttributeError):
        if ctypes.CDLL(None).prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0) == 0:
            _subreapers.add(os.getpid())


_subreapers: set[int] = set()
"""This process, once it is one; by pid, because a fork does not inherit it."""


def has_no_descendants() -> bool:
    """Whether the kernel says so: a subreaper's descendants are its children, sooner or later.

    One system call instead of a walk through all processes of the machine. False may only mean that
    nobody knows.
    """
    if os.getpid() not in _subreapers:
        return False
    try:
        os.waitid(os.P_ALL, 0, os.WEXITED | os.WNOHANG | os.WNOWAIT)
    except ChildProcessError:
        return True
    return False


def sleep_beside(process: subprocess.Popen[bytes], seconds: float) -> None:
    """Sleep, but no longer than the process lives where the system can say when it ends."""
    if hasattr(os, "pidfd_open"):
        with contextlib.suppress(OSError):
            handle = os.pidfd_open(process.pid)
            try:
                select.select([handle], [], [], seconds)
            finally:
                os.close(handle)
            return
    time.sleep(seconds)


def start_process(
    argv: Sequence[str],
    *,
    env: Mapping[str, str],
    cwd: Path,
    stdout: IO[bytes],
    stderr: IO[bytes],
) -> subprocess.Popen[bytes]:
    """Start a command as leader of its own session (process group on Windows), without standard input.

    Output goes straight to files: it is not lost if the runner dies, and a daemon that keeps the
    descriptor open delays nobody.
    """
    group: int = getattr(subprocess, "CREATE_NEW_PROCESS_GROUP", 0)
    return subprocess.Popen(
        list(argv),
        env=dict(env),
        cwd=cwd,
        stdin=subprocess.DEVNULL,
        stdout=stdout,
        stderr=stderr,
        start_new_session=not IS_WINDOWS,
        creationflags=group,
    )


def end_tree(process: subprocess.Popen[bytes], grace_s: float) -> None:
    """Ask the tree to end, wait for the grace, then kill what is left of it."""
    if process.poll() is None:
        _ask_to_end(process)
        deadline = time.monotonic() + grace_s
        while process.poll() is None and time.monotonic() < deadline:
            time.sleep(POLL_SECONDS)
    kill_tree(process)


def kill_tree(process: subprocess.Popen[bytes]) -> list[int]:
    """Kill the process, its session and its descendants, and reap it; returns what did not die.

    SIGKILL waits for a process inside the kernel (a driver that hangs): waiting with it for ever would
    keep the attempt alive for ever.
    """
    if process.returncode is not None and has_no_descendants():
        return []
    if IS_WINDOWS:
        with contextlib.suppress(OSError):
            subprocess.run(
                ["taskkill", "/F", "/T", "/PID", str(process.pid)], capture_output=True, check=False
            )
    else:
        # Until the leader is reaped its pid cannot be given to a stranger; look while it is not.
        for pid in tree_of(process.pid):
            _kill(pid)
    if process.poll() is None:
        with contextlib.suppress(OSError):
            process.kill()
    try:
        process.wait(UNKILLABLE_SECONDS)
    except subprocess.TimeoutExpired:
        return [process.pid, *(pid for pid in tree_of(process.pid) if pid != process.pid)]
    return []


def kill_descendants() -> int:
    """Kill everything that descends from this runner; returns how many were found."""
    if sys.platform != "linux" or has_no_descendants():
        return 0
    killed = 0
    for _ in range(10):  # A fork bomb may be faster than one look.
        found = [pid for pid in tree_of(os.getpid()) if pid != os.getpid()]
        if not found:
            break
        killed += len(found)
        for pid in found:
            _kill(pid)
        _reap_adopted(found)
    return killed


def tree_of(root: int) -> list[int]:
    """Return the live processes of the tree and session of `root`, children before nothing in particular."""
    children: dict[int, list[int]] = {}
    members: list[int] = []
    for pid, parent, session in _processes():
        children.setdefault(parent, []).append(pid)
        if session == root or pid == root:
            members.append(pid)
    found = list(dict.fromkeys(members))
    for pid in found:
        found.extend(child for child in children.get(pid, ()) if child not in found)
    return found


def _processes() -> list[tuple[int, int, int]]:
    """Return (pid, parent, session) of every process that is not a zombie."""
    result: list[tuple[int, int, int]] = []
    try:
        names = os.listdir("/proc")
    except OSError:
        return result
    for name in names:
        if not name.isdigit():
            continue
        with contextlib.suppress(OSError, ValueError, IndexError):
            text = Path("/proc", name, "stat").read_text(errors="replace")
            # The command stands in parentheses and may hold anything: split behind the last one.
            fields = text.rpartition(")")[2].split()
            if fields[0] != "Z":
                result.append((int(name), int(fields[1]), int(fields[3])))
    return result


def wait_channel(pid: int) -> str:
    """Return the kernel's function in which a process waits; its number where that is not said."""
    try:
        found = Path("/proc", str(pid), "wchan").read_text(errors="replace").strip()
    except OSError:
        found = ""
    return found if found not in ("", "0") else f"process {pid}"


def _ask_to_end(process: subprocess.Popen[bytes]) -> None:
    with contextlib.suppress(OSError):
        if IS_WINDOWS:
            process.send_signal(getattr(signal, "CTRL_BREAK_EVENT", signal.SIGTERM))
        else:
            os.killpg(process.pid, signal.SIGTERM)


def _kill(pid: int) -> None:
    with contextlib.suppress(OSError):
        os.kill(pid, signal.SIGKILL)


def _reap_adopted(pids: Sequence[int]) -> None:
    deadline = time.monotonic() + 1.0
    for pid in pids:
        while time.monotonic() < deadline:
            try:
                reaped, _ = os.waitpid(pid, os.WNOHANG)
            except OSError:
                break  # Not our child: its own parent was in the list too, and it comes to us next time.
            if reaped:
                break
            time.sleep(POLL_SECONDS)
