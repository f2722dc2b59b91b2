"""A bisection with real commits, plans and runners, beside the store and at a service."""

from __future__ import annotations

import subprocess
from dataclasses import replace
from pathlib import Path

import pytest

from hotfire_infra.analysis.reporting import StoreReports
from hotfire_infra.api.service import Service
from hotfire_infra.client.bisecting import Bisection, Sought
from hotfire_infra.client.embedded import EmbeddedClient
from hotfire_infra.client.http import HttpClient
from hotfire_infra.client.http_reports import HttpReports
from hotfire_infra.settings import Settings

pytestmark = [pytest.mark.slow]

IDENTITY = ("-c", "user.name=Test", "-c", "user.email=test@example.org")
PLATFORMS = """
schema: hotfire.dev/platforms/1
platforms:
  here:
    dimensions: {os: linux}
    run: {facts: {os: linux}}
    reach: [local]
"""
PIPELINE = """
schema: hotfire.dev/pipeline/1
name: small
axes: {platform: {values: [here]}}
tasks:
  build:
    role: build
    harness: command
    matrix: {platform: [here]}
    inputs: [{name: source, source: true}]
    command: [sh, -euc, "mkdir out; cp {input:source}/hello.txt out/"]
    outputs: [{name: out.tar.gz, path: out}]
  check:
    harness: command
    matrix: {platform: [here]}
    inputs: [{name: out, task: build, artifact: out.tar.gz}]
    command: [sh, -euc, "grep -q right {input:out}/hello.txt"]
"""
TEST = "tasks/command/check"


def git(root, *words):
    done = subprocess.run(
        ["git", *IDENTITY, *words], cwd=root, check=True, capture_output=True, text=True
    )
    return done.stdout.strip()


@pytest.fixture
def checkout(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Four commits, of which the third breaks it; the last one is checked out."""
    root = tmp_path / "library"
    definitions = root / "pipelines" / "definitions"
    definitions.mkdir(parents=True)
    (definitions / "platforms.yaml").write_text(PLATFORMS)
    (definitions / "small.yaml").write_text(PIPELINE)
    git(tmp_path, "init", "-qb", "main", str(root))
    for number, word in enumerate(("right", "right", "wrong", "wrong"), start=1):
        (root / "hello.txt").write_text(f"{word}\n")
        (root / "notes.txt").write_text(f"{number}\n")
        git(root, "add", "-A")
        git(root, "commit", "-qm", f"Change {number}")
    monkeypatch.chdir(root)
    return root


@pytest.fixture(params=["embedded", "service"])
def doors(request, tmp_path, checkout, served):
    settings = Settings(home=tmp_path / "home", cache=tmp_path / "cache", user="tester")
    embedded = EmbeddedClient.open(settings)
    if request.param == "embedded":
        yield embedded, StoreReports(embedded.store)
    else:
        with served(Service.over(embedded, settings)) as address:
            far = HttpClient.open(replace(settings, home=tmp_path / "else", server=address))
            yield far, HttpReports(far.connection)
            far.close()
    embedded.close()


def test_a_culprit_is_found_through_either_door_and_found_again_without_a_run(doors, checkout):
    client, reports = doors
    red = client.start_run(client.plan("small"))
    list(client.watch(str(red.number)))
    sought = Sought(test=TEST, good="HEAD~3", bad="HEAD", false_fail=0.01)
    for _ in range(12):
        # Everything is read anew, as after a kill.
        bisection = Bisection(client, reports, checkout, sought)
        run = bisection.unfinished()
        commit = bisection.next() if run is None else None
        if run is None and commit is None:
            break
        run = run or bisection.start(commit)
        list(client.watch(str(run.number)))
    found = bisection.search.found
    assert (found.commits, found.is_decided) == ((git(checkout, "rev-parse", "HEAD~1"),), True)
    assert [one.number for one in client.runs()] == [red.number], "none of them is anybody's run"
    builds = {
        task.resolution
        for probe in bisection.probes
        for task in client.show(str(probe.run)).tasks
        if task.key.startswith("build")
    }
    assert "reused" in {str(one) for one in builds}
