"""The attempt directory: names of its files, and writes that are whole or not there."""

from __future__ import annotations

import contextlib
import json
import os
import secrets
import stat
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

WAKE = "wake"
"""Named pipe beside the attempt directories that the service of this machine listens to."""
BOOT_ID = Path("/proc/sys/kernel/random/boot_id")


@dataclass(frozen=True, slots=True)
class AttemptDir:
    """Paths inside `attempts/<ulid>/`."""

    root: Path

    @property
    def spec(self) -> Path:
        """AttemptSpec, written by the executor."""
        return self.root / "attempt.json"

    @property
    def claim_request(self) -> Path:
        """Made by the first claimant, exclusively."""
        return self.root / "claim.request"

    @property
    def claim_answer(self) -> Path:
        """Written by the service."""
        return self.root / "claim.answer"

    @property
    def claim_wake(self) -> Path:
        """Named pipe that says that the answer is there; only while a runner waits for it."""
        return self.root / "claim.wake"

    @property
    def cancel(self) -> Path:
        """Written by the service to end the attempt."""
        return self.root / "cancel"

    @property
    def heartbeat(self) -> Path:
        """Rewritten by the runner every second."""
        return self.root / "heartbeat"

    @property
    def stream(self) -> Path:
        """The result stream: the truth."""
        return self.root / "stream.jsonl"

    @property
    def stdout(self) -> Path:
        """Standard output of all phases."""
        return self.root / "stdout.log"

    @property
    def stderr(self) -> Path:
        """Standard error of all phases."""
        return self.root / "stderr.log"

    @property
    def artifacts(self) -> Path:
        """Files that are kept."""
        return self.root / "artifacts"

    @property
    def work(self) -> Path:
        """Current directory of the phases."""
        return self.root / "work"

    @property
    def events(self) -> Path:
        """Files that harnesses append to and the runner tails."""
        return self.root / "events"

    @property
    def secrets(self) -> Path:
        """Secrets of the task, one file each, readable by its owner only; gone with the release."""
        return self.root / "secrets"

    @property
    def ballast(self) -> Path:
        """Space kept for the last words on a full disk."""
        return self.root / ".ballast"

    @property
    def free(self) -> Path:
        """Made once all has passed and nothing of the task runs: only the runner's last words lack."""
        return self.root / "free"

    @property
    def exit(self) -> Path:
        """The runner's exit code, written last."""
        return self.root / "exit"

    def wake_service(self) -> None:
        """Tell a service on this machine to look; it looks by itself too, only later."""
        ring(self.root.parent / WAKE)


def ring(pipe: Path) -> None:
    """Wake whoever waits at a named pipe; nothing happens where there is none, or nobody."""
    with contextlib.suppress(OSError):
        # Opening fails at once where there is no pipe, or nobody who reads it.
        handle = os.open(pipe, os.O_WRONLY | getattr(os, "O_NONBLOCK", 0))
        try:
            if stat.S_ISFIFO(os.fstat(handle).st_mode):
                os.write(handle, b".")
        finally:
            os.close(handle)


def write_whole(path: Path, data: bytes) -> None:
    """Replace a file so that a reader sees the old or the new content, never a part."""
    temporary = path.with_name(f"{path.name}.{os.getpid()}.tmp")
    try:
        temporary.write_bytes(data)
        temporary.replace(path)
    except OSError:
        with contextlib.suppress(OSError):
            temporary.unlink()
        raise


def create_exclusive(path: Path, data: bytes) -> bool:
    """Make a file with its whole content if there is none; False if somebody was first."""
    temporary = path.with_name(f"{path.name}.{os.getpid()}.{secrets.token_hex(4)}.tmp")
    temporary.write_bytes(data)
    try:
        os.link(temporary, path)
    except FileExistsError:
        return False
    finally:
        temporary.unlink()
    return True


def read_json_object(path: Path) -> Mapping[str, Any] | None:
    """Return the JSON object in a file, None if there is no file."""
    try:
        value = json.loads(path.read_bytes())
    except FileNotFoundError:
        return None
    except ValueError:
        return {}
    return value if isinstance(value, dict) else {}


def encode(value: Mapping[str, Any]) -> bytes:
    """Return one line of JSON."""
    return json.dumps(value, separators=(",", ":")).encode() + b"\n"


def boot_id() -> str:
    """Return what distinguishes this boot from the next; empty where the system does not say."""
    try:
        return BOOT_ID.read_text().strip()
    except OSError:
        return ""
