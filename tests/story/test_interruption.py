"""A run survives whoever follows it: Ctrl-C, kill -9, a time limit, a request from elsewhere."""

import os
import signal

import pytest

pytestmark = pytest.mark.end_to_end


def started(checkout):
    process = checkout.start("run", "toy", "--wait")
    checkout.wait_at_gate()
    states = {cell["task"]: cell["state"] for cell in checkout.document()["cells"]}
    assert states["slow"] == "running"
    return process


def test_killed_run_is_resumed_without_loss_and_nothing_starts_twice(slow_checkout):
    process = started(slow_checkout)
    os.kill(process.pid, signal.SIGKILL)
    process.communicate(timeout=300)
    slow_checkout.gate.unlink()
    resumed = slow_checkout.hotfire("run", "--resume")
    assert resumed.code == 0, resumed.err
    run = slow_checkout.document()
    assert run["verdict"] == "passed"
    assert all(cell["attempts"] <= 1 for cell in run["cells"])
    assert slow_checkout.hotfire("ps").out.count("toy") == 1


def test_ctrl_c_stops_resumably_and_says_how_to_go_on(slow_checkout):
    process = started(slow_checkout)
    process.send_signal(signal.SIGINT)
    _, err = process.communicate(timeout=300)
    assert process.returncode == 130, err
    assert "next:  hotfire run --resume" in err
    assert "Traceback" not in err
    slow_checkout.gate.unlink()
    assert slow_checkout.hotfire("run", "--resume").code == 0
    assert all(cell["attempts"] <= 1 for cell in slow_checkout.document()["cells"])


def test_time_limit_of_the_follower_is_124_and_not_the_runs(slow_checkout):
    answer = slow_checkout.hotfire("run", "toy", "--timeout", "1")
    assert answer.code == 124
    assert "stopped following after 1 s" in answer.err
    slow_checkout.gate.unlink()
    assert slow_checkout.hotfire("run", "--resume").code == 0


def test_cancelled_run_is_neither_green_nor_red(slow_checkout):
    process = started(slow_checkout)
    assert slow_checkout.hotfire("cancel", "latest", "--reason", "changed my mind").code == 0
    _, err = process.communicate(timeout=300)
    assert process.returncode == 3, err
    assert slow_checkout.document()["verdict"] == "cancelled"


def test_detached_run_goes_on_alone_and_can_be_watched(checkout):
    answer = checkout.hotfire("run", "toy", "--detach")
    assert (answer.code, answer.out) == (0, "1\n")
    assert checkout.hotfire("watch", "1").code == 0


def test_retry_is_a_child_run_of_the_same_plan(green):
    checkout, _ = green
    before = checkout.document("1")
    answer = checkout.hotfire("retry", "1")
    assert answer.code == 0, answer.err
    after = checkout.document()
    assert after["plan_digest"] == before["plan_digest"]
    assert after["id"] != before["id"]
