"""Change points against the best peers: `python -m benchmarks.detectors [--quick] [--alone]`.

On seeded noise with planted changes and on real noise with injected steps, every detector with its
defaults: a whole series at once, point by point, and the false alarms and delays of our own against
their nominal rate and the least that is possible. Peers run in an environment of their own.
"""

from __future__ import annotations

import argparse
import json
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, Literal

import numpy as np
from benchmarks.detectors_scores import cusum_delay, matched, score
from benchmarks.detectors_series import (
    UNSCORED,
    Planted,
    correlated,
    real_series,
    suite,
    with_injected_step,
    with_outliers,
)
from benchmarks.peers import BENCHMARKS, ROOT, peer_python
from benchmarks.report import Row, print_report

from hotfire_infra.analysis.changepoints import Detector, detect
from hotfire_infra.analysis.changepoints.__main__ import compile_all

ARL0 = 20_000
SERIES = ROOT / "tests" / "data" / "series"
PEERS = {"pelt": "ruptures PELT, rbf", "otava": "apache-otava", "asv": "asv"}
Peers = Mapping[str, str]
WARM = 100
"""Points of history before alarms are counted."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Extent:
    """How much is measured."""

    seeds: int
    series: int
    online: int
    arl_series: int
    delays: int
    real: int
    peer_steps: int
    """Steps that the peer which runs anew at each point has to be tried on, at least."""


QUICK = Extent(
    seeds=2, series=100, online=60, arl_series=60, delays=25, real=20, peer_steps=10
)  # fmt: skip
FULL = Extent(
    seeds=10, series=1000, online=1000, arl_series=16_000, delays=500, real=300, peer_steps=50
)  # fmt: skip
SILENT_SERIES = 4
"""In which that peer's false alarms are counted, one in ten of its series with steps at least."""
LARGE = 1.5
"""Sigmas of a step that counts when changes are looked for point by point."""
TAIL = 30
"""Points behind a step, without which nobody is blamed for missing it."""


def ask_peer(peer: str, series: Sequence[list[float]], *options: str) -> tuple[Any, float]:
    """Return what a peer finds in each series, and its processor time in seconds."""
    command: list[str | Path] = [
        peer_python("detectors"),
        BENCHMARKS / "detectors_peer.py",
        peer,
        *options,
    ]
    lines = "\n".join(json.dumps(one) for one in series)
    done = subprocess.run(command, input=lines, capture_output=True, text=True, check=True)
    answer = json.loads(done.stdout)
    return answer["found"], float(answer["seconds"])


def our_positions(series: Sequence[list[float]]) -> tuple[list[list[int]], float]:
    """Return what `detect` finds, and its processor time in seconds."""
    detect(series[0])
    begin = time.process_time()
    found = [[point.index for point in detect(one)] for one in series]
    return found, time.process_time() - begin


def batch_rows(extent: Extent, beside: Peers) -> list[Row]:
    """Whole series at once: F1, false alarms, time."""
    ours, silent, drifts, peers = [], [], [], dict[str, list[float]]()
    seconds, points = {"ours": 0.0, **dict.fromkeys(beside, 0.0)}, 0
    for seed in range(101, 101 + extent.seeds):
        print(f"seed {seed} …", file=sys.stderr, flush=True)
        planted = suite(seed, extent.series)
        series = [one.values for one in planted]
        points += sum(map(len, series))
        found, spent = our_positions(series)
        seconds["ours"] += spent
        result = score(found, planted)
        ours.append(result.f1)
        silent.append(result.false_alarms)
        for peer in beside:
            theirs, spent = ask_peer(peer, series)
            seconds[peer] += spent
            peers.setdefault(peer, []).append(score(theirs, planted).f1)
        steps = [[p.index for p in detect(one) if p.kind == "step"] for one in series]
        result = score(steps, planted)
        drifts.append(1000 * result.drift_steps / max(1, result.drift_points))
    mine, spent = statistics.fmean(ours), seconds["ours"] / points
    means = {beside[peer]: statistics.fmean(values) for peer, values in peers.items()}
    rows = _beside("F1 of steps of 1 sigma and more, whole series", mine, means, unit="1",
                   goal="at least 0.95", better="higher", met=mine >= 0.95)  # fmt: skip
    rows += [
        plain("false alarms per 1000 points, whole series", statistics.fmean(silent), "1/1000"),
        plain("drifts called steps per 1000 points", statistics.fmean(drifts), "1/1000"),
    ]
    times = {name: seconds[peer] / points * 1e6 for peer, name in beside.items()}
    rows += _beside("processor time, whole series", spent * 1e6, times, unit="µs/point",
                    goal="at most 1 µs", better="lower", met=spent <= 1e-6)  # fmt: skip
    return rows


