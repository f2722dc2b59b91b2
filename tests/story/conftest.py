"""A small library in a git checkout of its own, and the real command line over it."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
import urllib.request
from dataclasses import dataclass
from pathlib import Path

import pytest

HOTFIRE = Path(sys.executable).with_name("hotfire")

PLATFORMS = """\
schema: hotfire.dev/platforms/1
platforms:
  linux-x86_64:
    description: This machine
    dimensions: {os: linux, arch: x86_64}
    run: {facts: {os: linux}}
    reach: [local]
  board:
    description: A board nobody plugged in
    dimensions: {os: linux, arch: aarch64}
    run: {executables: [no-such-emulator]}
    reach: [ssh]
"""

PIPELINE = """\
schema: hotfire.dev/pipeline/1
name: toy
description: Three tasks that take seconds
axes:
  platform: {values: [linux-x86_64, board]}
required: {board: when-available}
tasks:
  build:
    role: build
    harness: command
    matrix: {platform: [linux-x86_64]}
    inputs: [&source {name: source, source: true}]
    command: [sh, -euc, 'mkdir -p "{work}/out"; cp "{input:source}/library.py" "{work}/out"; echo built']
    outputs: [{name: library.tar.gz, path: out}]
  suite:
    harness: pytest
    matrix: {platform: [linux-x86_64]}
    inputs: [*source, {name: library, task: build, artifact: library.tar.gz}]
    paths: ["{input:source}/suite"]
    args: [-p, "no:cacheprovider", "--rootdir={input:source}"]
    env: {PYTHONPATH: "{input:library}"}
  board-suite:
    harness: command
    matrix: {platform: [board]}
    command: ["true"]
  slow:
    harness: command
    matrix: {platform: [linux-x86_64]}
    command:
      - sh
      - -euc
      - |
        touch "$HOTFIRE_STORY_GATE.reached"
        while [ -e "$HOTFIRE_STORY_GATE" ]; do sleep 0.2; done
        echo slept
"""

LIBRARY = "def add(a, b):\n    return a + b\n"
BROKEN = "def add(a, b):\n    return a - b\n"

SUITE = """\
import time

import pytest
from library import add


@pytest.mark.parametrize("a", range(5))
def test_add(a):
    assert add(a, 1) == a + 1


def test_hostile_name(subtests=None):
    pass


@pytest.mark.parametrize("name", ["<img src=x onerror=alert(1)>"])
def test_names(name):
    assert add(1, 1) == 2, "<script>alert('message')</script>"


def test_speed(hotfire_record):
    hotfire_record.measurement(
        "aestus.decode_rate", [170.0, 171.0, 169.5, 170.5, 171.5],
        definition={"what": "a figure that never changes"},
    )
"""


STARTED = []
"""Processes that a test left to themselves; ended when it is over."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """What a command said."""

    code: int
    out: str
    err: str


def heed_ctrl_c():
    """A test run in the background of a script inherits an ignored SIGINT; a terminal does not."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)


@dataclass(frozen=True, slots=True, kw_only=True)
class Checkout:
    """A checkout with a home of its own."""

    root: Path
    home: Path

    @property
    def gate(self):
        """While this file exists, the task `slow` does not end."""
        return self.home.parent / "gate"

    def wait_at_gate(self):
        """Wait until the task `slow` has started."""
        deadline = time.monotonic() + 300
        while not self.gate.with_name("gate.reached").exists():
            assert time.monotonic() < deadline, "the task `slow` did not start"
            time.sleep(0.05)

    @property
    def environ(self):
        kept = {name: value for name, value in os.environ.items() if not name.startswith("HOTFIRE")}
        return {
            **kept,
            "HOTFIRE_HOME": str(self.home),
            "PYTEST_ADDOPTS": "",
            "HOTFIRE_STORY_GATE": str(self.gate),
        }

    def hotfire(self, *words, timeout=600, **environ):
        done = subprocess.run(
            [HOTFIRE, *words], cwd=self.root, env={**self.environ, **environ},
            capture_output=True, text=True, timeout=timeout,
        )  # fmt: skip
        return Answer(code=done.returncode, out=done.stdout, err=done.stderr)

    def start(self, *words):
        process = subprocess.Popen(
            [HOTFIRE, *words], cwd=self.root, env=self.environ, stdout=subprocess.PIPE,
            stderr=subprocess.PIPE, text=True, preexec_fn=heed_ctrl_c,
        )  # fmt: skip
        STARTED.append(process)
        return process

    def write(self, path, text):
        target = self.root / path
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_text(text)

    def commit(self, subject):
        git(self.root, "add", "-A")
        git(self.root, "commit", "-q", "-m", subject)

    def document(self, ref="latest"):
        return json.loads(self.hotfire("show", ref, "-o", "json").out)


def git(root, *words):
    identity = ["-c", "user.name=Story", "-c", "user.email=story@example.org"]
    subprocess.run(["git", *identity, *words], cwd=root, check=True, capture_output=True)


def make_checkout(folder, *, library=LIBRARY):
    root = folder / "checkout"
    root.mkdir(parents=True)
    git(root, "init", "-q", "-b", "main")
    checkout = Checkout(root=root, home=folder / "home")
    checkout.write("pipelines/definitions/platforms.yaml", PLATFORMS)
    checkout.write("pipelines/definitions/toy.yaml", PIPELINE)
    checkout.write("library.py", library)
    checkout.write("suite/test_library.py", SUITE)
    checkout.commit("Add two numbers")
    return checkout


@pytest.fixture(scope="module")
def green(tmp_path_factory):
    """A checkout whose library is right, after one run."""
    checkout = make_checkout(tmp_path_factory.mktemp("green"))
    return checkout, checkout.hotfire("run", "toy", "--wait")


@pytest.fixture(scope="module")
def red(tmp_path_factory):
    """A checkout whose library is wrong, after one run."""
    checkout = make_checkout(tmp_path_factory.mktemp("red"), library=BROKEN)
    return checkout, checkout.hotfire("run", "toy", "--wait")


@pytest.fixture(scope="session")
def make():
    """`make(folder)`: a checkout there, with a home of its own."""
    return make_checkout


@pytest.fixture
def checkout(tmp_path):
    return make_checkout(tmp_path)


@pytest.fixture
def slow_checkout(tmp_path):
    """A checkout whose run cannot end before the test lets it."""
    checkout = make_checkout(tmp_path)
    checkout.gate.touch()
    return checkout


@pytest.fixture(autouse=True)
def no_process_is_left():
    yield
    while STARTED:
        process = STARTED.pop()
        if process.poll() is None:
            process.terminate()
        process.communicate(timeout=300)


@pytest.fixture
def serving():
    """Start `hotfire serve` on a free port; return its address."""

    def start(checkout):
        process = checkout.start("serve", "--port", "0")
        url = process.stdout.readline().split()[0]
        deadline = time.monotonic() + 300
        while time.monotonic() < deadline:
            try:
                urllib.request.urlopen(url, timeout=10).close()
                return url
            except OSError:
                time.sleep(0.1)
        raise AssertionError(f"{url} does not answer")

    return start
