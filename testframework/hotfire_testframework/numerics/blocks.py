"""Quantised blocks of 32 weights: Q8_0 and Q4_1 as ggml lays them out, both directions."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from hotfire_testframework.numerics.errors import NumericsError

F32 = NDArray[np.float32]
Bytes = NDArray[np.uint8]

BLOCK = 32  # weights per block, the same in both formats


def _float32_of_halves(raw: Bytes) -> F32:
    halves: F32 = np.ascontiguousarray(raw).view("<f2").astype(np.float32)
    return halves


def _halves(values: F32) -> tuple[Bytes, F32]:
    """Bytes of `values` rounded to binary16, and what they read back as."""
    # A scale past the largest half becomes an infinity in C as well; NumPy would warn about it.
    with np.errstate(over="ignore", invalid="ignore"):
        halves = values.astype("<f2")
    return halves.view(np.uint8).reshape(-1, 2), halves.astype(np.float32)


def dequantise_q8_0(raw: Bytes) -> F32:
    """Weights `[blocks * 32]` of Q8_0 bytes `[blocks * 34]`: fl(d * q)."""
    blocks = raw.reshape(-1, 34)
    scale = _float32_of_halves(blocks[:, :2])
    return (scale * blocks[:, 2:].view(np.int8).astype(np.float32)).reshape(-1)


def dequantise_q4_1(raw: Bytes) -> F32:
    """Weights `[blocks * 32]` of Q4_1 bytes `[blocks * 20]`: fl(fl(d * q) + m), two roundings."""
    blocks = raw.reshape(-1, 20)
    scale = _float32_of_halves(blocks[:, :2])
    minimum = _float32_of_halves(blocks[:, 2:4])
    packed = blocks[:, 4:]
    codes = np.concatenate([packed & 0x0F, packed >> 4], axis=1).astype(np.float32)
    return (scale * codes + minimum).reshape(-1)


def quantise_q8_0(values: F32) -> Bytes:
    """Q8_0 bytes of `values [blocks * 32]`: d = max|x| / 127, q = rint(x / d)."""
    rows = values.reshape(-1, BLOCK)
    step = np.max(np.abs(rows), axis=1, keepdims=True) / np.float32(127)
    inverse = _inverse(step)
    codes = np.rint(rows * inverse)
    scale_bytes, _ = _halves(step)
    return np.concatenate([scale_bytes, codes.astype(np.int8).view(np.uint8)], axis=1).reshape(-1)


def quantise_q4_1(values: F32) -> Bytes:
    """Q4_1 bytes: m = min, d = (max - min) / 15, q = min(15, int((x - m) / d + .5))."""
    rows = values.reshape(-1, BLOCK)
    low = rows.min(axis=1, keepdims=True)
    step = (rows.max(axis=1, keepdims=True) - low) / np.float32(15)
    scaled = (rows - low) * _inverse(step) + np.float32(0.5)
    codes = np.minimum(scaled.astype(np.int32), 15).astype(np.uint8)
    packed = codes[:, :16] | (codes[:, 16:] << 4)
    return np.concatenate([_halves(step)[0], _halves(low)[0], packed], axis=1).reshape(-1)


def _inverse(step: F32) -> F32:
    with np.errstate(divide="ignore"):
        return np.where(step == 0, np.float32(0), np.float32(1) / step).astype(np.float32)


def _exact_q8_0(values: F32) -> Bytes:
    rows = values.reshape(-1, BLOCK)
    scale_bytes, _ = _halves(np.ones((rows.shape[0], 1), np.float32))
    return np.concatenate([scale_bytes, rows.astype(np.int8).view(np.uint8)], axis=1).reshape(-1)


def _exact_q4_1(values: F32) -> Bytes:
    rows = values.reshape(-1, BLOCK)
    codes = (rows + np.float32(2)).astype(np.uint8)
    packed = codes[:, :16] | (codes[:, 16:] << 4)
    ones = np.ones((rows.shape[0], 1), np.float32)
    return np.concatenate([_halves(ones)[0], _halves(-2 * ones)[0], packed], axis=1).reshape(-1)


@dataclass(frozen=True, slots=True, kw_only=True)
class Format:
    """One block format: its name in case lines, ggml's number, its bytes per block."""

    name: str
    ggml_type: int
    block_bytes: int
    quantise: Callable[[F32], Bytes]
    # Keeps integers in -2..2 as they are (d = 1; Q4_1 with m = -2): for `data=exact`.
    quantise_exact: Callable[[F32], Bytes]
    dequantise: Callable[[Bytes], F32]

    def row_bytes(self, k: int) -> int:
        """Bytes of a row of `k` weights."""
        if k % BLOCK:
            raise NumericsError(f"{self.name} needs a multiple of {BLOCK} weights, not {k}")
        return k // BLOCK * self.block_bytes


Q4_1 = Format(
    name="q4_1",
    ggml_type=3,
    block_bytes=20,
    quantise=quantise_q4_1,
    quantise_exact=_exact_q4_1,
    dequantise=dequantise_q4_1,
)
Q8_0 = Format(
    name="q8_0",
    ggml_type=8,
    block_bytes=34,
    quantise=quantise_q8_0,
    quantise_exact=_exact_q8_0,
    dequantise=dequantise_q8_0,
)
FORMATS = {each.name: each for each in (Q4_1, Q8_0)}
