"""Kueue's objects: right by the schema of Kueue 0.16.2, complete, and true to what the pools hold."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import jsonschema_rs
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hotfire_infra.cli.yaml_output import yaml_text
from hotfire_infra.executors.kubernetes.kueue_objects import (
    EXCLUSIVE_QUEUE,
    QueueConfiguration,
    QueueObjectsError,
    capacity_of,
    flavor_name,
    kueue_objects,
    resources_of,
    team_queue,
)
from hotfire_infra.executors.kubernetes.placement import place
from hotfire_infra.sections.queue import QueueSection
from hotfire_pipelines.catalogue import Catalogue, load_platforms
from hotfire_pipelines.schema import Role

HERE = Path(__file__).parent
ROOT = HERE.parents[3]
KINDS: Mapping[str, Any] = json.loads((HERE / "kueue-0.16.2.json").read_text())
"""Kind → scope and OpenAPI schema of its custom resource definition, version v1beta2."""

SMALL = """\
schema: hotfire.dev/platforms/1
platforms:
  host: {dimensions: {os: linux}, run: {facts: {os: linux, arch: x86_64}}, reach: [kubernetes]}
  gpu:
    dimensions: {os: linux, gpu: NVIDIA H100 80GB HBM3}
    run: {facts: {os: linux, arch: x86_64}, devices: ["nvidia:sm_90"]}
    reach: [kubernetes]
  slice:
    dimensions: {os: linux}
    run: {facts: {os: linux, arch: x86_64}, devices: ["nvidia:mig-1g.10gb"]}
    reach: [kubernetes]
pools:
  hosts: {serves: [host], machines: 10, cpus: 60, memory_gib: 100}
  dgx: {serves: [gpu], machines: 4, cpus: 200, memory_gib: 1000, gpus: 8}
  mig:
    serves: [slice]
    machines: 1
    cpus: 200
    memory_gib: 1000
    gpus: 8
    mig: {profile: 1g.10gb, instances: 7}
    topology: [topology.example.org/rack]
