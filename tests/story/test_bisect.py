"""`hotfire bisect` through the real command line: a planted culprit, a commit that does not build."""

import json
import subprocess

import pytest

pytestmark = [pytest.mark.end_to_end, pytest.mark.slow]

PIPELINE = """\
schema: hotfire.dev/pipeline/1
name: short
description: A library and its suite
axes:
  platform: {values: [linux-x86_64]}
tasks:
  build:
    role: build
    harness: command
    matrix: {platform: [linux-x86_64]}
    inputs: [&source {name: source, source: true}]
    command: [sh, -euc, 'cd "{input:source}"; test ! -e broken; mkdir "{work}/out"; cp library.py "{work}/out"']
    outputs: [{name: library.tar.gz, path: out}]
  suite:
    harness: pytest
    matrix: {platform: [linux-x86_64]}
    inputs: [*source, {name: library, task: build, artifact: library.tar.gz}]
    paths: ["{input:source}/suite"]
    args: [-p, "no:cacheprovider", "--rootdir={input:source}"]
    env: {PYTHONPATH: "{input:library}"}
  other:
    harness: command
    matrix: {platform: [linux-x86_64]}
    command: ["true"]
"""
SUITE = """\
import os

from library import add


def test_add():
    assert add(2, 1) == 3


def test_weather():
    assert not os.path.exists(os.environ["HOTFIRE_STORY_GATE"])
"""
TEST = "suite.test_library/pytest/test_add"
WEATHER = "suite.test_library/pytest/test_weather"


def head(checkout):
    done = subprocess.run(
        ["git", "rev-parse", "HEAD"], cwd=checkout.root, check=True, capture_output=True, text=True
    )
    return done.stdout.strip()


@pytest.fixture(scope="module")
def history(make, tmp_path_factory):
    """Five commits after the first: the second does not build, the third breaks `add`; a red run."""
    checkout = make(tmp_path_factory.mktemp("bisect"))
    checkout.write("pipelines/definitions/short.yaml", PIPELINE)
    checkout.write("suite/test_library.py", SUITE)
    checkout.commit("Add a suite")
    commits = [head(checkout)]
    for number in range(1, 6):
        checkout.write("notes.txt", f"{number}\n")
        if number == 2:
            checkout.write("broken", "")
        if number == 3:
            (checkout.root / "broken").unlink()
            checkout.write("library.py", "def add(a, b):\n    return a - b\n")
        checkout.commit(f"Change {number}")
        commits.append(head(checkout))
    checkout.gate.touch()
    assert checkout.hotfire("run", "short").code == 1
    checkout.gate.unlink()
    return checkout, commits


def test_planted_culprit_is_found_and_asking_again_runs_nothing(history):
    checkout, commits = history
    asked = ("bisect", TEST, "--good", commits[0])
    answer = checkout.hotfire(*asked)
    assert answer.code == 0, answer.err
    culprits = [line.split()[1] for line in answer.out.splitlines() if "culprit" in line]
    # Where the commit before was tried, it cannot be told from the culprit: it does not build.
    assert culprits in ([commits[3][:12]], [commits[2][:12], commits[3][:12]])
    assert "Change 3   p = " in answer.out
    assert f"hotfire repro {TEST} --run" in answer.out
    assert "5 commits after" in answer.err
    assert "p = " in answer.err
    found = json.loads(checkout.hotfire(*asked, "-o", "json").out)
    assert found["decided"]
    assert found["culprit"] == [commit for commit in commits if commit[:12] in culprits]
    assert found["probability"] > 0.98
    runs = found["runs"]
    assert answer.err.count(" run ") == len(runs) <= 8
    # Of each commit only the suite and the build that it needs; none is the latest run.
    assert {cell["task"] for cell in checkout.document(str(runs[0]))["cells"]} == {"build", "suite"}
    assert checkout.hotfire("ps").out.count("short") == 1


def test_failure_that_does_not_come_again_is_a_flake(history):
    checkout, commits = history
    answer = checkout.hotfire("bisect", WEATHER, "--good", commits[3])
    assert answer.code == 0, answer.err
    assert answer.out.startswith("none: flake   p = ")


def test_range_without_commits_and_unknown_tests_are_refused(history):
    checkout, commits = history
    empty = checkout.hotfire("bisect", TEST, "--good", commits[5], "--bad", commits[0])
    assert "there is no commit between them" in empty.err
    unknown = checkout.hotfire("bisect", "a/pytest/b", "--good", commits[0])
    assert "nobody recorded a test 'a/pytest/b'" in unknown.err
    assert {empty.code, unknown.code} == {2}
