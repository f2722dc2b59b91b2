"""Covering arrays: rows against published sizes, time against allpairspy, coverage counted apart.

    python -m benchmarks.covering [--quick]

Pairwise without constraints on the six models of pairwise.org, where PICT's sizes are published, and
TCAS (2^7·3^2·4·10^2) at strength 2, 3 and 4, where those of ACTS are (NIST SP 800-142: 100, 400 and
1,363 rows of IPOG). Two industrial models with rules are of the CT-Competition 2023, whose results list
what ACTS made (covering_rules.py). For TCAS with its six rules no published size is at hand: there the peer
is what no tool can go below, the product of the largest axes, which no rule concerns. Every array is counted here
by brute force over its rows, by code that shares nothing with the generator; with rules, every
assignment of the axes that they name is asked what it allows. Time is processor time, the median of
runs that alternate with the peer's, each without start-up and imports. allpairspy has no strength 3
that covers: it is no peer there.
"""

from __future__ import annotations

import argparse
import itertools
import json
import math
import random
import statistics
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from benchmarks.covering_rules import (
    INDUSTRIAL_9,
    INDUSTRIAL_9_TOGETHER,
    INDUSTRIAL_11,
    forbidden,
)
from benchmarks.peers import peer_python
from benchmarks.report import Row, print_report

from hotfire_pipelines.covering import CoveringArray, generate

Axes = Mapping[str, Sequence[str]]
Rule = Mapping[str, str]

LIMIT_SECONDS = 1.0
SLOW_PEER_SECONDS = 0.3
GOAL_SPEED = 0.1
"""Ours ÷ allpairspy's: ten times as fast."""

