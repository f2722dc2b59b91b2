"""Two teams with more to do than there is room for, 2:1: by Kueue with our queues, and by ourselves."""

from __future__ import annotations

import itertools
import time
from collections import defaultdict
from collections.abc import Iterator, Mapping
from typing import Any

import pytest

from hotfire_infra.executors.kubernetes.cluster import Access, Cluster
from hotfire_infra.executors.kubernetes.jobs import job_of
from hotfire_infra.executors.kubernetes.kueue_objects import (
    QueueConfiguration,
    kueue_objects,
    team_queue,
)
from hotfire_infra.executors.kubernetes.sightings import WorkloadSight, read_workload
from hotfire_infra.executors.kubernetes.watching import Watcher
from hotfire_infra.executors.protocol import Order
from hotfire_infra.orchestrator.queueing import CLASSES
from hotfire_infra.sections.kubernetes import KubernetesSection
from hotfire_infra.sections.queue import QueueSection, TeamSection
from hotfire_infra.states import Priority
from hotfire_k8s import nodes
from hotfire_k8s.api import ApiClient, in_threads
from hotfire_k8s.handle import ClusterHandle
from hotfire_k8s.kwok import PREFIX
from hotfire_k8s.nodes import FAKE_TAINT
from hotfire_testframework.contract.task import AttemptSpec, TaskSpec
from hotfire_testframework.contract.ulid import Ulid, new_ulid

from ..infra.orchestrator.test_queueing import Day
from .conftest import NODES
from .world import make_namespace

WEIGHTS = {"vision": 2, "speech": 1}
ORDER = (Priority.GATE, Priority.PRE_MERGE, Priority.NIGHTLY)
KUEUE = "kueue.x-k8s.io/v1beta2"
PLATFORM = "dgx-h100"
GPUS = 12
"""That are not in quarantine."""
MINUTE_SECONDS = 20.0
"""What a minute of simulated load takes here.

Kueue looks once a second at what became free, and lets in one of each team in turn while there is
room for both. Where many tasks end within that second, as all do that are equally long, a team
of less weight gets too much, and loses it again by preemption: so tasks are unequally long, and less
than one ends in a second.
"""
MINUTES = 10
LENGTHS = (0.5, 1.0, 1.5)
"""Of tasks, in minutes and in turn."""
PATIENCE_S = 300.0


def test_our_own_queue_gives_two_teams_their_weights_within_a_twentieth_in_ten_minutes():
    section = QueueSection(teams={name: TeamSection(weight=two) for name, two in WEIGHTS.items()})
    day = Day(section, cpus=GPUS)
    classes = {}
    for team, run in (("vision", 1), ("speech", 2)):
        for priority, count in ((Priority.GATE, 20), (Priority.PRE_MERGE, 60)):
            for _ in range(count):
                key = day.add(next(SECONDS), team=team, run=run, priority=priority)
                classes[key] = (team, priority)

    def refill(day: Day) -> None:
        for team, run in (("vision", 1), ("speech", 2)):
            waiting = sum(one.order.team == team for one, _, _ in day.queue.values())
            for _ in range(40 - waiting):
                key = day.add(next(SECONDS), team=team, run=run, priority=Priority.NIGHTLY)
                classes[key] = (team, Priority.NIGHTLY)

    day.go_on(600.0, refill)
    assert day.spent["vision"] / day.spent["speech"] == pytest.approx(2, rel=0.05)
    assert sum(day.spent.values()) > 0.95 * GPUS * 600
    for team in WEIGHTS:
        began = [(day.began[key], CLASSES.index(classes[key][1])) for key in day.began
                 if classes[key][0] == team]  # fmt: skip
        places = [place for _, place in sorted(began)]
        assert places == sorted(places)
    assert {priority for _, priority in classes.values()} == set(ORDER)


SECONDS = itertools.cycle([10, 20, 15])
"""How long tasks take, in turn."""


