"""The arithmetic of `aestus-run --round-like-llama`: rounded for real, and drawn at random.

Where it rounds (inference/src/model/rounding.h, session.cpp), beside float32:
  operand  the activations of every product with a quantised weight (query, key and value share one
           operand, so do gate and up; attention's output, down, and the logits have their own), in
           blocks of 32: x -> d16 * rint(x / d), d = max|x| / 127, d16 = d in half precision
  kept     queries and keys after rotation, and values, in half precision

`BlockRounding` does just that: an implementation that shares no code with the C++ one.

`BlockDraw` is the Monte Carlo counterpart (arithmetic.py), with the usual model of quantisation
(W. R. Bennett, *Spectra of quantized signals*, 1948; B. Widrow & I. Kollár, *Quantization Noise*,
2008): the error of a rounding to a grid of step d is uniform in +-d/2, and independent of the
signal and of every other error. Here:
  element  e uniform in +-d/2; zero for the largest of its block, which is 127 steps exactly
  scale    d16 - d uniform in +- half a unit in the last place of a half, once per block
  kept     uniform in +- half a unit in the last place of a half
The float32 roundings need no draw: this machine *is* float32, and its errors of 1e-7 are an actual
float32 implementation's, four orders below those of the blocks.

What the model assumes and rounding does not keep: the true errors are functions of the signal. An
element below d/2 is rounded to zero, so its error is -x: smaller than drawn, but aligned with the
signal; two tokens with equal activations err equally. Whether the spread of the draws describes the
real deviations all the same is measured (docs/numerics.md), not assumed.
"""

from __future__ import annotations

import numpy as np

from hotfire_testframework.accuracy.arithmetic import Array, Single

BLOCK = 32
STEPS = 127
# A half has 11 significant bits; below 2^-14 its unit in the last place stays 2^-24.
HALF_BITS = 11
HALF_LEAST = -24


def _blocks(x: Array) -> Array:
    return x.reshape(*x.shape[:-1], -1, BLOCK)


def _half_place(x: Array) -> Array:
    """The unit in the last place of each value as a half."""
    exponent = np.frexp(x)[1] - HALF_BITS
    place: Array = np.ldexp(x.dtype.type(1), np.maximum(exponent, HALF_LEAST))
    return place


class BlockRounding(Single):
    """Rounds as the implementation does, in NumPy."""

    def operand(self, x: Array) -> Array:
        """Every block on its own grid of 255 values; ties away from zero."""
        blocks = _blocks(x.astype(np.float32))
        step = self.step(blocks)
        inverse = np.divide(1, step, out=np.zeros_like(step), where=step > 0)
        whole = np.trunc(np.abs(blocks * inverse) + np.float32(0.5))
        stored = step.astype(np.float16).astype(np.float32)
        rounded: Array = stored * np.copysign(whole, blocks)
        return rounded.reshape(x.shape).astype(x.dtype)

    def step(self, blocks: Array) -> Array:
        """The grid of each block `[..., 32]`, as `[..., 1]`."""
        step: Array = np.abs(blocks).max(axis=-1, keepdims=True) / np.float32(STEPS)
        return step

    def kept(self, x: Array) -> Array:
        """Half precision."""
        return x.astype(np.float16).astype(x.dtype)


class BlockDraw(Single):
    """One random draw of the same roundings."""

    def __init__(self, *seed: int) -> None:
        self._random = np.random.default_rng(seed)

    def operand(self, x: Array) -> Array:
        """Uniform errors of a step per element and of half a half's last place per scale."""
        blocks = _blocks(x)
        size = np.abs(blocks)
        largest = size.max(axis=-1, keepdims=True)
        step = largest / x.dtype.type(STEPS)
        error = self._uniform(blocks) * step
        error[size == largest] = 0
        scale = self._uniform(step) * _half_place(step)
        np.divide(scale, step, out=scale, where=step > 0)
        noisy: Array = (blocks * (1 + scale) + error).reshape(x.shape)
        return noisy

    def kept(self, x: Array) -> Array:
        """Uniform errors of one last place of a half."""
        noisy: Array = x + self._uniform(x) * _half_place(x)
        return noisy

    def _uniform(self, like: Array) -> Array:
        """Uniform in +-1/2."""
        return self._random.random(like.shape, dtype=np.float32) - np.float32(0.5)
