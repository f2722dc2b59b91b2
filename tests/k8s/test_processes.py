"""A cluster's processes are known by identity, outlive the command and are all found again."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from hotfire_infra.executors.processes import identify
from hotfire_k8s import guard, processes
from hotfire_k8s.errors import ComponentError
from hotfire_k8s.home import PORTS, Home, free_ports
from hotfire_k8s.processes import Component


@pytest.fixture
def home(tmp_path: Path) -> Iterator[Home]:
    made = Home.at(tmp_path / "home")
    made.folder.mkdir()
    yield made
    processes.end_marked(made, grace_s=1)


def component(script: str, *, healthy: bool = True, name: str = "sleeper", patience_s=20.0):
    argv = ("/bin/sh", "-c", script)
    return Component(name=name, argv=argv, is_healthy=lambda: healthy, patience_s=patience_s)


def test_a_started_component_is_running_in_a_session_of_its_own(home):
    sleeper = component("exec sleep 60")
    processes.start(home, sleeper)
    who = processes.identity_of(processes.recorded(home, "sleeper"))
    assert processes.is_running(home, sleeper)
    assert os.getsid(who.pid) == who.pid


def test_a_component_described_otherwise_is_not_the_one_that_runs(home):
    processes.start(home, component("exec sleep 60"))
    assert not processes.is_running(home, component("exec sleep 61"))


def test_a_pid_that_changed_hands_is_neither_running_nor_ended(home):
    """The record names this very process, but one that started at another time."""
    sleeper = component("exec sleep 60")
    me = identify(os.getppid())
    record = {"pid": me.pid, "start_time": me.start_time - 1, "boot_id": me.boot_id}
    home.component("processes")
    home.write("processes/sleeper.json", {"argv": list(sleeper.argv), **record})
    assert not processes.is_running(home, sleeper)
    processes.stop(home, ["sleeper"])
    assert me.is_alive()


def test_a_process_whose_record_was_lost_is_found_by_its_mark(home):
    processes.start(home, component("sleep 60 & exec sleep 61"))
    (home.folder / "processes" / "sleeper.json").unlink()
    while len(found := processes.marked(home)) < 2:
        time.sleep(0.01)
    processes.end(found)
    assert processes.marked(home) == []


def test_what_ignores_sigterm_is_killed(home):
    processes.start(home, component("trap '' TERM; touch trapped; while :; do sleep 1; done"))
    while not (home.folder / "sleeper" / "trapped").exists():
        time.sleep(0.01)
    started = time.monotonic()
    processes.end_marked(home, grace_s=0.5)
    assert processes.marked(home) == []
    assert time.monotonic() - started >= 0.5


def test_a_component_that_ends_at_once_tells_its_last_words(home):
    talker = component("echo the port is taken; exit 1", healthy=False)
    processes.start(home, talker)
    with pytest.raises(ComponentError, match="sleeper ended: the port is taken"):
        processes.wait_until_healthy(home, [talker])


def test_a_component_that_stays_ill_is_given_up(home):
    ill = component("exec sleep 60", healthy=False, patience_s=0.2)
    processes.start(home, ill)
    with pytest.raises(ComponentError, match="not healthy after 0 s"):
        processes.wait_until_healthy(home, [ill])


def test_ports_are_kept_and_lie_below_those_of_outgoing_connections(home):
    first = home.ports(["a", "b"])
    again = home.ports(["a", "b", "c"])
    assert first.items() <= again.items()
    assert len(set(again.values())) == 3
    assert set(again.values()) <= set(PORTS)


def test_free_ports_are_all_different():
    assert len(set(free_ports([str(n) for n in range(200)]).values())) == 200


def test_a_lock_of_a_folder_that_was_taken_away_is_taken_anew(home):
    """Whoever waited while `down` removed the home works on the new one, not on a ghost."""
    with home.only_command(print):
        script = (
            "import sys; from pathlib import Path; from hotfire_k8s.home import Home\n"
            "home = Home(Path(sys.argv[1]))\n"
            "with home.only_command(lambda text: print(text, flush=True)):\n"
            "    (home.folder / 'made').touch()\n"
        )
        waiter = subprocess.Popen(
            [sys.executable, "-c", script, str(home.folder)], stdout=subprocess.PIPE, text=True
        )
        assert "waiting for it" in waiter.stdout.readline()
        home.folder.rmdir()
    waiter.communicate(timeout=20)
    assert (home.folder / "made").exists()


def test_the_guard_waits_for_the_very_process():
    sleeper = subprocess.Popen(["sleep", "60"])
    who = identify(sleeper.pid)
    assert guard.parse_identity(str(who)) == who
    sleeper.send_signal(signal.SIGKILL)
    guard.wait_for_end(who)
    sleeper.wait()
    guard.wait_for_end(who)


def test_a_stopped_process_ends_without_the_whole_grace(home):
    processes.start(home, component("exec sleep 60"))
    who = processes.identity_of(processes.recorded(home, "sleeper"))
    processes.send(who, signal.SIGSTOP)
    started = time.monotonic()
    processes.end([who], grace_s=30)
    assert time.monotonic() - started < 10
