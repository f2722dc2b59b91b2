"""What a cluster can never admit is refused at once; what it only cannot admit now is not."""

from __future__ import annotations

from typing import Any

import pytest

from hotfire_infra.executors.demands import with_demand
from hotfire_infra.executors.kubernetes.admittance import demand_of, refusal_of
from hotfire_infra.executors.kubernetes.cluster import Cluster
from hotfire_infra.executors.kubernetes.supply import Supply, read_nodes, read_queues
from hotfire_infra.sections.kubernetes import KubernetesSection

from .api_server import KUEUE, NODES, FakeApiServer

SECTION = KubernetesSection(service_url="http://hotfire", image="runner:1")
FACTS = {"facts": {"os": "linux", "arch": "x86_64"}, "reach": ["kubernetes"]}
GPU_TAINT = {"key": "nvidia.com/gpu", "value": "present", "effect": "NoSchedule"}


def node(name: str, platform: str, gpus: int = 0, **spec: Any) -> dict[str, Any]:
    has = {"cpu": "64", "memory": "256Gi", **({"nvidia.com/gpu": str(gpus)} if gpus else {})}
    labels = {
        "kubernetes.io/hostname": name, "kubernetes.io/os": "linux",
        "kubernetes.io/arch": "amd64", f"platform.hotfire.dev/{platform}": "true",
    }  # fmt: skip
    taints = [GPU_TAINT] if gpus else []
    taints += spec.pop("taints", [])
    return {
        "metadata": {"name": name, "labels": labels},
        "spec": {"taints": taints, **spec},
        "status": {"allocatable": has},
    }


def asked(platform: str, *, gpus: int = 0, cpus: int = 1, memory_mib: int = 0, team: str = ""):
    devices = {"devices": ["nvidia:sm_90"], "device_count": gpus} if gpus else {}
    demand = {"cpus": cpus, "memory_mib": memory_mib, "exclusive": False}
    return with_demand({**FACTS, **devices}, platform=platform, demands=[demand], team=team)


def supply(cluster: Cluster, *, with_queues: bool = False) -> Supply:
    flavors, queues = read_queues(cluster, "hotfire", "v1beta2") if with_queues else ({}, None)
    return Supply(kinds=read_nodes(cluster), flavors=flavors, queues=queues)


def refused(found: Supply, requires: dict[str, Any]) -> str:
    return refusal_of(demand_of(requires, SECTION), found) or ""


@pytest.fixture
def nodes(api: FakeApiServer) -> FakeApiServer:
    for number in range(700):
        api.put(NODES, node(f"cpu-{number}", "linux-x86_64"))
    for number in range(3):
        api.put(NODES, node(f"dgx-{number}", "dgx-h100", 4))
    return api


def test_a_thousand_nodes_are_a_few_kinds(nodes: FakeApiServer, cluster: Cluster):
    kinds = read_nodes(cluster)
    assert sorted(kind.count for kind in kinds) == [3, 700]


def test_what_fits_is_not_refused(nodes: FakeApiServer, cluster: Cluster):
    found = supply(cluster)
    assert refused(found, asked("linux-x86_64", cpus=64)) == ""
    assert refused(found, asked("dgx-h100", gpus=4)) == ""


def test_eight_gpus_that_no_node_holds_are_refused_in_a_sentence(
    nodes: FakeApiServer, cluster: Cluster
):
    assert refused(supply(cluster), asked("dgx-h100", gpus=8)) == (
        "no node holds 8 nvidia.com/gpu: the largest of 3 that serve dgx-h100 has 4 nvidia.com/gpu"
    )


def test_a_platform_that_no_node_serves_is_refused(nodes: FakeApiServer, cluster: Cluster):
    said = refused(supply(cluster), asked("jetson-orin"))
    assert "no node of the cluster serves jetson-orin" in said
    assert "platform.hotfire.dev/jetson-orin=true" in said


