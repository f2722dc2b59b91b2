"""A correct float32 kernel per operator in NumPy: proof that the bounds can be kept."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
from numpy.typing import NDArray

from hotfire_testframework.contract.cases import CaseLine
from hotfire_testframework.numerics import lanes
from hotfire_testframework.operators.base import Operand

F32 = NDArray[np.float32]
Kernel = Callable[[CaseLine, Sequence[Operand]], F32]
ONE = np.float32(1)


def single(operand: Operand) -> F32:
    """The values as float32, which they are exactly."""
    return operand.values.astype(np.float32)


def gemm(_: CaseLine, operands: Sequence[Operand]) -> F32:
    """Matrix product, bit for bit that of Aestus."""
    return lanes.dot(single(operands[0]), single(operands[1]))


def qmatmul(_: CaseLine, operands: Sequence[Operand]) -> F32:
    """Quantised product, bit for bit that of Aestus."""
    return lanes.dot(single(operands[1]), single(operands[0]))


def copy(_: CaseLine, operands: Sequence[Operand]) -> F32:
    """What was dequantised."""
    return single(operands[0])


def embedding(_: CaseLine, operands: Sequence[Operand]) -> F32:
    """The picked rows."""
    rows: F32 = single(operands[0])[operands[1].stored]
    return rows


def lane_sum(x: F32) -> F32:
    """Sum of the last axis in the 8-lane order."""
    accumulators = np.zeros((8, *x.shape[:-1]), np.float32)
    for i in range(x.shape[-1]):
        accumulators[i % 8] += x[..., i]
    return lanes.join(accumulators)


def rmsnorm(_: CaseLine, operands: Sequence[Operand]) -> F32:
    """Root-mean-square norm."""
    x, weight = map(single, operands)
    mean = lane_sum(x * x) / np.float32(max(x.shape[1], 1))
    y: F32 = x * (ONE / np.sqrt(mean + np.float32(1e-5)))[:, None] * weight
    return y


def softmax_rows(x: F32) -> F32:
    """Softmax of the last axis."""
    exponentials = np.exp(x - x.max(axis=-1, keepdims=True, initial=-np.inf))
    shares: F32 = exponentials / lane_sum(exponentials)[..., None]
    return shares


def softmax(_: CaseLine, operands: Sequence[Operand]) -> F32:
    """Softmax of rows."""
    return softmax_rows(single(operands[0]))


def rope(case: CaseLine, operands: Sequence[Operand]) -> F32:
    """Rotation with float64 angles."""
    x, hd = single(operands[0]), case.integer("hd")
    positions = np.arange(case.integer("tokens"), dtype=np.float64) + case.integer("pos")
    angles = positions[:, None] * 1e5 ** (-np.arange(0, hd, 2) / hd)
    cos = np.cos(angles).astype(np.float32)[:, None, :]
    sin = np.sin(angles).astype(np.float32)[:, None, :]
    even, odd = x[..., 0::2], x[..., 1::2]
    return np.stack([even * cos - odd * sin, even * sin + odd * cos], -1).reshape(x.shape)


def attention(case: CaseLine, operands: Sequence[Operand]) -> F32:
    """Causal attention, one query and head at a time."""
    q, k, v = map(single, operands)
    group = case.integer("heads") // case.integer("kv")
    y = np.zeros_like(q)
    for t in range(q.shape[0]):
        seen = case.integer("past") + t + 1
        for head in range(q.shape[1]):
            keys, values = k[:seen, head // group], v[:seen, head // group]
            scores = lanes.dot(q[t, head][None], keys) * np.float32(1 / np.sqrt(q.shape[2]))
            y[t, head] = lanes.dot(softmax_rows(scores), np.ascontiguousarray(values.T))[0]
    return y


def swiglu(_: CaseLine, operands: Sequence[Operand]) -> F32:
    """Gated linear unit."""
    gate, up = map(single, operands)
    y: F32 = (gate / (ONE + np.exp(-gate)) * up).astype(np.float32)
    return y


KERNELS: dict[str, Kernel] = {
    "attention": attention,
    "dequantize": copy,
    "embedding": embedding,
    "gemm": gemm,
    "qmatmul": qmatmul,
    "rmsnorm": rmsnorm,
    "rope": rope,
    "softmax": softmax,
    "swiglu": swiglu,
}
