"""The events file: whole lines, one write(2) each; several processes may append to it."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from typing import Any


class EventFile:
    """Appends to a file. O_APPEND makes lines of several xdist workers follow one another, never mix."""

    def __init__(self, path: str) -> None:
        flags = os.O_WRONLY | os.O_CREAT | os.O_APPEND | getattr(os, "O_CLOEXEC", 0)
        self._descriptor = os.open(path, flags, 0o644)

    def write(self, text: str) -> None:
        """Append text that ends with a newline; it is with the kernel on return, so a crash cannot lose it."""
        data = text.encode("ascii", "backslashreplace")
        written = os.write(self._descriptor, data)
        while written < len(data):
            written += os.write(self._descriptor, data[written:])

    def close(self) -> None:
        """Close the descriptor."""
        os.close(self._descriptor)


def encode_event(kind: str, body: Mapping[str, Any]) -> str:
    """Return the line of an event."""
    return (
        json.dumps({"kind": kind, **body}, ensure_ascii=True, separators=(",", ":"), default=str)
        + "\n"
    )
