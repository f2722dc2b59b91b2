"""A small GGUF reader for the oracle: it shares no code with the library under test.

Format: GGUF version 3, little endian: magic, version, tensor count, key count, keys, tensor
directory, then aligned data. Only what the bundled model holds is read: F32, Q4_1, Q8_0.
"""

from __future__ import annotations

import mmap
import struct
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hotfire_testframework.numerics.blocks import Q4_1, Q8_0
from hotfire_testframework.numerics.errors import ModelFileError

_SCALARS = {
    0: "B",
    1: "b",
    2: "H",
    3: "h",
    4: "I",
    5: "i",
    6: "f",
    7: "?",
    10: "Q",
    11: "q",
    12: "d",
}
_STRING, _ARRAY = 8, 9
_F32 = 0
_FORMATS = {each.ggml_type: each for each in (Q4_1, Q8_0)}


@dataclass(frozen=True, slots=True, kw_only=True)
class TensorEntry:
    """One line of the tensor directory; `shape` is row-major, slowest axis first."""

    name: str
    shape: tuple[int, ...]
    ggml_type: int
    offset: int


class _Cursor:
    """Reads values one after the other from the mapped file."""

    def __init__(self, view: mmap.mmap) -> None:
        self._view = view
        self.at = 0

    def scalar(self, code: str) -> Any:
        value = struct.unpack_from("<" + code, self._view, self.at)[0]
        self.at += struct.calcsize("<" + code)
        return value

    def text(self) -> str:
        length = self.scalar("Q")
        raw = self._view[self.at : self.at + length]
        self.at += length
        return raw.decode("utf-8")

    def value(self, kind: int) -> Any:
        if kind == _STRING:
            return self.text()
        if kind == _ARRAY:
            inner = self.scalar("I")
            return [self.value(inner) for _ in range(self.scalar("Q"))]
        return self.scalar(_SCALARS[kind])


class GgufFile:
    """Metadata and tensors of one file; tensors are decoded to float32 on demand."""

    def __init__(self, path: Path) -> None:
        try:
            with path.open("rb") as stream:
                self._view = mmap.mmap(stream.fileno(), 0, access=mmap.ACCESS_READ)
            self._read_header(path)
        except (ValueError, struct.error, KeyError, UnicodeDecodeError, IndexError) as error:
            raise ModelFileError(f"{path}: not a readable GGUF file ({error!r})") from error

    def _read_header(self, path: Path) -> None:
        cursor = _Cursor(self._view)
        magic, version = self._view[:4], 0
        cursor.at = 4
        version = cursor.scalar("I")
        if magic != b"GGUF" or version != 3:
            raise ModelFileError(
                f"{path}: expected GGUF version 3, found {magic!r} version {version}"
            )
        tensors, keys = cursor.scalar("Q"), cursor.scalar("Q")
        self.metadata: dict[str, Any] = {}
        for _ in range(keys):
            name = cursor.text()
            self.metadata[name] = cursor.value(cursor.scalar("I"))
        self.entries = {
            entry.name: entry for entry in (self._entry(cursor) for _ in range(tensors))
        }
        alignment = int(self.metadata.get("general.alignment", 32))
        self._data = -(-cursor.at // alignment) * alignment

    @staticmethod
    def _entry(cursor: _Cursor) -> TensorEntry:
        name = cursor.text()
        axes = [cursor.scalar("Q") for _ in range(cursor.scalar("I"))]
        return TensorEntry(
            name=name,
            shape=tuple(reversed(axes)),
            ggml_type=cursor.scalar("I"),
            offset=cursor.scalar("Q"),
        )

    def tensor(self, name: str) -> NDArray[np.float32]:
        """The tensor as float32, quantised blocks dequantised with float32 rounding."""
        entry = self.entries[name]
        count = int(np.prod(entry.shape))
        start = self._data + entry.offset
        if entry.ggml_type == _F32:
            flat = np.frombuffer(self._view, "<f4", count, start).copy()
        elif entry.ggml_type in _FORMATS:
            form = _FORMATS[entry.ggml_type]
            raw = np.frombuffer(self._view, np.uint8, form.row_bytes(count), start)
            flat = form.dequantise(raw)
        else:
            raise ModelFileError(f"{name}: ggml type {entry.ggml_type} is not one the oracle reads")
        return flat.reshape(entry.shape)
