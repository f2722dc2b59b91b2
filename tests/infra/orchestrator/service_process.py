"""A service as a process of its own, for tests that kill it.

    python -m tests.infra.orchestrator.service_process HOME [DATABASE]

It executes while it leads, stands by while another does, and ends when no run is unfinished. Says
`leading` and `standing by` on standard output.
"""

from __future__ import annotations

import os
import sys
import threading
import time
from pathlib import Path

from hotfire_infra.errors import DatabaseUnreachableError, LockLostError
from hotfire_infra.executors.local import LocalExecutor
from hotfire_infra.executors.protocol import Capacity
from hotfire_infra.orchestrator import lock as locks
from hotfire_infra.orchestrator.loop import Orchestrator
from hotfire_infra.store import queries
from hotfire_infra.store.database import Store, open_store
from hotfire_testframework.runner.bundle import build_bundle

STANDBY_SECONDS = 0.05


def main(home: Path, database: str | None) -> None:
    """Lead or stand by until nothing is left to do."""
    locks.LEADER_SECONDS = float(os.environ.get("LEADER_SECONDS", locks.LEADER_SECONDS))
    store = open_store(home, database=database)
    bundle = home / "runner.pyz"
    if not bundle.exists():
        aside = home / f"runner.{os.getpid()}"
        aside.write_bytes(build_bundle())
        aside.replace(bundle)
    cpus = int(os.environ.get("SLOTS", "2"))
    executor = LocalExecutor(
        store.attempts, bundle, home / "cache", store.clock, Capacity(cpus=cpus, ahead=cpus)
    )
    is_standing_by = False
    while True:
        try:
            lock = locks.acquire(store)
            if lock is not None:
                say("leading")
                orchestrator = Orchestrator(
                    store=store, executor=executor, cache=home / "cache", lock=lock
                )
                orchestrator.run_until_idle(threading.Event())
                return
            if not unfinished(store):
                return
        except LockLostError:
            say("deposed")
        except DatabaseUnreachableError:
            pass
        if not is_standing_by:
            is_standing_by = True
            say("standing by")
        time.sleep(STANDBY_SECONDS)


def unfinished(store: Store) -> bool:
    with store.reading() as connection:
        return bool(queries.unfinished_runs(connection))


def say(what: str) -> None:
    print(what, flush=True)


if __name__ == "__main__":
    main(Path(sys.argv[1]), sys.argv[2] if len(sys.argv) > 2 else None)
