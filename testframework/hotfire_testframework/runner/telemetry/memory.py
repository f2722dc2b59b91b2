"""Memory: whose limit was hit, the task's own group's or the machine's."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

PROC = Path("/proc")
GROUPS = Path("/sys/fs/cgroup")
_UNLIMITED_V1 = 1 << 60


@dataclass(frozen=True, slots=True)
class MemoryCounters:
    """How often the kernel killed: at the limit of our own control group, and on the whole machine."""

    at_limit: int | None
    """None: our group has no limit, or none that can be read."""
    on_machine: int | None
    """`oom_kill` of /proc/vmstat, which counts kills at limits too."""

    def hit_limit_since(self, before: MemoryCounters) -> bool:
        """Whether our own limit was hit."""
        return _grew(before.at_limit, self.at_limit)

    def hit_machine_since(self, before: MemoryCounters) -> bool:
        """Whether the machine killed somebody, and not at our limit."""
        return _grew(before.on_machine, self.on_machine) and not self.hit_limit_since(before)


def read_counters(proc: Path = PROC, groups: Path = GROUPS) -> MemoryCounters:
    """Read both counters now; unreadable ones are None."""
    return MemoryCounters(
        at_limit=_first(lambda: _at_limit_v2(proc, groups), lambda: _at_limit_v1(proc, groups)),
        on_machine=_first(lambda: _field(proc / "vmstat", "oom_kill")),
    )


def _grew(before: int | None, after: int | None) -> bool:
    return before is not None and after is not None and after > before


def _first(*looks: Callable[[], int | None]) -> int | None:
    for look in looks:
        try:
            found = look()
        except (OSError, ValueError, KeyError):
            continue
        if found is not None:
            return found
    return None


def _at_limit_v2(proc: Path, groups: Path) -> int | None:
    own = _group_of(proc, "")
    if own is None:
        return None
    group = _found(groups, own)
    if (group / "memory.max").read_text().strip() == "max":
        return None
    return _field(group / "memory.events", "oom_kill")


def _at_limit_v1(proc: Path, groups: Path) -> int | None:
    own = _group_of(proc, "memory")
    if own is None:
        return None
    group = _found(groups / "memory", own)
    if int((group / "memory.limit_in_bytes").read_text()) >= _UNLIMITED_V1:
        return None
    return _field(group / "memory.oom_control", "oom_kill")


def _found(mounted: Path, own: str) -> Path:
    """Return our group's folder; in a container that shows only our group it is what is mounted."""
    group = mounted / own
    return group if group.is_dir() else mounted


def _group_of(proc: Path, controller: str) -> str | None:
    """Return our group below the hierarchy of a controller; version 2 has the empty name."""
    for line in (proc / "self" / "cgroup").read_text().splitlines():
        _, names, path = line.split(":", 2)
        if controller in names.split(","):
            return path.lstrip("/")
    return None


def _field(path: Path, name: str) -> int:
    counts = {key: int(value) for key, value in map(str.split, path.read_text().splitlines())}
    return counts[name]
