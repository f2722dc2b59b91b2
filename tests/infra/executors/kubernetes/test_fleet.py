"""Nodes of a catalogue: labels, what they offer, and the same fleet in small."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hotfire_infra.executors.kubernetes.fleet import (
    FleetTooSmallError,
    divided,
    labels_of,
    offer_of,
    scaled,
    taints_of,
)
from hotfire_pipelines.catalogue import Catalogue, load_platforms

DEFINITIONS = Path(__file__).resolve().parents[4] / "pipelines" / "definitions"


@pytest.fixture(scope="module")
def catalogue() -> Catalogue:
    return load_platforms(DEFINITIONS / "platforms.yaml")


def test_the_example_fleet_has_a_thousand_machines_and_more_gpus(catalogue: Catalogue) -> None:
    assert sum(pool.machines for pool in catalogue.pools.values()) == 1000
    assert sum(pool.machines * pool.gpus for pool in catalogue.pools.values()) > 1000


def test_a_node_says_which_platforms_it_serves_and_what_it_is(catalogue: Catalogue) -> None:
    assert labels_of(catalogue, "dgx-h100") == {
        "kubernetes.io/os": "linux",
        "kubernetes.io/arch": "amd64",
        "hotfire.dev/pool": "dgx-h100",
        "hotfire.dev/platform": "dgx-h100",
        "platform.hotfire.dev/dgx-h100": "true",
        "platform.hotfire.dev/linux-x86_64-sm_90": "true",
        "nvidia.com/gpu.product": "NVIDIA-H100-80GB-HBM3",
    }
    assert labels_of(catalogue, "jetson-orin")["kubernetes.io/arch"] == "arm64"
    assert labels_of(catalogue, "windows-rtx")["kubernetes.io/os"] == "windows"


def test_a_node_offers_whole_gpus_or_slices_and_keeps_others_away(catalogue: Catalogue) -> None:
    assert offer_of(catalogue, "linux-hosts") == {"cpu": "62", "memory": "240Gi"}
    assert offer_of(catalogue, "dgx-h100")["nvidia.com/gpu"] == "8"
    assert offer_of(catalogue, "h200-mig")["nvidia.com/mig-1g.18gb"] == "56"
    assert offer_of(catalogue, "windows-rtx")["directx.microsoft.com/display"] == "1"
    assert taints_of(catalogue.pools["linux-hosts"]) == []
    assert taints_of(catalogue.pools["h200-mig"])[0]["key"] == "nvidia.com/gpu"


@pytest.mark.parametrize("machines", [12, 20, 100, 1000])
def test_a_small_fleet_has_every_pool(catalogue: Catalogue, machines: int) -> None:
    pools = scaled(catalogue, machines).pools
    assert sum(pool.machines for pool in pools.values()) == machines
    assert min(pool.machines for pool in pools.values()) >= 1
    assert pools.keys() == catalogue.pools.keys()


def test_a_fleet_smaller_than_its_pools_is_refused(catalogue: Catalogue) -> None:
    with pytest.raises(FleetTooSmallError, match="11 machines for 12 pools"):
        scaled(catalogue, 11)


@given(
    amount=st.integers(0, 10**6),
    weights=st.dictionaries(st.text(max_size=3), st.floats(0.01, 100), min_size=1, max_size=9),
)
def test_what_is_divided_is_whole_and_near_the_weights(
    amount: int, weights: dict[str, float]
) -> None:
    parts = divided(amount, weights)
    assert sum(parts.values()) == amount
    total = sum(weights.values())
    assert all(abs(parts[name] - amount * weights[name] / total) <= 1 for name in weights)
    assert divided(amount, dict.fromkeys(weights, 0)) == dict.fromkeys(weights, 0)
