"""Peers' change points: series as JSON lines in, one JSON line out. Runs in the peers' environment.

Arguments: the peer, and `append` to feed it point by point. Otava gets lists: its 0.8.0 shifts the
positions of arrays. PELT takes standardised logarithms and the penalty log n.
"""

from __future__ import annotations

import json
import math
import sys
import time
from typing import Any


def otava(values: list[float]) -> list[int]:
    """Apache Otava, its defaults."""
    from otava.analysis import compute_change_points

    found, _ = compute_change_points(values)
    return [int(point.index) for point in found]


def pelt(values: list[float]) -> list[int]:
    """Return what ruptures' PELT finds with the rbf kernel (its C implementation), penalty log n."""
    import numpy as np
    import ruptures

    logs = np.log(np.asarray(values)).reshape(-1, 1)
    logs = (logs - np.median(logs)) / max(float(np.std(np.diff(logs[:, 0]))) / math.sqrt(2), 1e-12)
    search = ruptures.KernelCPD(kernel="rbf", min_size=3).fit(logs)
    return [int(cut) for cut in search.predict(pen=math.log(len(values)))[:-1]]


def asv(values: list[float]) -> list[int]:
    """asv's step detection, its defaults."""
    from asv.step_detect import detect_steps

    return [int(step[0]) for step in detect_steps(values)[1:]]


def online(detect: Any, values: list[float]) -> list[tuple[int, int]]:
    """Return (when, where) of alerts: change points of a prefix that none before had within 8."""
    told: list[tuple[int, int]] = []
    for count in range(20, len(values) + 1):
        for cut in detect(values[max(0, count - 200) : count]):
            place = cut + max(0, count - 200)
            if all(abs(place - old) > 8 for _, old in told):
                told.append((count - 1, place))
    return told


def main() -> None:
    """Answer for all series on standard input."""
    detect = {"otava": otava, "pelt": pelt, "asv": asv}[sys.argv[1]]
    is_online = "append" in sys.argv[2:]
    series = [json.loads(line) for line in sys.stdin]
    detect(series[0])  # What is compiled or imported once is not timed.
    begin = time.process_time()
    found: list[Any] = [online(detect, one) if is_online else detect(one) for one in series]
    print(json.dumps({"found": found, "seconds": time.process_time() - begin}))


if __name__ == "__main__":
    main()
