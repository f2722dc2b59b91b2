"""The peer of `benchmarks.cluster`: a bare client of the API server that keeps no books.

    python -m benchmarks.cluster_bare KUBECONFIG NAMESPACE QUEUE COUNT

Eight threads make the same Jobs and Secrets as we do, one watch hears of their ends, and the threads
delete what has ended. QUEUE may be empty: no Kueue. It says `ready`, begins at the next line of its
standard input, and ends with one line of JSON.
"""

from __future__ import annotations

import base64
import http.client
import json
import queue
import resource
import ssl
import sys
import tempfile
import threading
import time
from pathlib import Path
from typing import Any

from hotfire_infra.executors.kubernetes.jobs import job_of, secret_of
from hotfire_infra.executors.protocol import Order
from hotfire_infra.sections.kubernetes import KubernetesSection
from hotfire_testframework.contract.task import AttemptSpec, TaskSpec
from hotfire_testframework.contract.ulid import new_ulid

THREADS = 8
BARE = {"app.kubernetes.io/part-of": "bare"}
_AGENT = {"User-Agent": "bare", "Content-Type": "application/json", "Accept": "application/json"}
DELETE, MAKE, END = 0, 1, 2
"""What has ended goes first, as with us."""


class Bare:
    """One batch."""

    def __init__(self, kubeconfig: Path, namespace: str) -> None:
        whole = json.loads(kubeconfig.read_text(encoding="utf-8"))
        address = whole["clusters"][0]["cluster"]
        user = whole["users"][0]["user"]
        self.host = address["server"].removeprefix("https://")
        authority = base64.b64decode(address["certificate-authority-data"]).decode()
        self.context = ssl.create_default_context(cadata=authority)
        with tempfile.NamedTemporaryFile("wb") as pair:
            for part in ("client-certificate-data", "client-key-data"):
                pair.write(base64.b64decode(user[part]))
            pair.flush()
            self.context.load_cert_chain(pair.name)
        self.jobs = f"/apis/batch/v1/namespaces/{namespace}/jobs"
        self.secrets = f"/api/v1/namespaces/{namespace}/secrets"
        self.work: queue.PriorityQueue[tuple[int, int, Any]] = queue.PriorityQueue()
        self.requests = 0
        self.left = threading.Semaphore(0)

    def connect(self) -> http.client.HTTPSConnection:
        """Return a connection of a thread's own."""
        return http.client.HTTPSConnection(self.host, context=self.context, timeout=600)

    def ask(
        self, connection: http.client.HTTPSConnection, method: str, path: str, body: Any
    ) -> Any:
        """Make one request; what is refused ends the benchmark."""
        connection.request(method, path, json.dumps(body), _AGENT)
        answer = connection.getresponse()
        content = answer.read()
        self.requests += 1
        if answer.status >= 300:
            raise RuntimeError(f"{method} {path}: {answer.status} {content[:300]!r}")
        return json.loads(content)

    def hand(self) -> None:
        """Work the queue off."""
        connection = self.connect()
        while True:
            kind, _, item = self.work.get()
            if kind == END:
                return
            if kind == MAKE:
                job, make_secret = item
                uid = self.ask(connection, "POST", self.jobs, job)["metadata"]["uid"]
                self.ask(connection, "POST", self.secrets, make_secret(uid))
            else:
                background = {"propagationPolicy": "Background"}
                self.ask(connection, "DELETE", f"{self.jobs}/{item}", background)
                self.left.release()

    def watch(self, count: int) -> None:
        """Have deleted what has ended, each once."""
        connection = self.connect()
        selector = "labelSelector=app.kubernetes.io%2Fpart-of%3Dbare"
        listed = f"{self.jobs}?{selector}&limit=1"
        connection.request("GET", listed, headers=_AGENT)
        version = json.loads(connection.getresponse().read())["metadata"]["resourceVersion"]
        path = f"{self.jobs}?{selector}&watch=1&resourceVersion={version}&timeoutSeconds=3600"
        connection.request("GET", path, headers=_AGENT)
        answer = connection.getresponse()
        self.requests += 2
        seen: set[str] = set()
        while len(seen) < count:
            event = json.loads(answer.readline())
            found = event["object"]
            conditions = found.get("status", {}).get("conditions", ())
            name = found["metadata"]["name"]
            if name not in seen and any(
                one["type"] in ("Complete", "Failed") and one["status"] == "True"
                for one in conditions
            ):
                seen.add(name)
                self.work.put((DELETE, len(seen), name))


def order() -> Order:
    """Return the same order as the tasks of ours."""
    task = TaskSpec.from_json({"harness": "command", "command": ["true"]})
    spec = AttemptSpec(attempt=new_ulid(), run="r", task="task", spec=task)
    return Order(spec=spec, token="t" * 43, platform="here")


def main(kubeconfig: Path, namespace: str, local_queue: str, count: int) -> None:
    """Run one batch and tell."""
    bare = Bare(kubeconfig, namespace)
    section = KubernetesSection.model_validate(
        json.loads(sys.stdin.readline()) | {"namespace": namespace, "queue": local_queue or "x"}
    )
    items = []
    for number in range(count):
        one = order()
        job = job_of(one, section, with_kueue=bool(local_queue))
        job["metadata"]["labels"] = {**job["metadata"]["labels"], **BARE}
        items.append((MAKE, number, (job, lambda uid, one=one: secret_of(one, section, uid))))
    watcher = threading.Thread(target=bare.watch, args=(count,), daemon=True)
    watcher.start()
    hands = [threading.Thread(target=bare.hand, daemon=True) for _ in range(THREADS)]
    print("ready", flush=True)
    sys.stdin.readline()
    before, began = _cpu(), time.perf_counter()
    for item in items:
        bare.work.put(item)
    for hand in hands:
        hand.start()
    for _ in range(count):
        if not bare.left.acquire(timeout=1800):
            raise RuntimeError("the bare client does not come to an end")
    told = {
        "seconds": time.perf_counter() - began,
        "cpu": _cpu() - before,
        "requests": bare.requests,
    }
    print(json.dumps(told), flush=True)


def _cpu() -> float:
    usage = resource.getrusage(resource.RUSAGE_SELF)
    return usage.ru_utime + usage.ru_stime


if __name__ == "__main__":
    main(Path(sys.argv[1]), sys.argv[2], sys.argv[3], int(sys.argv[4]))
