"""Accuracy tests by simulation: sizes, power, mean number of pairs, false alarms, references.

    python -m benchmarks.accuracy [--quick]

Pairs are drawn here, by code that shares nothing with the tests: each item is worse, better or the
same with fixed probabilities. A peer is TensorRT-LLM's rule on the same draws: two scores, compared
by a threshold for independent samples.
"""

from __future__ import annotations

import argparse
import math
import random
import statistics
from collections.abc import Iterator
from pathlib import Path

from benchmarks.report import Row, print_report

from hotfire_infra.analysis.accuracy.gates import Gate, inspect
from hotfire_infra.analysis.accuracy.pairs import Pairs, p_worse
from hotfire_infra.analysis.accuracy.planning import pairs_needed, power_of_pairs, unpaired_needed
from hotfire_infra.analysis.accuracy.sequential import Answer, SequentialTest
from hotfire_testframework.accuracy import references

SEED = 20_261_121
ALPHA = 2e-4
BUDGET = 4000
POINT = 0.01
LOOK_EVERY = 20
"""Pairs between looks of the sequential test: a batch of a decoder."""
REFERENCE_FILE = Path(__file__).parents[1] / "tests" / "data" / "trtllm" / "gsm8k.yaml"

# Pairs for α = .05, power .8 by (drop, discordance), as published for comparison.
SIZES = {
    (0.03, 0.05): 341, (0.02, 0.02): 307, (0.02, 0.2): 3_089, (0.01, 0.01): 616,
    (0.01, 0.02): 1_234, (0.01, 0.05): 3_089, (0.01, 0.1): 6_180, (0.01, 0.2): 12_363,
    (0.005, 0.005): 1_234, (0.005, 0.02): 4_944, (0.002, 0.02): 30_911, (0.001, 0.02): 123_649,
}  # fmt: skip
UNPAIRED_SIZES = {0.03: 2_885, 0.02: 6_492, 0.01: 25_967, 0.005: 103_867, 0.002: 649_169}


class Draw:
    """Counts of drawn pairs, batch by batch."""

    def __init__(self, random_: random.Random, discordance: float, drop: float) -> None:
        self._random = random_
        self._discordance = discordance
        self._share = (1 + drop / discordance) / 2
        self.n = self.better = self.worse = 0

    def more(self, count: int) -> Pairs:
        """Draw pairs: the gap to the next discordant one is geometric."""
        end = self.n + count
        while True:
            gap = int(math.log(1 - self._random.random()) / math.log(1 - self._discordance))
            if self.n + gap >= end:
                # Memoryless: what is left of the gap is drawn anew.
                self.n = end
                return Pairs(n=self.n, better=self.better, worse=self.worse)
            self.n += gap + 1
            if self._random.random() < self._share:
                self.worse += 1
            else:
                self.better += 1


def flagged(seed: int, runs: int, discordance: float, drop: float, items: int) -> float:
    """Share of drawn runs in which the exact test fails the gate."""
    source = random.Random(seed)
    return statistics.fmean(
        p_worse(Draw(source, discordance, drop).more(items)) <= ALPHA for _ in range(runs)
    )


def flagged_by_threshold(seed: int, runs: int, discordance: float, drop: float) -> float:
    """The same for TensorRT-LLM's threshold at its α = .05: the score before is the reference."""
    source = random.Random(seed)
    entry = {"accuracy": 70.0}
    limit = references.threshold(entry, n=BUDGET)
    drops = (Draw(source, discordance, drop).more(BUDGET).drop for _ in range(runs))
    return statistics.fmean(70.0 - 100 * each < limit for each in drops)


def sequential(
    seed: int, runs: int, discordance: float, drop: float
) -> tuple[float, dict[Answer, float]]:
    """Mean pairs until the sequential test answers, and the share of each answer."""
    source = random.Random(seed)
    test = SequentialTest(tolerance=POINT, alpha=ALPHA, budget=BUDGET)
    used: list[int] = []
    answers: list[Answer] = []
    for _ in range(runs):
        draw = Draw(source, discordance, drop)
        while (answer := test.answer(draw.more(LOOK_EVERY))) is Answer.OPEN:
            pass
        used.append(draw.n)
        answers.append(answer)
    return statistics.fmean(used), {one: answers.count(one) / runs for one in Answer}


def size_rows() -> Iterator[Row]:
    """Sample sizes against the published ones."""
    level = {"alpha": 0.05, "power": 0.8}
    paired = max(
        abs(pairs_needed(drop=drop, discordance=delta, **level) - size)
        for (drop, delta), size in SIZES.items()
    )
    unpaired = max(
        abs(unpaired_needed(drop=drop, share=0.7, **level) - size)
        for drop, size in UNPAIRED_SIZES.items()
    )
    for name, worst in (("paired", paired), ("unpaired", unpaired)):
        yield Row(
            name=f"{name} sizes, furthest from the published table", ours=worst, peer=None,
            peer_name=None, unit="items", goal="≤ 1", better="lower", met=worst <= 1,
        )  # fmt: skip


