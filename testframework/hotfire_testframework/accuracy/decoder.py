"""A Llama decoder in NumPy: the float64 oracle, independent of the C++ implementation.

Formulas: RMSNorm (Zhang & Sennrich 2019), rotary embedding over pairs (2i, 2i+1) (Su et al. 2021,
in the layout of llama.cpp's NORM), grouped-query causal attention, SwiGLU (Shazeer 2020), tied
embeddings. Weights are what float32 dequantisation yields, so an implementation is compared on
equal inputs.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from hotfire_testframework.accuracy.arithmetic import Arithmetic, Array, Exact
from hotfire_testframework.accuracy.gguf import GgufFile


@dataclass(frozen=True, slots=True, kw_only=True)
class Shape:
    """The sizes a Llama file declares."""

    layers: int
    width: int
    heads: int
    kv_heads: int
    head_dim: int
    rope_base: float
    epsilon: float


class Weights:
    """All tensors of a file, converted once to the storage type of an arithmetic."""

    def __init__(self, path: Path, dtype: np.dtype[np.floating]) -> None:
        source = GgufFile(path)
        self.shape = _shape(source)
        self._tensors = {name: source.tensor(name).astype(dtype) for name in source.entries}

    def __getitem__(self, name: str) -> Array:
        return self._tensors[name]

    def nudge(self, name: str, index: tuple[int, ...], factor: float) -> None:
        """Multiply one weight: the planted error of the tests."""
        self._tensors[name][index] *= factor

    def restore(self, name: str, index: tuple[int, ...], value: float) -> None:
        """Put a nudged weight back."""
        self._tensors[name][index] = value


def _shape(source: GgufFile) -> Shape:
    values = source.metadata
    heads = values["llama.attention.head_count"]
    return Shape(
        layers=values["llama.block_count"],
        width=values["llama.embedding_length"],
        heads=heads,
        kv_heads=values["llama.attention.head_count_kv"],
        head_dim=values["llama.embedding_length"] // heads,
        rope_base=values["llama.rope.freq_base"],
        epsilon=values["llama.attention.layer_norm_rms_epsilon"],
    )


class Decoder:
    """Evaluates whole sequences from position 0; no cache, so nothing can be stale."""

    def __init__(self, weights: Weights, arithmetic: Arithmetic | None = None) -> None:
        self._weights = weights
        self._do: Arithmetic = arithmetic or Exact()

    def logits(self, ids: Sequence[int], first: int = 0) -> Array:
        """Logits `[len(ids) - first, vocab]` of the positions from `first` on."""
        table = self._weights["token_embd.weight"]
        x = table[np.asarray(ids)]
        mask = np.triu(np.full((len(ids), len(ids)), -np.inf, x.dtype), 1)
        turns = self._turns(len(ids), x.dtype)
        for layer in range(self._weights.shape.layers):
            x = self._block(x, f"blk.{layer}.", mask, turns)
        x = self._norm(x[first:], self._weights["output_norm.weight"])
        return self._do.dot(self._do.operand(x), table)

    def _block(self, x: Array, prefix: str, mask: Array, turns: tuple[Array, Array]) -> Array:
        do, w = self._do, self._weights
        x = do.rounded(x + self._attention(x, prefix, mask, turns))
        # One operand for both products: an implementation that rounds it rounds it once.
        h = do.operand(self._norm(x, w[prefix + "ffn_norm.weight"]))
        gate = do.dot(h, w[prefix + "ffn_gate.weight"])
        # x / (1 + exp(-x)): exponential, sum, quotient, then the product with up.
        with np.errstate(over="ignore"):
            gate = gate / (1 + np.exp(-gate))
        inner = do.rounded(gate * do.dot(h, w[prefix + "ffn_up.weight"]), 4)
        return do.rounded(x + do.dot(do.operand(inner), w[prefix + "ffn_down.weight"]))

    def _norm(self, x: Array, weight: Array) -> Array:
        squares = self._do.dot(x[:, None, :], x[:, None, :])[:, 0] / x.dtype.type(x.shape[-1])
        scale = 1 / np.sqrt(squares + x.dtype.type(self._weights.shape.epsilon))
        return self._do.rounded(x * self._do.rounded(scale, 4) * weight, 2)

    def _turns(self, tokens: int, dtype: np.dtype[np.floating]) -> tuple[Array, Array]:
        """cos and sin `[tokens, 1, head_dim / 2]`, angles in float64 on every machine."""
        shape = self._weights.shape
        pairs = np.arange(shape.head_dim // 2, dtype=np.float64)
        angles = np.arange(tokens)[:, None] * shape.rope_base ** (-2 * pairs / shape.head_dim)
        cos = self._do.rounded(np.cos(angles)).astype(dtype)
        sin = self._do.rounded(np.sin(angles)).astype(dtype)
        return cos[:, None, :], sin[:, None, :]

    def _rotated(self, x: Array, turns: tuple[Array, Array]) -> Array:
        cos, sin = turns
        even, odd = x[..., 0::2], x[..., 1::2]
        # Each product is rounded by itself: the difference may cancel.
        do = self._do
        left = do.rounded(even * cos) - do.rounded(odd * sin)
        right = do.rounded(even * sin) + do.rounded(odd * cos)
        return do.rounded(np.stack([left, right], axis=-1).reshape(x.shape))

    def _attention(self, x: Array, prefix: str, mask: Array, turns: tuple[Array, Array]) -> Array:
        do, w, shape = self._do, self._weights, self._weights.shape
        h = do.operand(self._norm(x, w[prefix + "attn_norm.weight"]))
        q = self._heads(do.dot(h, w[prefix + "attn_q.weight"]), shape.heads)
        k = self._heads(do.dot(h, w[prefix + "attn_k.weight"]), shape.kv_heads)
        v = self._heads(do.dot(h, w[prefix + "attn_v.weight"]), shape.kv_heads)
        group = shape.heads // shape.kv_heads
        q = np.swapaxes(do.kept(self._rotated(q, turns)), 0, 1)
        k = np.repeat(np.swapaxes(do.kept(self._rotated(k, turns)), 0, 1), group, axis=0)
        v = np.repeat(np.swapaxes(do.kept(v), 0, 1), group, axis=0)
        scores = do.dot(q, k) * x.dtype.type(shape.head_dim**-0.5) + mask
        # Subtraction of the maximum and the exponential: the argument's rounding is absolute in
        # the result.
        scores = do.rounded(scores - scores.max(axis=-1, keepdims=True))
        shares = do.rounded(np.exp(scores), 2)
        shares = do.rounded(shares / shares.sum(axis=-1, keepdims=True), 4)
        mixed = do.dot(shares, np.swapaxes(v, 1, 2))
        joined = np.swapaxes(mixed, 0, 1).reshape(len(x), shape.width)
        return do.dot(do.operand(joined), w[prefix + "attn_output.weight"])

    def _heads(self, x: Array, heads: int) -> Array:
        return x.reshape(len(x), heads, self._weights.shape.head_dim)
