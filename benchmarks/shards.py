"""Shards: makespan, robustness against other durations, and tests that move; beside pytest-split.

    python -m benchmarks.shards [--quick] [--durations FILE]

Real durations of TensorRT-LLM (tests/data/trtllm) on nine shards. pytest-split cuts the same tests in the
same run by both of its algorithms. Resampled: each duration is multiplied by a log-normal factor of mean
one, the same one for everybody. Moved: the share of tests in another shard, where shards are matched so
that the fewest move, when one test is added; each test in turn is the one that is added. "With
history" the durations know all tests before and after; "without memory" nothing tells which one is new.
No clock is read: a loaded machine changes nothing.
"""

from __future__ import annotations

import argparse
import json
import math
import random
import statistics
import subprocess
import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import numpy as np
from benchmarks.peers import ROOT, peer_python
from benchmarks.report import Row, print_report

from hotfire_pipelines.sharding import lower_bound
from hotfire_pipelines.shards import split

DURATIONS = ROOT / "tests" / "data" / "trtllm" / "test_durations.excerpt.json"
SHARDS = 9
GOAL_MAKESPAN = 1.005
GOAL_MOVED = 0.05
SPREADS = (0.1, 0.3, 0.5)
LARGER = 4
"""A list so many times as long, drawn from the real durations."""
LEAST, CHUNKS = "least_duration", "duration_based_chunks"

Homes = dict[str, int]

PEER = """
import json, sys
from collections import namedtuple
from pytest_split import algorithms
Item = namedtuple("Item", "nodeid")
kinds = {"least_duration": algorithms.LeastDurationAlgorithm,
         "duration_based_chunks": algorithms.DurationBasedChunksAlgorithm}
answers = []
for name, shards, tests, durations in json.load(sys.stdin):
    groups = kinds[name]()(shards, [Item(test) for test in tests], durations)
    answers.append({item.nodeid: n for n, group in enumerate(groups) for item in group.selected})
print(json.dumps(answers))
"""


def ours(tests: Sequence[str], durations: Mapping[str, float]) -> Homes:
    """Return test → shard."""
    cut = split(tests, durations, SHARDS)
    return {test: number for number, shard in enumerate(cut) for test in shard.tests}


def theirs(algorithm: str, lists: Sequence[Mapping[str, float]]) -> list[Homes]:
    """Return test → shard by pytest-split for each of the lists."""
    asked = [(algorithm, SHARDS, list(one), one) for one in lists]
    done = subprocess.run(
        [peer_python("shards"), "-c", PEER],
        input=json.dumps(asked),
        check=True,
        capture_output=True,
        text=True,
    )
    answers: list[Homes] = json.loads(done.stdout)
    return answers


def makespan(home: Homes, durations: Mapping[str, float]) -> float:
    """Return the load of the fullest shard."""
    load = [0.0] * SHARDS
    for test, shard in home.items():
        load[shard] += durations[test]
    return max(load)


def quantile(values: Sequence[float], part: float) -> float:
    """Return an order statistic."""
    return sorted(values)[min(len(values) - 1, int(part * len(values)))]


def p90s(
    homes: Sequence[Homes], durations: Mapping[str, float], spread: float, samples: int
) -> list[float]:
    """Return for each assignment the 90th percentile of its makespan under resampled durations."""
    lot = np.random.default_rng(90)
    seconds = np.array(list(durations.values()))
    normal = lot.normal(-spread * spread / 2, spread, (samples, len(seconds)))
    drawn = seconds * np.exp(normal)
    found = []
    for home in homes:
        members = np.zeros((len(seconds), SHARDS))
        members[np.arange(len(seconds)), [home[test] for test in durations]] = 1.0
        found.append(float(np.quantile((drawn @ members).max(axis=1), 0.9)))
    return found


def moved(before: Homes, after: Homes) -> float:
    """Return the share of the common tests that moved, shards matched as well as can be."""
    both = before.keys() & after.keys()
    stayed = [[0] * SHARDS for _ in range(SHARDS)]
    for test in both:
        stayed[before[test]][after[test]] += 1
    best = {0: 0}
    for row in stayed:
        following: dict[int, int] = {}
        for taken, count in best.items():
            for shard, here in enumerate(row):
                if not taken >> shard & 1:
                    key = taken | 1 << shard
                    following[key] = max(following.get(key, 0), count + here)
        best = following
    return 1 - max(best.values()) / len(both)


def without(durations: Mapping[str, float], test: str) -> dict[str, float]:
    """Return the durations of the other tests."""
    return {other: seconds for other, seconds in durations.items() if other != test}


def larger(durations: Mapping[str, float]) -> dict[str, float]:
    """Return a longer list: real durations, drawn with replacement and varied by a fifth."""
    lot = random.Random(4)
    values = list(durations.values())
    return {
        f"drawn/test_{number % 40}.py::test_{number}": lot.choice(values)
        * math.exp(lot.gauss(0, 0.2))
        for number in range(LARGER * len(values))
    }


