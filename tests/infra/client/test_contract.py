"""Both clients keep one contract: on a real checkout, with the real runner, here and by HTTP."""

from __future__ import annotations

import http.server
import json
import re
import socket
import subprocess
import threading
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import pytest

from hotfire_infra.analysis.history import CommandReports
from hotfire_infra.analysis.reporting import StoreReports
from hotfire_infra.api.service import Service
from hotfire_infra.cli.exit_codes import CliExit
from hotfire_infra.cli.here import ask_here
from hotfire_infra.cli.main import main
from hotfire_infra.cli.reproduction import prepare
from hotfire_infra.cli.verbs.plan import print_plan
from hotfire_infra.client import Client
from hotfire_infra.client.connection import Connection, read_token
from hotfire_infra.client.embedded import EmbeddedClient
from hotfire_infra.client.http import HttpClient
from hotfire_infra.client.http_reports import HttpReports
from hotfire_infra.errors import (
    AccessDeniedError,
    AmbiguousRunError,
    PlanRefusedError,
    RequestRefusedError,
    RunNotFoundError,
    ServiceError,
    VersionMismatchError,
)
from hotfire_infra.settings import Settings
from hotfire_infra.states import RunState, RunVerdict
from hotfire_pipelines.plan import Plan
from hotfire_testframework.contract.exit_codes import RunnerExit

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


class Subject:
    """A client, and what makes its runs go on."""

    def __init__(self, client: Client, reports: CommandReports, begin: Callable[[], None]) -> None:
        self.client = client
        self.reports = reports
        self.begin = begin


@pytest.fixture(params=["embedded", "service"])
def subject(request, tmp_path: Path, checkout: Path, served):
    settings = Settings(home=tmp_path / "home", cache=tmp_path / "cache", user="tester")
    embedded = EmbeddedClient.open(settings)
    if request.param == "embedded":
        yield Subject(embedded, StoreReports(embedded.store), lambda: None)
        embedded.close()
        return
    # It does not execute yet, so that a test sees a run before anything of it happened.
    service = Service.over(embedded, settings, executes=False)
    with served(service) as address:
        far = replace(settings, home=tmp_path / "elsewhere", server=address)
        client = HttpClient.open(far)
        yield Subject(client, HttpReports(client.connection), service.begin_executing)
        client.close()
    embedded.close()


@pytest.fixture
def client(subject: Subject) -> Client:
    return subject.client


@pytest.fixture
def finish(subject: Subject):
    def finish(client: Client, ref: str = "latest"):
        subject.begin()
        events = list(client.watch(ref, poll_seconds=0.05))
        return client.show(ref), events

    return finish


def test_a_run_of_uncommitted_work_passes_and_its_log_is_there(client, checkout, finish):
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


def test_a_red_test_is_found_and_a_retry_is_a_child_of_the_same_source(client, checkout, finish):
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


def test_a_failure_is_done_again_by_hand_with_the_inputs_that_it_had(
    client, checkout, finish, tmp_path
):
    client.start_run(client.plan("small"))
    done, _ = finish(client)
    assert done.run.verdict is RunVerdict.FAILED
    (check,) = client.attempts("latest", cell="check|platform=here")
    (checkout / "hello.txt").write_text("right\n")
    told = client.recorded_attempt(check.ulid)
    assert [item.name for item in told.inputs] == ["out"]
    assert all(Path(item.path).is_file() for item in told.inputs)
    prepared = prepare(tmp_path / "by-hand", told, None)
    again = subprocess.run(prepared.argv, check=False, capture_output=True)
    assert again.returncode == RunnerExit.PRODUCT_FAILURE, again.stderr
    assert (prepared.directory / "stdout.log").read_text() == "wrong\n"
    with pytest.raises((RequestRefusedError, RunNotFoundError, ServiceError)):
        client.recorded_attempt("01JD3Q7A0000000000000000AA")


