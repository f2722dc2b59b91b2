"""Planted faults: wrong kernels that the cases must catch (mutation tests of the tests)."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from hotfire_testframework.contract.cases import CaseLine
from hotfire_testframework.numerics import lanes
from hotfire_testframework.operators.base import F32, Operand
from hotfire_testframework.operators.standins import Kernel, lane_sum, single, softmax_rows


def bf16(x: F32) -> F32:
    """`x` rounded to bfloat16, to nearest even."""
    bits = x.view(np.uint32)
    return ((bits + 0x7FFF + (bits >> 16 & 1)) & 0xFFFF0000).astype(np.uint32).view(np.float32)


def qmatmul_bf16_accumulate(_: CaseLine, operands: Sequence[Operand]) -> F32:
    """Accumulators lose 16 bits."""
    a, b = single(operands[1]), single(operands[0])
    accumulators = np.zeros((8, a.shape[0], b.shape[0]), np.float32)
    for i in range(a.shape[1]):
        accumulators[i % 8] = bf16(accumulators[i % 8] + a[:, None, i] * b[None, :, i])
    return lanes.join(accumulators)


def gemm_wrong_index(_: CaseLine, operands: Sequence[Operand]) -> F32:
    """The last k of the last column reads the first element of B."""
    a, b = single(operands[0]), single(operands[1]).copy()
    if b.size:
        b[-1, -1] = b[0, 0]
    return lanes.dot(a, b)


def rmsnorm_tail_off_by_one(_: CaseLine, operands: Sequence[Operand]) -> F32:
    """Leaves the last tail element out of the sum of squares."""
    x, weight = map(single, operands)
    d = x.shape[1]
    used = x[:, : d - 1] if d % 8 else x
    mean = lane_sum(used * used) / np.float32(max(d, 1))
    y: F32 = x * (np.float32(1) / np.sqrt(mean + np.float32(1e-5)))[:, None] * weight
    return y


def softmax_tail_off_by_one(_: CaseLine, operands: Sequence[Operand]) -> F32:
    """The last tail element is missing from the sum."""
    x = single(operands[0])
    d = x.shape[-1]
    exponentials = np.exp(x - x.max(axis=-1, keepdims=True, initial=-np.inf))
    summed = exponentials[:, : d - 1] if d % 8 else exponentials
    shares: F32 = exponentials / lane_sum(summed)[:, None]
    return shares


def attention_sees_the_future(case: CaseLine, operands: Sequence[Operand]) -> F32:
    """The causal limit is one too far, where there is a later position."""
    q, k, v = map(single, operands)
    group, total = case.integer("heads") // case.integer("kv"), k.shape[0]
    y = np.zeros_like(q)
    for t in range(q.shape[0]):
        seen = min(case.integer("past") + t + 2, total)
        for head in range(q.shape[1]):
            keys, values = k[:seen, head // group], v[:seen, head // group]
            scores = lanes.dot(q[t, head][None], keys) * np.float32(1 / np.sqrt(q.shape[2]))
            y[t, head] = lanes.dot(softmax_rows(scores), np.ascontiguousarray(values.T))[0]
    return y


def rope_angles_in_float32(case: CaseLine, operands: Sequence[Operand]) -> F32:
    """Angles are off by position times u."""
    x, hd = single(operands[0]), case.integer("hd")
    positions = (np.arange(case.integer("tokens")) + case.integer("pos")).astype(np.float32)
    angles = positions[:, None] * (1e5 ** (-np.arange(0, hd, 2) / hd)).astype(np.float32)
    cos, sin = np.cos(angles)[:, None, :], np.sin(angles)[:, None, :]
    even, odd = x[..., 0::2], x[..., 1::2]
    return np.stack([even * cos - odd * sin, even * sin + odd * cos], -1).reshape(x.shape)


def swiglu_half_precision_exponential(_: CaseLine, operands: Sequence[Operand]) -> F32:
    """The exponential is rounded to bfloat16."""
    gate, up = map(single, operands)
    return gate / (np.float32(1) + bf16(np.exp(-gate))) * up


def dequantize_swaps_nibbles(_: CaseLine, operands: Sequence[Operand]) -> F32:
    """Element 2i and 2i+1 share a byte: the layout of Q4_0 before 2023."""
    flat = single(operands[0]).reshape(-1, 2, 16)
    return np.swapaxes(flat, 1, 2).reshape(operands[0].values.shape)


# (operator, faulty kernel, least share of its cases that must fail); shapes that a fault cannot
# touch pass.
FAULTS: tuple[tuple[str, Kernel, float], ...] = (
    ("gemm", gemm_wrong_index, 0.6),
    ("qmatmul", qmatmul_bf16_accumulate, 0.5),
    ("rmsnorm", rmsnorm_tail_off_by_one, 0.6),
    ("softmax", softmax_tail_off_by_one, 0.6),
    ("attention", attention_sees_the_future, 0.1),
    ("rope", rope_angles_in_float32, 0.1),
    ("swiglu", swiglu_half_precision_exponential, 0.5),
    ("dequantize", dequantize_swaps_nibbles, 0.6),
)
