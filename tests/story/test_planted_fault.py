"""A planted kernel bug through the real command line: the right cases red, found again by `repro`."""

import json
import os
import shlex
import shutil
import signal
import subprocess
import time
from collections import Counter
from pathlib import Path

import pytest

pytestmark = [pytest.mark.end_to_end, pytest.mark.slow]

ROOT = Path(__file__).resolve().parents[2]
NATIVE, WINDOWS = "linux-x86_64", "windows-x86_64"
OPERATORS = ("gemm.f32", "qmatmul.q4_1", "rmsnorm.f32")

PIPELINE = """\
schema: hotfire.dev/pipeline/1
name: planted
description: Aestus with the bug @FAULT@, and the kernels that must see it
axes:
  platform: {values: [@PLATFORMS@]}
tasks:
  build:
    role: build
    harness: command
    matrix: {platform: [@PLATFORMS@]}
    inputs: [{name: source, source: true}]
    env: {CCACHE_DIR: "{cache}/ccache", CCACHE_BASEDIR: "{work}", CCACHE_NOHASHDIR: "1"}
    command:
      - sh
      - -euc
      - |
        cd "{input:source}/inference"
        cmake --preset "{preset}" -DAESTUS_FAULT=@FAULT@ -DAESTUS_TESTS=OFF
        cmake --build "build/{preset}" -j "{cpus}" --target aestus-cases
        mkdir -p "{work}/out/bin"
        cp "build/{preset}/tools/aestus-cases{exe}" "{work}/out/bin"
    outputs: [{name: aestus.tar.gz, path: out}]
    cpus: 2
    timeouts: {setup_s: 120, test_s: 1500, run_s: 1800, silence_s: 900, grace_s: 10}
  kernels:
    harness: cases
    matrix: {platform: [@PLATFORMS@]}
    inputs: [{name: aestus, task: build, artifact: aestus.tar.gz}]
    command: ["{input:aestus}/bin/aestus-cases{exe}"]
    cases:
      files: ["inference/cases/*.cases"]
      operators: [@OPERATORS@]
    env: {AESTUS_TEST_CRASH: "@CRASH@"}
    timeouts: {setup_s: 120, test_s: 60, run_s: 600, silence_s: 60, grace_s: 10}
"""

# An "executable" of case lines for an emulator to run: it stays in the case named hang while the gate stands.
GUEST = r"""
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <unistd.h>
int main(int count, char** words) {
  if (count != 3) return 2;
  std::FILE* lines = std::fopen(words[2], "r");
  std::FILE* events = std::fopen(std::getenv("AESTUS_RESULTS"), "a");
  char line[256];
  while (std::fgets(line, sizeof line, lines)) {
    line[std::strcspn(line, "\n")] = 0;
    std::fprintf(events, "{\"event\":\"start\",\"name\":\"%s\"}\n", line), std::fflush(events);
    while (std::strstr(line, "data=hang") && !access(std::getenv("GATE"), F_OK)) usleep(50000);
    std::fprintf(events, "{\"event\":\"end\",\"name\":\"%s\",\"outcome\":\"passed\",\"duration_ns\":1}\n", line);
    std::fflush(events);
  }
  std::fprintf(events, "{\"event\":\"finish\",\"count\":0}\n");
}
"""
GUEST_PIPELINE = """\
schema: hotfire.dev/pipeline/1
name: guest
description: A guest program under an emulator
axes:
  platform: {values: [l4t-aarch64]}
tasks:
  build:
    role: build
    harness: command
    matrix: {platform: [l4t-aarch64]}
    inputs: [{name: source, source: true}]
    command: [sh, -euc, 'mkdir out; aarch64-linux-gnu-g++ -static -o out/guest "{input:source}/guest.cpp"']
    outputs: [{name: guest.tar.gz, path: out}]
  kernels:
    harness: cases
    matrix: {platform: [l4t-aarch64]}
    inputs: [{name: guest, task: build, artifact: guest.tar.gz}]
    command: ["{input:guest}/guest"]
    cases: {files: [guest.cases]}
    env: {GATE: "@GATE@"}
    timeouts: {setup_s: 60, test_s: 120, run_s: 300, silence_s: 120, grace_s: 5}
"""


