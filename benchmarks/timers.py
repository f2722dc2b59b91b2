"""What the per-operator timers cost: `python -m benchmarks.timers [--quick] [--threads N] [--processes N]`.

One process decodes the same tokens without and with timers in blocks A B B A; the difference of a block,
(B + B - A - A) ÷ 2 in logarithms of the rate, holds no level and no linear drift of the machine. The
figure is the mean over the blocks of several processes with its 95 % interval (Student 1908), where the
process is what varies: the mean of its blocks is one value. The pass that is timed as a whole has no timers; what
they cost is in the times of the operators alone.
"""

from __future__ import annotations

import argparse
import json
import math
import statistics
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

from benchmarks.builds import build_preset
from benchmarks.peers import model_path
from benchmarks.report import Row, print_report

from hotfire_infra.analysis import student_t
from hotfire_infra.analysis.interleaved import PATTERN, block_losses

GOAL = 0.01
"""Share of the time of a token; a tenth of what is named as an operator's share of a shift of 10 %."""


def process_cost(binaries: Path, tokens: int, threads: int) -> tuple[float, float]:
    """Return (mean cost of the timers in logarithms, median rate without them) of one process."""
    command = [str(binaries / "aestus-bench"), "--what", "timers", "--model", str(model_path())]
    sizes = ["--prompt", "8", "--tokens", str(tokens), "--threads", str(threads)]
    done = subprocess.run([*command, *sizes], capture_output=True, text=True, check=True)
    rows = [
        one
        for one in json.loads(done.stdout)["measurements"]
        if one["metric"] == "aestus.decode_rate"
    ]
    letters = "".join("B" if "timers=on" in one["name"] else "A" for one in rows)
    assert letters == PATTERN * (len(rows) // len(PATTERN))
    losses = block_losses([math.log(one["value"]) for one in rows], larger_is_better=True)
    without = [one["value"] for one in rows if "timers=off" in one["name"]]
    return statistics.fmean(losses), statistics.median(without)


def timer_row(costs: Sequence[float], rates: Sequence[float], tokens: int, threads: int) -> Row:
    """Return the cost over processes as one row."""
    mean = statistics.fmean(costs)
    error = statistics.stdev(costs) / math.sqrt(len(costs))
    half = student_t.quantile(0.975, len(costs) - 1) * error
    ends = f"{100 * (mean - half):+.2f} to {100 * (mean + half):+.2f} %, {len(costs)} processes"
    rate = statistics.median(rates)
    return Row(
        name=f"decode of {tokens} tokens with timers, {threads} thread, cost 95 %: {ends}",
        ours=1 / rate * math.exp(mean),
        peer=1 / rate,
        peer_name="the same without",
        unit="s",
        goal=1 + GOAL,
        better="lower",
        met=mean <= GOAL,
    )


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure and print the row."""
    parser = argparse.ArgumentParser(description="What the per-operator timers of decode cost.")
    parser.add_argument("--quick", action="store_true", help="a first figure within a minute")
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--processes", type=int, default=20, help="of about ten seconds each")
    options = parser.parse_args(arguments)
    processes, tokens = (3 if options.quick else options.processes), 16
    binaries = build_preset("linux-x86_64") / "bin"
    costs, rates = [], []
    for number in range(processes):
        print(f"process {number + 1} of {processes} …", file=sys.stderr, flush=True)
        cost, rate = process_cost(binaries, tokens, options.threads)
        costs.append(cost)
        rates.append(rate)
    print_report("timers", [timer_row(costs, rates, tokens, options.threads)])
    return 0


if __name__ == "__main__":
    sys.exit(main())
