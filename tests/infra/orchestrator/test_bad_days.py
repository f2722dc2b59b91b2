"""Bad days: killed processes, full disks, torn streams, stolen locks, clocks that jump."""

from __future__ import annotations

import errno
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from hotfire_infra.client.driver import Driver
from hotfire_infra.errors import LockLostError, StorageFullError
from hotfire_infra.executors.fake import Script
from hotfire_infra.executors.spool import read_object
from hotfire_infra.orchestrator.attendance import CLAIM_SECONDS, LEASE_SECONDS, grant_claim
from hotfire_infra.orchestrator.creation import RunRequest, create_run
from hotfire_infra.orchestrator.lock import acquire
from hotfire_infra.source.stamp import StoredSource
from hotfire_infra.states import RunState, RunVerdict
from hotfire_infra.store import queries
from hotfire_infra.store.database import open_store

ONE, TWO = "m/s/one", "m/s/two"
DEADLINE_SECONDS = 300

WATCHER = """
import sys
from pathlib import Path
from hotfire_infra.client.embedded import EmbeddedClient
from hotfire_infra.settings import Settings
home = Path(sys.argv[1])
client = EmbeddedClient.open(Settings(home=home, cache=home / "cache", user="tester"))
for event in client.watch("latest", poll_seconds=0.05):
    print(event.topic, flush=True)
client.close()
"""


def watcher(home: Path) -> subprocess.Popen[str]:
    """Start a process that executes the newest run until it is over."""
    return subprocess.Popen(
        [sys.executable, "-c", WATCHER, str(home)],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )


class RealHome:
    """A home on the system clock, with a run for the local executor."""

    def __init__(self, home: Path, plan, revision: str, gate: Path) -> None:
        self.home = home
        self.gate = gate
        gate.touch()
        self.store = open_store(home)
        source = StoredSource(
            repository="here",
            revision=revision,
            patch_digest="",
            subject="First",
            archive_sha256=None,
        )
        request = RunRequest(plan=plan, source=source, requested_by="tester")
        self.run_id = create_run(self.store, request)

    def attempts(self):
        with self.store.reading() as connection:
            return queries.attempts_of(connection, self.run_id)

    def show(self):
        with self.store.reading() as connection:
            return queries.snapshot(connection, self.run_id)

    def open_gate(self) -> None:
        """Let the commands end."""
        self.gate.unlink()

    def ended_alone(self):
        """Tell whether every started runner has come to its end."""
        spools = [self.home / "attempts" / row.ulid for row in self.started()]
        return all((spool / "exit").exists() for spool in spools)

    def until(self, condition) -> None:
        deadline = time.monotonic() + DEADLINE_SECONDS
        while not condition():
            assert time.monotonic() < deadline, self.attempts()
            time.sleep(0.02)

    def started(self):
        return [row for row in self.attempts() if row.state == "started"]


@pytest.fixture
def real_home(tmp_path, make_plan, make_spec):
    """Three commands that note their start and wait for the gate, one after the other."""
    homes = []
    gate = tmp_path / "gate"
    wait = f"while [ -e {gate} ]; do sleep 0.05; done"

    def make() -> RealHome:
        specs = {
            name: make_spec(
                command=["sh", "-c", f"echo {name} >> {tmp_path}/starts; {wait}"], cpus=64
            )
            for name in ("a", "b", "c")
        }
        plan = make_plan({name: [f"tasks/command/{name}"] for name in specs}, specs=specs)
        homes.append(RealHome(tmp_path / "real", plan, plan.source.revision, gate))
        return homes[-1]

    yield make
    for home in homes:
        home.store.close()


def kill(process: subprocess.Popen[str]) -> None:
    process.send_signal(signal.SIGKILL)
    process.communicate()


def finish(process: subprocess.Popen[str]) -> str:
    output, _ = process.communicate(timeout=DEADLINE_SECONDS)
    assert process.returncode == 0, output
    return output


def test_killing_the_orchestrator_in_the_middle_and_resuming_loses_nothing(real_home, tmp_path):
    home = real_home()
    for _ in range(2):
        first = watcher(home.home)
        first.stdout.readline()
        home.until(home.started)
        kill(first)
    home.open_gate()
    home.until(home.ended_alone)
    assert "run.finalized" in finish(watcher(home.home))
    assert home.show().run.verdict is RunVerdict.PASSED
    assert [(row.task_key, row.number) for row in home.attempts()] == [("a", 1), ("b", 1), ("c", 1)]
    assert sorted((tmp_path / "starts").read_text().split()) == ["a", "b", "c"]