"""


@pytest.fixture(scope="module")
def small(tmp_path_factory: pytest.TempPathFactory) -> Catalogue:
    path = tmp_path_factory.mktemp("catalogue") / "platforms.yaml"
    path.write_text(SMALL)
    return load_platforms(path)


@pytest.fixture(scope="module")
def whole() -> Catalogue:
    return load_platforms(ROOT / "pipelines" / "definitions" / "platforms.yaml")


def closed(schema: Any) -> Any:
    """As the API server reads it: what a schema does not name is no field."""
    if isinstance(schema, list):
        return [closed(item) for item in schema]
    if not isinstance(schema, dict):
        return schema
    found = {key: closed(value) for key, value in schema.items()}
    if found.pop("x-kubernetes-int-or-string", False):
        found.pop("anyOf", None)
        found["type"] = ["integer", "string"]
    if "properties" in found and isinstance(schema.get("type"), str):
        found.setdefault("additionalProperties", False)
    return found


def faults(document: Mapping[str, Any]) -> list[str]:
    """What the definition of its kind has against an object."""
    kind = KINDS[document["kind"]]
    metadata = document["metadata"]
    found = [] if ("namespace" in metadata) is (kind["scope"] == "Namespaced") else ["scope"]
    schema = closed(kind["schema"])
    schema["properties"]["metadata"] = {"type": "object"}
    validator = jsonschema_rs.Draft4Validator(schema)
    return found + [error.message for error in validator.iter_errors(dict(document))]


def of_kind(objects: list[dict[str, Any]], kind: str) -> dict[str, dict[str, Any]]:
    return {one["metadata"]["name"]: one for one in objects if one["kind"] == kind}


def quotas(queue: Mapping[str, Any]) -> dict[tuple[str, str], int]:
    """(Flavor, resource) → nominal quota, memory in GiB."""
    [group] = queue["spec"]["resourceGroups"]
    return {
        (flavor["name"], one["name"]): int(one["nominalQuota"].removesuffix("Gi"))
        for flavor in group["flavors"]
        for one in flavor["resources"]
    }


TEAMS = st.dictionaries(
    st.text(st.characters(codec="ascii", categories=("Ll", "Nd")), min_size=1, max_size=20),
    st.floats(min_value=0.01, max_value=100),
    max_size=6,
)


@settings(max_examples=40, deadline=None)
@given(
    teams=TEAMS,
    share=st.floats(min_value=0, max_value=1),
    sick=st.dictionaries(st.sampled_from(["hosts", "dgx", "mig"]), st.integers(0, 60)),
    topology=st.booleans(),
)
def test_every_object_is_right_by_the_schema_and_nothing_is_promised_twice(
    small: Catalogue, teams: dict[str, float], share: float, sick: dict[str, int], topology: bool
) -> None:
    configuration = QueueConfiguration(
        teams=teams, exclusive_share=share, quarantined=sick, topology=topology
    )
    objects = kueue_objects(small, configuration)
    assert [fault for one in objects for fault in faults(one)] == []
    queues = of_kind(objects, "ClusterQueue")
    sums: dict[tuple[str, str], int] = {}
    for queue in queues.values():
        for key, amount in quotas(queue).items():
            sums[key] = sums.get(key, 0) + amount
    for pool in small.pools:
        flavor = flavor_name(small, pool, topology=topology)
        offered = capacity_of(small, pool, sick.get(pool, 0))
        for resource in resources_of(small):
            assert sums[flavor, resource] == offered.get(resource, 0), (pool, resource)
    locals_ = of_kind(objects, "LocalQueue")
    assert {one["spec"]["clusterQueue"] for one in locals_.values()} == set(queues)


def test_the_whole_catalogue_is_right_by_the_schema(whole: Catalogue) -> None:
    objects = kueue_objects(whole, QueueConfiguration(teams={"perf": 2, "core": 1}))
    assert {one["kind"]: faults(one) for one in objects if faults(one)} == {}
    assert len(of_kind(objects, "ResourceFlavor")) == len(whole.pools)


def test_a_planted_fault_is_found_by_the_schema(small: Catalogue) -> None:
    queue = of_kind(kueue_objects(small, QueueConfiguration()), "ClusterQueue")[EXCLUSIVE_QUEUE]
    queue["spec"]["cohort"] = "hotfire"
    queue["spec"]["preemption"]["withinClusterQueue"] = "Always"
    assert len(faults(queue)) == 2


def test_one_group_has_every_resource_in_one_order_with_zeros(small: Catalogue) -> None:
    for queue in of_kind(kueue_objects(small, QueueConfiguration()), "ClusterQueue").values():
        [group] = queue["spec"]["resourceGroups"]
        covered = ["cpu", "memory", "nvidia.com/gpu", "nvidia.com/mig-1g.10gb"]
        assert group["coveredResources"] == covered
        for flavor in group["flavors"]:
            assert [one["name"] for one in flavor["resources"]] == covered
        zero = {
            one["name"] for one in group["flavors"][0]["resources"] if one["nominalQuota"] == "0"
        }
        assert zero == {"nvidia.com/gpu", "nvidia.com/mig-1g.10gb"}


def test_teams_share_by_weight_what_is_not_promised_to_exclusive_attempts(small: Catalogue) -> None:
    objects = kueue_objects(small, QueueConfiguration(teams={"perf": 2, "default": 1}))
    queues = of_kind(objects, "ClusterQueue")
    gpu = (flavor_name(small, "dgx"), "nvidia.com/gpu")
    found = {name: quotas(queue)[gpu] for name, queue in queues.items()}
    assert found == {team_queue("perf"): 16, team_queue("default"): 8, EXCLUSIVE_QUEUE: 8}
    assert queues[team_queue("perf")]["spec"]["fairSharing"] == {"weight": "2"}


def test_the_exclusive_queue_never_borrows_and_preempts_nobody(small: Catalogue) -> None:
    queues = of_kind(kueue_objects(small, QueueConfiguration()), "ClusterQueue")
    spec = queues[EXCLUSIVE_QUEUE]["spec"]
    assert spec["preemption"] == {"withinClusterQueue": "Never", "reclaimWithinCohort": "Never"}
    limits = [
        one["borrowingLimit"]
        for f in spec["resourceGroups"][0]["flavors"]
        for one in f["resources"]
    ]
    assert set(limits) == {"0"}
    others = [queue["spec"] for name, queue in queues.items() if name != EXCLUSIVE_QUEUE]
    assert {spec["preemption"]["reclaimWithinCohort"] for spec in others} == {"Any"}


def test_quarantined_devices_are_no_quota(small: Catalogue) -> None:
    assert capacity_of(small, "dgx", 3) == {"cpu": 800, "memory": 4000, "nvidia.com/gpu": 29}
    assert capacity_of(small, "mig", 56)["nvidia.com/mig-1g.10gb"] == 0
    assert capacity_of(small, "hosts", 2) == {"cpu": 480, "memory": 800}
    with pytest.raises(QueueObjectsError, match="'dgxx' has quarantined devices and is no pool"):
        kueue_objects(small, QueueConfiguration(quarantined={"dgxx": 1}))


def test_a_flavor_has_every_label_that_a_pod_of_its_platforms_selects_by(whole: Catalogue) -> None:
    flavors = of_kind(kueue_objects(whole, QueueConfiguration()), "ResourceFlavor")
    reached = [name for name in whole if "kubernetes" in whole[name].reach]
    for name in reached:
        platform = whole[name]
        requires = platform.offers(Role.TEST, platform.requirements(Role.TEST))
        wanted = place(name, requires)
        fitting = {
            pool
            for pool in whole.pools
            if wanted.node_selector.items()
            <= flavors[flavor_name(whole, pool)]["spec"]["nodeLabels"].items()
        }
        assert fitting == set(whole.pools_of(name)) != set(), name
        for pool in fitting:
            assert set(wanted.devices) <= set(capacity_of(whole, pool)), name


def test_a_pool_that_serves_more_is_another_flavor(small: Catalogue, tmp_path: Path) -> None:
    path = tmp_path / "platforms.yaml"
    twice = SMALL.replace(
        "  host:", "  other: {dimensions: {os: linux}, reach: [kubernetes]}\n  host:"
    )
    path.write_text(twice.replace("serves: [host]", "serves: [host, other]"))
    more = load_platforms(path)
    assert flavor_name(more, "hosts") != flavor_name(small, "hosts")
    assert flavor_name(more, "dgx") == flavor_name(small, "dgx")


@pytest.mark.parametrize("team", ["perf_team", "Größe", "x" * 80, "a."])
def test_every_team_has_queues_of_a_name_that_kubernetes_takes(small: Catalogue, team: str) -> None:
    objects = kueue_objects(small, QueueConfiguration(teams={team: 1}))
    for one in objects:
        name = one["metadata"]["name"]
        assert re.fullmatch(r"[a-z0-9]([-a-z0-9.]*[a-z0-9])?", name), name
        assert one["kind"] != "LocalQueue" or len(name) <= 63


def test_two_teams_with_one_queue_are_refused(small: Catalogue) -> None:
    with pytest.raises(QueueObjectsError, match="'Perf' and 'perf' would share the queue 'perf'"):
        kueue_objects(small, QueueConfiguration(teams={"perf": 1, "Perf": 1}))


def test_more_pools_than_a_group_holds_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "platforms.yaml"
    pools = "".join(
        f"  p{number}: {{serves: [host], machines: 1, cpus: 1, memory_gib: 1}}\n"
        for number in range(65)
    )
    path.write_text(SMALL[: SMALL.index("pools:")] + "pools:\n" + pools)
    with pytest.raises(QueueObjectsError, match=r"has 65 pools, and a resource group .* holds 64"):
        kueue_objects(load_platforms(path), QueueConfiguration())


def test_the_teams_are_those_of_the_service(small: Catalogue) -> None:
    section = QueueSection.model_validate({"teams": {"perf": {"weight": 1.5}}})
    assert QueueConfiguration.of(section).weights == {"default": 1.0, "perf": 1.5}


def test_the_text_is_the_golden_one(small: Catalogue) -> None:
    text = yaml_text(kueue_objects(small, QueueConfiguration(teams={"perf": 2})))
    assert text == (HERE / "kueue_objects.yaml").read_text()
