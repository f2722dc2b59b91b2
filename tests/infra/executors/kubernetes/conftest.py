"""A played API server for each test, and executors that speak to it with the real client."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from hotfire_infra.executors.kubernetes.cluster import Access, Cluster
from hotfire_infra.executors.kubernetes.executor import KubernetesExecutor
from hotfire_infra.executors.kubernetes.watching import Pace
from hotfire_infra.sections.kubernetes import KubernetesSection

from .api_server import FakeApiServer, serving

DEADLINE_SECONDS = 60.0
QUICK = Pace(
    watch_seconds=20, silence_seconds=10, resync_seconds=600,
    first_backoff_seconds=0.05, longest_backoff_seconds=0.4,
)  # fmt: skip


def until(what: Callable[[], Any]) -> Any:
    """Return what a question answers once that is true."""
    deadline = time.monotonic() + DEADLINE_SECONDS
    while not (found := what()):
        assert time.monotonic() < deadline, "it never came true"
        time.sleep(0.01)
    return found


@pytest.fixture
def api() -> FakeApiServer:
    return FakeApiServer()


@pytest.fixture
def kubeconfig(api: FakeApiServer, tmp_path: Path) -> Iterator[Path]:
    with serving(api, tmp_path) as path:
        yield path


@pytest.fixture
def cluster(kubeconfig: Path) -> Iterator[Cluster]:
    found = Cluster(Access(kubeconfig=kubeconfig), read_seconds=5)
    yield found
    found.close()


@pytest.fixture
def start(kubeconfig: Path, tmp_path: Path) -> Iterator[Callable[..., KubernetesExecutor]]:
    """Start executors over one directory of attempts; settings go into `limits` or the section."""
    made: list[KubernetesExecutor] = []

    def build(limits: dict[str, Any] | None = None, **section: Any) -> KubernetesExecutor:
        whole = KubernetesSection.model_validate(
            {
                "service_url": "http://hotfire", "image": "runner:1",
                "kubeconfig": kubeconfig, "limits": limits or {}, **section,
            }
        )  # fmt: skip
        executor = KubernetesExecutor(tmp_path / "attempts", whole)
        executor.desk.pace = QUICK
        executor.desk.hands.first_seconds = 0.05
        executor.desk.hands.longest_seconds = 0.2
        made.append(executor)
        return executor

    yield build
    for executor in made:
        executor.close()
