"""Compilation of the inner loops: numba's where it is installed, else the same code in Python."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar, cast

Function = TypeVar("Function", bound=Callable[..., Any])


def compiled(function: Function) -> Function:
    """Compile a function of arrays and numbers; without numba return it as it is, slow but right.

    No value in here is ever NaN and no sign of zero matters: told so, the compiler takes minima of
    several at a time. Sums keep their order.
    """
    try:
        from numba import njit
    except ImportError:
        return function
    return cast("Function", njit(cache=True, nogil=True, fastmath={"nnan", "nsz"})(function))