def test_nodes_in_quarantine_are_left_out_and_ill_ones_are_not(
    api: FakeApiServer, cluster: Cluster
):
    api.put(NODES, node("a", "dgx-h100", 8, unschedulable=True))
    assert refused(supply(cluster), asked("dgx-h100", gpus=8)) == (
        "all 1 nodes that serve dgx-h100 are in quarantine (cordoned)"
    )
    ill = {"key": "node.kubernetes.io/not-ready", "effect": "NoSchedule"}
    api.put(NODES, node("b", "dgx-h100", 8, taints=[ill]))
    assert refused(supply(cluster), asked("dgx-h100", gpus=8)) == ""


def test_a_device_that_its_plugin_calls_unhealthy_is_not_counted(
    api: FakeApiServer, cluster: Cluster
):
    sick = node("a", "dgx-h100", 8)
    sick["status"] = {"capacity": {"nvidia.com/gpu": "8"},
                      "allocatable": {**sick["status"]["allocatable"], "nvidia.com/gpu": "7"}}  # fmt: skip
    api.put(NODES, sick)
    assert "has 7 nvidia.com/gpu" in refused(supply(cluster), asked("dgx-h100", gpus=8))


def test_a_taint_that_nobody_told_us_of_is_named(api: FakeApiServer, cluster: Cluster):
    lab = {"key": "lab", "value": "closed", "effect": "NoSchedule"}
    api.put(NODES, node("a", "linux-x86_64", taints=[lab]))
    assert "tolerate (lab); add it to tolerations" in refused(
        supply(cluster), asked("linux-x86_64")
    )


def test_what_no_node_has_together_is_refused(api: FakeApiServer, cluster: Cluster):
    api.put(NODES, node("few-gpus", "dgx-h100", 2))
    large = node("no-cpus", "dgx-h100", 8)
    large["status"]["allocatable"]["cpu"] = "1"
    api.put(NODES, large)
    assert "holds 8 cpus" in refused(supply(cluster), asked("dgx-h100", gpus=8, cpus=8))


def quota(api: FakeApiServer, name: str, gpus: int, cohort: str = "", **more: Any) -> None:
    resources = [
        {"name": "cpu", "nominalQuota": 100},
        {"name": "memory", "nominalQuota": "1Ti"},
        {"name": "nvidia.com/gpu", "nominalQuota": gpus, **more},
    ]
    flavor = {"name": "h100", "resources": resources}
    covered = [one["name"] for one in resources]
    spec = {"resourceGroups": [{"coveredResources": covered, "flavors": [flavor]}]}
    if cohort:
        spec["cohortName"] = cohort  # type: ignore[assignment]
    api.put(f"{KUEUE}/v1beta2/clusterqueues", {"metadata": {"name": name}, "spec": spec})


@pytest.fixture
def queues(api: FakeApiServer) -> FakeApiServer:
    api.put(NODES, node("a", "dgx-h100", 8))
    api.put(f"{KUEUE}/v1beta2/resourceflavors", {
        "metadata": {"name": "h100"},
        "spec": {"nodeLabels": {"platform.hotfire.dev/dgx-h100": "true"}},
    })  # fmt: skip
    api.put(f"{KUEUE}/v1beta2/namespaces/hotfire/localqueues", {
        "metadata": {"name": "default"}, "spec": {"clusterQueue": "team"},
    })  # fmt: skip
    return api


def test_more_than_any_quota_is_refused_and_names_the_queue(
    queues: FakeApiServer, cluster: Cluster
):
    quota(queues, "team", 4)
    said = refused(supply(cluster, with_queues=True), asked("dgx-h100", gpus=8))
    assert said == (
        "ClusterQueue team can never admit 8 nvidia.com/gpu: its quota, with all that it may "
        "borrow, is 4 nvidia.com/gpu"
    )