class Quota:
    """When which attempt was given devices by Kueue, and when it gave them back.

    That is what is shared. How long its pod runs meanwhile is the cluster's swiftness, not fairness.
    What is taken back by preemption has served nobody: the attempt begins again from nothing.
    """

    def __init__(self) -> None:
        self.spans: dict[Ulid, list[list[float]]] = defaultdict(list)
        self.lost: dict[Ulid, set[int]] = defaultdict(set)
        """By attempt, which of its spans ended by an eviction."""

    def replace(self, items: Mapping[str, WorkloadSight], began_ns: int) -> None:
        del began_ns
        for item in items.values():
            self.put("", item)

    def put(self, key: str, item: WorkloadSight) -> None:
        del key
        has = bool(item.condition("QuotaReserved")) and not item.condition("Finished")
        spans = self.spans[item.attempt]
        is_open = bool(spans) and len(spans[-1]) == 1
        if has and not is_open:
            spans.append([time.monotonic()])
        if not has and is_open:
            spans[-1].append(time.monotonic())
            if item.condition("Evicted"):
                self.lost[item.attempt].add(len(spans) - 1)

    def drop(self, key: str, item: WorkloadSight) -> None:
        del key
        spans = self.spans[item.attempt]
        if spans and len(spans[-1]) == 1:
            spans[-1].append(time.monotonic())

    @property
    def began(self) -> dict[Ulid, float]:
        """When each attempt began first."""
        return {attempt: spans[0][0] for attempt, spans in self.spans.items() if spans}

    def seconds(
        self, attempts: set[Ulid], since: float, until: float, *, lost: bool = False
    ) -> float:
        """Return what some attempts had of the devices between two moments, and kept (or lost)."""
        return sum(
            max(0.0, min([*end, until][0], until) - max(begin, since))
            for attempt in attempts
            for number, (begin, *end) in enumerate(self.spans.get(attempt, ()))
            if (number in self.lost[attempt]) is lost
        )


@pytest.fixture
def quota(cluster: ClusterHandle, namespace: str) -> Iterator[Quota]:
    watched = Quota()
    access = Cluster(Access(kubeconfig=cluster.kubeconfig))
    watcher = Watcher(
        name="quota", cluster=access, path=f"/apis/{KUEUE}/namespaces/{namespace}/workloads",
        parse=read_workload, sink=watched,
    )  # fmt: skip
    watcher.start()
    yield watched
    watcher.close()
    access.close()


@pytest.fixture
def client(cluster: ClusterHandle) -> Iterator[ApiClient]:
    with cluster.client() as client:
        yield client


@pytest.fixture
def namespace(client: ApiClient) -> Iterator[str]:
    """A namespace whose Jobs go with the test."""
    name = make_namespace(client)
    yield name
    client.delete(f"/api/v1/namespaces/{name}")


def add_queues(client: ApiClient, namespace: str) -> None:
    """Make our queues, with all but a few devices in quarantine, and hold them."""
    catalogue = nodes.catalogue_of(NODES)
    name = next(name for name, one in catalogue.pools.items() if PLATFORM in one.serves)
    pool = catalogue.pools[name]
    configuration = QueueConfiguration(
        namespace=namespace, teams=WEIGHTS, exclusive_share=0, topology=False,
        quarantined={name: pool.machines * pool.devices - GPUS},
    )  # fmt: skip
    for manifest in kueue_objects(catalogue, configuration):
        client.apply(manifest)


def hold(client: ApiClient, policy: str) -> None:
    for team in WEIGHTS:
        path = f"/apis/{KUEUE}/clusterqueues/{team_queue(team)}"
        client.merge(path, {"spec": {"stopPolicy": policy}})


def orders(team: str, counts: Mapping[Priority, int]) -> Iterator[Order]:
    """Yield orders of a team, the least urgent first."""
    requires = {
        "reach": ["kubernetes"],
        "facts": {"os": "linux", "arch": "x86_64"},
        "devices": ["nvidia:sm_90"],
    }
    for priority in reversed(ORDER):
        for _ in range(counts[priority]):
            task = TaskSpec.from_json({"harness": "command", "command": ["true"]})
            spec = AttemptSpec(attempt=new_ulid(), run="r", task="kernels", spec=task)
            yield Order(spec=spec, token="t", platform=PLATFORM, team=team, priority=priority,
                        requires=requires)  # fmt: skip


