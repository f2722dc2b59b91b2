"""Write the result stream: gapless, whole lines, one write each; survives a full disk with its last words."""

from __future__ import annotations

import contextlib
import errno
import functools
import hashlib
import os
import threading
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from hotfire_testframework.contract.exit_codes import RunnerExit
from hotfire_testframework.contract.stream import FIRST_SEQ, Kind, check_body, encode_record
from hotfire_testframework.errors import RunnerError
from hotfire_testframework.runner.redaction import NOTHING_SECRET, Redactor

BALLAST_BYTES = 512 << 10
"""Enough for problem, manifest, exit and the last heartbeats."""

FULL = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EFBIG})


class DiskFullError(RunnerError):
    """There is no space for results; the attempt is errored, not failed."""

    def __init__(self, where: str) -> None:
        super().__init__(f"no space left for {where}", RunnerExit.UPLOAD_OR_DISK)


class Spool:
    """The stream of one attempt; safe to use from several threads. No secret gets into it."""

    def __init__(self, path: Path, ballast: Path, redactor: Redactor = NOTHING_SECRET) -> None:
        self.redactor = redactor
        self._ballast = ballast
        self._lock = threading.Lock()
        self._digest = hashlib.sha256()
        self._seq = FIRST_SEQ
        self._bytes = 0
        self.collected: dict[str, None] = {}
        self.finished: dict[str, str] = {}
        self._fill_ballast()
        self._path = path
        flags = os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_APPEND | getattr(os, "O_CLOEXEC", 0)
        self._file = os.open(path, flags, 0o644)

    def emit(self, kind: str, body: Mapping[str, Any]) -> None:
        """Append one record; a form that the contract refuses raises before anything is written."""
        body = self.redactor.value(body)
        check_body(kind, body)
        with self._lock:
            line = encode_record(self._seq, kind, time.monotonic_ns(), body)
            self._append(line)
            self._digest.update(line)
            self._seq += 1
            self._note(kind, body)

    def finish(self, exit_code: int) -> None:
        """Append the manifest and close."""
        body = {
            "count": self._seq - FIRST_SEQ,
            "tests": len(self.finished),
            "collected": len(self.collected),
            "sha256": self._digest.hexdigest(),
            "exit_code": int(exit_code),
        }
        self.emit(Kind.MANIFEST, body)
        with contextlib.suppress(OSError):
            os.fsync(self._file)
        os.close(self._file)

    def release_ballast(self) -> None:
        """Free the kept space; call it once nothing else is running that would eat it."""
        with contextlib.suppress(OSError):
            self._ballast.unlink()

    def _note(self, kind: str, body: Mapping[str, Any]) -> None:
        if kind == Kind.COLLECTED:
            self.collected.update(dict.fromkeys(body["tests"]))
        elif kind == Kind.TEST_ATTEMPT:
            self.finished[body["test"]] = body["outcome"]

    def _append(self, line: bytes) -> None:
        written = 0
        try:
            while written < len(line):
                written += os.write(self._file, line[written:])
        except OSError as error:
            # Take back a torn line, so that the next record does not glue to it.
            with contextlib.suppress(OSError):
                os.ftruncate(self._file, self._bytes)
            if error.errno in FULL:
                raise DiskFullError(self._path.name) from error
            raise
        self._bytes += len(line)

    def _fill_ballast(self) -> None:
        try:
            fill_ballast(self._ballast)
        except OSError as error:
            self.release_ballast()
            if error.errno in FULL:
                raise DiskFullError(self._ballast.name) from error
            raise


def fill_ballast(path: Path) -> None:
    """Keep space for last words, unless it is kept already."""
    with contextlib.suppress(OSError):
        if path.stat().st_size == BALLAST_BYTES:
            return
    # Random bytes: a compressing file system would not keep the space for zeros.
    path.write_bytes(make_noise())


@functools.cache
def make_noise() -> bytes:
    """Return bytes that no file system compresses; made once, also for many forked runners."""
    return os.urandom(BALLAST_BYTES)


def is_disk_full(directory: Path) -> bool:
    """Try to write a page; tells a test that failed from a disk that is full."""
    probe = directory / f".probe.{os.getpid()}"
    try:
        probe.write_bytes(os.urandom(4096))
    except OSError as error:
        return error.errno in FULL
    finally:
        with contextlib.suppress(OSError):
            probe.unlink()
    return False
