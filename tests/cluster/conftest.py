"""Real clusters for tests: a control plane per worker that asks, one with a real node at scale.

A worker has a cluster of its own, so a test may disturb it: whoever kills a component calls
`cluster.repair()`. With 24 nodes one takes 0.7 GB; it goes with the worker.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from hotfire_k8s.handle import ClusterHandle

from .world import World, worlds

NODES = 24
"""About two for each pool of the catalogue."""


def _report(text: str) -> None:
    print(f"cluster: {text}", flush=True)


@pytest.fixture(scope="session")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ClusterHandle]:
    """A control plane with KWOK and Kueue, and a few simulated nodes; no queues of ours."""
    folder = tmp_path_factory.mktemp("cluster") / "home"
    handle = ClusterHandle.start(folder, nodes=NODES, queues=False, say=_report)
    yield handle
    handle.end()


@pytest.fixture(scope="session")
def real_node_cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ClusterHandle]:
    """The same with this machine as a node, where pods really run; only at scale."""
    folder = tmp_path_factory.mktemp("real") / "home"
    handle = ClusterHandle.start(folder, nodes=NODES, queues=False, real_node=True, say=_report)
    yield handle
    handle.end()


@pytest.fixture
def build(cluster: ClusterHandle, tmp_path: Path) -> Iterator[Callable[..., World]]:
    """Make worlds: services with an executor, each in a namespace of its own."""
    with worlds(cluster, tmp_path) as made:
        yield made


@pytest.fixture
def world(build: Callable[..., World]) -> World:
    """A service with an executor that makes plain Jobs."""
    return build()
