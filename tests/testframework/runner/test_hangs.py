"""Hangs: what is saved of them, that nothing of them survives, and that the test is named."""

from __future__ import annotations

import shutil
import subprocess
import sys
import time
from pathlib import Path

import pytest

from hotfire_testframework.contract.evidence import Witness
from hotfire_testframework.contract.exit_codes import RunnerExit
from hotfire_testframework.runner import processes, stacks
from hotfire_testframework.runner.supervise import CommandEnd, Ended

LIMITS = {"test_s": 200.0, "run_s": 240.0, "silence_s": 3.0, "grace_s": 4.0}
NATIVE = """
#include <csignal>
#include <unistd.h>
__attribute__((noinline)) void wait_for_a_barrier_that_never_opens() { for (;;) pause(); }
int main() { std::signal(SIGTERM, SIG_IGN); wait_for_a_barrier_that_never_opens(); }
"""
PYTHON = """
import os, subprocess, sys, threading
def waits_in_a_thread():
    threading.Event().wait()
def holds_the_device():
    threading.Thread(target=waits_in_a_thread, daemon=True).start()
    threading.Event().wait()
if len(sys.argv) > 1:
    holds_the_device()
child = subprocess.Popen([sys.executable, __file__, "grandchild"])
open("grandchild.pid", "w").write(str(child.pid))
def waits_for_its_child():
    child.wait()
waits_for_its_child()
"""