def least_share(durations: Mapping[str, float], added: float) -> float:
    """Return the least share that must move if both cuts are within the goal, however they are made.

    Who stays unchanged had at most the old limit, who gives or takes has at most the new one; all
    loads together are the total. So enough shards must take part, and each but one takes a test.
    """
    total = math.fsum(durations.values()) - added
    if added <= total * (GOAL_MAKESPAN - 1):
        return 0.0
    gain = GOAL_MAKESPAN * added / SHARDS
    part = math.ceil((added - total * (GOAL_MAKESPAN - 1)) / gain) - 1
    return min(part, SHARDS - 1) / (len(durations) - 1)


def balance(durations: Mapping[str, float], samples: int) -> list[Row]:
    """Return makespan against the bound, and p90 against both algorithms of pytest-split."""
    best = lower_bound(list(durations.values()), SHARDS)
    mine = ours(list(durations), durations)
    [least], [chunks] = theirs(LEAST, [durations]), theirs(CHUNKS, [durations])
    ratio = makespan(mine, durations) / best
    rows = [
        Row(
            name=f"makespan ÷ lower bound, {len(durations)} tests on {SHARDS} shards",
            ours=ratio,
            peer=makespan(least, durations) / best,
            peer_name=f"pytest-split {LEAST}",
            unit="1",
            goal=f"ours ≤ {GOAL_MAKESPAN}",
            better="lower",
            met=ratio <= GOAL_MAKESPAN,
        )
    ]
    for spread in SPREADS:
        own, by_least, by_chunks = p90s([mine, least, chunks], durations, spread, samples)
        for name, value in ((LEAST, by_least), (CHUNKS, by_chunks)):
            rows.append(
                Row(
                    name=f"p90 makespan, {len(durations)} tests resampled with spread {spread}",
                    ours=own,
                    peer=value,
                    peer_name=f"pytest-split {name}",
                    unit="s",
                    goal=1.0,
                    better="lower",
                )
            )
    return rows


def stability(durations: Mapping[str, float], added: Sequence[str], what: str) -> list[Row]:
    """Return the shares that move in each way to ask, without memory beside pytest-split."""
    tests = list(durations)
    whole = ours(tests, durations)
    rest = {test: [other for other in tests if other != test] for test in added}
    ways: dict[str, Callable[[str], float]] = {
        "with history": lambda test: moved(ours(rest[test], durations), whole),
        "new and unmeasured": lambda test: moved(
            ours(rest[test], without(durations, test)), ours(tests, without(durations, test))
        ),
        "without memory": lambda test: moved(ours(rest[test], without(durations, test)), whole),
    }
    [peer_whole] = theirs(LEAST, [durations])
    peers = [
        moved(one, peer_whole)
        for one in theirs(LEAST, [without(durations, test) for test in added])
    ]
    rows = []
    for way, ask in ways.items():
        shares = [ask(test) for test in added]
        rows += [
            _share(f"{word} moved, {what}, {way}", quantile(shares, part), quantile(peers, part))
            for word, part in (("median", 0.5), ("p90", 0.9), ("largest", 1.0))
        ]
    floor = [least_share(durations, durations[test]) for test in added]
    print(
        f"{what}: whoever keeps both cuts within {GOAL_MAKESPAN} moves at least "
        f"{quantile(floor, 0.5):.1%} (median), {quantile(floor, 0.9):.1%} (p90), "
        f"{max(floor):.1%} (largest), with any memory"
    )
    return rows


def _share(name: str, share: float, peer: float) -> Row:
    return Row(
        name=name,
        ours=share,
        peer=peer,
        peer_name=f"pytest-split {LEAST}",
        unit="of tests",
        goal=f"ours ≤ {GOAL_MOVED}",
        better="lower",
        met=share <= GOAL_MOVED,
    )


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure and print."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.shards", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="ends within a minute")
    parser.add_argument("--durations", type=Path, default=DURATIONS, help="JSON: test → seconds")
    options = parser.parse_args(arguments)
    durations: dict[str, float] = json.loads(options.durations.read_text(encoding="utf-8"))
    samples, limit = (20_000, 25) if options.quick else (100_000, 150)
    rows = balance(durations, samples)
    more = larger(durations)
    rows += balance(more, samples // 4)
    for what, one in ((f"{len(durations)} tests", durations), (f"{len(more)} tests", more)):
        added = sorted(one)
        if len(added) > limit:
            added = random.Random(1).sample(added, limit)
        rows += stability(one, added, what)
    mean = statistics.mean(durations.values())
    print(f"durations: {len(durations)}, {mean:.0f} s in the mean")
    print_report("shards", rows)
    return 0


if __name__ == "__main__":
    sys.exit(main())
