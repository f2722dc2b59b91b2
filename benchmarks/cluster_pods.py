"""Plays the runners of pods that KWOK only pretends to run: claims, ships a small stream, ends.

A simulated pod runs nothing, so what its runner would say over the ingest routes is said here, with
the token from the Secret that the pod mounts. Such pods are held (`HOLD`), so that none of them ends
before its runner has reported; afterwards the hold is taken away, and KWOK lets them exit 0.
"""

from __future__ import annotations

import base64
import hashlib
import queue
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from hotfire_infra.executors.kubernetes import names
from hotfire_infra.executors.kubernetes.cluster import Cluster
from hotfire_infra.executors.kubernetes.events import read_event
from hotfire_infra.executors.kubernetes.sightings import PodSight, read_pod
from hotfire_infra.executors.kubernetes.watching import Watcher
from hotfire_k8s.api import ApiClient
from hotfire_k8s.errors import ComponentError
from hotfire_k8s.kwok import PREFIX
from hotfire_testframework.contract.identifiers import command_test_id
from hotfire_testframework.contract.stream import encode_record
from hotfire_testframework.contract.task import AttemptSpec
from hotfire_testframework.contract.ulid import Ulid
from hotfire_testframework.runner.service_link import Answer, ServiceLink

HOLD = {f"{PREFIX}/hold": "true", f"{PREFIX}/runs-for": "0s"}
"""Annotations of pods that run until they are released."""
SECRET_SECONDS = 60.0


class Runner:
    """The part of the runner of one attempt."""

    def __init__(self, server: str, attempt: Ulid, token: str) -> None:
        self.attempt = attempt
        self.link = ServiceLink(server, attempt, token)

    def claim(self, holder: str = "stand-in") -> Answer:
        """Ask for the attempt; once granted its fence goes with every request."""
        answer = self.link.send_json("POST", "/claim", {"holder": holder})
        if answer.is_good:
            self.link.fence = int(answer.body["fence"])
        return answer

    def beat(self) -> Answer:
        """Say that it lives."""
        return self.link.send_json("PUT", "/heartbeat", {"phase": "run"})

    def ship(self, outcome: str = "passed", exit_code: int = 0) -> Answer:
        """Bring the whole stream: each expected test once, and the manifest."""
        spec = AttemptSpec.from_json(dict(self.link.send("GET", "/spec", None).body))
        body = stream_of(spec, outcome, exit_code)
        return self.link.send("POST", "/records", body, "application/x-ndjson")

    def end(self, exit_code: int = 0) -> Answer:
        """Say the runner's last word."""
        return self.link.send_json("POST", "/end", {"exit_code": exit_code})

    def play(self, outcome: str = "passed", exit_code: int = 0) -> None:
        """Do all of it; AssertionError where something is refused."""
        for answer in (
            self.claim(),
            self.ship(outcome, exit_code),
            self.end(exit_code),
        ):
            assert answer.is_good, answer
        self.link.close()


def stream_of(spec: AttemptSpec, outcome: str, exit_code: int) -> bytes:
    """Return the stream of a runner whose tests all end alike."""
    tests = spec.expected or (spec.spec.test or str(command_test_id(spec.task)),)
    records: list[tuple[str, Mapping[str, Any]]] = [
        ("session", {"attempt": spec.attempt, "runner_version": "stand-in", "boot_id": "stand-in",
                     "pid": 0, "wall_ns": 0, "python": "stand-in"}),
        ("environment", {"values": {"machine": "simulated"}}),
        ("collected", {"harness": str(spec.spec.harness), "tests": list(tests)}),
    ]  # fmt: skip
    for test in tests:
        records.append(("test_start", {"test": test, "try": 1}))
        result: dict[str, Any] = {"test": test, "try": 1, "outcome": outcome, "duration_ns": 1000}
        if outcome != "passed":
            result |= {"failure_class": "product", "message": f"{outcome} as scripted"}
        records.append(("test_attempt", result))
    body = b"".join(
        encode_record(seq, kind, seq, content) for seq, (kind, content) in enumerate(records, 1)
    )
    manifest = {
        "count": len(records),
        "tests": len(tests),
        "collected": len(tests),
        "sha256": hashlib.sha256(body).hexdigest(),
        "exit_code": exit_code,
    }
    last = len(records) + 1
    return body + encode_record(last, "manifest", last, manifest)