def _beside(
    name: str, ours: float, theirs: Mapping[str, float], *, unit: str, goal: str, better: Literal["higher", "lower"],
    met: bool,
) -> list[Row]:  # fmt: skip
    """One row for each peer, the goal in the first; one without a peer where none is asked."""
    peers: list[tuple[str | None, float | None]] = [*theirs.items()] or [(None, None)]
    return [
        Row(name=name, ours=ours, peer=value, peer_name=peer, unit=unit, better=better,
            goal=None if number else goal, met=None if number else met)
        for number, (peer, value) in enumerate(peers)
    ]  # fmt: skip


def plain(
    name: str, value: float, unit: str, goal: str | None = None, *, met: bool | None = None
) -> Row:
    """A row without a peer."""
    return Row(name=name, ours=value, peer=None, peer_name=None, unit=unit, goal=goal,
               better="lower", met=met)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Watched:
    """What a detector said of one series."""

    alerts: list[int]
    withdrawn: int


def watch(planted: Planted) -> Watched:
    """Feed a series to a new detector."""
    detector, alerts, withdrawn = Detector(arl0=ARL0), list[int](), 0
    for value in planted.values:
        for alert in detector.append(value):
            if alert.withdraws is None:
                alerts.append(alert.index)
            else:
                withdrawn += 1
    return Watched(alerts, withdrawn)


def online_rows(extent: Extent, beside: Peers) -> list[Row]:
    """Point by point: false alarms, recall, alerts taken back, time."""
    planted = suite(201, extent.online)
    watch(planted[0])
    begin = time.process_time()
    watched = [watch(one) for one in planted]
    spent = time.process_time() - begin
    points = sum(len(one.values) for one in planted)
    result = score([one.alerts for one in watched], planted, tail=TAIL)
    recall = result.recall(LARGE)
    if recall is None:
        raise AssertionError(f"none of {len(planted)} series has a step to be found")
    alerts = sum(len(one.alerts) for one in watched)
    taken_back = sum(one.withdrawn for one in watched) / max(1, alerts)
    peer = _append_peer(extent, planted) if "otava" in beside else Appended()
    return [
        Row(name="false alarms per 1000 points, point by point", ours=result.false_alarms,
            peer=peer.false_alarms, peer_name=peer.name, unit="1/1000",
            goal="at most 0.05", better="lower", met=result.false_alarms <= 0.05),
        Row(name=f"recall of {result.counted(LARGE)} steps of {LARGE:g} sigma and more",
            ours=recall, peer=peer.recall, peer_name=peer.steps,
            unit="1", goal="at least 0.95", better="higher", met=recall >= 0.95),
        plain("alerts withdrawn later", taken_back, "1", "at most 0.05", met=taken_back <= 0.05),
        Row(name="processor time of an append", ours=spent / points * 1e6,
            peer=peer.time, peer_name=peer.name, unit="µs", goal="at most 5 µs", better="lower",
            met=spent / points <= 5e-6),
    ]  # fmt: skip


@dataclass(frozen=True, slots=True, kw_only=True)
class Appended:
    """What the peer that runs anew at each point reaches; nothing where it was not asked."""

    name: str | None = None
    steps: str | None = None
    false_alarms: float | None = None
    recall: float | None = None
    time: float | None = None


def _append_peer(extent: Extent, planted: Sequence[Planted]) -> Appended:
    few = enough(planted, extent.peer_steps)
    found, spent = ask_peer("otava", [one.values for one in few], "append")
    reached = score([[where for _, where in one] for one in found], few, tail=TAIL)
    name = f"apache-otava on {len(few)} of the series, run again on the last 200"
    return Appended(
        name=name, steps=f"{name}; {reached.counted(LARGE)} steps",
        false_alarms=reached.false_alarms, recall=reached.recall(LARGE),
        time=spent / sum(len(one.values) for one in few) * 1e6,
    )  # fmt: skip