def test_a_failure_as_old_as_the_merge_base_is_found_by_one_rerun(
    subject, client, checkout, finish
):
    pipeline = checkout / "pipelines" / "definitions" / "small.yaml"
    pipeline.write_text(f"{PIPELINE}exonerate: {{fails-on-merge-base: rerun}}\n")
    for words in (
        ["commit", "-qam", "Ask the merge base"],
        ["branch", "-M", "main"],
        ["checkout", "-qb", "change"],
        ["commit", "-qm", "The change", "--allow-empty"],
    ):
        subprocess.run(["git", *IDENTITY, *words], cwd=checkout, check=True)
    client.start_run(client.plan("small"))
    done, _ = finish(client)
    (excuse,) = subject.reports.find("latest").exonerations
    assert "fails in the same way on the merge base" in excuse.reason
    assert done.run.verdict is RunVerdict.PASSED


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


def test_what_is_over_cannot_be_cancelled_and_what_is_not_cannot_be_retried(
    client, checkout, finish
):
    client.start_run(client.plan("small"))
    with pytest.raises(RequestRefusedError, match="not over"):
        client.retry("1")
    finish(client)
    with pytest.raises(RequestRefusedError, match="nothing to cancel"):
        client.cancel("1")


def test_a_cancelled_run_ends_cancelled(client, checkout, finish):
    client.start_run(client.plan("small"))
    client.cancel("1", reason="enough")
    done, events = finish(client)
    assert done.run.verdict is RunVerdict.CANCELLED
    assert events[-1].topic == "run.cancelled"
    assert {cell.attempts for cell in done.cells} == {0}


def test_who_executes_is_known_while_it_watches(subject, client, checkout):
    client.start_run(client.plan("small"))
    assert client.holder() is None
    subject.begin()
    events = client.watch("latest")
    while client.holder() is None:
        next(events)
    events.close()
    assert [run.number for run in client.unfinished()] == [1]


def printed(words, capsys):
    """Return exit code, data and messages of a command, without the time of day."""
    code = main(words)
    said = capsys.readouterr()
    return code, said.out, re.sub(r"^[0-9T:-]+Z ", "", said.err, flags=re.MULTILINE)


def test_what_every_door_prints_is_the_same_here_and_by_http(
    tmp_path, checkout, monkeypatch, capsys, served
):
    settings = Settings(home=tmp_path / "home", cache=tmp_path / "cache", user="tester")
    embedded = EmbeddedClient.open(settings)
    (checkout / "hello.txt").write_text("wrong\n")
    embedded.start_run(embedded.plan("small"))
    list(embedded.watch("latest", poll_seconds=0.05))
    (tmp_path / "saved.json").write_text(embedded.plan("small").to_json())
    words = [
        ["show", "latest", "-o", "json"],
        ["show", "latest"],
        ["show", "check here"],
        ["show", "tasks/command/check"],
        ["show", "tasks/command/check", "-o", "json"],
        ["show", "tasks/command/chekc"],
        ["ps"],
        ["ps", "-o", "json"],
        ["logs", "latest", "check platform=here"],
        ["compare", "1", "1", "-o", "json"],
        ["plan", "small"],
        ["plan", str(tmp_path / "saved.json")],
        ["watch", "1"],
        ["cancel", "1"],
        ["show", "99"],
    ]
    monkeypatch.setenv("HOTFIRE_HOME", str(settings.home))
    monkeypatch.setenv("HOTFIRE_CACHE", str(settings.cache))
    with served(Service.over(embedded, settings, executes=False)) as address:
        monkeypatch.delenv("HOTFIRE_SERVER", raising=False)
        here = [printed(each, capsys) for each in words]
        monkeypatch.setenv("HOTFIRE_SERVER", address)
        there = [printed(each, capsys) for each in words]
    embedded.close()
    for each, one, other in zip(words, here, there, strict=True):
        # One by one and line by line: a difference is worth reading.
        assert (each, one[0], *one[1].splitlines(), *one[2].splitlines()) == (
            each, other[0], *other[1].splitlines(), *other[2].splitlines(),
        )  # fmt: skip


