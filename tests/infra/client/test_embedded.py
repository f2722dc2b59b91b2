"""The embedded client on a real checkout, with the real runner."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from hotfire_infra.client.embedded import EmbeddedClient
from hotfire_infra.errors import (
    AmbiguousRunError,
    PlanRefusedError,
    RequestRefusedError,
    RunNotFoundError,
)
from hotfire_infra.settings import Settings
from hotfire_infra.states import RunState, RunVerdict

IDENTITY = ("-c", "user.name=Test", "-c", "user.email=test@example.org")
PLATFORMS = """
schema: hotfire.dev/platforms/1
platforms:
  here:
    dimensions: {os: linux}
    run: {facts: {os: linux}}
    reach: [local]
  qnx:
    dimensions: {os: qnx}
    run: {facts: {os: qnx}}
    reach: [ssh]
"""
PIPELINE = """
schema: hotfire.dev/pipeline/1
name: small
axes:
  platform:
    values: [here, qnx]
required: {qnx: when-available}
tasks:
  build:
    harness: command
    matrix: {platform: [here, qnx]}
    inputs: [{name: source, source: true}]
    command: [sh, -euc, "mkdir out; cp {input:source}/hello.txt out/; echo built"]
    outputs: [{name: out.tar.gz, path: out}]
  check:
    harness: command
    matrix: {platform: [here, qnx]}
    inputs: [{name: out, task: build, artifact: out.tar.gz}]
    command: [sh, -euc, "cat {input:out}/hello.txt; grep -q right {input:out}/hello.txt"]
"""


@pytest.fixture
def checkout(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    root = tmp_path / "library"
    definitions = root / "pipelines" / "definitions"
    definitions.mkdir(parents=True)
    (definitions / "platforms.yaml").write_text(PLATFORMS)
    (definitions / "small.yaml").write_text(PIPELINE)
    (root / "hello.txt").write_text("wrong\n")
    for arguments in (["init", "-q"], ["add", "-A"], ["commit", "-qm", "First"]):
        subprocess.run(["git", *IDENTITY, *arguments], cwd=root, check=True)
    monkeypatch.chdir(root)
    return root


@pytest.fixture
def client(tmp_path: Path, checkout: Path):
    settings = Settings(home=tmp_path / "home", cache=tmp_path / "cache", user="tester")
    opened = EmbeddedClient.open(settings)
    yield opened
    opened.close()


def finish(client: EmbeddedClient, ref: str = "latest"):
    events = list(client.watch(ref, poll_seconds=0.05))
    return client.show(ref), events


def test_a_run_of_uncommitted_work_passes_and_its_log_is_there(client, checkout):
    (checkout / "hello.txt").write_text("right\n")
    run = client.start_run(client.plan("small"))
    done, events = finish(client)
    assert (done.run.state, done.run.verdict) == (RunState.FINALIZED, RunVerdict.PASSED)
    assert [(cell.task, cell.platform, cell.verdict) for cell in done.cells] == [
        ("build", "here", "passed"),
        ("build", "qnx", "not_executable"),
        ("check", "here", "passed"),
        ("check", "qnx", "not_executable"),
    ]
    assert events[-1].topic == "run.finalized"
    assert run.source.patch_digest != ""
    log = client.logs("latest", cell="check|platform=here")
    assert (log.content, log.is_complete) == (b"right\n", True)


def test_a_red_test_is_found_and_a_retry_is_a_child_of_the_same_source(client, checkout):
    client.start_run(client.plan("small"))
    done, _ = finish(client)
    assert done.run.verdict is RunVerdict.FAILED
    (failed,) = client.tests("latest", verdicts=("failed",))
    assert failed.test == "tasks/command/check"
    (checkout / "hello.txt").write_text("right\n")
    child = client.retry("1")
    assert (child.number, child.parent_number) == (2, 1)
    again, _ = finish(client, "2")
    assert again.run.verdict is RunVerdict.FAILED
    assert client.show("1").run.state is RunState.FINALIZED


def test_runs_are_found_by_number_latest_and_prefix(client, checkout):
    plan = client.plan("small")
    first, second = client.start_run(plan), client.start_run(plan)
    assert client.show("1").run == first
    assert client.show("latest").run == client.show("@latest").run == second
    assert client.show(second.ulid.lower()).run == second
    with pytest.raises(AmbiguousRunError, match=r"1 .*2 |2 .*1 "):
        client.show(first.ulid[:4])
    for unknown in ("7", "nonsense", "ZZZZZ", "%%%%", "0"):
        with pytest.raises(RunNotFoundError, match="hotfire ps"):
            client.show(unknown)


def test_a_plan_of_another_source_is_refused(client, checkout):
    plan = client.plan("small")
    (checkout / "hello.txt").write_text("edited since\n")
    with pytest.raises(PlanRefusedError, match="plan again"):
        client.start_run(plan)
    assert client.runs() == ()


def test_an_unknown_pipeline_names_those_that_are_there(client, checkout):
    with pytest.raises(PlanRefusedError, match="there are small"):
        client.plan("smal")


def test_what_is_over_cannot_be_cancelled_and_what_is_not_cannot_be_retried(client, checkout):
    client.start_run(client.plan("small"))
    with pytest.raises(RequestRefusedError, match="not over"):
        client.retry("1")
    finish(client)
    with pytest.raises(RequestRefusedError, match="nothing to cancel"):
        client.cancel("1")


def test_a_cancelled_run_ends_cancelled(client, checkout):
    client.start_run(client.plan("small"))
    client.cancel("1", reason="enough")
    done, events = finish(client)
    assert done.run.verdict is RunVerdict.CANCELLED
    assert events[-1].topic == "run.cancelled"
    assert {cell.attempts for cell in done.cells} == {0}


def test_who_executes_is_known_while_it_watches(client, checkout):
    client.start_run(client.plan("small"))
    assert client.holder() is None
    events = client.watch("latest")
    next(events)
    assert client.holder() is not None
    events.close()
    assert client.holder() is None
    assert [run.number for run in client.unfinished()] == [1]