def is_alive(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


def stacks_of(done) -> str:
    return (done.root / "artifacts" / "hang-1.stacks.txt").read_text(errors="replace")


@pytest.fixture(scope="module")
def native(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("native")
    (folder / "hang.cpp").write_text(NATIVE)
    subprocess.run(["c++", "-g", "-o", "hang", "hang.cpp"], cwd=folder, check=True)
    return folder / "hang"


def test_a_python_tree_that_hangs_shows_the_stacks_of_every_process(stand, tmp_path):
    script = tmp_path / "hangs.py"
    script.write_text(PYTHON)
    command = {"harness": "command", "command": ["{python}", str(script)], "timeouts": LIMITS}
    done = stand.run(command)

    text = stacks_of(done)
    assert "waits_for_its_child" in text
    assert "holds_the_device" in text
    assert "waits_in_a_thread" in text
    assert not is_alive(int((done.root / "work" / "grandchild.pid").read_text()))


def test_a_native_program_that_ignores_sigterm_is_shown_and_gone(stand, native):
    script = f"{native} & echo $! > stubborn.pid; wait"
    spec = {"harness": "command", "command": ["sh", "-c", script], "timeouts": LIMITS}
    done = stand.run(spec)

    result = done.of("test_attempt")[0]
    assert (result["outcome"], result["failure_class"]) == ("failed", "timeout")
    assert "gave no output for 3 s" in result["message"]
    assert "hang-1.stacks.txt" in result["message"]
    assert not is_alive(int((done.root / "work" / "stubborn.pid").read_text()))
    if shutil.which("gdb"):
        assert "wait_for_a_barrier_that_never_opens" in stacks_of(done)
        core = done.root / "artifacts" / "hang-1.core"
        assert core.read_bytes()[:4] == b"\x7fELF"
        assert {item["name"] for item in done.of("artifact")} >= {"hang-1.core"}
    else:
        assert "no gdb on this machine" in stacks_of(done)


def test_a_hang_is_evidence_that_names_its_test(stand, cases):
    done = stand.run(cases("ok", "hang", timeouts=LIMITS))

    (seen,) = done.of("evidence")
    assert (seen["what"], seen["class"], seen["source"]) == (Witness.HANG, "timeout", "runner")
    assert "data=hang" in seen["test"]
    assert "gave no output for 3 s" in seen["detail"]
    assert done.code == RunnerExit.PRODUCT_FAILURE


def test_a_test_killed_from_outside_leaves_evidence_and_an_unfinished_attempt(stand, cases):
    done = stand.run(cases("ok", "kill", "ok"))

    assert done.code == RunnerExit.LAUNCHER_DIED
    assert Witness.KILLED in {item["what"] for item in done.of("evidence")}


def test_a_crash_is_evidence_against_the_product(stand, cases):
    done = stand.run(cases("segv", "ok"))

    (seen,) = [item for item in done.of("evidence") if item["what"] == Witness.CRASH]
    assert seen["class"] == "product"
    assert "SIGSEGV" in seen["detail"]


def test_a_run_that_passes_leaves_no_evidence(stand, cases):
    assert stand.run(cases("ok", "ok")).of("evidence") == []


def test_a_command_may_bring_evidence_of_its_own(stand):
    line = '{"kind":"evidence","what":"smoke","class":"infra-device","source":"smoke","confidence":0.9}'
    script = f"echo '{line}' >> $HOTFIRE_EVENTS; exit 1"
    done = stand.run({"harness": "command", "command": ["sh", "-c", script]})
    assert {item["what"] for item in done.of("evidence")} == {"smoke"}


def test_an_input_that_is_not_what_was_promised_says_so(stand, resolved, tmp_path):
    path = tmp_path / "model.gguf"
    path.write_bytes(b"half of it")
    spec = {
        "harness": "command",
        "command": ["true"],
        "inputs": [{"name": "model", "from": {"model": "m"}}],
    }
    handed = resolved("model", path, unpack=False, sha256="0" * 64)
    done = stand.run(spec, inputs=[handed])
    assert done.code == RunnerExit.DOWNLOAD
    assert done.of("evidence")[0]["what"] == Witness.DOWNLOAD_CORRUPT


def test_a_core_that_would_be_too_large_is_not_taken(native, tmp_path, monkeypatch):
    process = subprocess.Popen([native], start_new_session=True)
    try:
        monkeypatch.setattr(stacks, "CORE_LIMIT", 4096)
        captured = stacks.save_stacks(process.pid, tmp_path / "s.txt", core=tmp_path / "c.core")
    finally:
        processes.kill_tree(process)
    assert captured.core == ""
    assert not (tmp_path / "c.core").exists()
    assert "== core of process" in (tmp_path / "s.txt").read_text()


class Stuck:
    """A process that waits inside the kernel: SIGKILL is sent and nothing happens."""

    pid = 2**22 + 1
    returncode = None

    def poll(self):
        return None

    def kill(self):
        self.is_killed = True

    def wait(self, timeout=None):
        assert timeout is not None, "this would wait for ever"
        raise subprocess.TimeoutExpired("stuck", timeout)


def test_a_process_that_does_not_die_is_reported_and_not_waited_for(stand):
    stuck = Stuck()
    assert processes.kill_tree(stuck) == [stuck.pid]
    assert stuck.is_killed


def test_what_cannot_be_killed_ends_the_attempt_as_infrastructure():
    from hotfire_testframework.errors import RunnerError
    from hotfire_testframework.runner.session import Session

    said = []
    session = Session.__new__(Session)
    session_type = type("Told", (), {"emit": lambda self, kind, body: said.append(body)})
    session.spool = session_type()
    end = CommandEnd(returncode=-9, ended=Ended.SILENCE, unkillable=(Stuck.pid,))
    with pytest.raises(RunnerError, match="do not die of SIGKILL") as caught:
        session.require_killed(end)
    assert caught.value.exit_code == RunnerExit.LAUNCHER_DIED
    assert said[0]["what"] == Witness.UNKILLABLE
    session.require_killed(CommandEnd(returncode=0, ended=Ended.ITSELF))


def test_only_an_interpreter_that_will_answer_is_asked(tmp_path):
    quiet = subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE, env={})
    armed = subprocess.Popen(
        [sys.executable, "-c", "print(1, flush=True); input()"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        env={"PYTHONFAULTHANDLER": "1"},
    )
    armed.stdout.read(1)
    try:
        deadline = time.monotonic() + 60
        while stacks._is_python(quiet.pid) and time.monotonic() < deadline:
            time.sleep(0.01)  # Between fork and exec it still has our own environment.
        assert not stacks._is_python(quiet.pid)
        assert stacks._is_python(armed.pid)
    finally:
        for process in (quiet, armed):
            process.communicate(b"\n")
