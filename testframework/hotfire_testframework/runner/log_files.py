"""Where the output of a command goes: straight into files, or past the eye that looks for secrets."""

from __future__ import annotations

import contextlib
import os
import threading
from collections.abc import Sequence
from pathlib import Path
from types import TracebackType
from typing import IO

from hotfire_testframework.runner.redaction import Flow, Redactor

PIECE_BYTES = 1 << 16
FINISH_SECONDS = 5.0
"""A process that cannot be killed may keep a pipe open; nobody waits for it longer."""


class LogFiles:
    """Files opened for appending: output is not lost if the runner dies."""

    def __init__(self, paths: Sequence[Path]) -> None:
        self._paths = tuple(paths)
        self._open: list[IO[bytes]] = []

    def __enter__(self) -> list[IO[bytes]]:
        self._open = [path.open("ab") for path in self._paths]
        return self._open

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        for file in self._open:
            file.close()

    def finish(self) -> None:
        """Nothing is under way: the processes wrote the files themselves."""


class RedactedLogFiles(LogFiles):
    """Pipes whose readers write the files: no secret is on disk, not even for a moment."""

    def __init__(self, paths: Sequence[Path], redactor: Redactor) -> None:
        super().__init__(paths)
        self._redactor = redactor
        self._threads: list[threading.Thread] = []

    def __enter__(self) -> list[IO[bytes]]:
        for path in self._paths:
            reading, writing = os.pipe()
            self._open.append(os.fdopen(writing, "wb", buffering=0))
            thread = threading.Thread(target=self._copy, args=(reading, path), daemon=True)
            thread.start()
            self._threads.append(thread)
        return self._open

    def _copy(self, reading: int, path: Path) -> None:
        flow = Flow(self._redactor)
        with path.open("ab", buffering=0) as file, os.fdopen(reading, "rb", buffering=0) as pipe:
            while piece := pipe.read(PIECE_BYTES):
                # On a full disk the command still has to end: what it says is read and dropped,
                # and the runner notices the disk by itself.
                with contextlib.suppress(OSError):
                    file.write(flow.feed(piece))
            with contextlib.suppress(OSError):
                file.write(flow.finish())

    def finish(self) -> None:
        """Wait until all that was written has come through."""
        for thread in self._threads:
            thread.join(FINISH_SECONDS)


def open_logs(paths: Sequence[Path], redactor: Redactor) -> LogFiles:
    """Return the logs of one command."""
    return RedactedLogFiles(paths, redactor) if redactor else LogFiles(paths)
