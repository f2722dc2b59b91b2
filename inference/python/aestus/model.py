"""Models and sessions as context managers."""

from __future__ import annotations

import ctypes
import os
from types import TracebackType

import numpy as np
import numpy.typing as npt

from aestus.arrays import F32, I32, address, integers
from aestus.errors import ArgumentError
from aestus.library import Library, default_library


class Model:
    """An opened GGUF file: immutable, may be shared by sessions and threads."""

    def __init__(self, path: str | os.PathLike[str], *, library: Library | None = None) -> None:
        self.library = default_library() if library is None else library
        self._handle = ctypes.c_void_p()
        self.library.call("model_open", os.fspath(path).encode(), ctypes.byref(self._handle))

    @property
    def handle(self) -> ctypes.c_void_p:
        """The C handle; raises after close()."""
        if self._handle.value is None:
            raise ArgumentError("the model is closed")
        return self._handle

    def close(self) -> None:
        """Free the model; its sessions must be closed before."""
        if self._handle.value is not None:
            self.library.release("model_close", self._handle)
            self._handle = ctypes.c_void_p()

    def __enter__(self) -> Model:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    @property
    def vocab(self) -> int:
        return self.library.number("model_vocab", self.handle)

    @property
    def layers(self) -> int:
        return self.library.number("model_layers", self.handle)

    @property
    def width(self) -> int:
        return self.library.number("model_width", self.handle)

    @property
    def context(self) -> int:
        return self.library.number("model_context", self.handle)

    @property
    def weight_bytes(self) -> int:
        return self.library.number("model_weight_bytes", self.handle)

    def tokenize(self, text: str | bytes) -> I32:
        """Token ids of `text`; special tokens in it stay plain text."""
        data = text.encode("utf-8") if isinstance(text, str) else text
        capacity = len(data) + 1  # a token stands for at least one byte; one more for bos
        ids = np.empty(capacity, np.int32)
        count = ctypes.c_int64()
        self.library.call(
            "tokenize",
            self.handle,
            data,
            len(data),
            address(ids),
            capacity,
            ctypes.byref(count),
        )
        return ids[: count.value].copy()

    def detokenize(self, ids: npt.ArrayLike) -> bytes:
        """The bytes the tokens stand for; a cut sequence need not be UTF-8."""
        tokens = integers(ids, "ids")
        needed = ctypes.c_int64()
        arguments = (self.handle, address(tokens), tokens.size)
        try:
            self.library.call("detokenize", *arguments, None, 0, ctypes.byref(needed))
        except ArgumentError:
            if needed.value == 0:  # a real refusal, not the question for the size
                raise
        out = ctypes.create_string_buffer(max(1, needed.value))
        self.library.call("detokenize", *arguments, out, needed.value, ctypes.byref(needed))
        return out.raw[: needed.value]

    def session(self, context: int | None = None, threads: int = 1) -> Session:
        """A new sequence of at most `context` tokens (the model's own limit by default)."""
        return Session(self, context=context, threads=threads)


class Session:
    """One sequence with its key/value cache; one thread at a time."""

    def __init__(self, model: Model, *, context: int | None = None, threads: int = 1) -> None:
        self.model = model
        self._library = model.library
        self._handle = ctypes.c_void_p()
        length = model.context if context is None else context
        self._library.call(
            "session_create", model.handle, length, threads, ctypes.byref(self._handle)
        )

    def close(self) -> None:
        if self._handle.value is not None:
            self._library.release("session_free", self._handle)
            self._handle = ctypes.c_void_p()

    def __enter__(self) -> Session:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def _open(self) -> ctypes.c_void_p:
        if self._handle.value is None or self.model.handle.value is None:
            raise ArgumentError("the session is closed")
        return self._handle

    def reset(self) -> None:
        """Forget the sequence."""
        self._library.call("session_reset", self._open())

    def eval(self, ids: npt.ArrayLike) -> F32:
        """Append tokens; logits [vocab] of the last one."""
        out = np.empty(self.model.vocab, np.float32)
        self._eval(integers(ids, "ids"), out, every=False)
        return out

    def eval_all(self, ids: npt.ArrayLike) -> F32:
        """Append tokens; logits [n,vocab] of every one."""
        tokens = integers(ids, "ids")
        out = np.empty((tokens.size, self.model.vocab), np.float32)
        self._eval(tokens, out, every=True)
        return out

    def _eval(self, tokens: I32, out: F32, *, every: bool) -> None:
        arguments = (address(tokens), tokens.size, address(out), int(every))
        self._library.call("session_eval", self._open(), *arguments)

    def generate_greedy(self, prompt: npt.ArrayLike, max_new: int) -> I32:
        """Feed the prompt, then take the most probable token up to `max_new` times."""
        tokens = integers(prompt, "prompt")
        out = np.empty(max(0, max_new), np.int32)
        count = ctypes.c_int64()
        arguments = (address(tokens), tokens.size, address(out), max_new, ctypes.byref(count))
        self._library.call("generate_greedy", self._open(), *arguments)
        return out[: count.value].copy()