def power_rows(runs: int) -> Iterator[Row]:
    """Exact McNemar on 4,000 pairs at α = 2e-4, beside the threshold for independent samples."""
    for delta in (0.01 + 1e-9, 0.015, 0.02):
        ours = flagged(SEED, runs, delta, POINT, BUDGET)
        yield Row(
            name=f"power, drop 1 point, {delta * 100:.3g} % discordant, {BUDGET:,} pairs",
            ours=ours, peer=flagged_by_threshold(SEED, runs, delta, POINT),
            peer_name="TensorRT-LLM's threshold, α .05", unit="1", goal="≥ 0.8", better="higher",
            met=ours >= 0.8,
        )  # fmt: skip
        exact = power_of_pairs(n=BUDGET, drop=POINT, discordance=delta, alpha=ALPHA)
        error = 4 * math.sqrt(max(exact * (1 - exact), 1e-4) / runs)
        yield Row(
            name=f"  its calculated power, {delta * 100:.3g} % discordant", ours=exact, peer=ours,
            peer_name="simulated", unit="1", goal=f"± {error:.2g}", better="higher",
            met=abs(exact - ours) <= error,
        )  # fmt: skip
    false = flagged(SEED + 1, 20 * runs, 0.02, 0.0, BUDGET)
    # At 2e-4 a simulation of this length sees a few alarms: the limit is three times their error.
    limit = ALPHA + 3 * math.sqrt(ALPHA / (20 * runs))
    yield Row(
        name="false failures, nothing changed, 2 % discordant", ours=false, peer=None,
        peer_name=None, unit="1", goal=f"≤ {limit:.2g} (α = {ALPHA:g})", better="lower",
        met=false <= limit,
    )  # fmt: skip


def sequential_rows(runs: int) -> Iterator[Row]:
    """The sequential test: pairs where nothing changed, and what it misses."""
    for delta in (0.005, 0.01, 0.02):
        mean, shares = sequential(SEED, runs, delta, 0.0)
        yield Row(
            name=f"sequential, nothing changed, {delta * 100:g} % discordant: mean pairs",
            ours=mean, peer=float(BUDGET), peer_name="fixed number", unit="items",
            goal="≤ 2,000", better="lower", met=mean <= 2000 and not shares[Answer.DROPPED],
        )  # fmt: skip
    mean, shares = sequential(SEED, runs, 0.02, POINT)
    yield Row(
        name="sequential, drop 1 point, 2 % discordant: found within the budget",
        ours=shares[Answer.DROPPED], peer=flagged(SEED, runs, 0.02, POINT, BUDGET),
        peer_name="fixed number", unit="1", goal=None, better="higher",
    )  # fmt: skip
    yield Row(
        name="  of those: passed wrongly", ours=shares[Answer.HELD], peer=None, peer_name=None,
        unit="1", goal="≤ 0.05 (β)", better="lower",
        met=shares[Answer.HELD] <= 0.05 + 3 * math.sqrt(0.05 / runs),
    )  # fmt: skip
    yield Row(
        name="  mean pairs", ours=mean, peer=float(BUDGET), peer_name="fixed number",
        unit="items", goal=None, better="lower",
    )  # fmt: skip


def reference_rows() -> Iterator[Row]:
    """TensorRT-LLM's thresholds, and gates that the linter refuses."""
    table = references.read(REFERENCE_FILE)
    entry = table.lookup("deepseek-ai/DeepSeek-V3-Lite", quant_algo="NVFP4")
    for name, ours, published in (
        ("gsm8k 63.710, n 1319", references.threshold(entry, n=1319), 60.507),
        ("mmmu 39.0, n 900", references.threshold({"accuracy": 39.0}, n=900), 35.123),
    ):
        yield Row(
            name=f"threshold of {name}", ours=ours, peer=published, peer_name="published",
            unit="points", goal="equal to rounding", better="lower",
            met=abs(ours - published) <= 5e-4,
        )  # fmt: skip
    refused = sum(
        bool(inspect(Gate(tolerance=POINT), items=items).fault) for items in (100, 198, 1319)
    )
    yield Row(
        name="gates of 1 point on 100, 198 and 1,319 items: refused", ours=refused, peer=None,
        peer_name=None, unit="gates", goal="3", better="higher", met=refused == 3,
    )  # fmt: skip


def main() -> None:
    """Print the report."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="an eighth of the simulated runs")
    runs = 1000 if parser.parse_args().quick else 8000
    rows = [*size_rows(), *power_rows(runs), *sequential_rows(runs), *reference_rows()]
    print_report("accuracy", rows)


if __name__ == "__main__":
    main()
