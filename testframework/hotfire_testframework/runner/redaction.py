"""Keep secrets out of everything that is kept: their value, and the forms in which it gets printed.

Every form is replaced by as many asterisks, so that offsets, sizes and archives stay what they were.
"""

from __future__ import annotations

import base64
import html
import json
import re
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any
from urllib.parse import quote, quote_plus

SHORTEST = 8
"""Bytes of a value, or of one line of it, that are searched for: less occurs by chance."""
CHUNK_BYTES = 1 << 20


class Redactor:
    """Replaces the known forms of some values; one without values changes nothing."""

    def __init__(self, values: Iterable[bytes] = ()) -> None:
        forms = {form for value in values for form in _forms(value) if len(form) >= SHORTEST}
        # Of two forms that begin alike the longer one is tried first.
        self._forms = tuple(sorted(forms, key=lambda form: (-len(form), form)))
        self._bytes = _pattern(self._forms)
        texts = [form.decode("utf-8") for form in self._forms if _is_text(form)]
        self._text = re.compile("|".join(map(re.escape, texts))) if texts else None

    def __bool__(self) -> bool:
        return bool(self._forms)

    @property
    def forms(self) -> tuple[bytes, ...]:
        """All that is searched for, longest first."""
        return self._forms

    def content(self, data: bytes) -> bytes:
        """Redact bytes that are whole."""
        return data if self._bytes is None else self._bytes.sub(_stars, data)

    def text(self, text: str) -> str:
        """Redact a text that is whole."""
        return text if self._text is None else self._text.sub(_text_stars, text)

    def value(self, value: Any) -> Any:
        """Redact all texts of a JSON value, names of fields included."""
        if not self._forms:
            return value
        if isinstance(value, str):
            return self.text(value)
        if isinstance(value, Mapping):
            return {self.text(str(name)): self.value(inner) for name, inner in value.items()}
        if isinstance(value, (list, tuple)):
            return [self.value(inner) for inner in value]
        return value

    def holds_secret(self, data: bytes) -> bool:
        """Whether bytes hold one of the forms."""
        return self._bytes is not None and self._bytes.search(data) is not None

    def file(self, path: Path) -> None:
        """Redact a file in place; one without secrets keeps its bytes and times."""
        if not self._forms or not path.is_file() or not self._is_in(path):
            return
        aside = path.with_name(f"{path.name}.redacting")
        aside.touch(mode=0o600)
        with path.open("rb") as source, aside.open("wb") as target:
            target.writelines(self.stream(_chunks(source)))
        aside.chmod(path.stat().st_mode & 0o777)
        aside.replace(path)

    def stream(self, chunks: Iterable[bytes]) -> Iterator[bytes]:
        """Redact a stream, forms that cross its chunks included."""
        flow = Flow(self)
        for chunk in chunks:
            yield flow.feed(chunk)
        yield flow.finish()

    def _is_in(self, path: Path) -> bool:
        longest = len(self._forms[0])
        before = b""
        with path.open("rb") as file:
            for chunk in _chunks(file):
                data = before + chunk
                if self.holds_secret(data):
                    return True
                before = data[-longest:]
        return False

    def open_end(self, data: bytes) -> int:
        """Return how many bytes at the end may be the beginning of a form."""
        if not self._forms:
            return 0
        for size in range(min(len(self._forms[0]) - 1, len(data)), 0, -1):
            end = data[-size:]
            if any(form.startswith(end) for form in self._forms):
                return size
        return 0

    def settled(self, data: bytes, cut: int) -> int:
        """Move a cut before a form that it would divide."""
        if self._bytes is None:
            return cut
        for found in self._bytes.finditer(data):
            if found.start() < cut < found.end():
                return found.start()
        return cut


def read_secrets(folder: Path, names: Iterable[str]) -> Redactor:
    """Return what redacts the secrets of an attempt; FileNotFoundError if one was not handed over."""
    return Redactor((folder / name).read_bytes() for name in names)


class Flow:
    """Redacts a stream piece by piece; what may be the beginning of a secret waits for its rest."""

    def __init__(self, redactor: Redactor) -> None:
        self._redactor = redactor
        self._waiting = b""

    def feed(self, chunk: bytes) -> bytes:
        """Take a piece and return what can be said already."""
        data = self._waiting + chunk
        cut = self._redactor.settled(data, len(data) - self._redactor.open_end(data))
        self._waiting = data[cut:]
        return self._redactor.content(data[:cut])

    def finish(self) -> bytes:
        """Return the rest."""
        rest, self._waiting = self._waiting, b""
        return self._redactor.content(rest)


def _forms(value: bytes) -> Iterator[bytes]:
    """Yield a value and its lines as they are, and as programs print them."""
    whole = value.strip(b"\r\n")
    lines = [line.strip() for line in whole.splitlines()]
    for plain in dict.fromkeys([whole, *(line for line in lines if len(line) >= SHORTEST)]):
        yield plain
        yield plain.hex().encode()
        yield plain.hex().upper().encode()
        yield from _base64_forms(plain)
        yield quote(plain, safe="").encode()
        yield quote(plain).encode()
        yield quote_plus(plain).encode()
        if _is_text(plain):
            text = plain.decode("utf-8")
            yield json.dumps(text)[1:-1].encode()
            yield json.dumps(text, ensure_ascii=False)[1:-1].encode()
            yield html.escape(text).encode()
            yield repr(text)[1:-1].encode()


def _base64_forms(plain: bytes) -> Iterator[bytes]:
    """Yield what stays of the base64 of any text with the value in it, at its three positions."""
    for offset, skipped in ((0, 0), (1, 2), (2, 3)):
        padded = b"\0" * offset + plain
        whole_signs = len(padded) * 8 // 6
        yield base64.b64encode(padded)[skipped:whole_signs]
        yield base64.urlsafe_b64encode(padded)[skipped:whole_signs]


def _is_text(data: bytes) -> bool:
    try:
        data.decode("utf-8")
    except UnicodeDecodeError:
        return False
    return True


def _pattern(forms: tuple[bytes, ...]) -> re.Pattern[bytes] | None:
    return re.compile(b"|".join(map(re.escape, forms))) if forms else None


def _stars(found: re.Match[bytes]) -> bytes:
    return b"*" * len(found[0])


def _text_stars(found: re.Match[str]) -> str:
    return "*" * len(found[0])


def _chunks(file: Any) -> Iterator[bytes]:
    while chunk := file.read(CHUNK_BYTES):
        yield chunk


NOTHING_SECRET = Redactor()
"""For tasks without secrets: everything passes as it is."""