def token_of(client: ApiClient, attempt: Ulid, namespace: str = names.NAMESPACE) -> str:
    """Return the token in the Secret of an attempt, once it is there: a kubelet waits as well."""
    path = f"/api/v1/namespaces/{namespace}/secrets/{names.job_name(attempt)}"
    deadline = time.monotonic() + SECRET_SECONDS
    while (secret := client.get(path)) is None:
        assert time.monotonic() < deadline, f"{path} is not there"
        time.sleep(0.05)
    return base64.b64decode(secret["data"]["token"]).decode("ascii")


def end_pod(
    client: ApiClient, name: str, namespace: str = names.NAMESPACE, **plays: str | None
) -> None:
    """Let a held pod end by itself, as annotations say (`exit_code="137"`); one that is gone has."""
    annotations = {f"{PREFIX}/{key.replace('_', '-')}": value for key, value in plays.items()}
    change = {"metadata": {"annotations": {f"{PREFIX}/hold": None, **annotations}}}
    path = f"/api/v1/namespaces/{namespace}/pods/{name}"
    try:
        client.merge(path, change)
    except ComponentError as error:
        if ": 404 " not in str(error):
            raise


@dataclass
class StandIn:
    """Plays whatever pod begins to run, with a few threads, until it is closed."""

    cluster: Cluster
    play: Callable[[PodSight], None]
    """Called once for every pod, when its container runs."""
    namespace: str = names.NAMESPACE
    threads: int = 4
    errors: list[BaseException] = field(default_factory=list)
    """What went wrong; whoever uses this looks at it."""
    played: int = 0
    _seen: set[str] = field(default_factory=set)
    _queue: queue.SimpleQueue[PodSight | None] = field(default_factory=queue.SimpleQueue)
    _workers: list[threading.Thread] = field(default_factory=list)
    _watcher: Watcher[PodSight] | None = None

    def start(self) -> None:
        """Begin to watch pods."""
        for number in range(self.threads):
            worker = threading.Thread(target=self._work, name=f"stand-in-{number}", daemon=True)
            worker.start()
            self._workers.append(worker)
        self._watcher = Watcher(
            name="stand-in", cluster=self.cluster, parse=read_pod, sink=self,
            path=f"/api/v1/namespaces/{self.namespace}/pods", selector=names.SELECTOR,
            decode=read_event,
        )  # fmt: skip
        self._watcher.start()

    def close(self) -> None:
        """End; pods stay as they are."""
        if self._watcher is not None:
            self._watcher.close()
        for _ in self._workers:
            self._queue.put(None)
        for worker in self._workers:
            worker.join(10)

    # What the watch tells.

    def replace(self, items: Mapping[str, PodSight], began_ns: int) -> None:
        """Take a whole list in."""
        del began_ns
        for item in items.values():
            self.put(item.name, item)

    def put(self, key: str, item: PodSight) -> None:
        """Play a pod that runs by now."""
        del key
        if item.is_running and not item.is_deleted and item.uid not in self._seen:
            self._seen.add(item.uid)
            self._queue.put(item)

    def drop(self, key: str, item: PodSight) -> None:
        """Forget a pod that is gone."""
        del key
        self._seen.discard(item.uid)

    def _work(self) -> None:
        while (pod := self._queue.get()) is not None:
            try:
                self.play(pod)
                self.played += 1
            except Exception as error:  # noqa: BLE001  # whoever uses this looks at it
                self.errors.append(error)
