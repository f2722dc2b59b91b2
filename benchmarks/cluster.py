"""What it costs to carry attempts out as Jobs, beside a bare client on the same control plane.

    python -m benchmarks.cluster [--quick] [--tasks N] [--blocks N] [--only plain|kueue]

Ours is the whole service: store, orchestrator, ingest by HTTP, executor. The peer (`cluster_bare`)
makes the same Jobs and Secrets with as many threads, hears of their ends by one watch and deletes
them; it keeps no books. A block is a batch of each, ours first in every other one; what the rate is
judged by is the median over pairs of blocks, one of either order, whose interval is said with it: a
control plane on two cores differs from itself by a tenth. First without Kueue, then with it. A batch
of ours begins when its run is stored, as the peer's when its manifests are built, and ends with the
answer to its last DELETE and the run's verdict. Pods are simulated and held until the load, which
runs beside both, lets them end; for ours it plays their runners before (claim, specification,
stream, end), all of which comes on top for the same two cores. The Secret of each pod is read for
both, as a kubelet reads it. Limits are those of the product.
"""

from __future__ import annotations

import argparse
import json
import math
import os
import signal
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import httpx
from benchmarks.cluster_figures import Measured, in_words, p99, plain_row, rate_rows
from benchmarks.cluster_pods import HOLD, Runner, StandIn, end_pod, token_of
from benchmarks.cluster_service import TOLD
from benchmarks.dispatch import make_plan
from benchmarks.report import Row, print_report
from sqlalchemy import select

from hotfire_infra.executors.kubernetes.cluster import Access, Cluster
from hotfire_infra.executors.kubernetes.sightings import PodSight
from hotfire_infra.orchestrator.creation import RunRequest, create_run
from hotfire_infra.orchestrator.run_order import RunOrder
from hotfire_infra.source.stamp import StoredSource
from hotfire_infra.store import queries
from hotfire_infra.store.database import Store, open_store
from hotfire_infra.store.models import Run
from hotfire_k8s import lifecycle
from hotfire_k8s.api import ApiClient
from hotfire_k8s.handle import ClusterHandle
from hotfire_k8s.lifecycle import Request
from hotfire_k8s.nodes import FAKE_TAINT

OURS, BARE = "hotfire", "bare"
NARROW = "narrow"
"""A queue with little quota, and the team that uses it."""
REVISION = "0" * 40
DEADLINE_SECONDS = 3600.0
KUEUE = "kueue.x-k8s.io/v1beta2"


@dataclass(frozen=True, slots=True, kw_only=True)
class Sizes:
    """How much is done; tasks of a mode are cut into blocks."""

    tasks: int
    blocks: int
    nodes: int
    failing: int
    """Attempts that end without their runner's word, so that only the watch tells."""
    queued: int
    quota: int
    """Of the narrow queue: so many of `queued` run at once."""


FULL = Sizes(tasks=5000, blocks=10, nodes=1000, failing=200, queued=120, quota=20)
QUICK = Sizes(tasks=200, blocks=2, nodes=100, failing=20, queued=24, quota=6)
PLAIN, WITH_KUEUE = "plain", "kueue"
WARM_UP = 50
"""Tasks of each side before the first block."""


class Load(StandIn):
    """Plays pods in one namespace, and notes when they began and were let go."""

    def __init__(self, handle: ClusterHandle, client: ApiClient, namespace: str) -> None:
        access = Access(kubeconfig=handle.kubeconfig, connections=8)
        super().__init__(Cluster(access), self.one, namespace=namespace)
        self.client = client
        self.server = ""
        self.fails = False
        """Whether pods end with an error that nobody tries again, and say nothing."""
        self.began: list[float] = []
        self.freed: list[float] = []
        self.told_ns: dict[str, int] = {}

    def put(self, key: str, item: PodSight) -> None:
        """Note when a pod was first seen running."""
        is_new = item.is_running and not item.is_deleted and item.uid not in self._seen
        if is_new:
            self.began.append(time.perf_counter())
        super().put(key, item)

    def one(self, pod: PodSight) -> None:
        """Play one pod."""
        if self.fails:
            end_pod(self.client, pod.name, self.namespace, exit_code="20")
            return
        token = token_of(self.client, pod.attempt, self.namespace)
        if self.server:
            Runner(self.server, pod.attempt, token).play()
            self.told_ns[pod.attempt] = time.time_ns()
        end_pod(self.client, pod.name, self.namespace)
        self.freed.append(time.perf_counter())

    def reset(self) -> None:
        """Forget the batch before; its errors end the benchmark."""
        if self.errors:
            raise RuntimeError(f"the load: {self.errors[0]!r}") from self.errors[0]
        self.began, self.freed, self.told_ns = [], [], {}

    def gaps(self, quota: int) -> list[float]:
        """Return the time from each quota that came free to the start that used it."""
        later = sorted(self.began)[quota:]
        return [begin - end for end, begin in zip(sorted(self.freed), later, strict=False)]


