"""Philox4x32-10: the counter-based generator of every kernel input, the same on all platforms.

Reference: J. Salmon, M. Moraes, R. Dror, D. Shaw, *Parallel Random Numbers: As Easy as 1, 2, 3*,
SC11, section 4.2; known-answer vectors of Random123 (`kat_vectors`).
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Words = NDArray[np.uint32]

_MULTIPLIERS = (np.uint64(0xD2511F53), np.uint64(0xCD9E8D57))
_WEYL = (0x9E3779B9, 0xBB67AE85)
_ROUNDS = 10
_LOW = np.uint64(0xFFFFFFFF)
_HALF = np.uint64(32)


def philox4x32(counter: NDArray[np.uint64], key: tuple[int, int]) -> NDArray[np.uint64]:
    """Ten rounds over `counter [4, n]` (32-bit words in 64-bit cells); returns `[4, n]`."""
    c0, c1, c2, c3 = counter
    k0, k1 = key
    for _ in range(_ROUNDS):
        product0, product1 = _MULTIPLIERS[0] * c0, _MULTIPLIERS[1] * c2
        c0, c1, c2, c3 = (
            (product1 >> _HALF) ^ c1 ^ np.uint64(k0),
            product1 & _LOW,
            (product0 >> _HALF) ^ c3 ^ np.uint64(k1),
            product0 & _LOW,
        )
        k0, k1 = (k0 + _WEYL[0]) & 0xFFFFFFFF, (k1 + _WEYL[1]) & 0xFFFFFFFF
    return np.stack([c0, c1, c2, c3])


def words(seed: int, tensor: int, count: int) -> Words:
    """The four output words `[4, count]` of elements 0..count-1 of one input tensor.

    key = (seed low, seed high), counter = (index low, index high, tensor, 0).
    """
    index = np.arange(count, dtype=np.uint64)
    counter = np.stack(
        [
            index & _LOW,
            index >> _HALF,
            np.full(count, tensor, np.uint64),
            np.zeros(count, np.uint64),
        ]
    )
    return philox4x32(counter, (seed & 0xFFFFFFFF, seed >> 32)).astype(np.uint32)
