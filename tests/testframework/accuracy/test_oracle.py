"""The oracle reproduces its goldens, and its bounds separate float32 from anything coarser."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from hotfire_testframework.accuracy import files, goldens
from hotfire_testframework.accuracy.arithmetic import Arithmetic, Array, Exact, Single
from hotfire_testframework.accuracy.decoder import Decoder, Weights
from hotfire_testframework.accuracy.judge import Judgement, judge
from hotfire_testframework.accuracy.perplexity import scores

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def golden() -> goldens.GreedyGolden:
    return goldens.load_greedy()


@pytest.fixture(scope="module")
def exact_weights() -> Weights:
    return Weights(files.model_path(), np.dtype(np.float64))


@pytest.fixture(scope="module")
def single_weights() -> Weights:
    return Weights(files.model_path(), np.dtype(np.float32))


def evaluate(
    weights: Weights, golden: goldens.GreedyGolden, arithmetic: Arithmetic | None = None
) -> Any:
    ids = golden.prompt + golden.tokens
    first = len(golden.prompt) - 1
    logits = Decoder(weights, arithmetic).logits(ids, first)
    return scores(logits[: len(golden.tokens)], golden.tokens)


def judged(
    weights: Weights, golden: goldens.GreedyGolden, arithmetic: Arithmetic | None = None
) -> Judgement:
    found = evaluate(weights, golden, arithmetic)
    return judge(golden.reference, np.asarray(golden.tokens), found.logprob, found.argmax)


def test_the_oracle_reproduces_the_committed_steps(
    exact_weights: Weights, golden: goldens.GreedyGolden
) -> None:
    found = evaluate(exact_weights, golden)
    assert np.abs(found.logprob - golden.reference.logprob).max() < goldens.REPRODUCTION
    assert found.argmax.tolist() == golden.tokens


def test_float32_is_inside_the_bound_and_the_bound_is_not_idle(
    single_weights: Weights, golden: goldens.GreedyGolden
) -> None:
    result = judged(single_weights, golden, Single())
    assert 0.02 < result.worst_ratio <= 1
    assert result.wrong_choices == []


def bf16(values: Array) -> Array:
    bits = values.astype(np.float32).view(np.uint32).astype(np.uint64)
    rounded = (bits + 0x7FFF + (bits >> np.uint64(16) & np.uint64(1))) & np.uint64(0xFFFF0000)
    return rounded.astype(np.uint32).view(np.float32).astype(np.float64)


class Bf16Accumulation(Exact):
    """Partial sums over 64 terms are exact, the running total is a bfloat16."""

    def dot(self, x: Array, w: Array) -> Array:
        total = np.zeros(
            (*np.broadcast_shapes(x.shape[:-2], w.shape[:-2]), x.shape[-2], w.shape[-2])
        )
        for k in range(0, x.shape[-1], 64):
            total = bf16(total + super().dot(x[..., k : k + 64], w[..., k : k + 64]))
        return total


class HalfInputs(Exact):
    """Activations and keys are stored as float16 before each product."""

    def dot(self, x: Array, w: Array) -> Array:
        return super().dot(x.astype(np.float16).astype(np.float64), w)


@pytest.mark.parametrize("arithmetic", [Bf16Accumulation(), HalfInputs()], ids=["bf16", "f16"])
def test_a_coarser_arithmetic_is_outside_the_bound(
    exact_weights: Weights, golden: goldens.GreedyGolden, arithmetic: Arithmetic
) -> None:
    assert judged(exact_weights, golden, arithmetic).worst_ratio > 10


@pytest.mark.parametrize(
    ("name", "factor"),
    [("blk.3.ffn_down.weight", 0.0), ("blk.15.attn_v.weight", -1.0), ("blk.29.attn_q.weight", 2.0)],
)
def test_one_wrong_weight_of_134_million_is_outside_the_bound(
    exact_weights: Weights, golden: goldens.GreedyGolden, name: str, factor: float
) -> None:
    flat = int(np.abs(exact_weights[name]).argmax())
    index = tuple(int(each) for each in np.unravel_index(flat, exact_weights[name].shape))
    kept = exact_weights[name][index]
    exact_weights.nudge(name, index, factor)
    try:
        result = judged(exact_weights, golden)
    finally:
        exact_weights.restore(name, index, kept)
    assert result.worst_ratio > 1
