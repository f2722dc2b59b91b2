"""Several services on one PostgreSQL: one leads, the others stand by, and no task starts twice."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections import Counter
from pathlib import Path

import pytest
from sqlalchemy import update

from hotfire_infra.errors import LockLostError
from hotfire_infra.orchestrator import lock as locks
from hotfire_infra.orchestrator.creation import RunRequest, create_run
from hotfire_infra.orchestrator.lock import LEADER_SECONDS, acquire
from hotfire_infra.states import RunVerdict
from hotfire_infra.store import queries
from hotfire_infra.store.database import open_store
from hotfire_infra.store.models import Lock

from ..conftest import SOURCE

ROOT = Path(__file__).resolve().parents[3]
DEADLINE_SECONDS = 300
TASKS = 8


class Services:
    """Processes on one PostgreSQL and one home."""

    def __init__(self, home: Path, database: str) -> None:
        self.home = home
        self.database = database
        self.store = open_store(home, database=database)
        self.processes: list[subprocess.Popen[str]] = []

    def let_the_lease_run_out(self) -> None:
        """Put the leader's last sign of life far back, instead of waiting for it to age."""
        with self.store.writing() as connection:
            connection.execute(update(Lock).values(mono_ns=0))

    def start(self) -> subprocess.Popen[str]:
        process = subprocess.Popen(
            [
                sys.executable, "-m", "tests.infra.orchestrator.service_process",
                str(self.home), self.database,
            ],
            cwd=ROOT,
            env={**os.environ, "LEADER_SECONDS": "600"},
            stdout=subprocess.PIPE,
            text=True,
        )  # fmt: skip
        self.processes.append(process)
        return process

    def attempts(self, run_id: int):
        with self.store.reading() as connection:
            return queries.attempts_of(connection, run_id)

    def until(self, condition) -> None:
        deadline = time.monotonic() + DEADLINE_SECONDS
        while not condition():
            assert time.monotonic() < deadline
            time.sleep(0.02)

    def verdict(self, run_id: int):
        with self.store.reading() as connection:
            return queries.run_by_id(connection, run_id).verdict

    def close(self) -> None:
        for process in self.processes:
            if process.poll() is None:
                process.kill()
            process.communicate()
        self.store.close()


@pytest.fixture
def services(tmp_path, postgres_database):
    made = Services(tmp_path / "home", postgres_database)
    yield made
    made.close()


@pytest.fixture
def gated_run(services, make_plan, make_spec, tmp_path):
    """Commands that note their start and wait for the gate."""
    gate, starts = tmp_path / "gate", tmp_path / "starts"
    gate.touch()
    names = [f"t{number}" for number in range(TASKS)]
    specs = {
        name: make_spec(
            command=[
                "sh", "-c", f"echo {name} >> {starts}; while [ -e {gate} ]; do sleep 0.02; done",
            ]
        )
        for name in names
    }  # fmt: skip
    plan = make_plan({name: [f"tasks/command/{name}"] for name in names}, specs=specs)
    request = RunRequest(plan=plan, source=SOURCE, requested_by="tester")
    return create_run(services.store, request), gate, starts


def test_when_the_leader_is_killed_the_standby_goes_on_and_starts_nothing_twice(
    services, gated_run
):
    run_id, gate, starts = gated_run
    leader = services.start()
    assert leader.stdout.readline() == "leading\n"
    standby = services.start()
    assert standby.stdout.readline() == "standing by\n"
    services.until(lambda: any(row.state == "started" for row in services.attempts(run_id)))
    leader.kill()
    assert standby.stdout.readline() == "leading\n"
    gate.unlink()
    assert standby.wait(DEADLINE_SECONDS) == 0
    assert services.verdict(run_id) is RunVerdict.PASSED
    assert Counter(starts.read_text().split()) == {f"t{number}": 1 for number in range(TASKS)}
    assert all(row.number == 1 for row in services.attempts(run_id))


def test_a_leader_that_was_stopped_and_wakes_up_is_deposed_and_changes_nothing(services, gated_run):
    run_id, gate, starts = gated_run
    leader = services.start()
    assert leader.stdout.readline() == "leading\n"
    standby = services.start()
    assert standby.stdout.readline() == "standing by\n"
    services.until(lambda: any(row.state == "started" for row in services.attempts(run_id)))
    leader.send_signal(signal.SIGSTOP)
    services.let_the_lease_run_out()
    assert standby.stdout.readline() == "leading\n"
    leader.send_signal(signal.SIGCONT)
    assert leader.stdout.readline() == "deposed\n"
    gate.unlink()
    assert standby.wait(DEADLINE_SECONDS) == 0
    assert leader.wait(DEADLINE_SECONDS) == 0
    assert services.verdict(run_id) is RunVerdict.PASSED
    assert Counter(starts.read_text().split()) == {f"t{number}": 1 for number in range(TASKS)}


def test_the_lock_of_a_process_on_another_machine_is_a_lease(
    postgres_database, tmp_path, clock, monkeypatch
):
    store = open_store(tmp_path / "home", database=postgres_database, clock=clock)
    here = locks.identify
    elsewhere = here(os.getpid())
    far = type(elsewhere)(boot_id="elsewhere", pid=1, start_time=1)
    monkeypatch.setattr(locks, "identify", lambda pid: far)
    first = acquire(store)
    monkeypatch.setattr(locks, "identify", here)
    clock.advance(LEADER_SECONDS - 1)
    assert acquire(store) is None
    first.refresh()
    clock.advance(LEADER_SECONDS - 1)
    assert acquire(store) is None
    clock.advance(2)
    second = acquire(store)
    assert second.fence == first.fence + 1
    with pytest.raises(LockLostError):
        first.refresh()
    with pytest.raises(LockLostError), first.writing():
        pass
    store.close()


def test_the_fence_goes_on_counting_after_a_release(store):
    first = acquire(store, label="first")
    first.release()
    second = acquire(store, label="second")
    assert second.fence == first.fence + 1


def test_nobody_is_named_as_holder_of_a_released_lock(store):
    acquire(store, label="first").release()
    with store.reading() as connection:
        assert queries.holder_of(connection, locks.LOCK_NAME) is None


def test_containers_of_one_machine_go_by_the_lease_and_not_by_a_number(services, monkeypatch):
    """In each of two pods on one node the service is process 1; neither sees the other."""
    first = acquire(services.store, label="one")
    assert first is not None
    monkeypatch.setattr(locks, "_pid_namespace", lambda: "pid1")
    monkeypatch.setattr(locks.ProcessIdentity, "is_alive", lambda self: False)
    assert acquire(services.store, label="one") is None, "it gave a sign of life just now"
    services.let_the_lease_run_out()
    second = acquire(services.store, label="one")
    assert second is not None
    assert second.holder != first.holder
    with pytest.raises(LockLostError):
        first.refresh()
