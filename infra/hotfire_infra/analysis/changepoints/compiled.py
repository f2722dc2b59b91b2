"""Compilation of the inner loops: numba's where it is installed, else the same code in Python."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from functools import cache
from pathlib import Path
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
    made: Any = njit(cache=True, nogil=True, fastmath={"nnan", "nsz"})(function)
    # A function is kept together with those that it calls, but numba looks only at the file it stands
    # in: an edit of another file would change nothing. So all files of the package count.
    made._cache._cache_file._source_stamp = sources()
    return cast("Function", made)


@cache
def sources() -> str:
    """Return a digest of all that is compiled here."""
    digest = hashlib.sha256()
    for path in sorted(Path(__file__).parent.glob("*.py")):
        digest.update(path.read_bytes())
    return digest.hexdigest()
