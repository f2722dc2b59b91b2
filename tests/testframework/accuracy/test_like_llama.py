"""llama.cpp's roundings: rounded for real, drawn at random, and what the bound from the draws catches."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from hotfire_testframework.accuracy import files, goldens
from hotfire_testframework.accuracy.arithmetic import Arithmetic, Array
from hotfire_testframework.accuracy.decoder import Decoder, Weights
from hotfire_testframework.accuracy.draws import RIVALS, Draws, Task
from hotfire_testframework.accuracy.judge import Judgement, judge, judge_crowd
from hotfire_testframework.accuracy.like_llama import STEPS, BlockDraw, BlockRounding
from hotfire_testframework.accuracy.perplexity import scores
from hotfire_testframework.accuracy.spread import bound, crowd, lead_bound, spread_of


def activations(seed: int, blocks: int = 200) -> Array:
    sizes = np.random.default_rng(seed).lognormal(0, 2, (blocks, 1, 1))
    values = np.random.default_rng(seed + 1).standard_normal((blocks, 2, 32)) * sizes
    return values.reshape(blocks, 64).astype(np.float32)


def test_a_block_is_rounded_to_127_steps_of_its_own_largest() -> None:
    x = np.zeros((1, 64), np.float32)
    x[0, :5] = [127, -2.5, 2.5, 0.49, -0.51]
    x[0, 32:34] = [0.127, -0.0014]
    found = BlockRounding().operand(x)
    assert found[0, :6].tolist() == [127, -3, 3, 0, -1, 0]
    # The scale is stored as a half.
    step = np.float32(np.float16(np.float32(0.127) / np.float32(STEPS)))
    assert found[0, 32:35].tolist() == [127 * step, -1 * step, 0]
    assert not BlockRounding().operand(np.zeros((2, 32), np.float32)).any()


def test_a_draw_errs_as_much_as_a_rounding_does() -> None:
    x = activations(1)
    blocks = x.reshape(-1, 32)
    step = np.abs(blocks).max(axis=1, keepdims=True) / STEPS
    for errors in (BlockRounding().operand(x) - x, BlockDraw(3).operand(x) - x):
        relative = errors.reshape(-1, 32) / step
        # A half's last place at 127 steps is up to 2^-11 of them on either side.
        assert np.abs(relative).max() < 0.5 + 127 / 2048
        # 31 of 32 are uniform in +-1/2; the scale's error adds some thousandths.
        assert relative.std() == pytest.approx(np.sqrt(31 / 32 / 12), rel=0.02)
        assert relative.mean() == pytest.approx(0, abs=0.01)


def test_the_largest_of_a_block_errs_only_by_the_scale() -> None:
    x = activations(5)
    rows = np.abs(x.reshape(-1, 32))
    largest = rows == rows.max(axis=1, keepdims=True)
    for found in (BlockRounding().operand(x), BlockDraw(2).operand(x)):
        relative = (found / x).reshape(-1, 32)[largest] - 1
        assert 0 < np.abs(relative).max() < 2**-10.9


def test_keys_and_values_err_by_half_a_last_place_of_a_half() -> None:
    x = np.concatenate([activations(7), np.full((200, 64), 1e-7, np.float32)])
    for found in (BlockRounding().kept(x), BlockDraw(4).kept(x)):
        error = np.abs(found - x)
        assert (error <= np.maximum(np.abs(x) * 2.0**-11, 2.0**-25)).all()
        assert error[:200].max() > 0
        assert error[200:].max() > 0


def test_a_draw_is_known_by_its_seed() -> None:
    x = activations(9)
    assert np.array_equal(BlockDraw(1, 2).operand(x), BlockDraw(1, 2).operand(x))
    assert not np.array_equal(BlockDraw(1, 2).operand(x), BlockDraw(2, 1).operand(x))


def test_the_leader_is_decided_only_where_it_leads_every_rival_by_its_bound() -> None:
    random = np.random.default_rng(1)
    # The second always moves with the leader, the third does not: it decides how much is needed.
    deviations = random.standard_normal((8, 3, 2)) * [1e-9, 0.1]
    leads = np.array([[1.0, 1.2], [1.0, 9.0], [5.0, 5.0]])
    limits = bound(deviations)
    needed = lead_bound(deviations, leads)
    assert needed == pytest.approx([limits[0, 1] - 0.2, limits[1, 0], limits[2, 1]])


def test_further_rivals_count_with_the_largest_bound() -> None:
    random = np.random.default_rng(2)
    deviations = random.standard_normal((8, 1, 3)) * [0.1, 1.0, 1e-9]
    leads = np.array([[1.0, 8.0, 8.0]])
    assert lead_bound(deviations, leads)[0] == bound(deviations)[0, 1] - 7.0


def test_one_more_of_the_crowd_passes_and_a_coarser_or_shifted_one_does_not() -> None:
    random = np.random.default_rng(3)
    sizes = random.lognormal(0, 1, 3570) * 0.05
    deviations = random.standard_normal((33, 3570)) * sizes
    limits = crowd(deviations[:32])
    reference = goldens.load_perplexity()
    limit = bound(deviations[:32])
    assert spread_of(limit, 32) == pytest.approx(np.sqrt((deviations[:32] ** 2).mean(0)))
    reference = replace(reference, logprob_bound=limit)
    for factor, shift, fits in ((1.0, 0.0, True), (1.3, 0.0, False), (1.0, 0.02, False)):
        logprob = reference.logprob + deviations[32] * factor + shift
        found = judge_crowd(reference, limits, logprob)
        assert (found.rms_ratio <= 1 and found.shift_ratio <= 1) == fits
        assert np.abs(logprob - reference.logprob).max() < limit.max()
    assert np.isnan(judge_crowd(reference, limits, reference.logprob * np.nan).rms_ratio)


class FourBits(BlockRounding):
    """7 steps instead of 127."""

    def step(self, blocks: Array) -> Array:
        return super().step(blocks) * np.float32(STEPS / 7)


class NeighboursScale(BlockRounding):
    """Every block is multiplied by the scale of the block before it."""

    def operand(self, x: Array) -> Array:
        steps = self.step(x.reshape(*x.shape[:-1], -1, 32))
        wrong = np.roll(steps, 1, axis=-2) / np.maximum(steps, np.float32(1e-30))
        return (super().operand(x).reshape(*wrong.shape[:-1], 32) * wrong).reshape(x.shape)


class DroppedBlock(BlockRounding):
    """The last 32 activations of every product do not count."""

    def operand(self, x: Array) -> Array:
        rounded = super().operand(x)
        rounded[..., -32:] = 0
        return rounded


class SignedLargest(BlockRounding):
    """The scale follows the largest, not the largest magnitude; what exceeds 8 bits is clipped."""

    def operand(self, x: Array) -> Array:
        blocks = x.reshape(*x.shape[:-1], -1, 32)
        step = np.maximum(blocks.max(axis=-1, keepdims=True), 1e-30) / np.float32(STEPS)
        return (step * np.clip(np.rint(blocks / step), -128, 127)).reshape(x.shape)


def opened(weights: Weights, arithmetic: BlockRounding) -> Judgement:
    task = goldens.opening_task()
    logits = Decoder(weights, arithmetic).logits(task.ids, task.first)[: len(task.targets)]
    found = scores(logits, task.targets)
    return judge(goldens.load_opening(), np.asarray(task.targets), found.logprob, found.argmax)


@pytest.fixture(scope="module")
def weights() -> Weights:
    return Weights(files.model_path(), np.dtype(np.float32))


@pytest.mark.slow
def test_the_same_roundings_in_numpy_are_inside_the_bound_and_it_is_not_idle(
    weights: Weights,
) -> None:
    result = opened(weights, BlockRounding())
    assert 0.02 < result.worst_ratio <= 1
    assert result.wrong_choices == []


@pytest.mark.slow
@pytest.mark.parametrize("fault", [FourBits, NeighboursScale, DroppedBlock, SignedLargest])
def test_a_fault_in_the_roundings_is_outside_the_bound(
    weights: Weights, fault: type[BlockRounding]
) -> None:
    assert opened(weights, fault()).worst_ratio > 2


class Pretended(Draws):
    """Takes noise for the logits of a model."""

    evaluations = 0

    def _logits(self, task: Task, arithmetic: Arithmetic) -> Array:
        self.evaluations += 1
        return np.random.default_rng(self.evaluations).standard_normal((len(task.targets), 100))


def test_a_draw_is_made_once_and_then_found(tmp_path: Path) -> None:
    task = Task(name="any", number=0, ids=[1, 2, 3], first=0, targets=[2, 3])
    made = Pretended(tmp_path, BlockDraw, tmp_path)
    drawn = [made.drawn(task, number) for number in (0, 1, 0)]
    assert made.evaluations == 3  # two draws, and the exact one for its leaders
    again = Pretended(tmp_path, BlockDraw, tmp_path)
    exact, ids = again.exact(task)
    assert np.array_equal(again.drawn(task, 1).leads, drawn[1].leads)
    assert np.array_equal(drawn[0].logprob, drawn[2].logprob)
    assert not np.array_equal(drawn[0].logprob, drawn[1].logprob)
    assert again.evaluations == 0
    # The rivals of the exact leader, nearest first.
    assert (np.diff(exact.leads, axis=1) >= 0).all()
    assert ids.shape == (2, RIVALS + 1)