def filled(template, **values):
    for name, value in values.items():
        template = template.replace(f"@{name}@", value)
    return template


def aestus(checkout, fault, platforms, crash="none"):
    """Give the checkout this tree's Aestus and platforms, and a pipeline that plants the fault."""
    listed = subprocess.run(
        ["git", "ls-files", "-z", "inference", "pipelines/definitions/platforms.yaml"],
        cwd=ROOT, check=True, capture_output=True, text=True,
    ).stdout  # fmt: skip
    for name in filter(None, listed.split("\0")):
        target = checkout.root / name
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy2(ROOT / name, target)
    operators = ", ".join(f'"{name}"' for name in OPERATORS)
    text = filled(
        PIPELINE, FAULT=fault, PLATFORMS=", ".join(platforms), OPERATORS=operators, CRASH=crash
    )
    checkout.write("planted.yaml", text)
    checkout.commit(f"Plant {fault}")
    return checkout


def case_lines():
    return [
        line
        for path in sorted((ROOT / "inference/cases").glob("*.cases"))
        for line in path.read_text().splitlines()
        if line.partition(":")[0] in OPERATORS
    ]


def results(checkout, platform):
    """`case line → record` of every result of the kernels on one platform, as the runners wrote them."""
    found = {}
    for spec in checkout.home.glob("attempts/*/attempt.json"):
        if f"platform={platform}" not in (task := json.loads(spec.read_text())["task"]):
            continue
        if not task.startswith("kernels"):
            continue
        for line in spec.with_name("stream.jsonl").read_text().splitlines():
            record = json.loads(line)
            if record["kind"] == "test_attempt":
                found[record["test"].split("/", 2)[2]] = record
    return found


def operators_of(records, outcome):
    chosen = (name for name, record in records.items() if record["outcome"] == outcome)
    return Counter(name.partition(":")[0] for name in chosen)


def cell(document, task, platform):
    (found,) = (
        one
        for one in document["cells"]
        if one["task"] == task and one["variant"]["platform"] == platform
    )
    return found


def needs(*programs):
    for program in programs:
        if shutil.which(program) is None:
            pytest.skip(reason=f"{program} is not installed; `make setup` as root installs it")


@pytest.fixture(scope="module")
def off_by_one(make, tmp_path_factory):
    """A tail that drops one element, on this machine and under Wine, after one run."""
    needs("cmake", "ninja", "g++", "x86_64-w64-mingw32-g++-posix", "/usr/lib/wine/wine64")
    checkout = make(tmp_path_factory.mktemp("off-by-one"))
    aestus(checkout, "tail_off_by_one", [NATIVE, WINDOWS])
    return checkout, checkout.hotfire("run", "planted.yaml", "--wait", timeout=900)


@pytest.fixture(scope="module")
def segfault(make, tmp_path_factory):
    """A kernel that dies in one case, after one run."""
    needs("cmake", "ninja", "g++")
    crashing = case_lines()[500]
    checkout = make(tmp_path_factory.mktemp("segfault"))
    aestus(checkout, "segfault", [NATIVE], crash=crashing)
    return checkout, checkout.hotfire("run", "planted.yaml", "--wait", timeout=900), crashing


def test_the_run_is_red_with_exit_1(off_by_one):
    checkout, answer = off_by_one
    assert answer.code == 1, answer.err
    document = checkout.document()
    assert document["verdict"] == "failed"
    assert {cell(document, "build", one)["verdict"] for one in (NATIVE, WINDOWS)} == {"passed"}


@pytest.mark.parametrize("platform", [NATIVE, WINDOWS])
def test_only_the_broken_operator_is_red_and_the_product_is_to_blame(off_by_one, platform):
    checkout, _ = off_by_one
    records = results(checkout, platform)
    assert records.keys() == set(case_lines())
    assert set(operators_of(records, "failed")) == {"rmsnorm.f32"}
    assert set(operators_of(records, "passed")) >= {"gemm.f32", "qmatmul.q4_1"}
    seen = cell(checkout.document(), "kernels", platform)
    failed = operators_of(records, "failed").total()
    assert (seen["verdict"], seen["failure_class"]) == ("failed", "product")
    assert seen["tests"] == {"failed": failed, "passed": len(records) - failed}


