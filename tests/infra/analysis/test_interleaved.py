"""Blocks of reruns: the confidence sequence against brute force, and its errors by simulation."""

from __future__ import annotations

import math
import random
import statistics

import numpy as np
import pytest

from hotfire_infra.analysis.interleaved import (
    FALSE_CONFIRMATION,
    FALSE_REFUTATION,
    PRIOR,
    Answer,
    block_losses,
    first_answer,
    judge,
    log_evidence,
    mean_interval,
)

MARGIN = 0.02


def test_a_block_holds_neither_the_level_nor_a_linear_drift_of_the_machine():
    levels = [3.0 + 0.5 * at + (0.25 if letter == "B" else 0.0) for at, letter in enumerate("ABBA")]
    assert block_losses(levels, larger_is_better=False) == pytest.approx((0.25,))
    assert block_losses(levels, larger_is_better=True) == pytest.approx((-0.25,))
    assert len(block_losses([*levels, *levels, 1.0, 2.0], larger_is_better=False)) == 2


def test_evidence_is_the_bayes_factor_by_brute_force():
    values = np.array([0.4, 1.1, 0.7, 1.9, 0.2, 0.9])
    spread = np.exp(np.linspace(math.log(1e-2), math.log(1e3), 3001))
    effect = np.linspace(-8 * PRIOR, 8 * PRIOR, 4001)
    prior = np.exp(-0.5 * (effect / PRIOR) ** 2) / (PRIOR * math.sqrt(2 * math.pi))

    def density(means):
        # Of all values, for each spread: a normal density with these means in units of the spread.
        far = ((values[:, None, None] / spread[:, None] - means) ** 2).sum(axis=0)
        return np.exp(-0.5 * far) * spread[:, None] ** -values.size

    # d(spread) ÷ spread, the right Haar prior, is even in the logarithm.
    with_effect = (density(effect[None, :]) * prior).sum() * (effect[1] - effect[0])
    without = density(np.zeros((1, 1))).sum()
    assert math.exp(log_evidence(list(values), 0.0)) == pytest.approx(
        with_effect / without, rel=1e-3
    )


@pytest.mark.parametrize("error", [0.2, 0.01, 1e-4])
def test_the_interval_ends_where_the_evidence_reaches_one_over_the_error(error):
    values = [0.4, 1.1, 0.7, 1.9, 0.2, 0.9, 0.8, 1.2]
    found = mean_interval(values, error)
    for end in (found.low, found.high):
        assert log_evidence(values, end) == pytest.approx(-math.log(error), abs=1e-9)
    assert log_evidence(values, (found.low + found.high) / 2) < -math.log(error)


def test_too_few_blocks_exclude_nothing_however_equal_they_are():
    assert mean_interval([1.0], 0.01) is None
    assert mean_interval([1.0, 1.0], 0.01) is None
    exact = judge([0.1] * 5, MARGIN)
    assert (exact.answer, exact.interval.low, exact.interval.high) == (Answer.CONFIRMED, 0.1, 0.1)
    assert judge([0.0] * 5, MARGIN).answer is Answer.REFUTED
    assert judge([0.1] * 2, MARGIN).answer is Answer.OPEN


def test_what_is_real_and_smaller_than_what_matters_is_refuted():
    losses = [0.004 + 0.0005 * (-1) ** i for i in range(8)]
    judged = judge(losses, MARGIN)
    assert judged.interval.low > 0
    assert judged.answer is Answer.REFUTED


def test_more_series_at_once_need_more_evidence_each():
    draw = random.Random(4)
    losses = [draw.gauss(0.03, 0.008) for _ in range(5)]
    alone, among = judge(losses, MARGIN), judge(losses, MARGIN, series=50)
    assert alone.answer is Answer.CONFIRMED
    assert among.answer is Answer.OPEN
    assert among.interval.high - among.interval.low > alone.interval.high - alone.interval.low


def test_the_first_answer_stands_whatever_comes_behind_it():
    losses = [0.03, 0.031, 0.029, 0.03, 0.0301]
    decided = first_answer(losses, MARGIN)
    assert decided.answer is Answer.CONFIRMED
    assert first_answer([*losses, -0.5, 0.9, -0.7], MARGIN) == decided


def play(effect, sigma, *, cases, blocks, seed, draw=None):
    """Return the shares confirmed and refuted, and the mean number of blocks."""
    lot = np.random.default_rng(seed)
    noise = (draw or (lambda size: lot.standard_normal(size)))((cases, blocks))
    found = [first_answer(list(effect + sigma * row), MARGIN) for row in noise]
    answers = [one.answer for one in found]
    return (
        answers.count(Answer.CONFIRMED) / cases,
        answers.count(Answer.REFUTED) / cases,
        statistics.fmean(one.blocks for one in found),
    )


@pytest.mark.parametrize("noise", ["gauss", "t3", "skewed"])
@pytest.mark.parametrize("sigma", [0.01, 0.04])
def test_no_change_is_hardly_ever_confirmed(noise, sigma):
    lot = np.random.default_rng(7)
    draw = {
        "gauss": lot.standard_normal,
        "t3": lambda size: lot.standard_t(3, size) / math.sqrt(3),
        # Noise of one launch is skewed; the difference of four is not by much.
        "skewed": lambda size: np.einsum(
            "ijk,k->ij", lot.exponential(1.0, (*size, 4)), [-0.5, 0.5, 0.5, -0.5]
        ),
    }[noise]
    confirmed, _, _ = play(0.0, sigma, cases=800, blocks=12, seed=1, draw=draw)
    # Of 800 at ½ %: more than 11 in one of a thousand such tests.
    assert confirmed <= FALSE_CONFIRMATION + 0.009


@pytest.mark.parametrize(
    ("times", "power", "blocks"), [(1, 0.6, 14), (2, 0.99, 6.5), (3, 0.999, 5.5)]
)
def test_power_at_one_to_three_times_the_smallest_effect(times, power, blocks):
    confirmed, refuted, mean = play(times * MARGIN, MARGIN / 2, cases=400, blocks=20, seed=2)
    assert confirmed >= power
    assert refuted <= FALSE_REFUTATION + 0.03
    assert mean <= blocks


def test_no_change_is_refuted_with_as_few_blocks():
    _, refuted, blocks = play(0.0, MARGIN / 2, cases=400, blocks=20, seed=3)
    assert refuted >= 0.99
    assert blocks <= 6.5
