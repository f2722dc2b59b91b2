"""Series for `benchmarks.detectors`: seeded noise with planted changes, and real noise with injected steps.

Families and mix follow the suite that published figures were measured on: 200 to 400 points,
log-normal noise of 0.5 to 5 %, steps of 0.5 to 20 %, both log-uniform; lag-1 correlation of 0.2 and
0.4 in a fifth of the series each; 1 to 3 % outliers of 3 to 15 sigma, mostly to the slow side.
"""

from __future__ import annotations

import csv
import gzip
import io
import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
FAMILIES = {
    "one": 700, "multi": 300, "clean": 300, "outliers": 200, "hetero": 100, "bimodal": 100,
    "spikes": 100, "drift": 100, "sticky": 100,
}  # fmt: skip
UNSCORED = ("drift", "sticky")
"""Without a step, and without the machine's name not silent by right: shown apart."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Planted:
    """A series and what is in it."""

    family: str
    values: list[float]
    steps: tuple[tuple[int, float], ...] = ()
    """Position of each step and its size in sigmas of the noise, without sign."""
    machines: tuple[int, ...] | None = None


def correlated(chance: np.random.Generator, size: tuple[int, ...], rho: float) -> Floats:
    """Normal AR(1) noise of variance 1 along the last axis."""
    z = chance.standard_normal(size)
    if rho:
        fresh = math.sqrt(1 - rho * rho)
        for place in range(1, size[-1]):
            z[..., place] = rho * z[..., place - 1] + fresh * z[..., place]
    return np.asarray(z)


def with_outliers(chance: np.random.Generator, z: Floats, share: float) -> Floats:
    """Add 3 to 15 sigma to a share of the points, 85 % of them upwards."""
    size = chance.uniform(3, 15, z.shape) * np.where(chance.random(z.shape) < 0.85, 1, -1)
    return np.asarray(z + (chance.random(z.shape) < share) * size)


def suite(seed: int, count: int) -> list[Planted]:
    """Return `count` series in the shares of `FAMILIES`."""
    chance = np.random.default_rng(seed)
    names = [name for name, number in FAMILIES.items() for _ in range(number)]
    picked = chance.permutation(len(names))[:count]
    return [_planted(chance, names[place]) for place in picked]


def _planted(chance: np.random.Generator, family: str) -> Planted:
    size = int(chance.integers(200, 401))
    sigma = float(np.exp(chance.uniform(math.log(0.005), math.log(0.05))))
    machines = None
    if family in ("one", "multi", "clean", "outliers"):
        rho = float(chance.choice([0.0, 0.2, 0.4], p=[0.6, 0.2, 0.2]))
        z = correlated(chance, (size,), rho)
        if family == "outliers" or (family != "clean" and chance.random() < 0.5):
            z = with_outliers(chance, z, float(chance.uniform(0.01, 0.03)))
    else:
        z = chance.standard_normal(size)
    if family == "sticky":
        machines = np.zeros(size, int)
        switch = chance.random(size) < chance.uniform(0.02, 0.1)
        machines = np.cumsum(switch) % 2
        z = z + machines * chance.uniform(2, 6)
    z = _disturbed(chance, family, z)
    values, steps = z * sigma, []
    for place, change in _steps(chance, family, size):
        values[place:] += change
        steps.append((place, abs(change) / sigma))
    level = float(np.exp(chance.uniform(-5, 8)))
    return Planted(
        family=family,
        values=(level * np.exp(values)).tolist(),
        steps=tuple(steps),
        machines=None if machines is None else tuple(int(one) for one in machines),
    )


def _disturbed(chance: np.random.Generator, family: str, z: Floats) -> Floats:
    size = z.size
    if family == "hetero":
        if chance.random() < 0.5:
            period = chance.uniform(40, 200)
            return np.asarray(z * np.exp(0.5 * np.sin(np.arange(size) * 2 * math.pi / period)))
        return np.asarray(z * np.exp(chance.normal(0, 0.4, size)))
    if family == "bimodal":
        upper = chance.random(size) < chance.uniform(0.2, 0.5)
        return np.asarray(z + np.where(upper, chance.uniform(3, 8), 0.0))
    if family == "spikes":
        z = z.copy()
        for place in chance.choice(size, int(chance.integers(1, 6)), replace=False):
            z[place] += chance.uniform(5, 20) * chance.choice([-1, 1])
    if family == "drift":
        return np.asarray(z + np.linspace(0, chance.uniform(2, 8) * chance.choice([-1, 1]), size))
    return z


def _steps(chance: np.random.Generator, family: str, size: int) -> list[tuple[int, float]]:
    def change() -> float:
        share = np.exp(chance.uniform(math.log(0.005), math.log(0.2)))
        return float(np.log1p(share * chance.choice([-1, 1])))

    if family == "one":
        return [(int(chance.integers(30, size - 30)), change())]
    if family != "multi":
        return []
    number = int(chance.integers(2, 5))
    places = np.sort(chance.integers(20, size - 20, number))
    while np.diff(places).min() < 15:
        places = np.sort(chance.integers(20, size - 20, number))
    reverts, steps = chance.random() < 0.4, list[tuple[int, float]]()
    for number, place in enumerate(places):
        back = reverts and number % 2 == 1
        steps.append((int(place), -steps[-1][1] if back else change()))
    return steps


def real_series(folder: Path, shortest: int = 40) -> list[list[float]]:
    """Return the real histories in `*.csv.gz`, all positive and not constant."""
    found: dict[str, list[float]] = {}
    for path in sorted(folder.glob("*.csv.gz")):
        text = gzip.decompress(path.read_bytes()).decode("utf-8")
        for row in csv.DictReader(io.StringIO(text)):
            found.setdefault(row["series"], []).append(float(row["value"]))
    return [
        values
        for values in found.values()
        if len(values) >= shortest and min(values) > 0 and len(set(values)) > shortest // 4
    ]


def with_injected_step(
    chance: np.random.Generator, values: Sequence[float]
) -> tuple[list[float], int, float]:
    """Return the series with one step of 1 to 5 robust sigmas, its place and size.

    Sigma comes from differences of neighbours: what the series already has in steps counts little.
    """
    logs = np.log(values)
    differences = np.diff(logs)
    sigma = 1.4826 * float(np.median(np.abs(differences - np.median(differences)))) / math.sqrt(2)
    place = int(chance.integers(len(values) // 4, 3 * len(values) // 4))
    size = float(chance.uniform(1, 5))
    logs[place:] += size * max(sigma, 1e-6) * chance.choice([-1, 1])
    return np.exp(logs).tolist(), place, size