@pytest.mark.parametrize("platform", [NATIVE, WINDOWS])
def test_show_ends_with_a_command_that_fails_the_same_way(off_by_one, platform):
    checkout, _ = off_by_one
    line = min(n for n, r in results(checkout, platform).items() if r["outcome"] == "failed")
    last = checkout.hotfire("show", f"aestus.kernels/native/{line}").out.strip().splitlines()[-1]
    words = shlex.split(last)
    assert words == ["hotfire", "repro", f"aestus.kernels/native/{line}", "--run", "1"]
    again = checkout.hotfire(*words[1:], "--platform", platform, "--exec")
    assert again.code == 1, again.err
    assert "error above bound" in again.err


def test_show_of_the_run_names_the_command_too(off_by_one):
    checkout, _ = off_by_one
    assert "hotfire repro aestus.kernels/native/rmsnorm.f32:" in checkout.hotfire("show").out


def test_a_case_that_crashes_is_red_with_its_signal_and_all_others_have_results(segfault):
    checkout, answer, crashing = segfault
    assert answer.code == 1, answer.err
    records = results(checkout, NATIVE)
    assert records.keys() == set(case_lines())
    assert [n for n, r in records.items() if r["outcome"] != "passed"] == [crashing]
    assert records[crashing]["outcome"] == "failed"
    assert "SIGSEGV" in records[crashing]["message"]
    seen = cell(checkout.document(), "kernels", NATIVE)
    assert (seen["verdict"], seen["failure_class"]) == ("failed", "product")
    assert seen["tests"] == {"failed": 1, "passed": len(records) - 1}
    assert "SIGSEGV" in checkout.hotfire("show", f"aestus.kernels/native/{crashing}").out


def test_an_emulator_killed_in_the_middle_is_retried_and_not_red(checkout):
    needs("aarch64-linux-gnu-g++", "qemu-aarch64-static")
    checkout.write(
        "pipelines/definitions/platforms.yaml",
        (ROOT / "pipelines/definitions/platforms.yaml").read_text(),
    )
    checkout.write("guest.cpp", GUEST)
    lines = [f"fake.f32:n={n},data={word},seed=1" for n, word in enumerate(("ok", "hang", "ok"))]
    checkout.write("guest.cases", "".join(f"{line}\n" for line in lines))
    checkout.write("guest.yaml", filled(GUEST_PIPELINE, GATE=str(checkout.gate)))
    checkout.commit("Run a guest")
    checkout.gate.touch()
    process = checkout.start("run", "guest.yaml", "--wait")
    emulator = wait_for_emulator_in(checkout, lines[1])
    checkout.gate.unlink()
    os.kill(emulator, signal.SIGKILL)
    out, err = process.communicate(timeout=300)
    assert process.returncode == 0, out + err
    seen = cell(checkout.document(), "kernels", "l4t-aarch64")
    assert (seen["verdict"], seen["attempts"], seen["tests"]) == ("passed", 2, {"passed": 3})


def wait_for_emulator_in(checkout, line):
    """Return the process id of the emulator once it is inside the case."""
    deadline = time.monotonic() + 120
    while time.monotonic() < deadline:
        if any('"test_start"' in text and line in text for text in streams(checkout)):
            for entry in Path("/proc").iterdir():
                if entry.name.isdigit() and is_emulator(entry, checkout.home):
                    return int(entry.name)
        time.sleep(0.05)
    raise AssertionError("no emulator started the case")


def streams(checkout):
    return [path.read_text() for path in checkout.home.glob("attempts/*/stream.jsonl")]


def is_emulator(entry, home):
    try:
        words = (entry / "cmdline").read_bytes().split(b"\0")
    except OSError:
        return False
    return words[0].startswith(b"qemu-aarch64") and str(home).encode() in b" ".join(words)
