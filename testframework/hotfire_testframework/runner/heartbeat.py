"""Rewrite the heartbeat file every second, so that the service renews the lease."""

from __future__ import annotations

import threading
import time
from typing import Any

from hotfire_testframework.runner.attempt_dir import AttemptDir, boot_id, encode, write_whole

INTERVAL_SECONDS = 0.5


class Heartbeat:
    """A daemon thread; phase and test are what the runner is at."""

    def __init__(self, directory: AttemptDir, fence: int | None) -> None:
        self._path = directory.heartbeat
        self._boot_id = boot_id()
        self._fence = fence
        self._stop = threading.Event()
        self._thread = threading.Thread(
            target=self._beat_until_stopped, name="heartbeat", daemon=True
        )
        self.phase = ""
        self.test = ""

    def start(self) -> None:
        """Write the first beat at once, then one per interval."""
        self._beat()
        self._thread.start()

    def stop(self) -> None:
        """Write a last beat and end the thread."""
        self._stop.set()
        self._thread.join()
        self._beat()

    def _beat_until_stopped(self) -> None:
        while not self._stop.wait(INTERVAL_SECONDS):
            self._beat()

    def _beat(self) -> None:
        body: dict[str, Any] = {
            "mono_ns": time.monotonic_ns(),
            "boot_id": self._boot_id,
            "phase": self.phase,
            "test": self.test,
        }
        if self._fence is not None:
            body["fence"] = self._fence
        try:
            write_whole(self._path, encode(body))
        except OSError:
            # A full disk must not end the thread: the next beat may find space again.
            return
