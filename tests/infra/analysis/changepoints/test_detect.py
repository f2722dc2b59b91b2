"""Change points of whole series: found where they were planted, and nowhere else."""

from __future__ import annotations

import numpy as np
import pytest

from hotfire_infra.analysis.changepoints import detect


def noise(seed, size, share=0.01):
    return 100 * np.exp(share * np.random.default_rng(seed).standard_normal(size))


@pytest.mark.parametrize("seed", range(20))
def test_nothing_is_found_in_noise(seed):
    assert detect(noise(seed, 300).tolist()) == []


@pytest.mark.parametrize("seed", range(10))
def test_a_step_of_two_scales_is_found_where_it_is(seed):
    values = noise(seed, 240)
    values[150:] *= 1.02
    (point,) = detect(values.tolist())
    assert point.kind == "step"
    assert point.low <= point.index <= point.high
    assert abs(point.index - 150) <= 6
    assert point.after / point.before == pytest.approx(1.02, abs=0.004)
    assert point.confidence > 0.99


def test_intervals_hold_the_truth_about_as_often_as_they_say():
    held = 0
    for seed in range(200):
        values = noise(seed, 200)
        values[100:] *= 1.015
        held += any(point.low <= 100 <= point.high for point in detect(values.tolist()))
    assert held >= 0.90 * 200


@pytest.mark.parametrize("place", [0, 40, 199])
def test_one_wild_observation_is_no_change(place):
    values = noise(1, 200)
    values[place] *= 1.5
    assert detect(values.tolist()) == []


@pytest.mark.parametrize("length", [3, 4, 5])
def test_a_few_observations_away_and_back_are_a_spell_and_no_change(length):
    for seed in range(15):
        values = noise(seed, 200)
        values[100 : 100 + length] *= 1.06
        assert detect(values.tolist()) == []


def test_a_step_that_is_taken_back_after_a_while_is_two_changes():
    values = noise(18, 200)
    values[100:112] *= 1.06
    assert [point.index for point in detect(values.tolist())] == pytest.approx([100, 112], abs=1)


def test_a_slope_is_one_drift_and_no_staircase():
    values = noise(2, 300) * np.exp(np.linspace(0, 0.06, 300))
    (point,) = detect(values.tolist())
    assert point.kind == "drift"
    assert point.after / point.before == pytest.approx(1.06, abs=0.01)


def test_a_lasting_change_of_spread_is_told_as_such():
    values = np.concatenate([noise(3, 150), noise(4, 150, share=0.025)])
    (point,) = detect(values.tolist())
    assert point.kind == "variance"
    assert abs(point.index - 150) <= 12
    assert (point.before, point.after) == pytest.approx((0.01, 0.025), rel=0.2)


def test_a_change_of_mixture_gives_the_shares():
    chance = np.random.default_rng(5)
    high = chance.random(300) < np.repeat([0.25, 0.8], 150)
    values = noise(6, 300, share=0.004) * np.where(high, 1.06, 1.0)
    (point,) = detect(values.tolist())
    assert point.kind == "mix"
    assert (point.before, point.after) == pytest.approx((0.25, 0.8), abs=0.1)


def test_a_machine_that_is_slower_is_no_change():
    machine = [number // 25 % 2 for number in range(300)]
    values = noise(7, 300) * np.where(np.array(machine) == 1, 1.05, 1.0)
    assert detect(values.tolist(), machine=machine) == []
    assert len(detect(values.tolist())) > 3


def test_a_step_on_all_machines_is_found_among_their_offsets():
    machine = [number // 25 % 2 for number in range(300)]
    values = noise(8, 300) * np.where(np.array(machine) == 1, 1.05, 1.0)
    values[180:] *= 1.02
    (point,) = detect(values.tolist(), machine=machine)
    assert abs(point.index - 180) <= 6


@pytest.mark.parametrize("unit", [1e-9, 1.0, 3e12])
def test_the_unit_does_not_matter(unit):
    values = noise(9, 200)
    values[120:] *= 0.95
    assert [p.index for p in detect((values * unit).tolist())] == [p.index for p in detect(values)]


def test_real_numbers_of_either_sign_are_taken_as_they_are():
    values = np.random.default_rng(10).standard_normal(200)
    values[100:] += 3
    (point,) = detect(values.tolist())
    assert abs(point.index - 100) <= 3
    assert point.after - point.before == pytest.approx(3, abs=0.4)


@pytest.mark.parametrize("values", [[], [1.0], [5.0] * 50, [1.0, 2.0, 3.0]])
def test_what_cannot_have_changed_has_no_changes(values):
    assert detect(values) == []


def test_a_deterministic_metric_changes_by_one_step():
    (point,) = detect([4096.0] * 40 + [4160.0] * 10)
    assert (point.index, point.before, point.after) == (
        40,
        pytest.approx(4096),
        pytest.approx(4160),
    )


def test_what_is_no_number_is_refused_with_its_place():
    with pytest.raises(ValueError, match="observation 2 is nan"):
        detect([1.0, 2.0, float("nan")])


def test_machines_and_values_must_pair():
    with pytest.raises(ValueError, match="1 machines for 2 values"):
        detect([1.0, 2.0], machine=["a"])


def test_a_table_is_refused():
    with pytest.raises(ValueError, match="2 dimensions"):
        detect([[1.0, 2.0]] * 20)


@pytest.mark.parametrize("scale", [1e-300, 1e-12, 1e12, 1e300])
def test_a_step_is_found_on_any_scale(scale):
    values = noise(11, 200)
    values[120:] *= 1.05
    (point,) = detect((values * (scale / 100)).tolist())
    assert (point.index, point.kind) == (120, "step")


@pytest.mark.parametrize("level", [1e9, 1e12, -1e9, -1e12, 0.0])
def test_noise_far_smaller_than_the_level_is_noise_still(level):
    values = level + np.random.default_rng(12).standard_normal(200)
    values[120:] += 5
    (point,) = detect(values.tolist())
    assert abs(point.index - 120) <= 2


@pytest.mark.parametrize("level", [1e9, 1e12, -1e12])
def test_noise_far_smaller_than_the_level_is_no_drift(level):
    for seed in range(10):
        z = np.random.default_rng(seed).standard_normal(300)
        assert detect((level + z).tolist()) == []


def test_values_whose_ratio_is_no_number_are_taken_all_the_same():
    values = np.repeat([1e-308, 1e308], 40) * (noise(17, 80) / 100)
    (point,) = detect(values.tolist())
    assert (point.index, point.kind) == (40, "step")
    assert point.after / 1e308 == pytest.approx(1, abs=0.01)


@pytest.mark.parametrize("seed", range(5))
def test_counters_and_two_valued_series_change_only_where_their_level_does(seed):
    chance = np.random.default_rng(seed)
    assert detect(chance.choice([1.0, 2.0], 300).tolist()) == []
    assert detect((chance.random(300) < 0.05).astype(float).tolist()) == []
    counts = chance.integers(100, 104, 300).astype(float)
    assert detect(counts.tolist()) == []
    counts[150:] += 8
    (point,) = detect(counts.tolist())
    assert (point.index, point.kind) == (150, "step")


def test_a_machine_for_every_point_says_nothing():
    values = noise(13, 60)
    values[30:] *= 2
    assert detect(values.tolist(), machine=list(range(60))) == []
