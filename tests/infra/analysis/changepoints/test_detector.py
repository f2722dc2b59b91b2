"""The detector that watches: its alarms, its silence, what it takes back, and its state."""

from __future__ import annotations

import json

import numpy as np
import pytest

from hotfire_infra.analysis.changepoints import Detector
from hotfire_infra.analysis.changepoints.spread import wild_before


def noise(seed, size, share=0.01):
    return 100 * np.exp(share * np.random.default_rng(seed).standard_normal(size))


def alerts_of(values, **options):
    detector = Detector(**options)
    alerts = [
        (place, alert) for place, value in enumerate(values) for alert in detector.append(value)
    ]
    return detector, alerts


def test_false_alarms_come_about_as_rarely_as_stated():
    # 48,000 observations at 1 in 2,000: 24 expected; beyond 8 … 48 the odds are below 1e-4.
    alerts = [a for seed in range(120) for _, a in alerts_of(noise(seed, 400), arl0=2_000)[1]]
    count = sum(alert.withdraws is None for alert in alerts)
    assert 8 <= count <= 48


@pytest.mark.parametrize("seed", range(10))
def test_a_step_of_three_scales_is_told_within_a_few_observations(seed):
    values = noise(seed, 250)
    values[200:] *= 1.03
    detector, alerts = alerts_of(values)
    place, alert = alerts[0]
    assert 200 <= place <= 207
    assert alert.kind == "step"
    assert alert.withdraws is None
    (point,) = detector.changepoints
    assert abs(point.index - 200) <= 3
    assert point.low <= point.index <= point.high


@pytest.mark.parametrize("seed", range(10))
def test_a_lone_spike_raises_no_alarm(seed):
    values = noise(seed, 200)
    values[150] *= 1.4
    assert alerts_of(values)[1] == []


def test_confidence_grows_with_what_follows():
    values = noise(15, 300)
    values[200:] *= 1.03
    detector = Detector()
    first = None
    for value in values:
        if detector.append(value):
            first = detector.changepoints[-1].confidence
    assert first is not None
    assert 0.5 < first <= detector.changepoints[-1].confidence
    assert detector.changepoints[-1].confidence > 0.9999


def test_an_early_step_is_not_taken_for_noise():
    values = noise(11, 120)
    values[35:] *= 1.05
    detector, _ = alerts_of(values)
    assert [abs(point.index - 35) <= 3 for point in detector.changepoints] == [True]


def test_steps_that_follow_one_another_are_all_told():
    values = noise(12, 200)
    values[60:] *= 1.06
    values[80:] /= 1.06
    detector, _ = alerts_of(values)
    assert [point.index for point in detector.changepoints] == pytest.approx([60, 80], abs=2)


def test_values_that_tick_coarsely_never_end_a_segment_where_it_begins():
    # The level of the new segment, fitted to its longer side, lies beyond the grid around the other.
    ticks = (
        "65555556555544545555565554455555655555455555555554555555555555565555655555555555555555"
        "455545556555565545454444444444445554544555444"
    )
    detector, alerts = alerts_of([95.0 + int(tick) for tick in ticks])
    assert [alert.index for _, alert in alerts] == [106]
    (point,) = detector.changepoints
    assert (point.before, point.after) == pytest.approx((100, 99))


@pytest.mark.parametrize("share", [0.2, 0.4, 0.7])
def test_coarse_ticks_of_any_width_give_finite_levels(share):
    for seed in range(60):
        chance = np.random.default_rng(seed)
        values = np.round(100 + share * chance.standard_normal(260))
        values[130:] += chance.integers(-3, 4)
        points = alerts_of(values)[0].changepoints
        assert np.isfinite([(point.before, point.after) for point in points]).all()


def test_what_does_not_last_is_withdrawn():
    withdrawn = []
    for seed in range(200):
        values = noise(seed, 120)
        values[70:74] *= 1.035
        withdrawn += [a for _, a in alerts_of(values)[1] if a.withdraws is not None]
    assert withdrawn
    assert all(alert.withdraws == alert.index for alert in withdrawn)


