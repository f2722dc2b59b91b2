"""Compile the detector, so that its first user does not wait: `python -m hotfire_infra.analysis.changepoints`.

What numba makes is kept beside the sources, or in the user's cache where these are read-only.
"""

from __future__ import annotations

import math

from hotfire_infra.analysis.changepoints import Detector, detect


def compile_all() -> None:
    """Take series that reach every compiled function: a step, a slope, a mixture, two spreads."""
    waves = [math.sin(17.3 * i) + math.sin(5.1 * i * i) for i in range(300)]
    step = [100 * math.exp(0.01 * wave + 0.05 * (i >= 150)) for i, wave in enumerate(waves)]
    slope = [100 * math.exp(0.01 * wave + 0.0003 * i) for i, wave in enumerate(waves)]
    spread = [100 * math.exp(0.01 * wave * (1 + 2 * (i >= 200))) for i, wave in enumerate(waves)]
    for values in (step, slope, spread):
        detect(values, machine=[i // 50 % 2 for i in range(len(values))])
        detect(values)
        detector = Detector()
        for value in values:
            detector.append(value)
        Detector.restore(detector.state())


if __name__ == "__main__":
    compile_all()
