"""Digest of an output's bits: the same on every platform and from every language."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

_OFFSET, _PRIME, _MASK = 0xCBF29CE484222325, 0x100000001B3, (1 << 64) - 1
_NAN = np.uint32(0x7FC00000)


def digest(output: NDArray[np.float32]) -> str:
    """FNV-1a, 64 bit, of the little-endian bytes; payload and sign of NaN do not count."""
    bits = np.ascontiguousarray(output, "<f4").view("<u4").copy()
    bits[np.isnan(output)] = _NAN
    value = _OFFSET
    for byte in bits.tobytes():
        value = ((value ^ byte) * _PRIME) & _MASK
    return f"{value:016x}"
