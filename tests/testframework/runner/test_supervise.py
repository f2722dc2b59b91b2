"""The supervisor alone, in this process."""

from __future__ import annotations

import os
import sys
import time

from hotfire_testframework.runner.attempt_dir import AttemptDir
from hotfire_testframework.runner.stop import StopRequest
from hotfire_testframework.runner.supervise import Ended, Limits, Supervisor


def test_a_command_that_floods_its_log_is_stopped(tmp_path):
    directory = AttemptDir(tmp_path)
    directory.work.mkdir()
    supervisor = Supervisor(directory, StopRequest(directory.cancel), log_limit=1 << 20)
    limits = Limits(deadline=time.monotonic() + 60, grace_s=1.0)
    argv = [sys.executable, "-c", "while True: print('x' * 1000)"]
    end = supervisor.run(argv, env=os.environ, limits=limits)

    assert end.ended is Ended.FLOOD
    assert end.returncode < 0


def test_the_first_reason_to_stop_stays(tmp_path):
    stop = StopRequest(tmp_path / "cancel")
    stop.request("SIGTERM")
    (tmp_path / "cancel").touch()

    assert stop.is_requested()
    assert stop.reason == "SIGTERM"
