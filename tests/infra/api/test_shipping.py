"""A runner that reports by HTTP, while its service is killed and started again: nothing is lost."""

import hashlib
import json
import os
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import httpx
import pytest

from hotfire_infra.orchestrator.creation import RunRequest, create_run
from hotfire_infra.source.stamp import StoredSource
from hotfire_infra.states import AttemptState
from hotfire_infra.store import queries, queries_lists
from hotfire_infra.store.database import open_store
from hotfire_testframework.contract.stream_reader import verify_stream
from hotfire_testframework.runner.bundle import build_bundle

PROCESS = Path(__file__).with_name("service_process.py")
DEADLINE_SECONDS = 120
# Prints, makes an artifact and waits for a file that the test writes in between.
COMMAND = (
    "i=0; while [ $i -lt 2000 ]; do echo line $i; i=$((i+1)); done; "
    "while [ ! -e {gate} ]; do sleep 0.05; done; "
    "mkdir out; echo kept > out/kept.txt; echo over"
)


def until(condition, what):
    deadline = time.monotonic() + DEADLINE_SECONDS
    while time.monotonic() < deadline:
        found = condition()
        if found:
            return found
        time.sleep(0.05)
    raise AssertionError(f"never happened: {what}")


class ServiceProcess:
    """Started, killed and started again on one home and one port."""

    def __init__(self, home: Path) -> None:
        self.home = home
        with socket.create_server(("127.0.0.1", 0)) as free:
            self.port = free.getsockname()[1]
        self.address = f"http://127.0.0.1:{self.port}"
        self.process = None

    def start(self):
        with (self.home / "service.log").open("ab") as log:
            self.process = subprocess.Popen(
                [sys.executable, str(PROCESS), str(self.home), str(self.port)],
                stdout=log, stderr=log,
            )  # fmt: skip
        until(self.answers, "the service answers")

    def answers(self):
        assert self.process.poll() is None, (self.home / "service.log").read_text()
        try:
            return httpx.get(f"{self.address}/api/v1/service").is_success
        except httpx.TransportError:
            return False

    def kill(self):
        self.process.send_signal(signal.SIGKILL)
        self.process.wait()

    def end(self):
        if self.process is not None and self.process.poll() is None:
            self.process.terminate()
            return self.process.wait(30)
        return None


@pytest.fixture
def service(tmp_path):
    home = tmp_path / "home"
    home.mkdir()
    made = ServiceProcess(home)
    yield made
    if made.process is not None and made.process.poll() is None:
        made.process.kill()
        made.process.wait()


def start_run(home, plan):
    source = StoredSource(
        repository="here", revision=plan.source.revision, patch_digest="", subject="First",
        archive_sha256=None,
    )  # fmt: skip
    store = open_store(home)
    create_run(store, RunRequest(plan=plan, source=source, requested_by="tester"))
    store.close()


def order_of(home):
    """Return the directory in which the service laid the order out."""
    found = [path.parent for path in (home / "attempts").glob("*/attempt.json")]
    return found[0] if found else None


def start_runner(order, machine, address, tmp_path):
    """Start `runner ship` on what stands for another machine."""
    machine.mkdir()
    token = tmp_path / "token"
    token.write_text((order / "token").read_text())
    token.chmod(0o600)
    bundle = tmp_path / "runner.pyz"
    bundle.write_bytes(build_bundle())
    command = [
        sys.executable, str(bundle), "ship", str(machine), "--attempt", order.name,
        "--server", address, "--token-file", str(token), "--fetch",
    ]  # fmt: skip
    return subprocess.Popen(command, stderr=subprocess.PIPE)


def test_a_service_killed_while_a_runner_reports_to_it_loses_nothing(
    tmp_path, service, make_plan, make_spec
):
    gate = tmp_path / "gate"
    spec = make_spec(
        command=["sh", "-euc", COMMAND.format(gate=gate)],
        outputs=[{"name": "out.tar.gz", "path": "out"}],
    )
    start_run(service.home, make_plan({"build": []}, specs={"build": spec}))
    service.start()
    order = until(lambda: order_of(service.home), "the order is laid out")
    machine = tmp_path / "machine"
    runner = start_runner(order, machine, service.address, tmp_path)
    until(lambda: (order / "stdout.log").exists(), "output has come")
    service.kill()
    gate.touch()
    until(lambda: (machine / "exit").exists(), "the runner ends without its service")
    assert runner.poll() is None, "it waits until it is rid of its results"
    service.start()
    assert runner.wait(DEADLINE_SECONDS) == 0, runner.stderr.read()
    runner.stderr.close()

    run = until(lambda: finished(service.address), "the run is over")
    assert run["verdict"] == "passed", run
    service.end()
    store = open_store(service.home)
    with store.reading() as connection:
        attempt = queries.attempt_by_ulid(connection, order.name)
        artifacts = queries_lists.artifacts_of(connection, attempt.id)
        chunks = queries.log_chunks(connection, attempt.id, "stdout", 0)
    verdict = verify_stream(machine / "stream.jsonl")
    assert attempt.state is AttemptState.PASSED
    assert attempt.acked_seq == verdict.records
    assert (order / "stream.jsonl").read_bytes() == (machine / "stream.jsonl").read_bytes()
    log = b"".join(store.blobs.read(digest) for _, _, digest in chunks)
    assert log == (machine / "stdout.log").read_bytes()
    kept = (machine / "artifacts" / "out.tar.gz").read_bytes()
    assert [(one["name"], one["sha256"]) for one in artifacts] == [
        ("out.tar.gz", hashlib.sha256(kept).hexdigest())
    ]
    store.close()


