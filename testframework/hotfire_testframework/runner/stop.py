"""Requests to stop: SIGTERM (CTRL_BREAK on Windows), the cancel file, a full disk."""

from __future__ import annotations

import signal
import threading
from pathlib import Path
from types import FrameType


class StopRequest:
    """Set once by whoever asks first; the supervisor looks at it on every tick."""

    def __init__(self, cancel_file: Path) -> None:
        self._cancel_file = cancel_file
        self._event = threading.Event()
        self.reason = ""

    def install(self) -> None:
        """Turn the termination signals of this system into the request."""
        for name in ("SIGTERM", "SIGINT", "SIGHUP", "SIGBREAK"):
            number = getattr(signal, name, None)
            if number is not None:
                signal.signal(number, self._on_signal)

    def request(self, reason: str) -> None:
        """Ask to stop; the first reason stays."""
        if not self._event.is_set():
            self.reason = reason
            self._event.set()

    def is_requested(self) -> bool:
        """Whether to stop; also looks for the cancel file."""
        if not self._event.is_set() and self._cancel_file.exists():
            self.request("cancel file")
        return self._event.is_set()

    def _on_signal(self, number: int, _frame: FrameType | None) -> None:
        self.request(signal.Signals(number).name)
