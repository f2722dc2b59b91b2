"""From what a real runner saw to what `hotfire show CELL` prints."""

from __future__ import annotations

import json
import shutil
import sys
import threading

import pytest

from hotfire_infra.analysis.reporting import StoreReports
from hotfire_infra.cli.main import main
from hotfire_infra.executors.local import LocalExecutor
from hotfire_infra.executors.local_devices import machine_identity
from hotfire_infra.orchestrator.creation import RunRequest, create_run
from hotfire_infra.orchestrator.lock import acquire
from hotfire_infra.orchestrator.loop import Orchestrator
from hotfire_infra.source.stamp import StoredSource
from hotfire_infra.store.database import open_store
from hotfire_testframework.runner.bundle import build_bundle


@pytest.fixture
def home(tmp_path, empty_database, monkeypatch):
    folder = tmp_path / "home"
    folder.mkdir()
    shutil.copy(empty_database, folder)
    monkeypatch.setenv("HOTFIRE_HOME", str(folder))
    monkeypatch.delenv("HOTFIRE_SERVER", raising=False)
    monkeypatch.delenv("HOTFIRE_DATABASE", raising=False)
    return folder


@pytest.fixture
def run_here(home, tmp_path, make_plan, make_spec):
    """Run one command as a task on this machine; returns the run and its cell's report."""

    def run(command: list[str], **more):
        bundle = tmp_path / "runner.pyz"
        bundle.write_bytes(build_bundle())
        store = open_store(home)
        executor = LocalExecutor(store.attempts, bundle, tmp_path / "cache", store.clock)
        lock = acquire(store, label="here")
        orchestrator = Orchestrator(
            store=store, executor=executor, cache=tmp_path / "cache", lock=lock
        )
        spec = make_spec(command=command, test="m/s/a", **more)
        plan = make_plan({"cell": ["m/s/a"]}, specs={"cell": spec})
        source = StoredSource(
            repository="here",
            revision=plan.source.revision,
            patch_digest="",
            subject="",
            archive_sha256=None,
        )
        create_run(store, RunRequest(plan=plan, source=source, requested_by="tester"))
        orchestrator.run_until_idle(threading.Event())
        lock.release()
        report = StoreReports(store).find("latest")
        store.close()
        return report, report.cells[0]

    return run


def test_a_test_killed_from_outside_is_shown_with_device_class_and_evidence(run_here, capsys):
    suicide = [sys.executable, "-c", "import os; os.kill(os.getpid(), 9)"]
    done, cell = run_here(suicide, retries=0)
    assert done.verdict == "errored"
    (note,) = cell.notes
    assert (note.state, note.failure_class) == ("errored", "infra-node")
    assert note.device == machine_identity()
    kinds = {item.kind for item in note.evidence}
    assert kinds >= {"killed", "exit-code"}
    assert main(["show", "cell"]) == 0
    text = capsys.readouterr().out
    assert f"attempt 1 of cell on {machine_identity()}: errored" in text
    assert "evidence killed (infra-node, runner, 0.60)" in text
    assert main(["devices", "list", "-o", "json"]) == 0
    (machine,) = json.loads(capsys.readouterr().out)
    # The only one of its pool: there is nothing to compare it with.
    assert (machine["identity"], machine["health"]) == (machine_identity(), "good")


def test_a_hang_names_the_test_and_keeps_its_stacks(run_here):
    waits = [sys.executable, "-c", "def barrier():\n    import time; time.sleep(600)\nbarrier()"]
    limits = {"test_s": 100.0, "run_s": 200.0, "silence_s": 2.0, "grace_s": 1.0}
    done, cell = run_here(waits, timeouts=limits)
    assert done.verdict == "failed"
    (note,) = cell.notes
    hang = next(item for item in note.evidence if item.kind == "hang")
    assert hang.detail.startswith("m/s/a gave no output for 2 s; stacks are in hang-1.stacks.txt")
    assert cell.failures[0].test == "m/s/a"
    assert "hang-1.stacks.txt" in cell.failures[0].message
