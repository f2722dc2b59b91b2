"""How much of the machine others used while something was measured.

foreign share = (busy time of all CPUs - CPU time of this process and its children) / (elapsed * CPUs),
from /proc/stat (user, nice, system, irq, softirq, steal; 10 ms ticks) and getrusage. Steal counts: to a
measurement it is the same whether a neighbour sits inside or outside the virtual machine.
"""

from __future__ import annotations

import os
import time
from dataclasses import dataclass
from pathlib import Path

# Fields of the line `cpu` that are time in which something ran (proc(5)).
_BUSY = (0, 1, 2, 5, 6, 7)
STAT = Path("/proc/stat")


@dataclass(frozen=True, slots=True, kw_only=True)
class Snapshot:
    """Cumulated seconds at one moment; `busy` is None where the system does not tell."""

    wall: float
    busy: float | None
    own: float
    cpus: int


def snapshot(stat: Path = STAT) -> Snapshot:
    """The counters now."""
    times = os.times()
    own = times.user + times.system + times.children_user + times.children_system
    return Snapshot(wall=time.monotonic(), busy=_busy(stat), own=own, cpus=os.cpu_count() or 1)


def _busy(stat: Path) -> float | None:
    try:
        first = stat.read_text("ascii").split("\n", 1)[0].split()[1:]
    except OSError:
        return None
    ticks = sum(int(first[field]) for field in _BUSY)
    return ticks / os.sysconf("SC_CLK_TCK")


def foreign_share(before: Snapshot, after: Snapshot) -> float | None:
    """Share of the machine that others used between two snapshots; None where it cannot be read."""
    if before.busy is None or after.busy is None:
        return None
    capacity = (after.wall - before.wall) * after.cpus
    foreign = (after.busy - before.busy) - (after.own - before.own)
    return max(0.0, foreign / capacity) if capacity > 0 else 0.0