PEER = """
import json, sys, time
from allpairspy import AllPairs
values = json.load(sys.stdin)
began = time.process_time()
rows = sum(1 for _ in AllPairs(values))
print(json.dumps({"seconds": time.process_time() - began, "rows": rows}))
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Model:
    """Axes by (values, how many axes), and the published size for a strength."""

    name: str
    shape: tuple[tuple[int, int], ...]
    published: int
    by: str = "PICT"
    strength: int = 2

    @property
    def axes(self) -> dict[str, list[str]]:
        """Axis → values."""
        sizes = [size for size, count in self.shape for _ in range(count)]
        return {f"axis{n}": [f"v{v}" for v in range(size)] for n, size in enumerate(sizes)}


MODELS = (
    Model(name="3^4", shape=((3, 4),), published=9),
    Model(name="3^13", shape=((3, 13),), published=18),
    Model(name="4^15·3^17·2^29", shape=((4, 15), (3, 17), (2, 29)), published=37),
    Model(name="4^1·3^39·2^35", shape=((4, 1), (3, 39), (2, 35)), published=27),
    Model(name="2^100", shape=((2, 100),), published=15),
    Model(name="10^20", shape=((10, 20),), published=210),
)
TCAS = tuple(
    Model(
        name=f"TCAS 2^7·3^2·4·10^2, t = {strength}",
        shape=((2, 7), (3, 2), (4, 1), (10, 2)),
        published=published,
        by="ACTS",
        strength=strength,
    )
    for strength, published in ((2, 100), (3, 400), (4, 1363))
)
TCAS_RULES = (
    {"axis3": "v0", "axis6": "v1"},
    {"axis0": "v0", "axis7": "v0"},
    {"axis0": "v1", "axis6": "v0"},
    {"axis0": "v1", "axis3": "v0"},
    {"axis6": "v0", "axis7": "v0"},
    {"axis3": "v0", "axis7": "v0"},
)
"""Of its two sensors and the controls that they exclude; they concern four of the twelve axes."""
RULED = (
    Model(
        name="INDUSTRIAL_11 2^6·3^2·5, 12 clauses, t = 2",
        shape=((2, 2), (3, 2), (2, 4), (5, 1)),
        published=27,
        by="ACTS",
    ),
    Model(
        name="INDUSTRIAL_9 8·6·5·4^2·3^3·2, 83 clauses, t = 3",
        shape=((3, 2), (4, 1), (6, 1), (8, 1), (4, 1), (3, 1), (2, 1), (5, 1)),
        published=153,
        by="ACTS",
        strength=3,
    ),
)
MCA_9 = Model(
    name="MCA_9 14·7·6·5·2^4, t = 3",
    shape=((2, 1), (5, 1), (2, 1), (6, 1), (2, 1), (14, 1), (2, 1), (7, 1), (1, 1)),
    published=588,
    by="ACTS",
    strength=3,
)
"""Of the CT-Competition 2023 too, without rules; 588 is also the least that is possible."""
NEAR_THE_BOUND = 1.01
CONSTRAINED = Model(
    name="2^6·3^3·4^2 with 12 rules, t = 3",
    shape=((2, 6), (3, 3), (4, 2)),
    published=0,
    by="–",
    strength=3,
)


@dataclass(frozen=True, slots=True)
class Found:
    """One array with the processor seconds that it took, the median of several runs."""

    array: CoveringArray
    seconds: float
    peer_seconds: float | None
    peer_rows: int | None


def rules_of(model: Model) -> list[dict[str, str]]:
    """Return a fixed dozen of rules over two axes each."""
    lot = random.Random(12)
    axes = model.axes
    pairs = lot.sample(list(itertools.combinations(axes, 2)), 12)
    return [{one: lot.choice(axes[one]), two: lot.choice(axes[two])} for one, two in pairs]


def left_out(model: Model, array: CoveringArray, rules: Sequence[Rule] = ()) -> int:
    """Count the allowed combinations that no row has, by brute force."""
    axes = model.axes
    found: set[tuple[tuple[str, str], ...]] = set()
    for row in array.rows:
        if list(row) != list(axes) or any(row[axis] not in axes[axis] for axis in axes):
            raise SystemExit(f"{model.name}: {dict(row)} is no cell")
        if any(rule.items() <= row.items() for rule in rules):
            raise SystemExit(f"{model.name}: {dict(row)} is forbidden")
        found.update(itertools.combinations(row.items(), model.strength))
    return sum(1 for part in _allowed(model, rules) if part not in found)


def _allowed(model: Model, rules: Sequence[Rule]) -> set[tuple[tuple[str, str], ...]]:
    axes = model.axes
    if not rules:
        return {
            tuple(zip(chosen, values, strict=True))
            for chosen in itertools.combinations(axes, model.strength)
            for values in itertools.product(*(axes[axis] for axis in chosen))
        }
    # Axes that no rule names are free: what is allowed is decided by the others alone.
    ruled = [axis for axis in axes if any(axis in rule for rule in rules)]
    every = (
        dict(zip(ruled, values, strict=True))
        for values in itertools.product(*(axes[axis] for axis in ruled))
    )
    held = [cell for cell in every if not any(rule.items() <= cell.items() for rule in rules)]
    allowed: set[tuple[tuple[str, str], ...]] = set()
    for chosen in itertools.combinations(axes, model.strength):
        inner = [axis for axis in chosen if axis in ruled]
        parts = {tuple(cell[axis] for axis in inner) for cell in held}
        for values in itertools.product(*(axes[axis] for axis in chosen)):
            part = dict(zip(chosen, values, strict=True))
            if tuple(part[axis] for axis in inner) in parts:
                allowed.add(tuple(part.items()))
    return allowed


def measure(model: Model, rounds: int, *, with_peer: bool, rules: Sequence[Rule] = ()) -> Found:
    """Generate several times, in turn with allpairspy."""
    ours, theirs, peer_rows = [], [], None
    axes = model.axes
    for _ in range(rounds):
        began = time.process_time()
        array = generate(axes, model.strength, forbid=rules)
        ours.append(time.process_time() - began)
        if with_peer:
            done = subprocess.run(
                [peer_python("covering"), "-c", PEER],
                input=json.dumps(list(axes.values())),
                check=True,
                capture_output=True,
                text=True,
            )
            answer = json.loads(done.stdout)
            theirs.append(answer["seconds"])
            peer_rows = answer["rows"]
    peer_seconds = statistics.median(theirs) if theirs else None
    return Found(array, statistics.median(ours), peer_seconds, peer_rows)


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure and print."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.covering", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="one run each: ends within a minute")
    options = parser.parse_args(arguments)
    rounds = 1 if options.quick else 5
    rows: list[Row] = []
    missing = 0
    for model in (*MODELS, *TCAS, MCA_9):
        found = measure(model, rounds, with_peer=model.strength == 2)
        missing += left_out(model, found.array)
        rows += rows_of(model, found)
    rules = rules_of(CONSTRAINED)
    found = measure(CONSTRAINED, rounds, with_peer=False, rules=rules)
    print(f"{CONSTRAINED.name}: {len(found.array.rows)} rows in {found.seconds:.2f} s of processor")
    rows.append(_none_of(left_out(CONSTRAINED, found.array, rules), "allowed triples left out"))
    together = ((), INDUSTRIAL_9_TOGETHER)
    for model, words, more in zip(RULED, (INDUSTRIAL_11, INDUSTRIAL_9), together, strict=True):
        rules = forbidden(model.axes, words, more)
        found = measure(model, rounds, with_peer=False, rules=rules)
        missing += left_out(model, found.array, rules)
        rows += rows_of(model, found)
    for model in TCAS[:2]:
        found = measure(model, rounds, with_peer=False, rules=TCAS_RULES)
        rows += _beside_the_bound(model, found)
        missing += left_out(model, found.array, TCAS_RULES)
    rows.append(_none_of(missing, "combinations left out, all models above"))
    print_report("covering", rows)
    return 0


def rows_of(model: Model, found: Found) -> list[Row]:
    """Return size, time, and the speed beside allpairspy where that is slow."""
    rows = [
        Row(
            name=f"{model.name}: rows",
            ours=len(found.array.rows),
            peer=model.published,
            peer_name=f"{model.by}, published",
            unit="rows",
            goal=1.0,
            better="lower",
        ),
        Row(
            name=f"{model.name}: time",
            ours=found.seconds,
            peer=LIMIT_SECONDS if model.strength == 2 else None,
            peer_name="limit" if model.strength == 2 else None,
            unit="s of processor",
            goal=1.0 if model.strength == 2 else None,
            better="lower",
        ),
    ]
    if found.peer_seconds is not None:
        is_slow = found.peer_seconds > SLOW_PEER_SECONDS
        rows.append(
            Row(
                name=f"{model.name}: beside allpairspy ({found.peer_rows} rows)",
                ours=found.seconds,
                peer=found.peer_seconds,
                peer_name="allpairspy 2.5.1",
                unit="s of processor",
                goal=GOAL_SPEED if is_slow else None,
                better="lower",
            )
        )
    return rows


def _beside_the_bound(model: Model, found: Found) -> list[Row]:
    """Rows of TCAS with rules; the largest axes are free of them, so their product is needed."""
    largest = sorted((len(values) for values in model.axes.values()), reverse=True)
    bound = math.prod(largest[: model.strength])
    name = f"{model.name} with {len(TCAS_RULES)} rules"
    return [
        Row(
            name=f"{name}: rows",
            ours=len(found.array.rows),
            peer=bound,
            peer_name="lower bound",
            unit="rows",
            goal=NEAR_THE_BOUND,
            better="lower",
        )
    ]


def _none_of(count: int, name: str) -> Row:
    return Row(
        name=name,
        ours=count,
        peer=None,
        peer_name=None,
        unit="combinations",
        goal="0",
        better="lower",
        met=count == 0,
    )


if __name__ == "__main__":
    sys.exit(main())
