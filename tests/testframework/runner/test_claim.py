"""Exactly one runner runs an attempt."""

from __future__ import annotations

import json
import shutil
import time

from hotfire_testframework.contract.exit_codes import RunnerExit

TASK = {"harness": "command", "command": ["sh", "-c", "echo ran >> ran"]}


def answer(directory, body):
    (directory / "claim.answer").write_text(json.dumps(body))


def test_a_granted_claim_runs_and_carries_the_fence(stand):
    directory = stand.make(TASK, claim=True)
    answer(directory, {"status": 200, "fence": 7})
    done = stand.finish(stand.start(directory), directory)

    assert done.code == RunnerExit.PASSED
    assert done.of("session")[0]["fence"] == 7
    request = json.loads((directory / "claim.request").read_text())
    assert request["pid"] == done.of("session")[0]["pid"]


def test_a_second_claimant_runs_nothing_and_touches_nothing(stand):
    done = stand.run(TASK)
    before = {path.name: path.read_bytes() for path in done.root.iterdir() if path.is_file()}
    second = stand.finish(stand.start(done.root), done.root)

    assert second.code == RunnerExit.UPLOAD_OR_DISK
    assert "409" in second.stderr
    assert {
        path.name: path.read_bytes() for path in done.root.iterdir() if path.is_file()
    } == before
    assert (done.root / "work" / "ran").read_text() == "ran\n"


def test_of_many_runners_at_once_one_runs(stand):
    directory = stand.make(
        {"harness": "command", "command": ["sh", "-c", "echo ran >> ran; sleep 0.3"]}
    )
    codes = [
        stand.finish(process, directory).code
        for process in [stand.start(directory) for _ in range(4)]
    ]

    assert sorted(codes) == [0, 35, 35, 35]
    assert (directory / "work" / "ran").read_text() == "ran\n"


def test_a_refused_claim_runs_nothing(stand):
    directory = stand.make(TASK, claim=True)
    answer(directory, {"status": 409})
    done = stand.finish(stand.start(directory), directory)

    assert done.code == RunnerExit.UPLOAD_OR_DISK
    assert not (directory / "work").exists()
    assert not (directory / "stream.jsonl").exists()


def test_a_runner_whose_attempt_is_removed_does_not_wait_for_an_answer(stand):
    directory = stand.make(TASK, claim=True, claim_timeout_s=600)
    runner = stand.start(directory)
    deadline = time.monotonic() + 60
    while not (directory / "claim.request").exists():
        assert time.monotonic() < deadline
        time.sleep(0.01)
    shutil.rmtree(directory)

    runner.communicate(timeout=60)
    assert runner.returncode == RunnerExit.UPLOAD_OR_DISK


def test_a_claim_nobody_answers_ends_in_time(stand):
    directory = stand.make(TASK, claim=True, claim_timeout_s=0.5)
    began = time.monotonic()
    done = stand.finish(stand.start(directory), directory)

    assert done.code == RunnerExit.UPLOAD_OR_DISK
    assert time.monotonic() - began < 100
    assert (directory / "exit").read_text() == "35\n"
