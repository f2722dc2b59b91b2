"""Why Kueue makes no Workload of a Job: it says nothing of that anywhere, so it is found out here.

Of a Job whose priority class is not there Kueue writes a line into its own log and tries again, ever
more rarely. Asked once for all Jobs that wait so, and only where that takes long.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass

from hotfire_infra.executors.kubernetes import names
from hotfire_infra.executors.kubernetes.cluster import Cluster
from hotfire_infra.executors.kubernetes.hands import Hands, Work
from hotfire_infra.executors.kubernetes.sightings import JobSight
from hotfire_infra.executors.kubernetes.workloads import NOT_SEEN, QUEUES_REMEDY

LONG_SECONDS, AGAIN_SECONDS = 10.0, 60.0
"""When a Job without a Workload is asked about, and how often again."""


def read_priority_classes(cluster: Cluster, version: str = names.KUEUE_VERSION) -> frozenset[str]:
    """Return the names of all WorkloadPriorityClasses; ClusterError."""
    path = f"/apis/{names.KUEUE_GROUP}/{version}/workloadpriorityclasses"
    found = cluster.get(path).get("items") or ()
    return frozenset(str(one["metadata"]["name"]) for one in found)


@dataclass(slots=True)
class Overlooked:
    """One per desk."""

    cluster: Cluster
    hands: Hands
    news: threading.Event
    mono_ns: Callable[[], int] = time.monotonic_ns
    _classes: frozenset[str] | None = None
    """None: nobody has asked yet, or nobody may."""
    _asked_ns: int | None = None

    def why(self, job: JobSight, made_ns: int, version: str) -> str:
        """Return what is known of why a Job that was made then has no Workload yet."""
        now = self.mono_ns()
        if now - made_ns <= LONG_SECONDS * 1e9:
            return NOT_SEEN
        if self._asked_ns is None or now - self._asked_ns > AGAIN_SECONDS * 1e9:
            self._asked_ns = now
            self.hands.take(
                Work(
                    key="priority classes", do=lambda: self._ask(version),
                    give_up=lambda _error: None, patience_seconds=0,
                )
            )  # fmt: skip
        if self._classes is None:
            return NOT_SEEN
        if job.priority_class in self._classes:
            return f"{NOT_SEEN}: does its controller run? (kubectl -n kueue-system get pods)"
        return (
            f"{NOT_SEEN}: there is no WorkloadPriorityClass {job.priority_class}; {QUEUES_REMEDY}"
        )

    def _ask(self, version: str) -> None:
        self._classes = read_priority_classes(self.cluster, version)
        self.news.set()
