"""The 8-lane dot product of Aestus in NumPy float32, bit for bit."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

F32 = NDArray[np.float32]

LANES = 8


def dot(a: F32, b: F32) -> F32:
    """`a [m, k]` times `b [n, k]` transposed, every product and sum rounded in the fixed order.

    Term i goes to lane i % 8, also in the tail; result = ((0+4)+(2+6)) + ((1+5)+(3+7)).
    """
    m, k = a.shape
    lanes = np.zeros((LANES, m, b.shape[0]), np.float32)
    for i in range(k):
        lanes[i % LANES] += a[:, None, i] * b[None, :, i]
    return join(lanes)


def join(lanes: F32) -> F32:
    """The fixed tree over the leading axis of eight."""
    half = lanes[:4] + lanes[4:]
    pairs = half[:2] + half[2:]
    joined: F32 = pairs[0] + pairs[1]
    return joined