def test_a_killed_runner_is_lost_and_its_retry_passes(real_home):
    home = real_home()
    process = watcher(home.home)
    home.until(home.started)
    victim = home.started()[0]
    identity = read_object(home.home / "attempts" / victim.ulid / "process.json")
    os.kill(identity["pid"], signal.SIGKILL)
    home.open_gate()
    finish(process)
    assert home.show().run.verdict is RunVerdict.PASSED
    assert [row.state.value for row in home.attempts() if row.task_key == victim.task_key] == [
        "lost",
        "passed",
    ]


def test_two_processes_on_one_store_execute_once(real_home, tmp_path):
    home = real_home()
    both = [watcher(home.home), watcher(home.home)]
    for process in both:
        process.stdout.readline()
    home.until(home.started)
    home.open_gate()
    assert all("run.finalized" in finish(process) for process in both)
    assert sorted((tmp_path / "starts").read_text().split()) == ["a", "b", "c"]


def test_a_watcher_takes_over_when_the_executing_process_is_killed(real_home, tmp_path):
    home = real_home()
    first = watcher(home.home)
    home.until(home.started)
    second = watcher(home.home)
    second.stdout.readline()
    kill(first)
    home.open_gate()
    assert "run.finalized" in finish(second)
    assert home.show().run.verdict is RunVerdict.PASSED
    assert sorted((tmp_path / "starts").read_text().split()) == ["a", "b", "c"]


def test_only_one_orchestrator_gets_the_lock(make_stand, store):
    make_stand(label="first")
    assert acquire(store, label="second") is None


def test_an_orchestrator_that_lost_its_lock_does_nothing_more(make_stand, make_plan, store):
    stand = make_stand()
    run_id = stand.start(make_plan({"kernels": [ONE]}))
    stand.orchestrator.lock.release()
    assert acquire(store, label="second") is not None
    with pytest.raises(LockLostError, match="watching only"):
        stand.orchestrator.round()
    assert stand.show(run_id).run.state is RunState.PLANNED


def test_a_second_claimant_gets_409_and_the_first_its_fence_again(make_stand, make_plan, store):
    stand = make_stand(lambda spec: Script(never_claims=True))
    run_id = stand.start(make_plan({"kernels": [ONE]}))
    stand.rounds(3)
    with store.reading() as connection:
        (attempt,) = queries.attempts_of(connection, run_id)
    with store.writing() as connection:
        assert grant_claim(connection, store, attempt.id, "boot:1") == (200, 1)
        assert grant_claim(connection, store, attempt.id, "boot:2") == (409, None)
        assert grant_claim(connection, store, attempt.id, "boot:1") == (200, 1)


def test_a_runner_that_never_claims_is_lost_and_retried(make_stand, make_plan, clock):
    stand = make_stand(lambda spec: Script(never_claims=True))
    run_id = stand.start(make_plan({"kernels": [ONE]}))
    stand.rounds(3)
    clock.advance(CLAIM_SECONDS + 1)
    stand.rounds(3)
    assert stand.attempts(run_id) == [("kernels", 1, "lost"), ("kernels", 2, "leased")]


def test_heartbeats_renew_the_lease_and_silence_loses_it(make_stand, make_plan, clock, store):
    stand = make_stand(lambda spec: Script(is_endless=True))
    run_id = stand.start(make_plan({"kernels": [ONE]}))
    stand.rounds(4)
    for _ in range(5):
        clock.advance(LEASE_SECONDS * 0.9)
        stand.rounds(1)
    assert stand.attempts(run_id) == [("kernels", 1, "started")]
    stand.executor._beat = lambda spool, answer: None
    clock.advance(LEASE_SECONDS + 1)
    stand.rounds(1)
    assert stand.attempts(run_id)[0] == ("kernels", 1, "lost")


def test_the_wall_clock_may_jump_without_consequence(make_stand, make_plan, clock):
    stand = make_stand(lambda spec: Script(is_endless=True))
    run_id = stand.start(make_plan({"kernels": [ONE]}))
    stand.rounds(4)
    for jump in (10 * 365 * 86_400, -60 * 365 * 86_400):
        clock.wall += jump * 1_000_000_000
        stand.rounds(2)
    assert stand.attempts(run_id) == [("kernels", 1, "started")]


