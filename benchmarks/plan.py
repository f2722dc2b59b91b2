"""Expand, constrain and digest a matrix of 1,048,576 cells, beside a bare product loop, in one run.

    python -m benchmarks.plan [--quick]

The model is fixed: 10 axes of 4 values and 20 rules over two axes each, written as the constraints of
a pipeline. The peer builds every dict of the product with `itertools.product` and nothing else. Ours
understands the constraints, counts, streams the allowed assignments as equal dicts and feeds each to
the digest. Both run in processes of their own; time is processor time, memory the peak of the process
above the one that only imports. Pairs alternate, the ratio is the median of pairs.

Because rules save us cells that the peer builds, two more rows are stricter: the same per cell that is
built, and the whole product without rules, every cell built and digested.
"""

from __future__ import annotations

import argparse
import hashlib
import itertools
import json
import random
import resource
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path

from benchmarks.report import Row, print_report

from hotfire_pipelines.constraints import Kind, Vocabulary, rule_out, understand
from hotfire_pipelines.errors import Location
from hotfire_pipelines.matrix import Product

ROOT = Path(__file__).resolve().parents[1]
AXES = {f"axis{number}": tuple(f"v{value}" for value in range(4)) for number in range(10)}
RULES = 20
GOAL_RATIO = 4.0
GOAL_MEMORY_MIB = 1024.0


def constraints() -> list[str]:
    """Return the rules: value pairs of 20 different pairs of axes, by a fixed lot."""
    lot = random.Random(6)
    pairs = lot.sample(list(itertools.combinations(AXES, 2)), RULES)
    return [
        f"{first} == '{lot.choice(AXES[first])}' and {second} == '{lot.choice(AXES[second])}'"
        for first, second in pairs
    ]


def bare() -> dict[str, object]:
    """Build every dict of the product."""
    names = list(AXES)
    count = 0
    for values in itertools.product(*AXES.values()):
        dict(zip(names, values, strict=True))
        count += 1
    return {"cells": count}


def ours(rules: Sequence[str]) -> dict[str, object]:
    """Understand the rules, stream and digest what they allow."""
    where = Location(file="benchmark", line=1, column=1)
    vocabulary = Vocabulary(AXES)
    understood = [understand(text, Kind.FORBID, vocabulary, lambda _: where) for text in rules]
    ruling = rule_out(understood, AXES, AXES, {})
    product = Product(AXES, ruling.assignments).ordered()
    size = product.size()
    digest = hashlib.sha256()
    count = sum(1 for _ in product.digested(digest))
    if count != size or ruling.tests:
        raise SystemExit(f"counted {size}, built {count}, {len(ruling.tests)} rules left as tests")
    return {"cells": count, "digest": digest.hexdigest()}


WORK: dict[str, Callable[[], dict[str, object]]] = {
    "nothing": lambda: {"cells": 0},
    "bare": bare,
    "ours": lambda: ours(constraints()),
    "whole": lambda: ours([]),
}


def measure(name: str) -> dict[str, float]:
    """Run one kind of work in a process of its own; return its seconds, peak MiB and cells."""
    done = subprocess.run(
        [sys.executable, "-m", "benchmarks.plan", "--work", name],
        cwd=ROOT,
        check=True,
        capture_output=True,
        text=True,
    )
    found: dict[str, float] = json.loads(done.stdout)
    return found


def work(name: str) -> None:
    """Do one kind of work and print what it took."""
    began = time.process_time()
    found = WORK[name]()
    seconds = time.process_time() - began
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    print(json.dumps({**found, "seconds": seconds, "mib": peak}))


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure and print."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.plan", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="three pairs: ends within a minute")
    parser.add_argument("--work", choices=WORK, help=argparse.SUPPRESS)
    options = parser.parse_args(arguments)
    if options.work:
        work(options.work)
        return 0
    rounds = 3 if options.quick else 9
    runs = [{name: measure(name) for name in WORK} for _ in range(rounds)]
    cells = {name: runs[0][name]["cells"] for name in WORK}
    digests = {run["ours"]["digest"] for run in runs}
    print(f"{cells['bare']:,} cells, {cells['ours']:,} allowed by {RULES} rules, {rounds} pairs")
    print(f"digest of the allowed cells: {' '.join(map(str, digests))}")
    print_report("plan", make_rows(runs, len(digests) == 1))
    return 0


def make_rows(runs: Sequence[dict[str, dict[str, float]]], is_stable: bool) -> list[Row]:
    """Return the rows: time as ratio to the bare loop, memory against its limit."""

    def seconds(name: str) -> float:
        return statistics.median(run[name]["seconds"] for run in runs)

    def per_cell(name: str) -> float:
        return seconds(name) / runs[0][name]["cells"] * 1e6

    memory = statistics.median(run["ours"]["mib"] - run["nothing"]["mib"] for run in runs)
    return [
        _row("expand + constrain + digest", seconds("ours"), seconds("bare"), "s of processor"),
        _row("the same, per cell built", per_cell("ours"), per_cell("bare"), "µs per cell"),
        _row("whole product, no rule", seconds("whole"), seconds("bare"), "s of processor"),
        Row(
            name="peak memory beyond imports",
            ours=memory,
            peer=GOAL_MEMORY_MIB,
            peer_name="limit",
            unit="MiB",
            goal=1.0,
            better="lower",
        ),
        Row(
            name="equal digests in every process",
            ours=float(is_stable),
            peer=None,
            peer_name=None,
            unit="yes or no",
            goal="1",
            better="higher",
            met=is_stable,
        ),
    ]


def _row(name: str, ours: float, peer: float, unit: str) -> Row:
    return Row(
        name=name,
        ours=ours,
        peer=peer,
        peer_name="bare itertools.product",
        unit=unit,
        goal=GOAL_RATIO,
        better="lower",
    )


if __name__ == "__main__":
    sys.exit(main())
