"""Buffers that show a kernel's stray reads and writes: guard bands, poison, NaN margins."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

GUARD_BYTES = 64  # a cache line on either side, so alignment of the payload is kept
GUARD = 0xA5
POISON = 0xFF  # four of them are a NaN, as int8 minus one, as float16 NaN


class GuardedOutput:
    """A poisoned float32 output between two guard bands."""

    def __init__(self, shape: tuple[int, ...]) -> None:
        size = 4 * int(np.prod(shape))
        self._bytes = np.full(size + 2 * GUARD_BYTES, GUARD, np.uint8)
        inner = self._bytes[GUARD_BYTES : GUARD_BYTES + size]
        inner[:] = POISON
        self.array: NDArray[np.float32] = inner.view(np.float32).reshape(shape)

    def damage(self) -> list[int]:
        """Offsets in bytes from the output's start where a guard was overwritten."""
        hit = np.flatnonzero(self._bytes != GUARD) - GUARD_BYTES
        size = len(self._bytes) - 2 * GUARD_BYTES
        return [int(offset) for offset in hit if not 0 <= offset < size]


def between_margins(stored: NDArray[Any]) -> NDArray[Any]:
    """A copy of an input with NaN before and after it: a read outside spoils the result."""
    raw = np.ascontiguousarray(stored).reshape(-1).view(np.uint8)
    padded = np.full(raw.size + 2 * GUARD_BYTES, POISON, np.uint8)
    inner = padded[GUARD_BYTES : GUARD_BYTES + raw.size]
    inner[:] = raw
    return inner.view(stored.dtype).reshape(stored.shape)