def finished(address):
    run = httpx.get(f"{address}/api/v1/runs/latest").json()
    return run if run["state"] in ("finalized", "cancelled") else None


PRINTS_SECRET = """
import os, pathlib, sys
path = pathlib.Path(sys.argv[1])
value = path.read_text().strip()
print("plain", value, "mode", oct(path.stat().st_mode & 0o777))
pathlib.Path("kept.txt").write_text("token=" + value)
sys.exit("refused: " + value)
"""


def test_a_secret_reaches_a_runner_far_away_and_comes_back_in_no_form(
    tmp_path, service, make_plan, make_spec
):
    value = b"hf_9Zk4wq7LxN2pT0vB"
    vault = tmp_path / "vault"
    vault.mkdir()
    (vault / "HUB_TOKEN").write_bytes(value)
    (vault / "HUB_TOKEN").chmod(0o600)
    section = {"directory": str(vault), "available": {"HUB_TOKEN": {}}}
    (service.home / "service.json").write_text(json.dumps({"secrets": section}))
    spec = make_spec(
        command=["{python}", "-c", PRINTS_SECRET, "{secret:HUB_TOKEN}"],
        secrets=["HUB_TOKEN"],
        outputs=[{"name": "kept.txt", "path": "kept.txt"}],
    )
    start_run(service.home, make_plan({"push": ["tasks/command/push"]}, specs={"push": spec}))
    service.start()
    order = until(lambda: order_of(service.home), "the order is laid out")
    machine = tmp_path / "machine"
    runner = start_runner(order, machine, service.address, tmp_path)
    runner.wait(DEADLINE_SECONDS)
    runner.stderr.close()
    assert until(lambda: finished(service.address), "the run is over")["verdict"] == "failed"
    service.end()
    log = (order / "stdout.log").read_text()
    assert f"plain {'*' * len(value)} mode 0o600" in log
    # What the task itself wrote into its work folder never left the machine.
    shipped = [path for path in machine.rglob("*") if "work" not in path.parts]
    stored = [*service.home.rglob("*"), *shipped]
    assert [path for path in stored if path.is_file() and value in path.read_bytes()] == []
    assert not (machine / "secrets").exists()
    assert not (order / "secrets").exists()


def test_a_drained_service_ends_its_streams_and_leaves_runners_alone(
    tmp_path, service, make_plan, make_spec
):
    gate = tmp_path / "gate"
    spec = make_spec(command=["sh", "-euc", f"while [ ! -e {gate} ]; do sleep 0.05; done"])
    start_run(service.home, make_plan({"build": []}, specs={"build": spec}))
    service.start()
    order = until(lambda: order_of(service.home), "the order is laid out")
    runner = start_runner(order, tmp_path / "machine", service.address, tmp_path)
    until(lambda: (order / "heartbeat").exists(), "the runner has claimed")
    with httpx.stream("GET", f"{service.address}/api/v1/runs/latest/events", timeout=30) as events:
        assert events.status_code == 200
        began = time.monotonic()
        service.process.terminate()
        text = "".join(events.iter_text())
    assert "Last-Event-ID" in text
    assert service.process.wait(30) == 0, (service.home / "service.log").read_text()
    assert time.monotonic() - began < 15
    assert runner.poll() is None
    os.kill(runner.pid, 0)
    service.start()
    gate.touch()
    assert runner.wait(DEADLINE_SECONDS) == 0, runner.stderr.read()
    runner.stderr.close()
    assert until(lambda: finished(service.address), "the run is over")["verdict"] == "passed"


def test_a_second_runner_is_refused_and_runs_nothing(tmp_path, service, make_plan, make_spec):
    gate, traces = tmp_path / "gate", tmp_path / "traces"
    script = f"echo ran >> {traces}; while [ ! -e {gate} ]; do sleep 0.05; done"
    spec = make_spec(command=["sh", "-euc", script])
    start_run(service.home, make_plan({"build": []}, specs={"build": spec}))
    service.start()
    order = until(lambda: order_of(service.home), "the order is laid out")
    first = start_runner(order, tmp_path / "first", service.address, tmp_path)
    until(traces.exists, "the first runs")
    second = start_runner(order, tmp_path / "second", service.address, tmp_path)
    assert second.wait(DEADLINE_SECONDS) == 35
    assert b"another runner" in second.stderr.read()
    gate.touch()
    assert first.wait(DEADLINE_SECONDS) == 0
    assert traces.read_text() == "ran\n"
    first.stderr.close()
    second.stderr.close()
