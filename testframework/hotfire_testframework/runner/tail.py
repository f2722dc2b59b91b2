"""Follow a file of JSON lines that another process appends to."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

CHUNK_BYTES = 1 << 20
LINE_LIMIT = 8 << 20


@dataclass(slots=True)
class Tail:
    """Reads whole lines only; what cannot be parsed is kept apart."""

    path: Path
    offset: int = 0
    broken: list[str] = field(default_factory=list)
    _rest: bytes = b""

    def read(self) -> list[dict[str, Any]]:
        """Return the events that were appended since the last call."""
        try:
            with self.path.open("rb") as file:
                file.seek(self.offset)
                data = file.read(CHUNK_BYTES)
        except FileNotFoundError:
            return []
        self.offset += len(data)
        *lines, self._rest = (self._rest + data).split(b"\n")
        if len(self._rest) > LINE_LIMIT:
            self.broken.append(f"a line longer than {LINE_LIMIT} bytes")
            self._rest = b""
        return [
            event for line in lines if line.strip() and (event := self._parse(line)) is not None
        ]

    def read_all(self) -> list[dict[str, Any]]:
        """Return everything up to the end of the file."""
        events: list[dict[str, Any]] = []
        before = -1
        while self.offset != before:
            before = self.offset
            events.extend(self.read())
        return events

    def _parse(self, line: bytes) -> dict[str, Any] | None:
        try:
            event = json.loads(line)
        except (ValueError, RecursionError):
            event = None
        if isinstance(event, dict):
            return event
        self.broken.append(line[:200].decode(errors="replace"))
        return None
