"""The bytes of a report in pieces, as they are or repaired."""

from __future__ import annotations

import codecs
import re
from collections.abc import Iterator
from pathlib import Path

from hotfire_infra.ingest.formats.values import Reading

CHUNK_BYTES = 32 << 10
_HEAD_BYTES = 256
_DECLARED = re.compile(rb"""<\?xml[^>]*encoding=["']([A-Za-z0-9._:-]+)["']""")
# What XML 1.0 cannot hold (section 2.2), even as a character reference.
_ILLEGAL = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\ud800-\udfff\ufffe\uffff]")
_AMPERSAND = re.compile(r"&(?:#(x[0-9a-fA-F]{1,6}|[0-9]{1,7});|(?:lt|gt|amp|quot|apos);)?")
_LONGEST_REFERENCE = 12
_BOMS = (
    (codecs.BOM_UTF8, "utf-8-sig"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)


def check_size(path: Path, reading: Reading, limit: int) -> int:
    """Return the size of a report; one that is too large, empty or no file is refused."""
    try:
        if not path.is_file():
            raise reading.refuse("no file", "Name the report itself, not its directory.")
        size = path.stat().st_size
    except OSError as error:
        raise reading.refuse(f"cannot be read ({error.strerror})", "Check its path.") from error
    if size > limit:
        raise reading.refuse(
            f"{size} bytes, allowed are {limit}", "Write one report per suite, without its output."
        )
    if size == 0:
        raise reading.refuse(
            "the file is empty",
            "The tool that should write it may have crashed: pytest writes no report then.",
        )
    return size


def raw_chunks(path: Path) -> Iterator[bytes]:
    """Yield the file as it is."""
    with path.open("rb") as file:
        while chunk := file.read(CHUNK_BYTES):
            yield chunk


def repaired_chunks(path: Path) -> Iterator[bytes]:
    """Yield the file as UTF-8 that XML can hold.

    Control characters are dropped, bytes of another encoding and impossible character references
    become U+FFFD, a bare ampersand is escaped. What was sound comes out unchanged.
    """
    head = b""
    with path.open("rb") as file:
        head = file.read(_HEAD_BYTES)
    decoder = codecs.getincrementaldecoder(_encoding(head))(errors="replace")
    held, is_first = "", True
    for chunk in raw_chunks(path):
        text = _ILLEGAL.sub("", held + decoder.decode(chunk))
        if is_first:
            text, is_first = text.lstrip(" \t\r\n\ufeff"), False
        # A reference may be cut by the end of the piece.
        cut = text.rfind("&", max(0, len(text) - _LONGEST_REFERENCE))
        held = text[cut:] if cut >= 0 else ""
        yield _repair(text[:cut] if cut >= 0 else text)
    yield _repair(_ILLEGAL.sub("", held + decoder.decode(b"", final=True)))


def _repair(text: str) -> bytes:
    return _AMPERSAND.sub(_reference, text).encode("utf-8")


def _reference(match: re.Match[str]) -> str:
    code = match.group(1)
    if code is not None:
        value = int(code[1:], 16) if code[0] == "x" else int(code)
        is_legal = value <= 0x10FFFF and not _ILLEGAL.match(chr(value))
        return match.group() if is_legal else "\ufffd"
    return "&amp;" if match.group() == "&" else match.group()


def _encoding(head: bytes) -> str:
    for mark, name in _BOMS:
        if head.startswith(mark):
            return name
    declared = _DECLARED.search(head)
    name = declared.group(1).decode("ascii") if declared else "utf-8"
    try:
        codecs.lookup(name)
        "".encode(name)
    except (LookupError, ValueError):
        return "utf-8"
    return name
