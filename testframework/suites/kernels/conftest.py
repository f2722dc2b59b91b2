"""Fixtures of the kernel suite: the library under test, and how each operator calls its C function."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from aestus import Library
from aestus.arrays import address
from hotfire_testframework.contract.cases import CaseLine
from hotfire_testframework.numerics.blocks import FORMATS
from hotfire_testframework.operators.rmsnorm import EPSILON
from hotfire_testframework.operators.rope import BASE

Pointers = list[Any]
Call = Callable[[Library, CaseLine, Pointers, Any], None]

# The goldens belong to the checkout that holds this suite, not to an installed framework.
os.environ.setdefault("HOTFIRE_SOURCE", str(Path(__file__).resolve().parents[3]))


def _type(case: CaseLine) -> int:
    return FORMATS[case.dtype].ggml_type if case.dtype in FORMATS else 0


def _sizes(case: CaseLine, *keys: str) -> list[int]:
    return [case.integer(key) for key in keys]


def _gemm(library: Library, case: CaseLine, inputs: Pointers, out: Any) -> None:
    library.call("gemm_f32", *inputs, out, *_sizes(case, "m", "n", "k"))


def _qmatmul(library: Library, case: CaseLine, inputs: Pointers, out: Any) -> None:
    library.call("qmatmul", _type(case), *inputs, out, *_sizes(case, "n", "k", "m"))


def _embedding(library: Library, case: CaseLine, inputs: Pointers, out: Any) -> None:
    library.call("embedding", _type(case), *inputs, out, *_sizes(case, "tokens", "vocab", "d"))


def _dequantize(library: Library, case: CaseLine, inputs: Pointers, out: Any) -> None:
    # Rows of whole blocks are contiguous, so one call decodes all of them.
    count = case.integer("rows") * case.integer("k")
    library.call("dequantize_row", _type(case), *inputs, out, count)


def _rmsnorm(library: Library, case: CaseLine, inputs: Pointers, out: Any) -> None:
    library.call("rmsnorm_f32", *inputs, out, *_sizes(case, "rows", "d"), EPSILON)


def _softmax(library: Library, case: CaseLine, inputs: Pointers, out: Any) -> None:
    library.call("softmax_f32", *inputs, out, *_sizes(case, "rows", "d"))


def _rope(library: Library, case: CaseLine, inputs: Pointers, out: Any) -> None:
    library.call("rope_f32", *inputs, out, *_sizes(case, "tokens", "heads", "hd", "pos"), BASE)


def _attention(library: Library, case: CaseLine, inputs: Pointers, out: Any) -> None:
    sizes = _sizes(case, "tokens", "past", "heads", "kv", "hd")
    library.call("attention_f32", *inputs, out, *sizes)


def _swiglu(library: Library, case: CaseLine, inputs: Pointers, out: Any) -> None:
    library.call("swiglu_f32", *inputs, out, case.integer("n"))


_CALLS: dict[str, Call] = {
    "attention": _attention,
    "dequantize": _dequantize,
    "embedding": _embedding,
    "gemm": _gemm,
    "qmatmul": _qmatmul,
    "rmsnorm": _rmsnorm,
    "rope": _rope,
    "softmax": _softmax,
    "swiglu": _swiglu,
}


class Kernels:
    """The C functions of one loaded library, called on arrays the caller owns."""

    def __init__(self, library: Library) -> None:
        self._library = library

    @property
    def impl(self) -> str:
        """The implementation in force."""
        return self._library.impl

    def __call__(
        self, case: CaseLine, inputs: Sequence[NDArray[Any]], out: NDArray[np.float32]
    ) -> None:
        _CALLS[case.op](self._library, case, [address(each) for each in inputs], address(out))


def pytest_runtestloop(session: pytest.Session) -> None:
    """Without a library no test can run: one clear error instead of two thousand."""
    named = os.environ.get("AESTUS_LIBRARY")
    if session.config.option.collectonly or (named and Path(named).is_file()):
        return
    said = f"AESTUS_LIBRARY={named} is no file" if named else "AESTUS_LIBRARY is not set"
    raise pytest.UsageError(f"{said}: it names the libaestus under test")


@pytest.fixture(scope="session")
def kernels() -> Kernels:
    """The library of AESTUS_LIBRARY; a forced implementation must be the one in force."""
    library = Library()
    forced = os.environ.get("AESTUS_FORCE_IMPL", "auto")
    if forced != "auto":
        assert library.impl == forced, f"asked for {forced}, {library.impl} is in force"
    return Kernels(library)
