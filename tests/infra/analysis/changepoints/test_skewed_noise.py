"""Noise with a long tail on one side: a few of its values in a row are no other level."""

from __future__ import annotations

import numpy as np

from hotfire_infra.analysis.changepoints import Detector
from hotfire_infra.analysis.changepoints.noise import UNREST, fit_noise


def raised(values):
    fit = np.zeros(5)
    fit_noise(np.asarray(values), np.empty(0), fit)
    return fit[UNREST]


def test_skewed_noise_raises_the_bar_and_other_noise_does_not():
    chance = np.random.default_rng(1)
    assert all(raised(chance.exponential(size=300)) > 0.01 for _ in range(20))
    assert all(raised(-chance.exponential(size=300)) > 0.01 for _ in range(20))
    assert np.mean([raised(chance.standard_normal(300)) for _ in range(50)]) < 0.005
    assert np.mean([raised(chance.laplace(size=300)) for _ in range(50)]) < 0.015


def test_a_step_in_skewed_noise_is_told():
    for seed in range(10):
        chance = np.random.default_rng(seed)
        values = 20 + chance.exponential(size=260)
        values[200:] += 3
        detector = Detector()
        told = [alert for value in values for alert in detector.append(value)]
        assert any(abs(alert.index - 200) <= 5 for alert in told)
