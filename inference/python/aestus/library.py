"""The shared library: where it is, its C signatures, and errors as exceptions."""

from __future__ import annotations

import ctypes
import enum
import functools
import os
import sys
from collections.abc import Callable
from pathlib import Path

from aestus.errors import LibraryError, error_of

LIBRARY_VARIABLE = "AESTUS_LIBRARY"
_FILE_NAME = {"win32": "libaestus.dll", "darwin": "libaestus.dylib"}.get(
    sys.platform, "libaestus.so"
)


class QType(enum.IntEnum):
    """Storage types of weights; the numbers are ggml's."""

    F32 = 0
    Q4_1 = 3
    Q8_0 = 8


_I32, _I64, _F32 = ctypes.c_int32, ctypes.c_int64, ctypes.c_float
_PTR, _TEXT = ctypes.c_void_p, ctypes.c_char_p
_OUT_I64 = ctypes.POINTER(_I64)
_OUT_PTR = ctypes.POINTER(_PTR)

# Functions that return a status, with their argument types as in aestus.h.
_CHECKED: dict[str, list[type[object]]] = {
    "set_impl": [_TEXT],
    "gemm_f32": [_PTR, _PTR, _PTR, _I64, _I64, _I64],
    "qmatmul": [_I32, _PTR, _PTR, _PTR, _I64, _I64, _I64],
    "dequantize_row": [_I32, _PTR, _PTR, _I64],
    "quantize_row": [_I32, _PTR, _PTR, _I64],
    "rmsnorm_f32": [_PTR, _PTR, _PTR, _I64, _I64, _F32],
    "softmax_f32": [_PTR, _PTR, _I64, _I64],
    "rope_f32": [_PTR, _PTR, _I64, _I64, _I64, _I64, _F32],
    "attention_f32": [_PTR, _PTR, _PTR, _PTR, _I64, _I64, _I64, _I64, _I64],
    "swiglu_f32": [_PTR, _PTR, _PTR, _I64],
    "embedding": [_I32, _PTR, _PTR, _PTR, _I64, _I64, _I64],
    "model_open": [_TEXT, _OUT_PTR],
    "session_create": [_PTR, _I64, _I32, _OUT_PTR],
    "session_reset": [_PTR],
    "session_eval": [_PTR, _PTR, _I64, _PTR, _I32],
    "tokenize": [_PTR, _TEXT, _I64, _PTR, _I64, _OUT_I64],
    "detokenize": [_PTR, _PTR, _I64, _PTR, _I64, _OUT_I64],
    "generate_greedy": [_PTR, _PTR, _I64, _PTR, _I64, _OUT_I64],
}
# Functions that cannot fail: result type, argument types.
_PLAIN: dict[str, tuple[type[object] | None, list[type[object]]]] = {
    "version": (_TEXT, []),
    "last_error": (_TEXT, []),
    "impl": (_TEXT, []),
    "row_bytes": (_I64, [_I32, _I64]),
    "model_close": (None, [_PTR]),
    "model_vocab": (_I64, [_PTR]),
    "model_layers": (_I64, [_PTR]),
    "model_width": (_I64, [_PTR]),
    "model_context": (_I64, [_PTR]),
    "model_weight_bytes": (_I64, [_PTR]),
    "session_free": (None, [_PTR]),
}


class Library:
    """One loaded libaestus.

    `path` defaults to the environment variable AESTUS_LIBRARY, then to a file beside this
    package. Calls release the interpreter lock.
    """

    def __init__(self, path: str | os.PathLike[str] | None = None) -> None:
        self.path = Path(path) if path is not None else _default_path()
        try:
            self._native = ctypes.CDLL(str(self.path))
            self._functions = self._declare()
        except (OSError, AttributeError) as error:
            raise LibraryError(
                f"cannot load {self.path}: {error}; set {LIBRARY_VARIABLE} to libaestus"
            ) from error

    def _declare(self) -> dict[str, Callable[..., object]]:
        functions: dict[str, Callable[..., object]] = {}
        for name, arguments in _CHECKED.items():
            function = getattr(self._native, f"aestus_{name}")
            function.argtypes, function.restype = arguments, ctypes.c_int
            functions[name] = function
        for name, (result, arguments) in _PLAIN.items():
            function = getattr(self._native, f"aestus_{name}")
            function.argtypes, function.restype = arguments, result
            functions[name] = function
        return functions

    def call(self, name: str, *arguments: object) -> None:
        """Call `aestus_<name>`; raise what its status says."""
        status = self._functions[name](*arguments)
        assert isinstance(status, int)
        if status != 0:
            raise error_of(status, self._text("last_error"))

    def number(self, name: str, *arguments: object) -> int:
        """Result of an `aestus_<name>` that cannot fail."""
        value = self._functions[name](*arguments)
        assert isinstance(value, int)
        return value

    def release(self, name: str, handle: ctypes.c_void_p) -> None:
        """Free a handle by `aestus_<name>`."""
        self._functions[name](handle)

    def _text(self, name: str) -> str:
        value = self._functions[name]()
        return value.decode("utf-8", "replace") if isinstance(value, bytes) else ""

    @property
    def version(self) -> str:
        return self._text("version")

    @property
    def impl(self) -> str:
        """The implementation in force: scalar, avx2 or neon."""
        return self._text("impl")

    def set_impl(self, name: str) -> None:
        """Force an implementation; `auto` takes the best of this machine."""
        self.call("set_impl", name.encode())


def _default_path() -> Path:
    named = os.environ.get(LIBRARY_VARIABLE)
    return Path(named) if named else Path(__file__).parent / _FILE_NAME


@functools.cache
def default_library() -> Library:
    """The library of AESTUS_LIBRARY, loaded once."""
    return Library()
