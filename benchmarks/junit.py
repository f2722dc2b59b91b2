"""Reading JUnit XML beside bare expat and junitparser: speed per CPU second, and peak memory.

    python -m benchmarks.junit [--quick]

One generated file (100 MB; 20 MB with --quick): 90 % of the tests pass, the others have a message
and 2 KB of text or are skipped, as in a real report. Every contestant reads it in a process of its
own, in turn, and the best of its rounds counts: processor time, since wall time measures whoever
else uses the machine. Start-up is outside the time and inside the memory.

*Bare expat* is the shortest honest loop over `xml.parsers.expat`: handlers that keep name, class,
duration, outcome, message and text of the test at hand and hand over a tuple; no dialects, no caps,
no repair. *No handlers* is expat alone, which learns nothing from the file: the limit of the parser.
"""

from __future__ import annotations

import argparse
import json
import random
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from xml.parsers import expat
from xml.sax.saxutils import escape, quoteattr

from benchmarks.report import Row, print_report

ROOT = Path(__file__).resolve().parents[1]
FULL_BYTES, QUICK_BYTES = 100 << 20, 20 << 20
ROUNDS = 3
GOAL_OF_EXPAT, GOAL_OF_JUNITPARSER, GOAL_MIB = 0.75, 2.0, 30.0
CHUNK_BYTES = 128 << 10
FAILING_SHARE, SKIPPED_SHARE = 0.04, 0.06


def write_report(path: Path, size: int) -> int:
    """Write a report of about `size` bytes; return its tests."""
    draw = random.Random(4)
    tests = 0
    with path.open("w", encoding="utf-8") as file:
        file.write('<?xml version="1.0" encoding="utf-8"?>\n<testsuites>\n')
        file.write('<testsuite name="kernels" tests="0" time="1.0">\n')
        while file.tell() < size:
            for _ in range(1_000):
                file.write(_case(draw, tests))
                tests += 1
        file.write("</testsuite>\n</testsuites>\n")
    return tests


def _case(draw: random.Random, number: int) -> str:
    module = f"tests.kernels.test_{number % 97:02d}.TestGemm{number % 13}"
    name = f"test_case[float16-{number % 4096}x{number % 512}-seed={number}]"
    head = f'<testcase classname="{module}" name="{name}" time="{draw.random():.6f}"'
    kind = draw.random()
    if kind < FAILING_SHARE:
        text = "".join(
            f"E   row {line}: expected {draw.random():.8f} <found> {draw.random():.8f} & more\n"
            for line in range(32)
        )
        message = quoteattr(f"AssertionError: {text[:60]}")
        return f"{head}><failure message={message}>{escape(text)}</failure></testcase>\n"
    if kind < FAILING_SHARE + SKIPPED_SHARE:
        return (
            f'{head}><skipped type="pytest.skip" message="needs a device">x</skipped></testcase>\n'
        )
    return f"{head} />\n"


def read_with_hotfire(path: Path) -> int:
    """Read by the importer's own reader."""
    from hotfire_infra.ingest.formats.junit import read_junit
    from hotfire_infra.ingest.formats.values import Format, Reading

    return sum(1 for _ in read_junit(path, Reading(file=str(path), format=Format.JUNIT)))


def read_with_bare_expat(path: Path) -> int:
    """Read by the shortest loop that knows what each test came to."""
    return sum(1 for _ in _bare_tests(path))


def _bare_tests(path: Path) -> Iterator[tuple[object, ...]]:
    done: list[tuple[object, ...]] = []
    case: dict[str, str] = {}
    outcome, message, text = "passed", "", ""

    def start(tag: str, attributes: dict[str, str]) -> None:
        nonlocal case, outcome, message, text
        if tag == "testcase":
            case, outcome, message, text = attributes, "passed", "", ""
        elif tag in ("failure", "error", "skipped"):
            outcome, message = tag, attributes.get("message", "")

    def end(tag: str) -> None:
        if tag == "testcase":
            took = float(case.get("time", 0))
            found = (case.get("classname"), case.get("name"), took, outcome, message, text)
            done.append(found)

    def data(piece: str) -> None:
        nonlocal text
        text += piece

    parser = expat.ParserCreate()
    parser.buffer_text = True
    parser.StartElementHandler, parser.EndElementHandler = start, end
    parser.CharacterDataHandler = data
    with path.open("rb") as file:
        while chunk := file.read(CHUNK_BYTES):
            parser.Parse(chunk)
            yield from done
            done.clear()
        parser.Parse(b"", True)


