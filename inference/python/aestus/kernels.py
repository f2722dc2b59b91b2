"""The kernels on NumPy arrays; shapes and formulas as in aestus.h."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from aestus.arrays import F32, Bytes, address, floats, integers, raw
from aestus.errors import ArgumentError
from aestus.library import Library, QType, default_library


def _of(library: Library | None) -> Library:
    return default_library() if library is None else library


def row_bytes(qtype: QType, k: int, *, library: Library | None = None) -> int:
    """Bytes of one stored row of k values."""
    size = _of(library).number("row_bytes", int(qtype), k)
    if size < 0:
        raise ArgumentError(f"a row of {k} values does not fit the type {qtype.name}")
    return size


def gemm_f32(a: npt.ArrayLike, b: npt.ArrayLike, *, library: Library | None = None) -> F32:
    """a[m,k] · b[n,k]ᵀ → [m,n]."""
    left = floats(a, "a", None, None)
    right = floats(b, "b", None, left.shape[1])
    (m, k), n = left.shape, right.shape[0]
    out = np.empty((m, n), np.float32)
    _of(library).call("gemm_f32", address(left), address(right), address(out), m, n, k)
    return out


def qmatmul(
    qtype: QType, w: npt.ArrayLike, x: npt.ArrayLike, n: int, *, library: Library | None = None
) -> F32:
    """x[m,k] · W[n,k]ᵀ → [m,n], with W stored as `qtype`."""
    rows = floats(x, "x", None, None)
    m, k = rows.shape
    stored = raw(w, "w", n * row_bytes(qtype, k, library=library))
    out = np.empty((m, n), np.float32)
    pointers = (address(stored), address(rows), address(out))
    _of(library).call("qmatmul", int(qtype), *pointers, n, k, m)
    return out


def dequantize_row(
    qtype: QType, w: npt.ArrayLike, k: int, *, library: Library | None = None
) -> F32:
    """One stored row → [k]."""
    stored = raw(w, "w", row_bytes(qtype, k, library=library))
    out = np.empty(k, np.float32)
    _of(library).call("dequantize_row", int(qtype), address(stored), address(out), k)
    return out


def quantize_row(qtype: QType, x: npt.ArrayLike, *, library: Library | None = None) -> Bytes:
    """x[k] → one stored row."""
    row = floats(x, "x", None)
    out = np.empty(row_bytes(qtype, row.size, library=library), np.uint8)
    _of(library).call("quantize_row", int(qtype), address(row), address(out), row.size)
    return out


def rmsnorm_f32(
    x: npt.ArrayLike, weight: npt.ArrayLike, eps: float, *, library: Library | None = None
) -> F32:
    """x[rows,d] / sqrt(mean(x²) + eps) · weight[d]."""
    rows = floats(x, "x", None, None)
    scale = floats(weight, "weight", rows.shape[1])
    out = np.empty_like(rows)
    pointers = (address(rows), address(scale), address(out))
    _of(library).call("rmsnorm_f32", *pointers, rows.shape[0], rows.shape[1], eps)
    return out


def softmax_f32(x: npt.ArrayLike, *, library: Library | None = None) -> F32:
    """Softmax of every row of x[rows,d]."""
    rows = floats(x, "x", None, None)
    out = np.empty_like(rows)
    _of(library).call("softmax_f32", address(rows), address(out), rows.shape[0], rows.shape[1])
    return out


def rope_f32(
    x: npt.ArrayLike, first_position: int, base: float, *, library: Library | None = None
) -> F32:
    """Rotary embedding of x[tokens,heads,head_dim] in the pairs (2i, 2i+1)."""
    heads = floats(x, "x", None, None, None)
    out = np.empty_like(heads)
    _of(library).call("rope_f32", address(heads), address(out), *heads.shape, first_position, base)
    return out


def attention_f32(
    q: npt.ArrayLike, k: npt.ArrayLike, v: npt.ArrayLike, *, library: Library | None = None
) -> F32:
    """Causal attention: q[tokens,heads,hd], k and v [past+tokens,kv_heads,hd] → as q."""
    query = floats(q, "q", None, None, None)
    tokens, heads, head_dim = query.shape
    keys = floats(k, "k", None, None, head_dim)
    values = floats(v, "v", *keys.shape)
    out = np.empty_like(query)
    pointers = (address(query), address(keys), address(values), address(out))
    past, kv_heads = keys.shape[0] - tokens, keys.shape[1]
    _of(library).call("attention_f32", *pointers, tokens, past, heads, kv_heads, head_dim)
    return out


def swiglu_f32(gate: npt.ArrayLike, up: npt.ArrayLike, *, library: Library | None = None) -> F32:
    """silu(gate) · up, element by element."""
    left = floats(gate, "gate", None)
    right = floats(up, "up", left.size)
    out = np.empty_like(left)
    _of(library).call("swiglu_f32", address(left), address(right), address(out), left.size)
    return out


def embedding(
    qtype: QType,
    table: npt.ArrayLike,
    ids: npt.ArrayLike,
    vocab: int,
    d: int,
    *,
    library: Library | None = None,
) -> F32:
    """table[ids] → [tokens,d], dequantised."""
    tokens = integers(ids, "ids")
    stored = raw(table, "table", vocab * row_bytes(qtype, d, library=library))
    out = np.empty((tokens.size, d), np.float32)
    pointers = (address(stored), address(tokens), address(out))
    _of(library).call("embedding", int(qtype), *pointers, tokens.size, vocab, d)
    return out
