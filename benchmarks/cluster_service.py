"""The service that `benchmarks.cluster` measures, as a process that tells on SIGUSR1 what it took.

    HOTFIRE_HOME=… python -m benchmarks.cluster_service PORT

It is `hotfire serve`; beside it `told.json` in its home holds processor time by thread, peak memory,
requests to the API server, when the last Job was deleted, and when the watch first said that a pod
had ended.
"""

from __future__ import annotations

import json
import os
import resource
import signal
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path

from hotfire_infra.api.service import Service
from hotfire_infra.api.serving import bind, serve_on
from hotfire_infra.client.embedded import EmbeddedClient
from hotfire_infra.executors.kubernetes.executor import KubernetesExecutor
from hotfire_infra.operations.logs import set_up_logging
from hotfire_infra.settings import read_settings
from hotfire_testframework.contract.ulid import Ulid

TOLD = "told.json"
_TICK = os.sysconf("SC_CLK_TCK")


def main(port: int) -> None:
    """Serve until SIGTERM."""
    settings = read_settings()
    opened = EmbeddedClient.open(settings)
    service = Service.over(opened, settings)
    set_up_logging(service.configuration.logging)
    executor = opened.executor
    assert isinstance(executor, KubernetesExecutor)
    heard: dict[str, int] = {}
    executor.desk.cluster.counts = Counts()
    sightings = executor.desk.sightings
    sightings.on_news = _noting(executor, heard, sightings.on_news)
    listener = bind(service, "127.0.0.1", port)
    signal.signal(signal.SIGUSR1, lambda *_: _tell(settings.home / TOLD, executor, heard))
    try:
        serve_on(service, listener)
    finally:
        opened.close()


class Counts(Counter[tuple[str, str, str]]):
    """Answers of the API server, and when a Job was last deleted."""

    deleted_ns = 0

    def __setitem__(self, key: tuple[str, str, str], count: int) -> None:
        if key[:2] == ("DELETE", "jobs") and key[2].startswith("20"):
            self.deleted_ns = time.time_ns()
        super().__setitem__(key, count)


def _noting(
    executor: KubernetesExecutor, heard: dict[str, int], then: Callable[[Ulid], None]
) -> Callable[[Ulid], None]:
    def note(attempt: Ulid) -> None:
        seen = executor.desk.sightings._seen.get(attempt)  # asking would make it minded
        if seen is not None and seen.pod is not None and seen.pod.is_over:
            heard.setdefault(attempt, time.time_ns())
        then(attempt)

    return note


def _tell(path: Path, executor: KubernetesExecutor, heard: dict[str, int]) -> None:
    usage = resource.getrusage(resource.RUSAGE_SELF)
    counts = executor.desk.cluster.counts
    document = {
        "cpu": usage.ru_utime + usage.ru_stime,
        "peak_mib": usage.ru_maxrss / 1024,
        "threads": {thread.name: _cpu(thread) for thread in threading.enumerate()},
        "requests": {" ".join(key): count for key, count in list(counts.items())},
        "deleted_ns": counts.deleted_ns if isinstance(counts, Counts) else 0,
        "heard": dict(heard),
    }
    aside = path.with_suffix(".tmp")
    aside.write_text(json.dumps(document))
    aside.replace(path)


def _cpu(thread: threading.Thread) -> float:
    try:
        text = Path(f"/proc/self/task/{thread.native_id}/stat").read_text(encoding="ascii")
    except OSError:
        return 0.0
    fields = text.rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / _TICK


if __name__ == "__main__":
    main(int(sys.argv[1]))
