"""Simulated nodes are the machines of the catalogue, and carry what its platforms select by."""

from __future__ import annotations

from collections import Counter

import pytest

from hotfire_infra.executors.kubernetes.fleet import POOL_LABEL
from hotfire_infra.executors.kubernetes.placement import place
from hotfire_k8s import nodes
from hotfire_k8s.errors import ClusterUsageError


@pytest.fixture(scope="module")
def thousand():
    return list(nodes.simulated(nodes.catalogue_of(1000)))


def of_pool(found, pool):
    return next(node for node in found if node["metadata"]["labels"][POOL_LABEL] == pool)


def test_a_thousand_nodes_are_mixed_as_the_catalogue_is(thousand):
    by_pool = Counter(node["metadata"]["labels"][POOL_LABEL] for node in thousand)
    declared = {name: pool.machines for name, pool in nodes.catalogue().pools.items()}
    assert len(thousand) == len({node["metadata"]["name"] for node in thousand}) == 1000
    assert by_pool.keys() == declared.keys()
    share = 1000 / sum(declared.values())
    assert all(abs(by_pool[name] - declared[name] * share) <= 2 for name in declared)


@pytest.mark.parametrize(
    ("pool", "system", "machine", "resource", "amount"),
    [
        ("dgx-h100", "linux", "amd64", "nvidia.com/gpu", "8"),
        ("h200-mig", "linux", "amd64", "nvidia.com/mig-1g.18gb", "56"),
        ("jetson-orin", "linux", "arm64", "nvidia.com/gpu", "1"),
        ("windows-rtx", "windows", "amd64", "directx.microsoft.com/display", "1"),
    ],
)
def test_a_node_offers_what_its_machines_have(thousand, pool, system, machine, resource, amount):
    node = of_pool(thousand, pool)
    assert node["metadata"]["labels"]["kubernetes.io/os"] == system
    assert node["metadata"]["labels"]["kubernetes.io/arch"] == machine
    assert node["status"]["allocatable"][resource] == amount
    assert node["status"]["nodeInfo"]["operatingSystem"] == system


def test_every_platform_that_a_pool_serves_finds_a_node(thousand):
    catalogue = nodes.catalogue()
    for pool in catalogue.pools.values():
        for name in pool.serves:
            wanted = catalogue[name]
            requires = {**wanted.run.to_json(), "reach": list(wanted.reach)}
            selector = place(name, requires).node_selector
            assert any(selector.items() <= n["metadata"]["labels"].items() for n in thousand), name


def test_only_who_tolerates_a_simulated_node_gets_there(thousand):
    assert all(nodes.FAKE_TAINT in node["spec"]["taints"] for node in thousand)


def test_fewer_nodes_than_pools_are_refused():
    with pytest.raises(ClusterUsageError, match="3 nodes are too few"):
        nodes.catalogue_of(3)
