"""How much an attempt has sent: counted in memory, read from its spool once per process."""

from __future__ import annotations

import math
import shutil
import threading
import time
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import cast

from fastapi import Request

from hotfire_infra.api.problems import ApiError
from hotfire_infra.errors import StorageFullError
from hotfire_infra.sections.limits import LimitsSection

REMEMBERED = 4096
ROOM_SECONDS = 0.25
PLENTY_BYTES = 1 << 30
"""Beyond what is kept back: more than comes in ROOM_SECONDS, for which nobody asks again."""


@dataclass(slots=True)
class _Sum:
    files: int = 0
    size: int = 0


@dataclass(slots=True)
class Usage:
    """One per application; safe to call from several threads."""

    _sums: OrderedDict[str, _Sum] = field(default_factory=OrderedDict)
    _mutex: threading.Lock = field(default_factory=threading.Lock)
    clock: Callable[[], float] = time.monotonic
    _roomy_until: float = -math.inf

    def check_room(self, folder: Path, limits: LimitsSection) -> None:
        """Raise StorageFullError where less is free than is kept back.

        While there is plenty the file system is asked four times a second, not for each batch: its
        answer comes at once, but who asks gives the interpreter away and gets it back much later.
        """
        now = self.clock()
        if now < self._roomy_until:
            return
        free = check_room(folder, limits)
        plenty = free >= limits.free_disk_bytes + PLENTY_BYTES
        self._roomy_until = now + ROOM_SECONDS if plenty else -math.inf

    def add(self, spool: Path, limits: LimitsSection, *, files: int = 0, size: int = 0) -> None:
        """Count what is about to come to an attempt; ApiError 413 when it would be too much."""
        with self._mutex:
            found = self._sums.get(spool.name)
            if found is None:
                found = self._sums[spool.name] = _measured(spool)
                while len(self._sums) > REMEMBERED:
                    self._sums.popitem(last=False)
            self._sums.move_to_end(spool.name)
            if found.files + files > limits.artifacts_per_attempt:
                raise ApiError(
                    413, f"the attempt has {found.files} artifacts, more are not taken",
                    remedy="pack them into one archive", kind="too-many-artifacts",
                )  # fmt: skip
            if found.size + size > limits.attempt_bytes:
                raise ApiError(
                    413, f"the attempt has sent {found.size} bytes, {size} more are not taken",
                    remedy="keep less (section `limits`, attempt_bytes)", kind="attempt-too-large",
                )  # fmt: skip
            found.files += files
            found.size += size


def usage_of(request: Request) -> Usage:
    """Return what counts for this application; it is made by the first who asks."""
    state = request.app.state
    if not hasattr(state, "usage"):
        state.usage = Usage()
    return cast("Usage", state.usage)


def _measured(spool: Path) -> _Sum:
    found = _Sum()
    for path in spool.rglob("*"):
        if path.is_file() and not path.is_symlink():
            found.size += path.stat().st_size
            found.files += path.parts[len(spool.parts)] == "artifacts"
    return found


def check_room(folder: Path, limits: LimitsSection) -> int:
    """Return the bytes that are free; StorageFullError (507) where less than is kept back."""
    free = shutil.disk_usage(folder).free
    if free < limits.free_disk_bytes:
        raise StorageFullError(
            f"{free} bytes are free, {limits.free_disk_bytes} are kept back; nothing was stored"
        )
    return free