class Bench:
    """One mode, with Kueue or without: a service of its own, and the load for both."""

    def __init__(self, handle: ClusterHandle, folder: Path, *, with_kueue: bool) -> None:
        self.handle, self.with_kueue = handle, with_kueue
        self.home = folder / ("kueue" if with_kueue else "plain")
        self.home.mkdir()
        with socket.create_server(("127.0.0.1", 0)) as free:
            self.port = free.getsockname()[1]
        self.section = {
            "service_url": f"http://127.0.0.1:{self.port}",
            "image": "none",
            "checks_runner": False,
            "kubeconfig": str(handle.kubeconfig),
            "namespace": OURS,
            "tolerations": [{"key": FAKE_TAINT["key"], "operator": "Exists"}],
            "pod_annotations": dict(HOLD),
        }
        # JSON is YAML.
        content = json.dumps({"kubernetes": self.section})
        (self.home / "service.yaml").write_text(content, encoding="utf-8")
        self.store: Store = open_store(self.home)
        self.client = handle.client()
        self.load = Load(handle, self.client, OURS)
        self.load.server = self.section["service_url"]  # type: ignore[assignment]  # a text
        self.bare_load = Load(handle, self.client, BARE)
        self.service = self._serve()
        self.load.start()
        self.bare_load.start()

    def _serve(self) -> subprocess.Popen[bytes]:
        with (self.home / "service.log").open("wb") as log:
            service = subprocess.Popen(
                [sys.executable, "-m", "benchmarks.cluster_service", str(self.port)],
                env={**os.environ, "HOTFIRE_HOME": str(self.home)}, stdout=log, stderr=log,
            )  # fmt: skip
        address = f"http://127.0.0.1:{self.port}/api/v1/service"

        def answers() -> bool:
            if service.poll() is not None:
                raise RuntimeError((self.home / "service.log").read_text(encoding="utf-8")[-2000:])
            try:
                return httpx.get(address).is_success
            except httpx.HTTPError:
                return False

        until(answers, 0.2)
        return service

    def close(self) -> None:
        """End service and load."""
        self.service.terminate()
        self.service.wait(60)
        self.load.close()
        self.bare_load.close()
        self.store.close()
        self.client.__exit__()

    def told(self) -> dict[str, Any]:
        """Ask the service what it has taken so far."""
        path = self.home / TOLD
        path.unlink(missing_ok=True)
        self.service.send_signal(signal.SIGUSR1)
        until(path.exists, 0.01)
        found: dict[str, Any] = json.loads(path.read_text())
        return found

    def ours(self, count: int, *, team: str = "default") -> tuple[float, dict[str, Any], int]:
        """Carry so many tasks out; seconds until the last Job is deleted, what it took, the run."""
        self.load.reset()
        plan = make_plan(["true"], count)
        source = StoredSource(
            repository="benchmark", revision=REVISION, patch_digest="", subject="",
            archive_sha256=None,
        )  # fmt: skip
        before, seen = self.told(), self.seen()
        request = RunRequest(
            plan=plan, source=source, requested_by="benchmark", order=RunOrder(team=team)
        )
        run_id = create_run(self.store, request)
        began_ns = time.time_ns()
        wanted = deleted(before) + count
        until(lambda: self.over(run_id) and deleted(self.told()) >= wanted, 0.2)
        after = self.told()
        seconds = (max(after["deleted_ns"], self.verdict_ns(run_id)) - began_ns) / 1e9
        self.check(difference(after["requests"], before["requests"]), seen)
        return seconds, {"before": before, "after": after}, run_id

    def verdict_ns(self, run_id: int) -> int:
        """Return when a run got its verdict."""
        with self.store.reading() as connection:
            found = connection.execute(
                select(Run.finalized_ns).where(Run.id == run_id)
            ).scalar_one()
        assert found is not None
        return found

    def over(self, run_id: int) -> bool:
        """Whether a run has its verdict."""
        if self.load.errors:
            raise RuntimeError(f"the load: {self.load.errors[0]!r}") from self.load.errors[0]
        with self.store.reading() as connection:
            return queries.run_by_id(connection, run_id).verdict is not None

    def seen(self) -> dict[str, int]:
        """Return how many Jobs and Secrets the API server has been asked to make, by whomever."""
        found = {"jobs": 0, "secrets": 0}
        for line in self.client.text("/metrics").splitlines():
            if line.startswith("apiserver_request_total{") and 'verb="POST"' in line:
                for name in found:
                    if f'resource="{name}"' in line and 'code="201"' in line:
                        found[name] += int(float(line.rpartition(" ")[2]))
        return found

    def check(self, ours: Mapping[str, int], seen: Mapping[str, int]) -> None:
        """Hold our own counters against those of the API server."""
        for name, after in self.seen().items():
            said = ours.get(f"POST {name} 201", 0)
            if after - seen[name] != said:
                raise RuntimeError(
                    f"{name} made: we count {said}, the API server {after - seen[name]}"
                )

    def bare(self, count: int, *, local_queue: str = "default") -> dict[str, float]:
        """Let the bare client do the same."""
        self.bare_load.reset()
        queue = local_queue if self.with_kueue else ""
        argv = [
            sys.executable, "-m", "benchmarks.cluster_bare", str(self.handle.kubeconfig), BARE,
            queue, str(count),
        ]  # fmt: skip
        with subprocess.Popen(
            argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        ) as client:
            assert client.stdin is not None
            assert client.stdout is not None
            client.stdin.write(json.dumps(self.section) + "\n")
            client.stdin.flush()
            if client.stdout.readline() != "ready\n":
                raise RuntimeError("the bare client did not begin")
            client.stdin.write("go\n")
            client.stdin.flush()
            said = client.stdout.readline()
        if not said:
            raise RuntimeError("the bare client broke off")
        found: dict[str, float] = json.loads(said)
        return found

    def ended_ns(self, run_id: int) -> dict[str, int]:
        """Return when the attempts of a run ended by the store."""
        with self.store.reading() as connection:
            rows = queries.attempts_of(connection, run_id)
        return {row.ulid: row.ended_ns or 0 for row in rows}