@pytest.mark.scale
def test_kueue_with_our_queues_gives_two_teams_their_weights_and_the_urgent_first(
    client: ApiClient, namespace: str, quota: Quota
):
    add_queues(client, namespace)
    hold(client, "Hold")
    sections = [section_of(namespace, MINUTE_SECONDS * minutes) for minutes in LENGTHS]
    # More than fits into the time that is watched.
    most = {"vision": 12 * MINUTES, "speech": 8 * MINUTES}
    every: dict[str, list[Order]] = {
        team: list(
            orders(
                team,
                {Priority.GATE: 12, Priority.PRE_MERGE: 16, Priority.NIGHTLY: most[team] - 28},
            )
        )
        for team in WEIGHTS
    }
    jobs: list[dict[str, Any]] = [
        job_of(order, sections[number % len(sections)], with_kueue=True)
        for team in WEIGHTS
        for number, order in enumerate(every[team])
    ]
    in_threads(client.create, jobs)
    # Kueue has to know of all before it may choose.
    base = f"/apis/{KUEUE}/namespaces/{namespace}/workloads"
    wait(lambda: len((client.get(base) or {"items": []})["items"]) == len(jobs), pause=1.0)
    assert not quota.began
    hold(client, "None")
    # The queue that is let go first takes everything once; from then on both have their share.
    wait(lambda: len(quota.began) >= 3 * GPUS)
    since = time.monotonic()
    wait(lambda: time.monotonic() - since >= MINUTES * MINUTE_SECONDS)
    until = time.monotonic()
    mine = {team: {order.attempt for order in every[team]} for team in WEIGHTS}
    for team, attempts in mine.items():
        assert attempts - quota.began.keys(), f"{team} had too little to do"
    spent = {team: quota.seconds(attempts, since, until) for team, attempts in mine.items()}
    lost = {
        team: quota.seconds(attempts, since, until, lost=True) for team, attempts in mine.items()
    }
    print(f"kept {spent}, taken back {lost}")
    assert spent["vision"] / spent["speech"] == pytest.approx(2, rel=0.05), spent
    assert sum(lost.values()) < 0.1 * sum(spent.values()), lost
    assert sum(spent.values()) > 0.7 * GPUS * MINUTES * MINUTE_SECONDS, spent
    assert_urgent_first(every, quota)


def section_of(namespace: str, seconds: float) -> KubernetesSection:
    """Say how Jobs are made whose pods run so long."""
    return KubernetesSection.model_validate(
        {
            "service_url": "http://nobody", "image": "none", "namespace": namespace,
            "tolerations": [{"key": FAKE_TAINT["key"], "operator": "Exists"}],
            "pod_annotations": {f"{PREFIX}/runs-for": f"{seconds:g}s"},
        }
    )  # fmt: skip


def wait(what: Any, pause: float = 0.05) -> None:
    """Wait until something is true."""
    deadline = time.monotonic() + PATIENCE_S
    while not what():
        assert time.monotonic() < deadline, "it never came true"
        time.sleep(pause)


def assert_urgent_first(every: Mapping[str, list[Order]], quota: Quota) -> None:
    """Before the last of what is more urgent hardly anything began that also kept its devices.

    Kueue sets a task aside that does not fit now and looks at the next one, which may fit a moment
    later: up to 15 of 92 began so, and all but one were taken back for the one set aside. The least
    urgent were made first: without priorities all of them would begin first, and keep what they got.
    """
    for team, orders_of_team in every.items():
        began: defaultdict[int, list[tuple[float, bool]]] = defaultdict(list)
        for order in orders_of_team:
            moment = quota.began.get(order.attempt, float("inf"))
            kept = 0 not in quota.lost.get(order.attempt, ())
            began[ORDER.index(order.priority)].append((moment, kept))
        for place in range(len(ORDER) - 1):
            last = max(moment for moment, _ in began[place])
            crossed = [kept for moment, kept in began[place + 1] if moment < last]
            print(
                f"{team}: {len(crossed)} of {len(began[place + 1])} began before "
                f"{ORDER[place].value} was over, {sum(crossed)} of them kept their devices"
            )
            assert sum(crossed) <= GPUS / 4, (team, ORDER[place])
