"""A retry of an infrastructure failure goes to another node, if there is one; played API server."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest

from hotfire_infra.executors.kubernetes import names
from hotfire_infra.executors.kubernetes.executor import KubernetesExecutor
from hotfire_infra.store import queries
from hotfire_infra.store.database import Store
from hotfire_infra.store.rows import AttemptRow
from hotfire_testframework.contract.ulid import Ulid

from ...conftest import Stand, plan_of, spec_of
from .api_server import JOBS, NODES, PODS, FakeApiServer
from .conftest import until
from .kubelet import NODE, container, pod_of

REFUSED = "not delivered: refused: 403 this token is of another attempt"
Start = Callable[..., KubernetesExecutor]


def node(name: str, *, ready: str = "True", **spec: Any) -> dict[str, Any]:
    return {
        "metadata": {
            "name": name,
            "labels": {"kubernetes.io/os": "linux", names.HOSTNAME: f"{name}.example.org"},
        },
        "spec": spec,
        "status": {
            "allocatable": {"cpu": "8", "memory": "64Gi"},
            "conditions": [{"type": "Ready", "status": ready}],
        },
    }


class Scene:
    """A store with a service on it, whose cluster is played."""

    def __init__(self, store: Store, start: Start, api: FakeApiServer, cache: Path) -> None:
        self.store, self.start, self.api, self.cache = store, start, api, cache
        self.executor = start()
        self.stand = Stand(store, self.executor, cache)
        self.run = self.stand.start(plan_of({"build": []}, specs={"build": spec_of(retries=3)}))

    def restart(self) -> None:
        """Go on as another process."""
        self.executor.close()
        self.stand.orchestrator.lock.release()
        self.executor = self.start()
        self.stand = Stand(self.store, self.executor, self.cache)

    def attempts(self) -> list[AttemptRow]:
        with self.store.reading() as connection:
            return queries.attempts_of(connection, self.run)

    def job(self, number: int) -> dict[str, Any]:
        """Go round until the attempt of that number has its Job; what it asks of nodes."""

        def look() -> Any:
            self.stand.orchestrator.round()
            found = [row for row in self.attempts() if row.number == number]
            return found and self.api.objects.get(JOBS, {}).get(names.job_name(Ulid(found[0].ulid)))

        job: dict[str, Any] = until(look)
        return job

    def ends(self, job: dict[str, Any], where: str = NODE, **status: Any) -> AttemptRow:
        """Let the Job's pod end on a node, and go round until that is stored."""
        pod = pod_of(job)
        pod["spec"]["nodeName"] = where
        self.api.put(PODS, {**pod, "status": {"phase": "Failed", **status}})
        name = job["metadata"]["labels"][names.ATTEMPT]

        def look() -> Any:
            self.stand.orchestrator.round()
            return [row for row in self.attempts() if row.ulid == name and row.ended_ns]

        row: AttemptRow = until(look)[0]
        return row


def avoided(job: dict[str, Any]) -> list[str]:
    """Return the nodes that a Job's pod may not be put on."""
    affinity = job["spec"]["template"]["spec"].get("affinity") or {}
    found = affinity.get("nodeAffinity")
    if found is None:
        return []
    terms = found["requiredDuringSchedulingIgnoredDuringExecution"]["nodeSelectorTerms"]
    assert len(terms) == 1
    assert all(one["key"] == "metadata.name" for one in terms[0]["matchFields"])
    assert all(one["operator"] == "NotIn" for one in terms[0]["matchFields"])
    return [value for one in terms[0]["matchFields"] for value in one["values"]]


def exited(code: int, words: str = "") -> dict[str, Any]:
    ended = {"exitCode": code, "reason": "Error", "message": words}
    return {"containerStatuses": container(terminated=ended)}


def disrupted(reason: str) -> dict[str, Any]:
    condition = {"type": "DisruptionTarget", "status": "True", "reason": reason, "message": "m"}
    return {"conditions": [condition], **exited(143)}


@pytest.fixture
def scene(store: Store, start: Start, api: FakeApiServer, tmp_path: Path):
    made = Scene(store, start, api, tmp_path / "cache")
    yield made
    with suppress(Exception):
        made.stand.orchestrator.lock.release()


def test_a_retry_keeps_off_every_node_that_spoiled_the_task(scene: Scene, api: FakeApiServer):
    for name in ("node-1", "node-2", "node-3"):
        api.put(NODES, node(name))
    first = scene.job(1)
    assert avoided(first) == []
    scene.ends(first, "node-1", **exited(35))
    second = scene.job(2)
    assert avoided(second) == ["node-1"]
    scene.ends(second, "node-2", **disrupted("DeletionByTaintManager"))
    assert avoided(scene.job(3)) == ["node-1", "node-2"]


def test_the_only_node_is_tried_again(scene: Scene, api: FakeApiServer):
    api.put(NODES, node("node-1"))
    # These are no other places: one is cordoned, one is silent, one is for somebody else.
    api.put(NODES, node("out", unschedulable=True))
    api.put(NODES, node("silent", ready="Unknown"))
    api.put(NODES, node("closed", taints=[{"key": "lab", "value": "x", "effect": "NoSchedule"}]))
    scene.ends(scene.job(1), "node-1", **exited(35))
    assert avoided(scene.job(2)) == []


def test_who_may_not_look_at_nodes_is_retried_anywhere(scene: Scene, api: FakeApiServer):
    api.faults.append(
        lambda _method, path: (403, {"message": "forbidden"}, {}) if path == NODES else None
    )
    scene.ends(scene.job(1), "node-1", **exited(35))
    assert avoided(scene.job(2)) == []


def test_a_preempted_attempt_may_go_back_to_its_node(scene: Scene, api: FakeApiServer):
    for name in ("node-1", "node-2"):
        api.put(NODES, node(name))
    ended = scene.ends(scene.job(1), "node-1", **disrupted("PreemptionByScheduler"))
    assert ended.state == "preempted"
    assert avoided(scene.job(2)) == []


def test_a_service_that_restarts_still_knows_which_node_it_was(scene: Scene, api: FakeApiServer):
    for name in ("node-1", "node-2"):
        api.put(NODES, node(name))
    first = scene.job(1)
    api.faults.append(
        lambda method, _path: (503, {"message": "no"}, {}) if method == "POST" else None
    )
    scene.ends(first, "node-1", **exited(35))
    # The retry is ordered, its Job is not made; then nothing of the first one is in the cluster.
    until(lambda: scene.stand.orchestrator.round() or len(scene.attempts()) == 2)
    scene.restart()
    for name in list(api.objects[PODS]):
        api.remove(PODS, name)
    api.faults.clear()
    assert avoided(scene.job(2)) == ["node-1"]


def test_the_last_words_of_a_pod_that_never_claimed_are_in_the_reason(
    scene: Scene, api: FakeApiServer
):
    api.put(NODES, node("node-1"))
    ended = scene.ends(scene.job(1), "node-1", **exited(35, f"waits for the service\n{REFUSED}\n"))
    assert ended.state == "errored"
    assert "results could not be written" in ended.reason
    assert REFUSED in ended.reason
