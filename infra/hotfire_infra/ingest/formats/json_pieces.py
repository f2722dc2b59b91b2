"""A JSON file in pieces: members of its object, elements of chosen arrays one at a time."""

from __future__ import annotations

import codecs
import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from hotfire_infra.errors import ReportRefusedError
from hotfire_infra.ingest.formats.bytes_source import check_size, raw_chunks
from hotfire_infra.ingest.formats.values import Reading

_SPACE = re.compile(r"[ \t\r\n]*")
_ILLEGAL = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f]")


class _BrokenError(ReportRefusedError):
    """The text is no JSON from here on; `is_end`: because it ends."""

    def __init__(self, what: str, *, is_end: bool) -> None:
        super().__init__(what)
        self.is_end = is_end


class _Text:
    """The file's text behind a moving start; grows only while a piece is not whole."""

    def __init__(self, path: Path, reading: Reading) -> None:
        self._chunks = raw_chunks(path)
        self._decoder = codecs.getincrementaldecoder("utf-8-sig")(errors="replace")
        self._reading = reading
        self._decode = json.JSONDecoder(strict=False).raw_decode
        self._buffer = ""
        self._at = 0
        self._line = 1
        self._is_over = False

    @property
    def line(self) -> int:
        return self._line + self._buffer.count("\n", 0, self._at)

    def _more(self) -> bool:
        """Read on: as much again as is waiting, so that a long piece is tried few times."""
        if self._is_over:
            return False
        self._line += self._buffer.count("\n", 0, self._at)
        held, self._at = [self._buffer[self._at :]], 0
        wanted = max(1, len(held[0]))
        while wanted > 0:
            chunk = next(self._chunks, None)
            if chunk is None:
                self._is_over = True
                held.append(self._decoder.decode(b"", final=True))
                break
            text = self._decoder.decode(chunk)
            held.append(text)
            wanted -= len(chunk)
        self._buffer = "".join(held)
        if "\x00" in self._buffer or "\x1b" in self._buffer:
            self._buffer = _ILLEGAL.sub("", self._buffer)
            if not self._reading.degraded:
                self._reading.degraded.append("control characters were removed")
        return True

    def peek(self) -> str:
        """Return the next sign that is no space; empty at the end."""
        while True:
            match = _SPACE.match(self._buffer, self._at)
            assert match is not None  # matches the empty text
            self._at = match.end()
            if self._at < len(self._buffer):
                return self._buffer[self._at]
            if not self._more():
                return ""

    def expect(self, signs: str) -> str:
        """Consume one of the signs."""
        found = self.peek()
        if not found:
            raise _BrokenError("the file ends early", is_end=True)
        if found not in signs:
            raise _BrokenError(f"{found!r} stands where {' or '.join(signs)} belongs", is_end=False)
        self._at += 1
        return found

    def value(self) -> Any:
        """Consume one whole value."""
        limit = self._reading.limits.token_bytes * 8
        if not self.peek():
            raise _BrokenError("the file ends early", is_end=True)
        while True:
            try:
                value, end = self._decode(self._buffer, self._at)
                # A number at the end of the buffer may go on behind it.
                if end < len(self._buffer) or self._is_over:
                    self._at = end
                    return value
            except RecursionError as error:
                raise self._reading.refuse(
                    "nested too deeply", "No tool writes such a report.", self.line
                ) from error
            except ValueError as error:
                if len(self._buffer) - self._at > limit:
                    raise self._reading.refuse(
                        f"one element is longer than {limit} bytes, or it is no JSON ({error})",
                        "Write the report without raw data.",
                        self.line,
                    ) from error
                if self._is_over:
                    is_end = getattr(error, "pos", 0) >= len(self._buffer) - 1
                    raise _BrokenError(f"no JSON: {error}", is_end=is_end) from error
            self._more()


def members(path: Path, reading: Reading, streamed: str) -> Iterator[tuple[str, Any]]:
    """Yield (name, value) of the file's one object; of the member `streamed` each element singly.

    An array is streamed by element, an object as (name, value) pairs. Accepted are the `NaN` and
    `Infinity` that Python writes. A file that breaks off sets `reading.incomplete`.
    """
    check_size(path, reading, reading.limits.json_bytes)
    text = _Text(path, reading)
    has_begun = False
    try:
        text.expect("{")
        has_begun = True
        if text.peek() == "}":
            return
        while True:
            name = text.value()
            text.expect(":")
            if name == streamed and text.peek() in "[{":
                for value in _elements(text):
                    yield streamed, value
            else:
                yield str(name), text.value()
            if text.expect(",}") == "}":
                break
        if text.peek():
            reading.incomplete = f"line {text.line}: more text behind the end of the report"
    except _BrokenError as error:
        if not has_begun:
            raise reading.refuse(
                f"no JSON object: {error}", "Say with --format what it is.", text.line
            ) from error
        reading.incomplete = f"the report breaks off at line {text.line}: {error}"


def _elements(text: _Text) -> Iterator[Any]:
    if text.expect("[{") == "[":
        if text.peek() == "]":
            text.expect("]")
            return
        while True:
            yield text.value()
            if text.expect(",]") == "]":
                return
    if text.peek() == "}":
        text.expect("}")
        return
    while True:
        name = text.value()
        text.expect(":")
        yield name, text.value()
        if text.expect(",}") == "}":
            return


def as_object(value: object, reading: Reading, what: str) -> dict[str, Any]:
    """Return a JSON object, or refuse the file."""
    if isinstance(value, dict):
        return value
    raise reading.refuse(
        f"{what} is {str(value)[:80]!r}, no object", "Is this the format that --format says?"
    )


def as_list(value: object, reading: Reading, what: str) -> list[Any]:
    """Return a JSON list (none counts as empty), or refuse the file."""
    if value is None:
        return []
    if isinstance(value, list):
        return value
    raise reading.refuse(
        f"{what} is {str(value)[:80]!r}, no list", "Is this the format that --format says?"
    )


def as_text(value: object, limit: int = 64 << 10) -> str:
    """Return any JSON value as text of limited length."""
    if value is None:
        return ""
    text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False, default=str)
    return text[:limit]