def measure(bench: Bench, sizes: Sizes, mode: str) -> Iterator[list[Row]]:
    """Measure one mode; yield rows as soon as they stand."""
    found = Measured()
    # A control plane that has done nothing yet is faster than ever after.
    bench.bare(WARM_UP)
    bench.ours(WARM_UP)
    size = sizes.tasks // sizes.blocks
    bare_before = ours_before = 0.0
    for number in range(sizes.blocks):
        # Whoever follows the other has its leftovers cleared away beside its own work, and was up
        # to a third slower than who follows itself: only two blocks together are fair to both.
        if number % 2:
            ours, bare = _ours(bench, size, found), _bare(bench, size, found)
            found.ratios.append((bare_before + bare) / (ours_before + ours))
        else:
            bare, ours = _bare(bench, size, found), _ours(bench, size, found)
            bare_before, ours_before = bare, ours
        found.tasks += size
        _say(
            f"{mode}: block {number + 1} of {sizes.blocks}, {size} tasks: {size / ours:.2f} a "
            f"second, bare {size / bare:.2f}"
            + (f"; {in_words(found.ratios)}" if number % 2 else "")
        )
    yield rate_rows(mode, found)
    bench.load.fails = True
    _, took, run_id = bench.ours(sizes.failing)
    bench.load.fails = False
    heard = took["after"]["heard"]
    lags = [(at - heard[ulid]) / 1e9 for ulid, at in bench.ended_ns(run_id).items()]
    yield [plain_row(f"watch to store, p99, {mode}", 1e3 * p99(lags), None, "ms")]
    if bench.with_kueue:
        bench.ours(sizes.queued, team=NARROW)
        ours = 1e3 * statistics.median(bench.load.gaps(sizes.quota))
        bench.bare(sizes.queued, local_queue=NARROW)
        bare = 1e3 * statistics.median(bench.bare_load.gaps(sizes.quota))
        yield [plain_row("freed quota to next start, median", ours, bare, "ms")]


def _bare(bench: Bench, size: int, found: Measured) -> float:
    """Let the peer do a batch; seconds."""
    told = bench.bare(size)
    found.bare_seconds += told["seconds"]
    found.bare_cpu += told["cpu"]
    found.bare_requests += int(told["requests"])
    return told["seconds"]


def _ours(bench: Bench, size: int, found: Measured) -> float:
    """Do a batch; seconds."""
    seconds, took, run_id = bench.ours(size)
    before, after = took["before"], took["after"]
    found.ours_seconds += seconds
    found.service_cpu += after["cpu"] - before["cpu"]
    found.executor_cpu += executor_cpu(after) - executor_cpu(before)
    found.requests += sum(difference(after["requests"], before["requests"]).values())
    found.peak_mib = after["peak_mib"]
    ended = bench.ended_ns(run_id)
    found.end_lags += [(ended[ulid] - at) / 1e9 for ulid, at in bench.load.told_ns.items()]
    return seconds


def executor_cpu(told: Mapping[str, Any]) -> float:
    """Return the processor time of the executor's own threads: its hands and watches."""
    threads: Mapping[str, float] = told["threads"]
    own = ("hotfire-hand-", "hotfire-watch-", "hotfire-supply")
    return sum(spent for name, spent in threads.items() if name.startswith(own))


