"""Processes of this machine: identity that survives reuse of a pid, and whole trees to kill."""

from __future__ import annotations

import contextlib
import os
import signal
from dataclasses import dataclass
from pathlib import Path

from hotfire_infra.clock import read_boot_id

ATTEMPT_VARIABLE = "HOTFIRE_ATTEMPT"
"""Set in the runner's environment and inherited: finds orphans that left the runner's session."""

PROC = Path("/proc")


@dataclass(frozen=True, slots=True, kw_only=True)
class ProcessIdentity:
    """A process, not just a number: pids come back, (boot, pid, start time) does not."""

    boot_id: str
    pid: int
    start_time: int
    """Clock ticks since boot, field 22 of /proc/PID/stat."""

    def __str__(self) -> str:
        return f"{self.boot_id}:{self.pid}:{self.start_time}"

    def is_alive(self) -> bool:
        """Whether this very process still runs; a zombie does not."""
        if self.boot_id != read_boot_id() or self.pid <= 0:
            return False
        fields = _stat(self.pid)
        return fields is not None and fields.state not in "ZX" and fields.start == self.start_time


@dataclass(frozen=True, slots=True, kw_only=True)
class _Stat:
    state: str
    parent: int
    session: int
    start: int


def _stat(pid: int) -> _Stat | None:
    try:
        text = (PROC / str(pid) / "stat").read_text(encoding="utf-8", errors="replace")
    except OSError:
        return None
    # The command's name stands in parentheses and may itself hold spaces and parentheses.
    fields = text[text.rindex(")") + 2 :].split()
    return _Stat(
        state=fields[0], parent=int(fields[1]), session=int(fields[3]), start=int(fields[19])
    )


def identify(pid: int) -> ProcessIdentity:
    """Return the identity of a process; start time 0 for one that is gone."""
    fields = _stat(pid)
    return ProcessIdentity(
        boot_id=read_boot_id(), pid=pid, start_time=0 if fields is None else fields.start
    )


def tree_of(attempt: str, root_pid: int | None) -> set[int]:
    """Return the live processes of an attempt: descendants, its session, those marked with it."""
    marker = f"{ATTEMPT_VARIABLE}={attempt}".encode()
    found: dict[int, _Stat] = {}
    for entry in PROC.iterdir():
        if entry.name.isdigit() and (fields := _stat(int(entry.name))) is not None:
            found[int(entry.name)] = fields
    members = {pid for pid in found if _is_marked(pid, marker)}
    if root_pid is not None:
        members |= {pid for pid, fields in found.items() if fields.session == root_pid}
    while more := {pid for pid, f in found.items() if f.parent in members} - members:
        members |= more
    alive = {pid for pid in members if found[pid].state not in "ZX"}
    return {pid for pid in alive if not _is_shared(pid)} - {os.getpid()}


def _is_shared(pid: int) -> bool:
    """Whether a process serves other attempts too: a wineserver belongs to its whole prefix."""
    try:
        name = (PROC / str(pid) / "comm").read_text(encoding="utf-8", errors="replace")
    except OSError:
        return False
    return name.startswith("wineserver")


def _is_marked(pid: int, marker: bytes) -> bool:
    try:
        return marker in (PROC / str(pid) / "environ").read_bytes().split(b"\0")
    except OSError:
        return False


def send(pids: set[int], number: signal.Signals) -> None:
    """Send a signal to processes; those that are gone already do not matter."""
    for pid in pids:
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.kill(pid, number)
