"""Cost of the pytest plugin per test, beside bare pytest and its peers, in one run.

    python -m benchmarks.plugin [--quick]

Every round starts each variant once, in a new order, so that a slow moment of the machine hits all of
them alike; the cost of a plugin is the median over rounds of (time with it − time of bare pytest in the
same round) ÷ tests. Time is processor time (user + system) of the pytest process, start-up and imports
included: on a machine that others use, wall time measures the others. The wall times stand in the table
above the rows. All variants run from one environment that holds every peer, each with the other plugins
switched off; bare pytest with all of them off.
"""

from __future__ import annotations

import argparse
import os
import random
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from benchmarks.peers import peer_python
from benchmarks.report import Row, print_report

ROOT = Path(__file__).resolve().parents[1]
PEERS = ("pytest-reportlog", "pytest-json-report", "allure-pytest")
GOAL_MICROSECONDS = 40.0
"""Per test, on a machine where bare pytest takes about 390 µs: as a share of bare pytest, 10 %."""
BARE_REFERENCE_MICROSECONDS = 390.0
MODULE_TESTS = 500


@dataclass(frozen=True, slots=True)
class Cost:
    """Time of one run, in seconds."""

    processor: float
    wall: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Variant:
    """One way to run the same tests."""

    name: str
    arguments: Callable[[Path], list[str]]
    environment: Callable[[Path], dict[str, str]] = lambda _: {}


VARIANTS = (
    Variant(name="bare pytest", arguments=lambda _: []),
    Variant(
        name="hotfire",
        arguments=lambda _: ["-p", "hotfire_testframework.pytest_plugin"],
        environment=lambda out: {"HOTFIRE_EVENTS": str(out / "events.jsonl")},
    ),
    Variant(
        name="pytest-reportlog",
        arguments=lambda out: [
            "-p",
            "pytest_reportlog.plugin",
            f"--report-log={out / 'log.jsonl'}",
        ],
    ),
    Variant(
        name="pytest-json-report",
        arguments=lambda out: [
            *("-p", "pytest_jsonreport.plugin", "-p", "pytest_metadata.plugin"),
            *("--json-report", f"--json-report-file={out / 'report.json'}"),
        ],
    ),
    Variant(
        name="allure-pytest",
        arguments=lambda out: ["-p", "allure_pytest.plugin", f"--alluredir={out / 'allure'}"],
    ),
)


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure and print."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.plugin", description=__doc__)
    parser.add_argument(
        "--quick", action="store_true", help="fewer tests and rounds: ends within a minute"
    )
    parser.add_argument(
        "--tests", type=int, help="number of trivial tests (default 10,000; quick 1,000)"
    )
    parser.add_argument("--rounds", type=int, help="paired rounds (default 7; quick 3)")
    options = parser.parse_args(arguments)
    tests = options.tests or (1_000 if options.quick else 10_000)
    rounds = options.rounds or (3 if options.quick else 7)
    python = peer_python("plugin")
    with tempfile.TemporaryDirectory(prefix="hotfire-plugin-") as folder:
        costs = measure(python, Path(folder), tests, rounds)
    print(f"{tests} trivial tests, {rounds} paired rounds, medians")
    for name, found in costs.items():
        processor = statistics.median(cost.processor for cost in found) / tests * 1e6
        wall = statistics.median(cost.wall for cost in found) / tests * 1e6
        print(f"  {name:20} {processor:8.1f} µs of processor per test, {wall:8.1f} µs of wall time")
    processor_times = {name: [cost.processor for cost in found] for name, found in costs.items()}
    print_report("plugin", make_rows(processor_times, tests))
    return 0


def measure(python: Path, folder: Path, tests: int, rounds: int) -> dict[str, list[Cost]]:
    """Return the costs of every variant, one per round."""
    suite = write_suite(folder / "suite", tests)
    costs: dict[str, list[Cost]] = {variant.name: [] for variant in VARIANTS}
    shuffler = random.Random(1)
    for number in range(rounds + 1):
        for variant in shuffler.sample(VARIANTS, len(VARIANTS)):
            out = folder / f"{number}-{variant.name.replace(' ', '-')}"
            out.mkdir()
            cost = run_once(python, suite, variant, out, tests)
            if number:  # Round 0 warms file caches and byte code.
                costs[variant.name].append(cost)
    return costs


def write_suite(folder: Path, tests: int) -> Path:
    """Write modules of trivial tests."""
    folder.mkdir()
    (folder / "pytest.ini").write_text("[pytest]\n")
    for start in range(0, tests, MODULE_TESTS):
        names = range(start, min(tests, start + MODULE_TESTS))
        body = "".join(f"def test_{number}():\n    pass\n\n\n" for number in names)
        (folder / f"test_module_{start // MODULE_TESTS}.py").write_text(body)
    return folder


def run_once(python: Path, suite: Path, variant: Variant, out: Path, tests: int) -> Cost:
    """Run the suite once and return its cost; anything but success is an error."""
    command = [
        str(python),
        "-m",
        "pytest",
        "-q",
        "-p",
        "no:cacheprovider",
        *variant.arguments(out),
        ".",
    ]
    environment = {
        **os.environ,
        "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1",
        "PYTHONPATH": str(ROOT / "testframework"),
        **variant.environment(out),
    }
    log = out / "output.txt"
    with log.open("wb") as file:
        began = time.perf_counter()
        process = subprocess.Popen(command, cwd=suite, env=environment, stdout=file, stderr=file)
        _, status, usage = os.wait4(process.pid, 0)
        wall = time.perf_counter() - began
    process.returncode = os.waitstatus_to_exitcode(status)
    text = log.read_text()
    if process.returncode != 0 or f"{tests} passed" not in text:
        sys.exit(f"{variant.name}: exit {process.returncode}\n{text[-3000:]}")
    return Cost(processor=usage.ru_utime + usage.ru_stime, wall=wall)


def make_rows(times: dict[str, list[float]], tests: int) -> list[Row]:
    """Return the rows: our cost against bare pytest, the absolute goal, and each peer's cost."""
    bare = times["bare pytest"]
    bare_cost = statistics.median(bare) / tests * 1e6
    ours = added_cost(times["hotfire"], bare, tests)
    share = GOAL_MICROSECONDS / BARE_REFERENCE_MICROSECONDS
    rows = [
        Row(
            name="added cost per test, as a share of bare pytest",
            ours=ours,
            peer=bare_cost,
            peer_name="bare pytest (whole cost)",
            unit="µs/test",
            goal=round(share, 3),
            better="lower",
        )
    ]
    rows.extend(
        Row(
            name=f"added cost per test, beside {name}",
            ours=ours,
            peer=added_cost(times[name], bare, tests),
            peer_name=name,
            unit="µs/test",
            goal=1.0,
            better="lower",
        )
        for name in PEERS
    )
    return rows


def added_cost(with_plugin: Sequence[float], bare: Sequence[float], tests: int) -> float:
    """Return the median over rounds of the paired difference, in µs per test."""
    pairs = zip(with_plugin, bare, strict=True)
    return statistics.median(ours - base for ours, base in pairs) / tests * 1e6


if __name__ == "__main__":
    sys.exit(main())
