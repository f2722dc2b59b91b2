"""Scores for `benchmarks.detectors`, and the least delay that any detector can have."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
from benchmarks.detectors_series import UNSCORED, Planted
from numpy.typing import NDArray

MARGIN = 10
"""Points by which a found position may be off."""
CLASSES = ((0.5, 1.0), (1.0, 1.5), (1.5, 2.0), (2.0, 3.0), (3.0, 5.0), (5.0, math.inf))


@dataclass(slots=True)
class Score:
    """Counts over a suite. Steps below 1 sigma are neither rewarded nor punished."""

    found: int = 0
    missed: int = 0
    false: int = 0
    silent_alarms: int = 0
    silent_points: int = 0
    drift_steps: int = 0
    drift_points: int = 0
    by_size: dict[tuple[float, float], list[int]] = field(default_factory=dict)

    @property
    def f1(self) -> float:
        """Harmonic mean of precision and recall."""
        return 2 * self.found / max(1, 2 * self.found + self.missed + self.false)

    @property
    def false_alarms(self) -> float:
        """Per 1,000 points of series in which nothing changed."""
        return 1000 * self.silent_alarms / max(1, self.silent_points)

    def counted(self, least: float) -> int:
        """Steps of at least so many sigmas, a bound of `CLASSES`, that were there to be found."""
        return sum(number for (low, _), (_, number) in self.by_size.items() if low >= least)

    def recall(self, least: float) -> float | None:
        """Share of the steps of at least so many sigmas that were found; None: there was none."""
        number = self.counted(least)
        hits = sum(hit for (low, _), (hit, _) in self.by_size.items() if low >= least)
        return hits / number if number else None


def matched(found: Sequence[int], steps: Sequence[tuple[int, float]]) -> dict[int, int]:
    """Pair each step with the nearest found position within the margin, each used once."""
    pairs = sorted(
        (abs(place - step), i, j)
        for i, place in enumerate(found)
        for j, (step, _) in enumerate(steps)
        if abs(place - step) <= MARGIN
    )
    result: dict[int, int] = {}
    for _, i, j in pairs:
        if j not in result and i not in result.values():
            result[j] = i
    return result


def score(found: Sequence[Sequence[int]], series: Sequence[Planted], *, tail: int = 0) -> Score:
    """Score positions in each series; steps with fewer than `tail` points behind them do not count."""
    result = Score()
    for places, planted in zip(found, series, strict=True):
        if planted.family in UNSCORED:
            if planted.family == "drift":
                result.drift_steps += len(places)
                result.drift_points += len(planted.values)
            continue
        if not planted.steps:
            result.silent_alarms += len(places)
            result.silent_points += len(planted.values)
        pairs = matched(places, planted.steps)
        result.false += len(places) - len(pairs)
        for number, (place, size) in enumerate(planted.steps):
            if len(planted.values) - place < tail:
                continue
            hit = number in pairs
            for low, high in CLASSES:
                if low <= size < high:
                    counts = result.by_size.setdefault((low, high), [0, 0])
                    counts[0] += hit
                    counts[1] += 1
            if size >= 1:
                result.found += hit
                result.missed += not hit
    return result


def cusum_delay(arl0: float, size: float) -> float:
    """Return the mean delay, in points, of the two-sided CUSUM for a step of `size` sigmas at `arl0`.

    From its start at 0, which is the worst case, and the least that is possible there (Moustakides
    1986). Run lengths by the Markov chain of Brook and Evans (1972) with 400 states; a two-sided
    chart alarms twice as often as each side (van Dobben de Bruyn 1968).
    """
    reference = size / 2
    low, high = 0.0, 1.0
    # From below: far beyond, run lengths exceed what the arithmetic can tell apart.
    while _run_length(high, reference, 0.0) / 2 < arl0:
        low, high = high, 1.25 * high
    for _ in range(40):
        middle = (low + high) / 2
        if _run_length(middle, reference, 0.0) / 2 < arl0:
            low = middle
        else:
            high = middle
    return _run_length(high, reference, size)


def _run_length(limit: float, reference: float, shift: float, states: int = 400) -> float:
    """Mean steps until max(0, S + z + shift - reference), z ~ N(0, 1), exceeds `limit` from S = 0."""
    width = 2 * limit / (2 * states - 1)
    centres = np.arange(states) * width
    drift = shift - reference
    upper = _normal(centres[None, :] + width / 2 - centres[:, None] - drift)
    lower = _normal(centres[None, :] - width / 2 - centres[:, None] - drift)
    chain = upper - lower
    chain[:, 0] = upper[:, 0]
    lengths = np.linalg.solve(np.eye(states) - chain, np.ones(states))
    return float(lengths[0])


def _normal(values: NDArray[np.float64]) -> NDArray[np.float64]:
    return np.asarray(np.vectorize(lambda x: 0.5 * math.erfc(-x / math.sqrt(2)))(values))
