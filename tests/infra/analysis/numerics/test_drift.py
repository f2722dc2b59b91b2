"""Rises found by ranks: fair payouts, false alarms as rare as stated, and where a rise began."""

import itertools
import random
import statistics

import pytest

from hotfire_infra.analysis.numerics.drift import LEAST_HISTORY, alarms, payout


def test_a_bet_on_a_uniform_rank_is_fair():
    steps = 100_000
    assert statistics.fmean(payout((i + 0.5) / steps) for i in range(steps)) == pytest.approx(1)


def test_a_tie_at_its_middle_rank_pays_no_more_than_one_broken_at_random():
    for low, high in itertools.combinations([0.0, 0.2, 0.5, 0.9, 1.0], 2):
        at_random = statistics.fmean(payout(low + (high - low) * i / 1000) for i in range(1001))
        assert payout((low + high) / 2) <= at_random + 1e-9


def test_the_mean_payout_over_all_orders_is_at_most_one():
    """Seven values with ties, all 5,040 orders: the product of payouts is an e-value."""
    total = 0.0
    for order in itertools.permutations([1, 1, 2, 3, 3, 3, 4]):
        product = 1.0
        for t in range(LEAST_HISTORY, 7):
            seen = order[: t + 1]
            below, equal = sum(x < order[t] for x in seen), seen.count(order[t])
            product *= payout((below + equal / 2) / (t + 1))
        total += product
    assert total / 5040 <= 1


@pytest.mark.parametrize("kind", ["normal", "heavy", "two values", "constant"])
def test_false_alarms_are_as_rare_as_stated(kind):
    draw = random.Random(5)
    values = {
        "normal": lambda: draw.gauss(0, 1),
        "heavy": lambda: draw.gauss(0, 1) / max(1e-9, abs(draw.gauss(0, 1))),
        "two values": lambda: float(draw.random() < 0.2),
        "constant": lambda: 1.0,
    }[kind]
    found = sum(len(alarms([values() for _ in range(150)], arl0=100)) for _ in range(60))
    assert found / (60 * 150) <= 1 / 100


@pytest.mark.parametrize(("history", "latest"), [(20, 7), (50, 5), (100, 4)])
def test_a_step_of_a_constant_series_is_found_and_placed(history, latest):
    (found,) = alarms([3.0] * history + [3.1] * 12, arl0=4000)
    assert found.begin == history
    assert found.index < history + latest
    assert (found.before, found.after) == (3.0, 3.1)


def test_a_creeping_rise_is_found():
    found = alarms([1 + 0.01 * i for i in range(40)], arl0=4000)
    assert found[0].index <= 12
    assert found[0].after > found[0].before


def test_a_fall_is_no_alarm():
    assert alarms([3.0] * 60 + [2.0] * 60, arl0=100) == ()


def test_little_history_proves_nothing():
    assert alarms([1.0, 1.0, 9.0, 9.0, 9.0], arl0=10) == ()
    assert alarms([], arl0=10) == ()