def read_with_no_handlers(path: Path) -> int:
    """Let expat check the file and say nothing."""
    parser = expat.ParserCreate()
    with path.open("rb") as file:
        while chunk := file.read(CHUNK_BYTES):
            parser.Parse(chunk)
        parser.Parse(b"", True)
    return 0


def read_with_junitparser(path: Path) -> int:
    """Read by the peer, and look at each case as a caller would."""
    import junitparser

    count = 0
    for suite in junitparser.JUnitXml.fromfile(str(path)):
        for case in suite:
            _ = case.classname, case.name, case.time, [(r.message, r.text) for r in case.result]
            count += 1
    return count


CONTESTANTS: dict[str, Callable[[Path], int]] = {
    "hotfire": read_with_hotfire,
    "bare expat": read_with_bare_expat,
    "expat without handlers": read_with_no_handlers,
    "junitparser": read_with_junitparser,
}


def _contend(name: str, path: Path) -> None:
    """Be one contestant: print tests, processor seconds and peak memory."""
    read = CONTESTANTS[name]
    with tempfile.TemporaryDirectory(prefix="hotfire-junit-") as folder:
        small = Path(folder) / "small.xml"
        write_report(small, 1)
        read(small)  # Imports are start-up.
    before = time.process_time()
    tests = read(path)
    spent = time.process_time() - before
    status = Path("/proc/self/status").read_text(encoding="ascii", errors="replace")
    peak = next(line for line in status.splitlines() if line.startswith("VmHWM"))
    print(json.dumps({"tests": tests, "cpu_s": spent, "mib": int(peak.split()[1]) / 1024}))


def _measure(path: Path, rounds: int) -> dict[str, dict[str, float]]:
    best: dict[str, dict[str, float]] = {}
    for _ in range(rounds):
        for name in CONTESTANTS:
            command = [sys.executable, "-m", "benchmarks.junit", "--contestant", name, str(path)]
            done = subprocess.run(command, cwd=ROOT, capture_output=True, check=True, text=True)
            found = json.loads(done.stdout)
            if name not in best or found["cpu_s"] < best[name]["cpu_s"]:
                best[name] = found
    return best


def rows_of(best: dict[str, dict[str, float]], size: int) -> list[Row]:
    """Return the comparisons."""
    speed = {name: size / 1e6 / found["cpu_s"] for name, found in best.items()}
    ours = speed["hotfire"]
    goals = {"bare expat": GOAL_OF_EXPAT, "junitparser": GOAL_OF_JUNITPARSER}
    rows = [
        Row(
            name=f"speed beside {peer}",
            ours=ours,
            peer=speed[peer],
            peer_name=peer,
            unit="MB/CPU-s",
            goal=goals.get(peer),
            better="higher",
        )
        for peer in ("bare expat", "junitparser", "expat without handlers")
    ]
    rows.append(
        Row(
            name="peak memory",
            ours=best["hotfire"]["mib"],
            peer=best["junitparser"]["mib"],
            peer_name="junitparser",
            unit="MiB",
            goal=f"at most {GOAL_MIB:g} MiB",
            better="lower",
            met=best["hotfire"]["mib"] <= GOAL_MIB,
        )
    )
    return rows


def main() -> None:
    """Write the file, let everybody read it, print the table."""
    arguments = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    arguments.add_argument("--quick", action="store_true", help="a smaller file, one round")
    arguments.add_argument("--contestant", help=argparse.SUPPRESS)
    arguments.add_argument("file", nargs="?", type=Path, help=argparse.SUPPRESS)
    given = arguments.parse_args()
    if given.contestant:
        _contend(given.contestant, given.file)
        return
    with tempfile.TemporaryDirectory(prefix="hotfire-junit-") as folder:
        path = Path(folder) / "report.xml"
        tests = write_report(path, QUICK_BYTES if given.quick else FULL_BYTES)
        size = path.stat().st_size
        best = _measure(path, 1 if given.quick else ROUNDS)
    for name, found in best.items():
        if name != "expat without handlers" and found["tests"] != tests:
            raise SystemExit(f"{name} read {found['tests']} of {tests} tests")
    print(f"{size / 1e6:.1f} MB, {tests} tests, {sys.version.split()[0]}, {expat.EXPAT_VERSION}")
    print_report("junit", rows_of(best, size))


if __name__ == "__main__":
    main()
