"""The attempt directory seen from the service: read what the runner writes, answer what it asks."""

from __future__ import annotations

import json
import os
import shutil
import threading
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from hotfire_testframework.runner.attempt_dir import AttemptDir, ring
from hotfire_testframework.runner.redaction import NOTHING_SECRET, Redactor, read_secrets

STREAMS = ("stdout", "stderr")


@dataclass(frozen=True, slots=True)
class Spool:
    """One attempt's directory; every write of ours is whole or not there."""

    root: Path

    @property
    def stream(self) -> Path:
        """The result stream: the truth of the attempt."""
        return self.root / "stream.jsonl"

    def log(self, name: str) -> Path:
        """Return the file of one output stream."""
        return self.root / f"{name}.log"

    def read_log(self, name: str, offset: int) -> bytes:
        """Return one output stream from a byte on; nothing before there is any."""
        try:
            with self.log(name).open("rb") as file:
                file.seek(offset)
                return file.read()
        except FileNotFoundError:
            return b""

    def claim_request(self) -> Mapping[str, Any] | None:
        """Return who wants to run this attempt, once somebody does."""
        return read_object(self.root / "claim.request")

    def claim_answer(self) -> Mapping[str, Any] | None:
        """Return what was answered, for an answer that was lost with its service."""
        return read_object(self.root / "claim.answer")

    def answer_claim(self, status: int, fence: int | None) -> None:
        """Grant (200) or refuse (409) the claim."""
        write_object(self.root / "claim.answer", {"status": status, "fence": fence})
        ring(AttemptDir(self.root).claim_wake)

    def heartbeat(self) -> Mapping[str, Any] | None:
        """Return the runner's last sign of life."""
        return read_object(self.root / "heartbeat")

    def exit_code(self) -> int | None:
        """Return what the runner said when it ended; none if it has not, or could not."""
        try:
            return int((self.root / "exit").read_text(encoding="ascii"))
        except (OSError, ValueError):
            return None

    def is_free(self) -> bool:
        """Whether the runner said that all has passed and nothing of its task runs any more."""
        return AttemptDir(self.root).free.exists()

    def redactor(self) -> Redactor:
        """Return what keeps the secrets of this attempt out of the store, while it has them."""
        folder = self.root / "secrets"
        try:
            names = os.listdir(folder)
        except FileNotFoundError:
            return NOTHING_SECRET
        return read_secrets(folder, names)

    def forget_secrets(self) -> None:
        """Remove the secrets of an attempt whose machine is kept for a person."""
        shutil.rmtree(self.root / "secrets", ignore_errors=True)

    def confined(self, relative: str) -> Path | None:
        """Return the path of a file inside the spool, none for one that leads outside."""
        path = (self.root / relative).resolve()
        return path if path.is_relative_to(self.root.resolve()) else None


def read_object(path: Path) -> Mapping[str, Any] | None:
    """Read a JSON object; none while it is missing or not yet whole."""
    try:
        value = json.loads(path.read_bytes())
    except (OSError, ValueError):
        return None
    return value if isinstance(value, dict) else None


def write_object(path: Path, value: Mapping[str, Any], *, mode: int = 0o644) -> None:
    """Replace a file so that a reader sees the old or the new content."""
    # Of texts and numbers alone: an attempt has half a dozen such files, and each is written in the
    # midst of others' waiting.
    name = os.fspath(path)
    # A round and the routes may write the same file at once: each its own beside it.
    temporary = f"{name}.{os.getpid()}.{threading.get_ident()}.tmp"
    content = json.dumps(value, separators=(",", ":")).encode() + b"\n"
    handle = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, mode)
    try:
        while content:
            content = content[os.write(handle, content) :]
    finally:
        os.close(handle)
    os.replace(temporary, name)  # noqa: PTH105  # as above