def test_after_a_reboot_what_ran_is_lost_and_retried(make_stand, make_plan, clock):
    stand = make_stand(lambda spec: Script(is_endless=True))
    run_id = stand.start(make_plan({"kernels": [ONE]}))
    stand.rounds(4)
    clock.boot_id, clock.mono = "boot-2", 1
    stand.executor._beat = lambda spool, answer: None
    stand.rounds(1)
    assert stand.attempts(run_id)[0] == ("kernels", 1, "lost")


def test_a_full_disk_is_said_clearly_and_resuming_loses_nothing(
    make_stand, make_plan, store, monkeypatch
):
    stand = make_stand(lambda spec: Script(artifacts={"out.bin": b"x" * 1000}))
    run_id = stand.start(make_plan({"kernels": [ONE]}))
    sync = os.fsync

    def full(_handle):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(StorageFullError, match="free space"):
        stand.rounds(10)
    monkeypatch.setattr(os, "fsync", sync)
    done = stand.finish(run_id)
    assert done.run.verdict is RunVerdict.PASSED
    assert stand.attempts(run_id) == [("kernels", 1, "passed")]


def test_success_without_a_whole_stream_is_an_error_and_never_a_pass(make_stand, make_plan):
    stand = make_stand()
    run_id = stand.start(make_plan({"kernels": [ONE, TWO]}))
    truncate_when_written(stand)
    done = stand.finish(run_id)
    assert done.run.verdict is RunVerdict.ERRORED
    assert "without a manifest" in done.cells[0].reason


def test_the_reason_of_an_error_is_what_the_runner_met(make_stand, make_plan):
    met = "output 'x.tar.gz': 'out' is not in the work directory after the run"
    stand = make_stand(
        lambda spec: Script(exit_code=20, records=(("problem", {"what": met}),)),
    )
    done = stand.run(make_plan({"build": [ONE]}))
    assert done.cells[0].reason == f"the plan or the configuration is wrong: {met}"


def test_an_orchestrator_that_cannot_go_on_says_so_once(store, make_stand, capfd):
    def build(lock):
        raise StorageFullError("the disk is full")

    driver = Driver(store, build)
    assert driver.ensure()
    driver._thread.join(60)
    with pytest.raises(StorageFullError):
        driver.ensure()
    assert capfd.readouterr().err == ""


def truncate_when_written(stand) -> None:
    """Cut every stream in the middle of its manifest."""
    attach = stand.executor.attach

    def cut(attempt):
        seen = attach(attempt)
        path = stand.executor.spool(attempt).stream
        if path.exists() and path.read_bytes().endswith(b"\n"):
            path.write_bytes(path.read_bytes()[:-20])
        return seen

    stand.executor.attach = cut


def test_a_service_that_died_between_lease_and_submission_submits_once(make_stand, make_plan):
    stand = make_stand()
    submit = stand.executor.submit

    def die(order):
        raise KeyboardInterrupt

    stand.executor.submit = die
    run_id = stand.start(make_plan({"kernels": [ONE]}))
    with pytest.raises(KeyboardInterrupt):
        stand.rounds(5)
    stand.executor.submit = submit
    done = stand.finish(run_id)
    assert done.run.verdict is RunVerdict.PASSED
    assert stand.attempts(run_id) == [("kernels", 1, "passed")]


def test_a_cancelled_run_is_neither_green_nor_red_and_keeps_its_results(make_stand, make_plan):
    from hotfire_infra.orchestrator.requests import RequestBook
    from hotfire_infra.states import RequestKind

    stand = make_stand(lambda spec: Script(is_endless=spec.task == "slow"), cpus=1)
    run_id = stand.start(make_plan({"quick": [ONE], "slow": [TWO], "late": ["m/s/late"]}))
    while not any(a[0] == "slow" and a[2] == "started" for a in stand.attempts(run_id)):
        stand.rounds(1)
    book = RequestBook(stand.store)
    book.ask(RequestKind.CANCEL, run_id, payload={"reason": "enough"}, requested_by="tester")
    done = stand.finish(run_id)
    assert (done.run.state, done.run.verdict) == (RunState.CANCELLED, RunVerdict.CANCELLED)
    assert [(cell.key, cell.verdict) for cell in done.cells] == [
        ("quick", "passed"),
        ("slow", "missing"),
        ("late", "missing"),
    ]
    # The runner of the last one was up already and waited for room.
    assert stand.attempts(run_id)[1:] == [("slow", 1, "cancelled"), ("late", 1, "cancelled")]
