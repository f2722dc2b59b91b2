"""What operations shows of the executor: how its watches are, what it asked, what waits."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from hotfire_infra.executors.protocol import Figure

if TYPE_CHECKING:
    from hotfire_infra.executors.kubernetes.desk import Desk

NEVER = -1.0
"""Age of a watch that has never heard anything."""


def figures_of(desk: Desk) -> Iterator[Figure]:
    """Yield all families."""
    watchers = dict(desk.watchers)
    ages = {(name,): one.age_seconds() for name, one in watchers.items()}
    yield Figure(
        name="hotfire_executor_watch_age_seconds",
        text="Since the API server last said anything on a watch; -1: never",
        labels=("resource",),
        values={key: NEVER if age is None else age for key, age in ages.items()},
    )
    yield Figure(
        name="hotfire_executor_watch_failures",
        text="Failures of a watch in a row; 0 while all is well",
        labels=("resource",),
        values={(name,): float(one.health.failures) for name, one in watchers.items()},
    )
    yield Figure(
        name="hotfire_executor_requests",
        text="Requests to the API server by answer; code 0: none",
        labels=("verb", "resource", "code"),
        values={key: float(count) for key, count in list(desk.cluster.counts.items())},
        is_counter=True,
    )
    yield Figure(
        name="hotfire_executor_work",
        text="Requests that wait for their turn or for a retry",
        labels=(),
        values={(): float(len(desk.hands))},
    )
    yield Figure(
        name="hotfire_executor_jobs",
        text="Jobs of attempts in the cluster",
        labels=(),
        values={(): float(len(desk.sightings.attempts()))},
    )
