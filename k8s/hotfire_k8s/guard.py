"""Takes a cluster away when the process that it was made for has ended, however it ended."""

from __future__ import annotations

import argparse
import os
import select
import sys
import time
from pathlib import Path

from hotfire_infra.executors.processes import ProcessIdentity, identify
from hotfire_k8s import lifecycle
from hotfire_k8s.errors import ClusterError
from hotfire_k8s.home import Home

PAUSE_S = 5.0


def parse_identity(text: str) -> ProcessIdentity:
    """Read what `str(ProcessIdentity)` wrote."""
    boot_id, pid, start_time = text.rsplit(":", 2)
    return ProcessIdentity(boot_id=boot_id, pid=int(pid), start_time=int(start_time))


def wait_for_end(who: ProcessIdentity) -> None:
    """Return when this very process has ended."""
    try:
        descriptor = os.pidfd_open(who.pid)
    except ProcessLookupError:
        return
    try:
        if who.is_alive():
            select.select([descriptor], [], [])
    finally:
        os.close(descriptor)


def say(text: str) -> None:
    """Tell the log."""
    print(text, flush=True)


def main() -> int:
    """Wait, then take the cluster away; tries again until that succeeds."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--home", type=Path, required=True)
    parser.add_argument("--owner", type=parse_identity, required=True)
    arguments = parser.parse_args()
    wait_for_end(arguments.owner)
    home = Home.at(arguments.home)
    say(f"pid {arguments.owner.pid} has ended (this is pid {identify(os.getpid()).pid})")
    while True:
        try:
            lifecycle.down(home, say)
        except ClusterError as error:
            say(f"{error}")
            time.sleep(PAUSE_S)
        else:
            return 0


if __name__ == "__main__":
    sys.exit(main())
