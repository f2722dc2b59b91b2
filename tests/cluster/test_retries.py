"""A retry keeps off the node that spoiled its task: API server, scheduler and Kueue are real."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack

import pytest
from benchmarks.cluster_pods import end_pod

from hotfire_infra.executors.kubernetes import names
from hotfire_infra.states import AttemptState, Priority
from hotfire_k8s.api import ApiClient
from hotfire_k8s.nodes import FAKE_TAINT

from .world import KUEUE, Running, World, add_queue, worlds

MARK = "retries.hotfire.dev/here"


@pytest.fixture
def build(cluster, tmp_path) -> Iterator[Callable[..., World]]:
    with worlds(cluster, tmp_path) as made:
        yield made


@pytest.fixture
def pair(cluster) -> Iterator[set[str]]:
    """Names of two nodes that alone carry the mark."""
    with ExitStack() as stack:
        client = stack.enter_context(cluster.client())
        found = [
            node["metadata"]["name"]
            for node in client.get("/api/v1/nodes")["items"]
            if node["metadata"]["labels"]["kubernetes.io/os"] == "linux"
            and {taint["key"] for taint in node["spec"].get("taints", ())} == {FAKE_TAINT["key"]}
        ]
        for name in found[:2]:
            mark(client, name, "true")
            stack.callback(mark, client, name, None)
        yield set(found[:2])


def mark(client: ApiClient, node: str, value: str | None) -> None:
    client.merge(f"/api/v1/nodes/{node}", {"metadata": {"labels": {MARK: value}}})


def spoil(world: World, pod: Running) -> None:
    end_pod(world.client, pod.name, world.namespace, exit_code="35")
    assert pod.ended().state is AttemptState.ERRORED


@pytest.mark.parametrize("kueue", ["no", "yes"])
def test_a_retry_goes_to_the_other_node_and_back_when_both_have_failed(
    build, pair, kueue: str
) -> None:
    world = build(kueue=kueue, node_selector={MARK: "true"})
    if kueue == "yes":
        add_queue(world, 4)
        place_by_node(world)
    run = world.start("a", priority=Priority.GATE)
    first = world.running(run)
    spoil(world, first)
    second = world.running(run, 2)
    assert {first.node, second.node} == pair
    chosen = second.pod["spec"]["nodeSelector"].get(names.HOSTNAME)
    assert chosen == (second.node if kueue == "yes" else None)
    [term] = second.pod["spec"]["affinity"]["nodeAffinity"][
        "requiredDuringSchedulingIgnoredDuringExecution"
    ]["nodeSelectorTerms"]
    assert [one["values"] for one in term["matchFields"]] == [[first.node]]
    spoil(world, second)
    third = world.running(run, 3)
    assert third.node in pair
    assert "nodeAffinity" not in third.pod["spec"].get("affinity", {})


def place_by_node(world: World) -> None:
    """Have Kueue itself choose the node, as it does in a fleet of ours."""
    taint = {"key": FAKE_TAINT["key"], "operator": "Exists"}
    flavor = {
        "nodeLabels": {"kubernetes.io/os": "linux"}, "tolerations": [taint],
        "topologyName": "retries",
    }  # fmt: skip
    quotas = [{"name": "cpu", "nominalQuota": 4}, {"name": "memory", "nominalQuota": "64Gi"}]
    group = {
        "coveredResources": ["cpu", "memory"],
        "flavors": [{"name": "retries", "resources": quotas}],
    }
    queue = {"namespaceSelector": {}, "resourceGroups": [group]}
    for kind, name, spec in (
        ("Topology", "retries", {"levels": [{"nodeLabel": names.HOSTNAME}]}),
        ("ResourceFlavor", "retries", flavor),
        ("ClusterQueue", world.namespace, queue),
    ):
        world.client.apply(
            {"apiVersion": KUEUE, "kind": kind, "metadata": {"name": name}, "spec": spec}
        )