def test_what_may_be_borrowed_counts_within_both_limits(queues: FakeApiServer, cluster: Cluster):
    quota(queues, "team", 4, "all")
    quota(queues, "other", 4, "all")
    assert refused(supply(cluster, with_queues=True), asked("dgx-h100", gpus=8)) == ""
    quota(queues, "team", 4, "all", borrowingLimit=2)
    assert "is 6 nvidia.com/gpu" in refused(
        supply(cluster, with_queues=True), asked("dgx-h100", gpus=8)
    )
    quota(queues, "team", 4, "all")
    quota(queues, "other", 4, "all", lendingLimit=1)
    assert "is 5 nvidia.com/gpu" in refused(
        supply(cluster, with_queues=True), asked("dgx-h100", gpus=8)
    )


def test_what_a_cohort_above_lends_counts(queues: FakeApiServer, cluster: Cluster):
    quota(queues, "team", 4, "leaf")
    flavor = {"name": "h100", "resources": [{"name": "nvidia.com/gpu", "nominalQuota": 4}]}
    queues.put(f"{KUEUE}/v1beta2/cohorts", {"metadata": {"name": "leaf"},
                                            "spec": {"parentName": "root"}})  # fmt: skip
    queues.put(f"{KUEUE}/v1beta2/cohorts", {"metadata": {"name": "root"}, "spec": {
        "resourceGroups": [{"flavors": [flavor]}]}})  # fmt: skip
    assert refused(supply(cluster, with_queues=True), asked("dgx-h100", gpus=8)) == ""


def test_a_resource_without_any_quota_and_a_platform_without_a_flavor_are_refused(
    queues: FakeApiServer, cluster: Cluster
):
    quota(queues, "team", 8)
    queues.put(NODES, node("c", "linux-x86_64"))
    said = refused(supply(cluster, with_queues=True), asked("linux-x86_64"))
    assert said == ""  # The flavor says nothing of linux-x86_64, and its nodes might carry both.
    mig = with_demand({**FACTS, "devices": ["nvidia:mig-1g.18gb"]}, platform="dgx-h100",
                      demands=[{"cpus": 1, "memory_mib": 0, "exclusive": False}])  # fmt: skip
    assert "no node holds 1 nvidia.com/mig-1g.18gb" in refused(
        supply(cluster, with_queues=True), mig
    )


def test_a_queue_that_nobody_knows_refuses_nothing(queues: FakeApiServer, cluster: Cluster):
    quota(queues, "team", 4)
    found = supply(cluster, with_queues=True)
    assert refused(found, asked("dgx-h100", gpus=8, team="strangers")) == ""
    assert refused(Supply(), asked("dgx-h100", gpus=8)) == ""


def test_the_executor_refuses_by_what_the_cluster_has_now(nodes: FakeApiServer, start):
    executor = start()
    refusal = executor.can_execute(asked("dgx-h100", gpus=8))
    assert refusal is not None
    assert "no node holds 8" in refusal.reason
    assert executor.can_execute(asked("dgx-h100", gpus=2)) is None
    other = executor.can_execute({"reach": ["ssh"]})
    assert other is not None
    assert "reached by ssh" in other.reason


def test_nodes_may_be_selected_by_their_names(nodes: FakeApiServer, start):
    selector = {"kubernetes.io/hostname": "cpu-7"}
    assert start(node_selector=selector).can_execute(asked("linux-x86_64")) is None
    other = {"kubernetes.io/hostname": "nobody"}
    refusal = start(node_selector=other).can_execute(asked("linux-x86_64"))
    assert refusal is not None
    assert "kubernetes.io/hostname=nobody" in refusal.reason


def test_a_cluster_that_may_not_be_looked_at_refuses_nothing(api: FakeApiServer, start):
    api.faults.append(lambda _method, _path: (403, {"message": "nodes is forbidden"}, {}))
    executor = start()
    assert executor.can_execute(asked("dgx-h100", gpus=800)) is None
