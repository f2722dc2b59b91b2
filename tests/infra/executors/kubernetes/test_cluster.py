"""The thin client of an API server: what it counts."""

from __future__ import annotations

import sys
import threading
from collections import Counter
from collections.abc import Iterator

import pytest

from hotfire_infra.executors.kubernetes.cluster import Access, Cluster

HANDS, TIMES = 8, 500


class Slow(Counter[tuple[str, str, str]]):
    """Gives the others time between reading and writing."""

    def __setitem__(self, key: tuple[str, str, str], count: int) -> None:
        threading.Event().wait(0)
        super().__setitem__(key, count)


@pytest.fixture
def hasty() -> Iterator[None]:
    """Threads that take turns as often as they can."""
    before = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    yield
    sys.setswitchinterval(before)


@pytest.mark.usefixtures("hasty")
def test_no_answer_is_lost_of_those_that_come_at_once():
    cluster = Cluster(Access())
    cluster.counts = Slow()

    def hand() -> None:
        for _ in range(TIMES):
            cluster._count("DELETE", "jobs", "200")

    hands = [threading.Thread(target=hand) for _ in range(HANDS)]
    for one in hands:
        one.start()
    for one in hands:
        one.join(60)
    assert cluster.counts["DELETE", "jobs", "200"] == HANDS * TIMES