def test_what_is_not_executable_stands_beside_the_plan_and_not_in_it(client):
    plan = client.plan("small")
    reasons = client.not_executable(plan)
    assert set(reasons) == {"build|platform=qnx", "check|platform=qnx"}
    assert all("needs os qnx" in reason for reason in reasons.values())
    beside = {**plan.to_dict(), "not_executable": reasons}
    assert Plan.from_json(json.dumps(beside)) == plan


def test_a_plan_is_shown_although_nobody_says_what_is_executable(client, capsys, monkeypatch):
    def silent(plan):
        raise ServiceError("this service does not know the question")

    plan = client.plan("small")
    monkeypatch.setattr(client, "not_executable", silent)
    print_plan(plan, ask_here(plan, client), as_json=True)
    said = capsys.readouterr()
    assert json.loads(said.out)["not_executable"] is None
    assert "is not known: this service does not know the question" in said.err
    print_plan(plan, ask_here(plan, client), as_json=False)
    assert "not executable here" not in capsys.readouterr().out


def test_a_service_that_is_not_there_is_named_with_the_next_command(
    checkout, monkeypatch, capsys, tmp_path
):
    with socket.create_server(("127.0.0.1", 0)) as free:
        address = f"http://127.0.0.1:{free.getsockname()[1]}"
    monkeypatch.setenv("HOTFIRE_SERVER", address)
    assert main(["ps"]) == CliExit.INFRASTRUCTURE
    said = capsys.readouterr().err
    assert address in said
    assert "hotfire serve" in said


def test_a_token_that_others_may_read_is_not_sent(tmp_path):
    path = tmp_path / "token"
    path.write_text("hf_secret")
    path.chmod(0o644)
    with pytest.raises(AccessDeniedError, match="mode 0644"):
        read_token(path)


def test_a_token_is_not_sent_in_the_clear_to_another_machine():
    with pytest.raises(AccessDeniedError, match="https"):
        Connection("http://192.0.2.1:8321", "hf_secret")


def test_a_wrong_token_is_said_to_be_one(tmp_path, checkout, monkeypatch, capsys, served):
    settings = Settings(home=tmp_path / "home", cache=tmp_path / "cache", user="tester")
    embedded = EmbeddedClient.open(settings)
    token = tmp_path / "token"
    token.write_text("hf_nobodys")
    token.chmod(0o600)
    with served(Service.over(embedded, settings, executes=False)) as address:
        monkeypatch.setenv("HOTFIRE_SERVER", address)
        monkeypatch.setenv("HOTFIRE_TOKEN_FILE", str(token))
        assert main(["ps"]) == CliExit.ACCESS
    embedded.close()
    assert "this token is not known here" in capsys.readouterr().err


def test_what_is_no_service_of_hotfire_is_said_to_be_none(tmp_path):
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Quiet) as other:
        thread = threading.Thread(target=other.serve_forever)
        thread.start()
        settings = Settings(
            home=tmp_path, cache=tmp_path, user="t", server=f"http://127.0.0.1:{other.server_port}"
        )
        client = HttpClient.open(settings)
        with pytest.raises(VersionMismatchError, match="no service of Hotfire"):
            client.service()
        client.close()
        other.shutdown()
        thread.join()


class Quiet(http.server.SimpleHTTPRequestHandler):
    def log_message(self, *_):
        """Say nothing."""


def test_platforms_are_asked_for_as_cells_are(client):
    """`hotfire plan platforms` asks whoever executes, here and at a service."""
    cells = [
        SimpleNamespace(key="here", requires={"facts": {"os": "linux"}}),
        SimpleNamespace(key="nowhere", requires={"facts": {"os": "qnx"}}),
    ]
    reasons = client.not_executable(SimpleNamespace(cells=cells))
    assert set(reasons) == {"nowhere"}
    assert "qnx" in reasons["nowhere"]
