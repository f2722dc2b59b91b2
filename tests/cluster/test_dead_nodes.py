"""A node whose lease is not renewed any more: nobody stops its pods, and nobody hears of them."""

from __future__ import annotations

import datetime
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import pytest
from benchmarks.cluster_pods import HOLD

from hotfire_infra.states import AttemptState, RunVerdict

from .world import Running, World

pytestmark = pytest.mark.scale

Build = Callable[..., World]
SILENCE_PATIENCE_S = 180.0
"""A node counts as lost after 50 s; more on a busy machine."""


@contextmanager
def dead(world: World, node: str) -> Iterator[None]:
    """Let nobody play a kubelet for a node: somebody else has its lease, and does not renew it."""
    path = f"/apis/coordination.k8s.io/v1/namespaces/kube-node-lease/leases/{node}"
    now = datetime.datetime.now(datetime.UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")
    taken = {"holderIdentity": "nobody", "leaseDurationSeconds": 100_000, "renewTime": now}
    world.client.merge(path, {"spec": taken})
    try:
        yield
    finally:
        world.client.delete(path)
        # It looks at the lease again only when that would have ended.
        world.cluster.kill("kwok")
        world.cluster.repair()
        until(lambda: readiness(world, node) == "True")


def until(what: Callable[[], bool]) -> None:
    deadline = time.monotonic() + SILENCE_PATIENCE_S
    while not what():
        assert time.monotonic() < deadline, "it never came true"
        time.sleep(0.5)


def readiness(world: World, node: str) -> str:
    found = world.client.get(f"/api/v1/nodes/{node}")
    assert found is not None
    return next(one["status"] for one in found["status"]["conditions"] if one["type"] == "Ready")


def is_there(world: World, pod: Running) -> bool:
    found = world.client.get(world.pod_path(pod.pod))
    return found is not None and found["metadata"]["uid"] == pod.pod["metadata"]["uid"]


def test_an_attempt_on_a_node_without_a_lease_is_lost_by_its_own_and_runs_elsewhere(build: Build):
    world = build(pod_annotations=HOLD, limits={"stuck_seconds": 1, "upload_seconds": 0})
    run = world.start("a", timeouts={"grace_s": 0.5})
    pod = world.running(run)
    pod.claimed()
    with dead(world, pod.node):
        until(lambda: readiness(world, pod.node) == "Unknown")
        # The cluster keeps the pod for five minutes more, as running; the lease of ours is shorter.
        found = world.client.get(world.pod_path(pod.pod))
        assert found is not None
        assert found["status"]["phase"] == "Running"
        assert "deletionTimestamp" not in found["metadata"]
        world.clock.advance(600)
        assert pod.ended().state is AttemptState.LOST
        again = world.running(run, number=2)
        assert again.node != pod.node
        # No kubelet answers to its deletion, so it is taken away by force and holds no device.
        world.until(lambda: not is_there(world, pod))
    again.runner().play()
    assert world.over(run).run.verdict is RunVerdict.PASSED
    assert [row.number for row in world.attempts(run)] == [1, 2]
