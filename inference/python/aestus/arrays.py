"""Arrays at the border: checked and contiguous before C sees their address."""

from __future__ import annotations

import ctypes
from typing import Any, TypeVar

import numpy as np
import numpy.typing as npt

from aestus.errors import ArgumentError

F32 = npt.NDArray[np.float32]
I32 = npt.NDArray[np.int32]
Bytes = npt.NDArray[np.uint8]
_Scalar = TypeVar("_Scalar", bound=np.generic)


def floats(array: npt.ArrayLike, name: str, *shape: int | None) -> F32:
    """`array` as contiguous float32 of the given shape; None stands for any length.

    A wider type is refused: rounding is the caller's decision.
    """
    return _checked(array, np.dtype(np.float32), name, shape)


def integers(array: npt.ArrayLike, name: str) -> I32:
    """Token ids as a contiguous int32 vector; refuses values that do not fit."""
    wide = np.asarray(array)
    if wide.size == 0:
        wide = wide.astype(np.int32)
    if wide.dtype.kind not in "iu":
        raise ArgumentError(f"{name} has the type {wide.dtype}, not an integer type")
    limits = np.iinfo(np.int32)
    if wide.size and (int(wide.min()) < limits.min or int(wide.max()) > limits.max):
        raise ArgumentError(f"{name} holds values outside 32 bits")
    return _checked(wide.astype(np.int32), np.dtype(np.int32), name, (None,))


def raw(array: npt.ArrayLike, name: str, size: int) -> Bytes:
    """Stored weights as contiguous bytes, exactly `size` of them."""
    stored = np.ascontiguousarray(array)
    view = stored.reshape(-1).view(np.uint8)
    if view.size != size:
        raise ArgumentError(f"{name} holds {view.size} bytes, expected are {size}")
    return view


def _checked(
    array: npt.ArrayLike,
    dtype: np.dtype[_Scalar],
    name: str,
    shape: tuple[int | None, ...],
) -> npt.NDArray[_Scalar]:
    given = np.asarray(array)
    if given.dtype != dtype:
        raise ArgumentError(f"{name} has the type {given.dtype}, expected is {dtype}")
    fits = given.ndim == len(shape) and all(
        want is None or want == have for want, have in zip(shape, given.shape, strict=True)
    )
    if not fits:
        wanted = ", ".join("any" if want is None else str(want) for want in shape)
        raise ArgumentError(f"{name} has the shape {given.shape}, expected is ({wanted})")
    return np.ascontiguousarray(given, dtype=dtype)


def address(array: npt.NDArray[Any]) -> ctypes.c_void_p:
    """Where the array's data begin; valid while the array lives."""
    return ctypes.c_void_p(array.ctypes.data)
