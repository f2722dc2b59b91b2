"""Planted faults: each turns cases of its own operator red and nothing else, here and under Wine."""

from __future__ import annotations

import json
import signal
import subprocess
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

import pytest

CASES = Path(__file__).resolve().parents[2] / "inference" / "cases"
PLATFORMS = ["linux-x86_64", "windows-x86_64"]
# Fault → operator and storage type whose cases it must turn red.
FAULTS = {
    "wrong_index": "gemm.f32",
    "bf16_accumulate": "qmatmul.q4_1",
    "tail_off_by_one": "rmsnorm.f32",
}
SECONDS = 120

pytestmark = pytest.mark.slow


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """One run of aestus-cases: what ended how, and what never ended."""

    code: int
    started: list[str]
    ended: dict[str, str]
    crashes: list[dict[str, str]]

    def red_operators(self) -> Counter[str]:
        return Counter(operator_of(name) for name, word in self.ended.items() if word != "passed")


def operator_of(line: str) -> str:
    return line.partition(":")[0]


@pytest.fixture(scope="module")
def lines() -> list[str]:
    """Every committed case line; without one of them this file would test nothing."""
    found = [
        line
        for path in sorted(CASES.glob("*.cases"))
        for line in path.read_text().splitlines()
        if line and not line.startswith("#")
    ]
    assert {operator_of(line) for line in found} >= set(FAULTS.values())
    return found


@pytest.fixture
def run_cases(aestus_build, request, tmp_path) -> Callable[..., Outcome]:
    """`run_cases(platform, fault, lines, **environment)`: a whole run of aestus-cases."""

    def run(platform: str, fault: str, lines: list[str], **environment: str) -> Outcome:
        launcher: list[str] = []
        if platform == "windows-x86_64":
            wine = request.getfixturevalue("wine")
            launcher, environment = wine.launcher, {**wine.environment, **environment}
        tools = aestus_build(platform, fault) / "bin"
        program = next(path for path in tools.iterdir() if path.stem == "aestus-cases")
        listed, events = tmp_path / "all.cases", tmp_path / "events.jsonl"
        listed.write_text("".join(f"{line}\n" for line in lines))
        events.write_text("")
        done = subprocess.run(
            [*launcher, str(program), "--cases", str(listed)],
            env=environment | {"AESTUS_RESULTS": str(events)},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,  # Wine's services inherit a pipe and would hold it open
            timeout=SECONDS,
            check=False,
        )
        return read_outcome(done.returncode, events)

    return run


def read_outcome(code: int, events: Path) -> Outcome:
    records: list[Mapping[str, str]] = [
        json.loads(line) for line in events.read_text().splitlines()
    ]
    return Outcome(
        code=code,
        started=[one["name"] for one in records if one["event"] == "start"],
        ended={one["name"]: one["outcome"] for one in records if one["event"] == "end"},
        crashes=[dict(one) for one in records if one["event"] == "crash"],
    )


@pytest.mark.parametrize("platform", PLATFORMS)
def test_without_a_fault_every_case_passes(run_cases, lines, platform):
    outcome = run_cases(platform, "", lines)
    assert list(outcome.ended) == lines
    assert (outcome.code, outcome.red_operators()) == (0, {})


@pytest.mark.parametrize("platform", PLATFORMS)
@pytest.mark.parametrize(("fault", "operator"), FAULTS.items(), ids=FAULTS)
def test_a_fault_turns_its_own_operator_red_and_no_other(
    run_cases, lines, platform, fault, operator
):
    outcome = run_cases(platform, fault, lines)
    assert list(outcome.ended) == lines
    assert outcome.code == 1
    red = outcome.red_operators()
    assert set(red) == {operator}
    assert red[operator] >= 10, "a fault that only one lucky case sees is not caught"


def test_a_segfault_loses_only_the_case_in_flight(run_cases, lines):
    planted = lines[len(lines) // 2]
    outcome = run_cases("linux-x86_64", "segfault", lines, AESTUS_TEST_CRASH=planted)
    before = lines[: lines.index(planted)]
    assert outcome.code == -signal.SIGSEGV
    assert outcome.ended == dict.fromkeys(before, "passed")
    assert outcome.started == [*before, planted]
    assert [(one["signal"], one["name"]) for one in outcome.crashes] == [("SIGSEGV", planted)]
    # What the runner does next: the rest of the list in a new process.
    rest = lines[lines.index(planted) + 1 :]
    again = run_cases("linux-x86_64", "segfault", rest, AESTUS_TEST_CRASH=planted)
    assert (again.code, again.ended) == (0, dict.fromkeys(rest, "passed"))


@pytest.mark.parametrize("fault", FAULTS)
def test_only_the_sources_that_look_for_a_fault_are_compiled_with_it(aestus_build, fault):
    tree = aestus_build("linux-x86_64", fault).parent / "tree"
    commands = json.loads((tree / "compile_commands.json").read_text())
    planted = {Path(one["file"]).name for one in commands if "AESTUS_FAULT_" in one["command"]}
    kernels = {"scalar.cpp", "avx2.cpp", "avx512.cpp", "neon.cpp"}
    assert planted == kernels | {"rounding.cpp", "aestus_cases.cpp"}
    assert len(commands) > 2 * len(planted), "the compiler cache serves all others"


def test_the_build_refuses_a_fault_that_does_not_exist(aestus_build):
    from benchmarks.builds import BuildFailedError

    with pytest.raises(BuildFailedError, match=r"AESTUS_FAULT=no_such_fault is\s+none of"):
        aestus_build("linux-x86_64", "no_such_fault")