def deleted(told: Mapping[str, Any]) -> int:
    """Return how many Jobs were deleted."""
    return sum(count for key, count in told["requests"].items() if key.startswith("DELETE jobs 20"))


def difference(after: Mapping[str, int], before: Mapping[str, int]) -> dict[str, int]:
    """Return what came on top."""
    return {key: count - before.get(key, 0) for key, count in after.items()}


def until(what: Callable[[], object], pause: float) -> None:
    """Wait until something is true."""
    deadline = time.monotonic() + DEADLINE_SECONDS
    while not what():
        if time.monotonic() > deadline:
            raise RuntimeError("it does not come to an end")
        time.sleep(pause)


def _told(parts: Iterator[list[Row]]) -> list[Row]:
    """Return all rows, and say each part as soon as it stands: it may take long to the end."""
    rows: list[Row] = []
    for part in parts:
        rows += part
        for row in part:
            peer = "" if row.peer is None else f", {row.peer_name} {row.peer:.4g}"
            _say(f"{row.name}: {row.ours:.4g} {row.unit}{peer}")
    return rows


def add_queues(client: ApiClient, quota: int) -> None:
    """Open our queues to the bare client too, and add the narrow one for both."""
    path = f"/apis/{KUEUE}/clusterqueues/hotfire-team-default"
    client.merge(path, {"spec": {"namespaceSelector": {"matchLabels": None}}})
    flavor = {"nodeLabels": {"kubernetes.io/os": "linux"}}
    quotas = [{"name": "cpu", "nominalQuota": quota}, {"name": "memory", "nominalQuota": "9Ti"}]
    group = {
        "coveredResources": ["cpu", "memory"],
        "flavors": [{"name": NARROW, "resources": quotas}],
    }
    objects: list[tuple[str, dict[str, str], dict[str, Any]]] = [
        ("ResourceFlavor", {"name": NARROW}, flavor),
        ("ClusterQueue", {"name": NARROW}, {"namespaceSelector": {}, "resourceGroups": [group]}),
        ("LocalQueue", {"name": NARROW, "namespace": OURS}, {"clusterQueue": NARROW}),
        ("LocalQueue", {"name": NARROW, "namespace": BARE}, {"clusterQueue": NARROW}),
        ("LocalQueue", {"name": "default", "namespace": BARE},
         {"clusterQueue": "hotfire-team-default"}),
    ]  # fmt: skip
    for kind, metadata, spec in objects:
        client.apply({"apiVersion": KUEUE, "kind": kind, "metadata": metadata, "spec": spec})


@contextmanager
def benching(handle: ClusterHandle, folder: Path, *, with_kueue: bool) -> Iterator[Bench]:
    """Yield a mode that is ready to be measured."""
    bench = Bench(handle, folder, with_kueue=with_kueue)
    try:
        yield bench
    finally:
        bench.close()


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure and print."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.cluster", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="200 tasks on 100 nodes")
    parser.add_argument("--tasks", type=int, metavar="N", help="so many instead, of each side")
    parser.add_argument(
        "--blocks", type=int, metavar="N", help="so many, an even number, 10 to decide"
    )
    parser.add_argument("--only", choices=(PLAIN, WITH_KUEUE), help="one mode, not both")
    options = parser.parse_args(arguments)
    sizes = QUICK if options.quick else FULL
    blocks = 2 * math.ceil((options.blocks or sizes.blocks) / 2)
    sizes = replace(sizes, tasks=options.tasks or sizes.tasks, blocks=blocks)
    rows: list[Row] = []
    with tempfile.TemporaryDirectory(prefix="hotfire-cluster-") as name:
        folder = Path(name)
        began = time.perf_counter()
        handle = ClusterHandle.start(folder / "cluster", nodes=sizes.nodes, kueue=False, say=_say)
        try:
            _say(f"control plane up after {time.perf_counter() - began:.1f} s")
            with handle.client() as client:
                place = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": BARE}}
                client.create(place)
                if options.only != WITH_KUEUE:
                    with benching(handle, folder, with_kueue=False) as bench:
                        rows += _told(measure(bench, sizes, "without Kueue"))
                if options.only != PLAIN:
                    began = time.perf_counter()
                    lifecycle.up(handle.home, Request(kueue=True, queues=True), _say)
                    _say(f"Kueue up after {time.perf_counter() - began:.1f} s")
                    add_queues(client, sizes.quota)
                    with benching(handle, folder, with_kueue=True) as bench:
                        rows += _told(measure(bench, sizes, "with Kueue"))
        finally:
            handle.end()
    print_report("cluster", rows)
    return 0


def _say(text: str) -> None:
    print(f"cluster {time.strftime('%H:%M:%S')}: {text}", file=sys.stderr, flush=True)


if __name__ == "__main__":
    sys.exit(main())
