"""The rise of a rate: the martingale behind its threshold, false alarms and delays by simulation."""

import random
import statistics

import pytest

from hotfire_infra.analysis.flake_changes import OVERSHOOT, RateRise, last_rise


def runs_to_alarm(before, now, lot, *, arl0):
    watch = RateRise(before, arl0=arl0)
    while not watch.append(lot.random() < now):
        pass
    return watch.runs


def test_statistic_grows_by_one_a_run_on_average_while_nothing_changes():
    before = 0.02
    for history in ((), (True,), (False, True, False)):
        after = []
        for failed in (True, False):
            watch = RateRise(before, arl0=1000)
            for one in history:
                watch.append(one)
            scale = 1000 * dict(OVERSHOOT)[before]
            now = watch.statistic * scale
            watch.append(failed)
            after.append(watch.statistic * scale)
        assert before * after[0] + (1 - before) * after[1] == pytest.approx(now + 1)


@pytest.mark.parametrize("before", [0.02, 0.1])
def test_runs_to_a_false_alarm_are_those_stated(before):
    lot = random.Random(11)
    runs = [runs_to_alarm(before, before, lot, arl0=1000) for _ in range(150)]
    assert 700 <= statistics.fmean(runs) <= 1500


def test_a_rise_from_a_two_thousandth_to_a_twentieth_is_seen_within_55_runs():
    lot = random.Random(12)
    runs = [runs_to_alarm(0.0005, 0.05, lot, arl0=10_000) for _ in range(300)]
    assert statistics.fmean(runs) <= 50  # 41.9 over 20,000 cases; two failures take 40.


def test_a_rise_in_a_history_is_found_with_its_place_and_rates():
    lot = random.Random(13)
    tries = [lot.random() < 0.005 for _ in range(600)] + [lot.random() < 0.2 for _ in range(80)]
    rise = last_rise(tries)
    assert rise is not None
    assert 590 <= rise.since <= 630
    assert 600 <= rise.at <= 640
    assert rise.before < 0.02 < rise.after


@pytest.mark.parametrize("tries", [[], [True] * 20, [False] * 500])
def test_a_history_without_a_rise_has_none(tries):
    assert last_rise(tries) is None


@pytest.mark.parametrize(("before", "arl0"), [(0.0, 100), (1.0, 100), (0.1, 0)])
def test_impossible_numbers_are_refused(before, arl0):
    with pytest.raises(ValueError, match="arl0"):
        RateRise(before, arl0=arl0)
