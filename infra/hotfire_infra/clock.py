"""Time as the store sees it: monotonic within one boot; wall time is evidence only."""

from __future__ import annotations

import time
import uuid
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Protocol


class Clock(Protocol):
    """What leases and order go by; a monotonic reading holds only within its `boot_id`."""

    @property
    def boot_id(self) -> str:
        """Name the boot of the machine that `mono_ns` counts from."""

    def mono_ns(self) -> int:
        """Return nanoseconds that never jump and are shared by all processes of this boot."""

    def wall_ns(self) -> int:
        """Return nanoseconds since 1970, for people to read; nothing is decided by it."""


@cache
def read_boot_id() -> str:
    """Read the kernel's boot id; where there is none, each process is a boot of its own."""
    try:
        return Path("/proc/sys/kernel/random/boot_id").read_text(encoding="ascii").strip()
    except OSError:
        # Without it a lease of an earlier process counts as expired, which is the safe side.
        return f"process-{uuid.uuid4()}"


@dataclass(frozen=True, slots=True)
class SystemClock:
    """The machine's own clock (CLOCK_MONOTONIC is one for all processes of a boot)."""

    @property
    def boot_id(self) -> str:
        """Name this boot."""
        return read_boot_id()

    def mono_ns(self) -> int:
        """Read CLOCK_MONOTONIC."""
        return time.monotonic_ns()

    def wall_ns(self) -> int:
        """Read the wall clock."""
        return time.time_ns()


@dataclass(slots=True)
class ManualClock:
    """A clock that tests turn by hand."""

    mono: int = 1_000_000_000
    wall: int = 1_700_000_000_000_000_000
    boot_id: str = "boot-1"

    def mono_ns(self) -> int:
        """Return what was set."""
        return self.mono

    def wall_ns(self) -> int:
        """Return what was set."""
        return self.wall

    def advance(self, seconds: float) -> None:
        """Let `seconds` pass on both clocks."""
        self.mono += int(seconds * 1e9)
        self.wall += int(seconds * 1e9)