def test_a_slow_drift_is_told_once():
    told = [len(alerts_of(noise(s, 300) * np.exp(np.linspace(0, 0.06, 300)))[1]) for s in range(10)]
    assert np.mean(told) <= 2


def test_a_drift_that_goes_on_stays_a_drift():
    # Looked at again, a part of the slope beside the next one has the shape of a step.
    detector, _ = alerts_of(noise(0, 300) * np.exp(np.linspace(0, 0.1, 300)))
    assert [point.kind for point in detector.changepoints] == ["drift"]


def test_a_machine_that_is_slower_is_no_change():
    machine = [number // 25 % 2 for number in range(300)]
    values = noise(13, 300) * np.where(np.array(machine) == 1, 1.05, 1.0)
    detector = Detector()
    assert [a for v, m in zip(values, machine, strict=True) for a in detector.append(v, m)] == []


def test_a_detector_goes_on_from_its_state_as_if_nothing_had_been():
    values = noise(14, 700)
    values[300:] *= 1.03
    values[450:] *= 0.96
    values[600] = -1.0  # From here on the series is no logarithm.
    steady, restored = Detector(arl0=500), Detector(arl0=500)
    for place, value in enumerate(values):
        machine = place // 50 % 2
        assert steady.append(value, machine) == restored.append(value, machine)
        if place % 13 == 0:
            restored = Detector.restore(json.loads(json.dumps(restored.state())))
    assert steady.changepoints == restored.changepoints
    assert len(json.dumps(steady.state())) < 40_000


@pytest.mark.parametrize("count", [0, 1, 12, 13, 20, 60])
def test_a_state_is_json_as_databases_take_it(count):
    detector, _ = alerts_of(noise(16, count))
    assert json.loads(json.dumps(detector.state(), allow_nan=False)) == detector.state()


def test_a_state_of_another_version_is_refused():
    with pytest.raises(ValueError, match="version 7"):
        Detector.restore({"v": 7})


def test_what_is_no_number_is_refused_and_changes_nothing():
    detector = Detector()
    detector.append(1.0)
    before = detector.state()
    with pytest.raises(ValueError, match="observation 1 is inf"):
        detector.append(float("inf"))
    assert detector.state() == before


def test_an_arl0_counts_observations():
    with pytest.raises(ValueError, match="arl0 is 1"):
        Detector(arl0=1)


def test_noise_that_doubles_for_good_is_told_as_such():
    told = []
    for seed in range(6):
        values = np.concatenate([noise(seed, 250), noise(seed + 50, 150, share=0.02)])
        told += [a for _, a in alerts_of(values)[1] if a.kind == "variance"]
    assert sum(abs(alert.index - 250) <= 25 for alert in told) >= 3
    assert all(alert.low <= alert.index <= alert.high for alert in told)


def test_noise_that_comes_and_goes_raises_about_as_few_alarms_as_steady_noise():
    alarms, points = 0, 0
    for seed in range(60):
        swell = np.exp(0.5 * np.sin(np.arange(300) * 2 * np.pi / (40 + 2.5 * seed)))
        z = np.random.default_rng(seed).standard_normal(300) * swell
        _, alerts = alerts_of(np.exp(0.01 * z))
        alarms += sum(alert.withdraws is None for _, alert in alerts)
        points += 300
    assert alarms <= 6, f"{alarms} alarms in {points} points; 1 is nominal"


def test_a_weak_spell_that_went_away_is_withdrawn_and_its_end_is_no_news():
    ends = 0
    for seed in range(60):
        values = noise(seed, 200)
        values[100:111] *= 1.015
        alerts = alerts_of(values)[1]
        new = [a for _, a in alerts if a.withdraws is None and a.index >= 95]
        gone = [a for _, a in alerts if a.withdraws is not None]
        if new and gone:
            ends += 1
            assert gone[0].withdraws is not None
    assert ends >= 3


def test_a_series_that_had_a_spell_waits_until_the_next_would_have_ended():
    first, second = 0, 0
    for seed in range(30):
        values = noise(seed, 300)
        for place in (100, 200):
            values[place : place + 4] *= 1.05
        news = [a for _, a in alerts_of(values)[1] if a.withdraws is None]
        first += any(95 <= alert.index <= 105 for alert in news)
        second += any(195 <= alert.index <= 205 for alert in news)
    assert first >= 20
    assert second <= first / 3


def test_a_spread_that_grew_before_a_place_is_noticed_and_one_outlier_is_none():
    z = np.random.default_rng(3).standard_normal((4000, 30))
    even = np.array([wild_before(one, 30) for one in z])
    grown = np.array([wild_before(one * np.repeat([1, 3], [24, 6]), 30) for one in z])
    z[:, 28] = 9
    assert np.mean(even > 1) < 0.006
    assert np.mean(grown > 1) > 0.5
    assert np.mean([wild_before(one, 30) > 1 for one in z]) < 0.08
    assert grown.max() <= 1.6


FAMILIES = {
    "heavy tails": lambda chance, size: np.exp(0.02 * chance.standard_t(3, size)),
    "counts": lambda chance, size: chance.poisson(3, size).astype(float),
    "coarse ticks": lambda chance, size: np.round(chance.normal(100, 1, size)),
    "either sign": lambda chance, size: chance.standard_normal(size),
    "late zero": lambda chance, size: np.where(
        np.arange(size) == 250, 0, chance.normal(9, 1, size)
    ),
    "mostly equal": lambda chance, size: 5 + np.round(chance.exponential(0.5, size)),
    "huge level": lambda chance, size: 1e12 + chance.standard_normal(size),
    "tiny": lambda chance, size: 1e-300 * np.exp(0.1 * chance.standard_normal(size)),
}


@pytest.mark.parametrize("family", FAMILIES)
def test_whatever_the_series_places_are_in_order_and_a_state_loses_nothing(family):
    for seed in range(4):
        chance = np.random.default_rng(seed)
        values = FAMILIES[family](chance, 400)
        values[150:] += 4 * np.std(values)
        values[300:304] += 6 * np.std(values)
        steady, restored = Detector(arl0=200), Detector(arl0=200)
        for place, value in enumerate(values.tolist()):
            alerts = steady.append(value)
            assert restored.append(value) == alerts
            assert all(0 <= one.low <= one.index <= one.high <= place for one in alerts)
            if chance.random() < 0.05:
                state = json.dumps(restored.state(), allow_nan=False)
                restored = Detector.restore(json.loads(state))
        assert restored.changepoints == steady.changepoints
        levels = [(one.before, one.after) for one in steady.changepoints]
        assert np.isfinite(levels).all()


def test_a_drift_is_rarely_told_as_a_step():
    kinds = []
    for seed in range(30):
        values = noise(seed, 300) * np.exp(np.linspace(0, 0.05, 300))
        kinds += [alert.kind for _, alert in alerts_of(values)[1] if alert.withdraws is None]
    assert kinds.count("drift") > 1.5 * kinds.count("step")


def test_an_integer_that_jumps_is_a_step():
    counts = np.random.default_rng(1).integers(100, 104, 200).astype(float)
    counts[120:] += 8
    (alert,) = (alert for _, alert in alerts_of(counts)[1])
    assert (alert.kind, alert.index) == ("step", 120)


@pytest.mark.parametrize("level", [1e9, 1e12])
def test_tiny_noise_on_a_large_level_is_watched(level):
    values = level + np.random.default_rng(2).standard_normal(200)
    values[120:] += 5
    ((place, alert),) = alerts_of(values)[1]
    assert place <= 125
    assert alert.kind == "step"
