"""Hangs, timeouts, cancels and process trees."""

from __future__ import annotations

import os
import signal
import time
from pathlib import Path

from hotfire_testframework.contract.exit_codes import RunnerExit
from hotfire_testframework.contract.stream_reader import read_stream

# Short enough to wait for, long enough for a process to start on a busy machine.
SHORT = {"test_s": 4.0, "run_s": 240.0, "silence_s": 200.0, "grace_s": 4.0}


def wait_for(condition, seconds=120.0):
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "condition did not come true"
        time.sleep(0.02)


def has_started(directory: Path, part: str) -> bool:
    records = read_stream(directory / "stream.jsonl").records
    return any(record.kind == "test_start" and part in record["test"] for record in records)


def is_alive(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


def test_a_case_over_its_time_is_named_killed_and_the_rest_goes_on(stand, cases):
    done = stand.run(cases("ok", "hang", "ok", timeouts=SHORT))

    assert list(done.outcomes().values()) == ["passed", "failed", "passed"]
    assert done.result("n=1")["failure_class"] == "timeout"
    assert done.verdict.is_valid


def test_silence_is_a_hang_and_stacks_are_kept(stand, cases):
    limits = {**SHORT, "test_s": 200.0, "silence_s": 4.0}
    done = stand.run(cases("hang", "ok", timeouts=limits))

    assert done.result("n=0")["failure_class"] == "timeout"
    stacks = done.of("artifact")[0]
    assert stacks["name"] == "hang-1.stacks.txt"
    assert "== process" in (done.root / stacks["path"]).read_text()


def test_a_pytest_hang_keeps_its_python_stack(stand, tmp_path):
    path = tmp_path / "test_hang.py"
    path.write_text(
        "import time\ndef test_waits():\n    time.sleep(600)\ndef test_after():\n    pass\n"
    )
    done = stand.run(
        {
            "harness": "pytest",
            "paths": [str(path)],
            "args": ["-p", "no:cacheprovider"],
            "timeouts": SHORT,
        }
    )

    assert done.outcomes() == {"test_waits": "failed", "test_after": "passed"}
    assert "test_waits" in (done.root / "artifacts" / "hang-1.stacks.txt").read_text()


def test_the_end_of_the_runs_time_is_a_timeout_of_the_attempt(stand, cases):
    limits = {"test_s": 6.0, "run_s": 6.0, "silence_s": 200.0, "grace_s": 1.0}
    done = stand.run(cases("ok", "hang", "ok", timeouts=limits))

    assert done.code == RunnerExit.TIMED_OUT
    assert list(done.outcomes().values()) == ["passed", "errored"]
    assert done.verdict.manifest is not None


def test_the_cancel_file_ends_the_attempt_and_keeps_results(stand, cases):
    directory = stand.make(cases("ok", "hang"))
    process = stand.start(directory)
    wait_for(lambda: has_started(directory, "data=hang"))
    (directory / "cancel").touch()
    done = stand.finish(process, directory)

    assert done.code == RunnerExit.TERMINATED
    assert done.result("n=0")["outcome"] == "passed"
    assert done.verdict.manifest is not None
    assert (directory / "exit").read_text() == "143\n"


def test_sigterm_gives_children_their_grace_then_takes_the_whole_tree(stand, tmp_path):
    script = (
        "trap 'echo got term > termed; exit 0' TERM; setsid sleep 600 & echo $! > daemon; "
        "(trap '' TERM; sleep 600) & echo $! > stubborn; touch ready; wait"
    )
    directory = stand.make(
        {"harness": "command", "command": ["sh", "-c", script], "timeouts": SHORT}
    )
    process = stand.start(directory)
    work = directory / "work"
    wait_for((work / "ready").exists)
    process.send_signal(signal.SIGTERM)
    done = stand.finish(process, directory)

    assert done.code == RunnerExit.TERMINATED
    assert (work / "termed").read_text() == "got term\n"
    assert not is_alive(int((work / "daemon").read_text()))
    assert not is_alive(int((work / "stubborn").read_text()))


def test_a_daemon_left_behind_by_a_passed_command_does_not_survive_the_attempt(stand):
    script = "setsid sh -c 'echo $$ > daemon; exec sleep 600' >/dev/null 2>&1 & while [ ! -s daemon ]; do sleep 0.01; done"  # noqa: E501
    done = stand.run({"harness": "command", "command": ["sh", "-c", script]})

    assert done.code == RunnerExit.PASSED
    assert not is_alive(int((done.root / "work" / "daemon").read_text()))


def test_the_heartbeat_names_phase_and_test_and_advances(stand, cases):
    import json

    directory = stand.make(cases("hang"))
    process = stand.start(directory)

    def beat():
        try:
            return json.loads((directory / "heartbeat").read_text())
        except OSError:
            return {}

    wait_for(lambda: "data=hang" in beat().get("test", ""))
    first = beat()
    wait_for(lambda: beat()["mono_ns"] > first["mono_ns"])
    (directory / "cancel").touch()
    stand.finish(process, directory)
    assert first["phase"] == "run"
    assert first["boot_id"]


def test_a_runner_killed_in_the_middle_leaves_a_readable_prefix(stand, cases):
    directory = stand.make(cases("ok", "ok", "hang"))
    process = stand.start(directory)
    wait_for(lambda: has_started(directory, "data=hang"))
    children = [
        int(name) for name in os.listdir("/proc") if name.isdigit() and _parent(name) == process.pid
    ]
    os.kill(process.pid, signal.SIGKILL)
    done = stand.finish(process, directory)
    for child in children:
        os.kill(child, signal.SIGKILL)

    assert done.code == -signal.SIGKILL
    assert not (directory / "exit").exists()
    assert done.verdict.problems == ()
    assert not done.verdict.is_valid
    assert done.verdict.in_flight == ("aestus.kernels/native/fake.f32:n=2,data=hang,seed=1",)
    assert len(done.verdict.finished) == 2


def _parent(name: str) -> int:
    try:
        return int(Path("/proc", name, "stat").read_text().rpartition(")")[2].split()[1])
    except OSError:
        return -1
