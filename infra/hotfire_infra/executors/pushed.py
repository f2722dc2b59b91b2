"""An executor whose runners are started by others and report over HTTP (`runner ship`).

`submit` lays the order out in the attempt's directory here: specification, token, secrets. Who
starts the runner takes them from there or by the API; what the runner reports is laid beside them
by the ingest routes, so that a round sees it as it sees a local attempt.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from hotfire_infra.clock import Clock, SystemClock
from hotfire_infra.errors import ExecutorError
from hotfire_infra.executors.protocol import (
    Capacity,
    DeviceReport,
    Life,
    Observation,
    Order,
    Probe,
    Refusal,
)
from hotfire_infra.executors.spool import Spool, read_object, write_object
from hotfire_testframework.contract.ulid import Ulid

BULKY = ("artifacts", "secrets")
MOST_AT_ONCE = 64


@dataclass(slots=True)
class PushedExecutor:
    """Sees of an attempt what was reported; a silent runner is the lease's business."""

    root: Path
    """Directory of all attempts."""
    clock: Clock = field(default_factory=SystemClock)
    capacity: Capacity = field(default_factory=lambda: Capacity(cpus=MOST_AT_ONCE))
    name: str = "pushed"

    def devices(self) -> Sequence[DeviceReport]:
        """Return none: the machines tell theirs in the stream."""
        return ()

    def can_execute(self, requires: Mapping[str, Any]) -> Refusal | None:
        """Refuse nothing: whoever starts runners chooses the machine."""
        del requires
        return None

    def observe(self, probe: Probe) -> tuple[Mapping[str, Any], ...]:
        """Return nothing: no machine can be asked from here."""
        del probe
        return ()

    def spool(self, attempt: Ulid) -> Spool:
        """Return the copy of the attempt's directory."""
        return Spool(self.root / attempt)

    def submit(self, order: Order) -> None:
        """Lay specification, token and secrets out; once, whoever asks how often."""
        root = self.spool(order.attempt).root
        try:
            root.mkdir(parents=True, exist_ok=True)
            if (root / "attempt.json").exists() or (root / "released").exists():
                return
            _write_secret(root / "token", order.token.encode("ascii"))
            for name, value in order.secrets.items():
                (root / "secrets").mkdir(mode=0o700, exist_ok=True)
                _write_secret(root / "secrets" / name, value)
            # Last: who sees it finds everything else there.
            write_object(root / "attempt.json", order.spec.to_json(), mode=0o600)
        except OSError as error:
            raise ExecutorError(f"the order could not be laid out in {root}: {error}") from error

    def attach(self, attempt: Ulid) -> Observation:
        """Return what was reported so far; what was cancelled unclaimed has ended."""
        spool = self.spool(attempt)
        if not (spool.root / "attempt.json").exists():
            return Observation(life=Life.ABSENT)
        if spool.exit_code() is not None:
            return Observation(life=Life.ENDED, exit_code=spool.exit_code())
        asked = read_object(spool.root / "cancel")
        if spool.claim_request() is None:
            life = Life.STARTING if asked is None else Life.ENDED
            return Observation(life=life, detail="" if asked is None else "cancelled unclaimed")
        if asked is not None and self._is_overdue(asked):
            return Observation(life=Life.ENDED, detail="it did not end within its grace")
        return Observation(life=Life.RUNNING)

    def _is_overdue(self, asked: Mapping[str, Any]) -> bool:
        is_same_boot = asked.get("boot_id") == self.clock.boot_id
        return not is_same_boot or self.clock.mono_ns() >= int(asked.get("end_mono_ns", 0))

    def logs(self, attempt: Ulid, stream: str, offset: int) -> bytes:
        """Read the copy."""
        return self.spool(attempt).read_log(stream, offset)

    def cancel(self, attempt: Ulid, *, grace_seconds: float, upload_seconds: float = 0.0) -> None:
        """Leave the request; the answer to the next heartbeat passes it on.

        `upload_seconds`: after the grace, to bring here what the runner has.
        """
        spool = self.spool(attempt)
        if not (spool.root / "attempt.json").exists() or spool.exit_code() is not None:
            return
        deadline = self.clock.mono_ns() + int((grace_seconds + upload_seconds) * 1e9)
        before = read_object(spool.root / "cancel")
        if before is not None and int(before.get("end_mono_ns", 0)) <= deadline:
            return
        request = {
            "grace_seconds": grace_seconds,
            "end_mono_ns": deadline,
            "boot_id": self.clock.boot_id,
        }
        write_object(spool.root / "cancel", request)

    def release(self, attempt: Ulid) -> None:
        """Forget token, secrets and bulky files; a later submit lays nothing out again."""
        root = self.spool(attempt).root
        root.mkdir(parents=True, exist_ok=True)
        (root / "released").touch()
        with contextlib.suppress(FileNotFoundError):
            (root / "token").unlink()
        for name in BULKY:
            shutil.rmtree(root / name, ignore_errors=True)

    def wait(self, seconds: float) -> None:
        """Sleep; reports come through other threads."""
        time.sleep(seconds)


def _write_secret(path: Path, content: bytes) -> None:
    handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(handle, "wb") as file:
        file.write(content)