def enough(planted: Sequence[Planted], steps: int) -> list[Planted]:
    """Return the first series that together have so many steps to be found, and some silent ones."""
    chosen, found = list[Planted](), 0
    for one in planted:
        large = score([()], [one], tail=TAIL).counted(LARGE)
        if large and found < steps:
            chosen.append(one)
            found += large
    silent = [one for one in planted if not one.steps and one.family not in UNSCORED]
    return chosen + silent[: max(SILENT_SERIES, len(chosen) // 10)]


def arl_rows(extent: Extent) -> list[Row]:
    """Measured ÷ nominal mean run to a false alarm, after 100 points of history."""
    chance, rows = np.random.default_rng(301), []
    for name, rho, outliers, bound in (
        ("white noise", 0.0, 0.0, 1.3), ("2 % outliers", 0.0, 0.02, 1.3),
        ("AR(1), 0.2", 0.2, 0.0, 2.0), ("AR(1), 0.4", 0.4, 0.0, 2.0),
    ):  # fmt: skip
        watched = alarms = 0
        for _ in range(extent.arl_series):
            z = correlated(chance, (WARM + 400,), rho)
            z = with_outliers(chance, z, outliers) if outliers else z
            detector = Detector(arl0=ARL0)
            for place, value in enumerate(np.exp(0.01 * z).tolist()):
                watched += place >= WARM
                if detector.append(value):
                    # The first only: what follows a false alarm is not marginal.
                    alarms += place >= WARM
                    break
        ratio = watched / max(1, alarms) / ARL0
        print(f"{name}: {alarms} alarms in {watched} points", file=sys.stderr, flush=True)
        goal = f"{1 / bound:.2f} … {bound}"
        rows.append(
            plain(f"measured ÷ nominal ARL0, {name}", ratio, "1", goal,
                  met=1 / bound <= ratio <= bound)
        )  # fmt: skip
    return rows


def delay_rows(extent: Extent) -> list[Row]:
    """Mean delay ÷ that of the CUSUM that knows level, scale and size, at the same ARL0."""
    chance, rows = np.random.default_rng(401), []
    for history, outliers, bound in ((400, 0.0, 1.25), (100, 0.02, 2.2)):
        for size in (1.0, 1.5, 2.0, 3.0):
            delays = []
            for _ in range(extent.delays):
                z = correlated(chance, (history + 120,), 0.0)
                z = with_outliers(chance, z, outliers) if outliers else z
                z[history:] += size
                delays.append(_delay(np.exp(0.01 * z).tolist(), history))
            known = [delay for delay in delays if delay is not None]
            ours, least = statistics.fmean(known), cusum_delay(ARL0, size)
            what = "clean" if not outliers else "with 2 % outliers"
            rows.append(
                Row(name=f"delay of {size:g} sigma after {history} points, {what}", ours=ours,
                    peer=least, peer_name="CUSUM that knows all", unit="points",
                    goal=bound, better="lower")
            )  # fmt: skip
    return rows


def _delay(values: Sequence[float], history: int) -> int | None:
    """Return points from the step to the alarm, the censored ones in full; None: alarmed before."""
    detector = Detector(arl0=ARL0)
    for place, value in enumerate(values):
        if detector.append(value):
            return None if place < history else place - history + 1
    return len(values) - history


def real_rows(extent: Extent, folder: Path, beside: Peers) -> list[Row]:
    """Real noise: injected steps found, and what else differs from the series without them."""
    chance = np.random.default_rng(501)
    series = real_series(folder)
    picked = [series[int(place)] for place in chance.permutation(len(series))[: extent.real]]
    injected = [with_injected_step(chance, values) for values in picked]
    mine = _real_score(picked, injected, lambda some: our_positions(some)[0])
    asked: list[tuple[str | None, tuple[float, float] | tuple[None, None]]] = [
        (name, _real_score(picked, injected, partial(_peer_positions, peer)))
        for peer, name in beside.items()
    ]
    rows = []
    for name, theirs in asked or [(None, (None, None))]:
        rows += [
            Row(name="real noise: injected steps of 1 to 5 sigma found", ours=mine[0],
                peer=theirs[0], peer_name=name, unit="1", goal=None, better="higher"),
            Row(name="real noise: changes in 1000 points without injection", ours=mine[1],
                peer=theirs[1], peer_name=name, unit="1/1000", goal=None, better="lower"),
        ]  # fmt: skip
    return rows


def _peer_positions(peer: str, series: list[list[float]]) -> list[list[int]]:
    found: list[list[int]] = ask_peer(peer, series)[0]
    return found


def _real_score(
    picked: Sequence[list[float]],
    injected: Sequence[tuple[list[float], int, float]],
    find: Callable[[list[list[float]]], list[list[int]]],
) -> tuple[float, float]:
    before, after = find(list(picked)), find([values for values, _, _ in injected])
    hits = 0
    for old, new, (_, place, size) in zip(before, after, injected, strict=True):
        # What the twin without the step has at that place is no find.
        fresh = [cut for cut in new if all(abs(cut - other) > 3 for other in old)]
        hits += bool(matched(fresh, [(place, size)]))
    points = sum(map(len, picked))
    return hits / len(injected), 1000 * sum(map(len, before)) / points


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure and print the rows."""
    parser = argparse.ArgumentParser(description="Change points against the best peers.")
    parser.add_argument("--quick", action="store_true", help="first figures within a minute")
    parser.add_argument(
        "--alone", action="store_true", help="no peers: theirs are most of the time"
    )
    options = parser.parse_args(arguments)
    extent = QUICK if options.quick else FULL
    beside = {} if options.alone else PEERS
    # Else the first series that reaches a function pays for its compilation.
    compile_all()
    rows = batch_rows(extent, beside) + online_rows(extent, beside)
    rows += arl_rows(extent) + delay_rows(extent) + real_rows(extent, SERIES, beside)
    print_report("detectors", rows)
    return 0


if __name__ == "__main__":
    sys.exit(main())
