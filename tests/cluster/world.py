"""A service on the real control plane: a store, an orchestrator turned by hand, an executor for Jobs.

Each world has a namespace of its own. Pods are held: nothing of them ends before a test says so.
"""

from __future__ import annotations

import itertools
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from benchmarks.cluster_pods import HOLD, Runner, token_of

from hotfire_infra.analysis.reporting import StoreReports
from hotfire_infra.api.service import Service
from hotfire_infra.clock import ManualClock
from hotfire_infra.executors.kubernetes import names
from hotfire_infra.executors.kubernetes.executor import KubernetesExecutor
from hotfire_infra.executors.kubernetes.watching import Pace
from hotfire_infra.executors.pushed import PushedExecutor
from hotfire_infra.orchestrator.creation import RunRequest, create_run
from hotfire_infra.orchestrator.run_order import RunOrder
from hotfire_infra.sections.kubernetes import KubernetesSection
from hotfire_infra.settings import read_settings
from hotfire_infra.states import AttemptState, Priority
from hotfire_infra.store import queries
from hotfire_infra.store.database import Store, open_store
from hotfire_infra.store.rows import AttemptRow, RunSnapshot
from hotfire_k8s.api import ApiClient
from hotfire_k8s.handle import ClusterHandle
from hotfire_k8s.nodes import FAKE_TAINT
from hotfire_pipelines.plan import Plan
from hotfire_testframework.contract.ulid import Ulid

from ..infra.conftest import SOURCE, Stand, plan_of, serve_service, spec_of

PATIENCE_S = 60.0
KUEUE = "kueue.x-k8s.io/v1beta2"
QUICK = Pace(
    watch_seconds=60, silence_seconds=30, first_backoff_seconds=0.05, longest_backoff_seconds=0.5
)
_NUMBERS = itertools.count(1)


@dataclass
class World:
    """One service and its executor; `restart` replaces the executor as a new process would."""

    cluster: ClusterHandle
    client: ApiClient
    store: Store
    clock: ManualClock
    address: str
    namespace: str
    section: Mapping[str, Any]
    executor: KubernetesExecutor = field(init=False)
    stand: Stand = field(init=False)
    runners: list[Runner] = field(default_factory=list)
    """All that were played, to be closed in the end."""

    def __post_init__(self) -> None:
        self._begin()

    def _begin(self) -> None:
        section = KubernetesSection.model_validate(
            {
                "service_url": self.address,
                "image": "none",
                "checks_runner": False,
                "kubeconfig": self.cluster.kubeconfig,
                "namespace": self.namespace,
                "tolerations": [{"key": FAKE_TAINT["key"], "operator": "Exists"}],
                "pod_annotations": HOLD,
                "kueue": "no",
                **self.section,
            }
        )
        self.executor = KubernetesExecutor(self.store.attempts, section, self.store.clock)
        self.executor.desk.pace = QUICK
        self.executor.desk.hands.first_seconds = 0.05
        self.executor.desk.hands.longest_seconds = 0.5
        self.stand = Stand(self.store, self.executor, self.store.home / "cache")

    def end(self) -> None:
        """Let go of lock and cluster; Jobs stay."""
        self.executor.close()
        self.stand.orchestrator.lock.release()

    def restart(self) -> None:
        """Go on as another process."""
        self.end()
        self._begin()

    # Runs.

    def start(
        self,
        *tasks: str,
        priority: Priority = Priority.DEVELOPER,
        team: str = "default",
        **spec: Any,
    ) -> int:
        """Record a run of tasks that need nothing but a processor."""
        specs = {name: spec_of(retries=2, **spec) for name in tasks}
        plan = plan_of({name: [f"m/s/{name}"] for name in tasks}, specs=specs)
        return self.record(plan, priority=priority, team=team)

    def record(
        self, plan: Plan, *, priority: Priority = Priority.DEVELOPER, team: str = "default"
    ) -> int:
        """Record a run of a plan."""
        request = RunRequest(
            plan=plan,
            source=SOURCE,
            requested_by="tester",
            order=RunOrder(priority=priority, team=team),
        )
        return create_run(self.store, request)

    def until(self, what: Callable[[], Any], *, turning: bool = True) -> Any:
        """Go round until something is true, and return it."""
        deadline = time.monotonic() + PATIENCE_S
        while not (found := what()):
            assert time.monotonic() < deadline, f"it never came true: {self.told()}"
            if turning:
                self.stand.orchestrator.round()
            self.executor.wait(0.02)
        return found

    def told(self) -> str:
        """Return how all attempts are, for an assertion that fails."""
        with self.store.reading() as connection:
            runs = queries.unfinished_runs(connection)
        every = [row for run in runs for row in self.attempts(run.id)]
        return "; ".join(
            f"{row.task_key} {row.number} {row.state} {row.reason} "
            f"{self.executor.attach(Ulid(row.ulid))}"
            for row in every
        )

    def attempts(self, run_id: int) -> list[AttemptRow]:
        """Return the attempts of a run."""
        with self.store.reading() as connection:
            return list(queries.attempts_of(connection, run_id))

    def attempt(self, run_id: int, number: int = 1, task: str = "") -> AttemptRow | None:
        """Return one attempt, once there is one."""
        return next(
            (
                row
                for row in self.attempts(run_id)
                if row.number == number and task in ("", row.task_key)
            ),
            None,
        )

    def show(self, run_id: int) -> RunSnapshot:
        """Return a run as it is."""
        return self.stand.show(run_id)

    def over(self, run_id: int) -> RunSnapshot:
        """Go round until a run is over."""
        self.until(lambda: self.show(run_id).run.verdict is not None)
        return self.show(run_id)

    # What is in the cluster.

    def job(self, attempt: AttemptRow) -> dict[str, Any] | None:
        """Return the Job of an attempt."""
        name = names.job_name(Ulid(attempt.ulid))
        return self.client.get(f"/apis/batch/v1/namespaces/{self.namespace}/jobs/{name}")

    def pods(self, attempt: AttemptRow | None = None) -> list[dict[str, Any]]:
        """Return the pods of an attempt, or of all."""
        path = f"/api/v1/namespaces/{self.namespace}/pods"
        if attempt is not None:
            path += f"?labelSelector={names.ATTEMPT}%3D{attempt.ulid}"
        return list((self.client.get(path) or {"items": []})["items"])

    def pod_path(self, pod: Mapping[str, Any]) -> str:
        """Return where a pod is asked for."""
        return f"/api/v1/namespaces/{self.namespace}/pods/{pod['metadata']['name']}"

    def running(self, run_id: int, number: int = 1, task: str = "") -> Running:
        """Go round until an attempt's pod runs."""

        def look() -> Running | None:
            attempt = self.attempt(run_id, number, task)
            pods = [] if attempt is None else self.pods(attempt)
            if attempt is None or not pods or pods[0]["status"].get("phase") != "Running":
                return None
            return Running(self, attempt, pods[0])

        found: Running = self.until(look)
        return found

    def waiting(self, run_id: int, words: str, number: int = 1) -> str:
        """Go round until an attempt waits for something, in somebody's words."""

        def look() -> str:
            attempt = self.attempt(run_id, number)
            seen = None if attempt is None else self.executor.attach(Ulid(attempt.ulid))
            return seen.waiting if seen is not None and words in seen.waiting else ""

        return str(self.until(look))

    def jobs_made(self) -> int:
        """Return how many Jobs this executor has had made."""
        return self.executor.desk.cluster.counts["POST", "jobs", "201"]


@dataclass
class Running:
    """An attempt with its pod, and its runner to be played."""

    world: World
    attempt: AttemptRow
    pod: Mapping[str, Any]

    @property
    def name(self) -> str:
        """Of the pod."""
        return str(self.pod["metadata"]["name"])

    @property
    def node(self) -> str:
        """Where it runs."""
        return str(self.pod["spec"]["nodeName"])

    def runner(self) -> Runner:
        """Return its runner, with the token that its pod can read."""
        world, ulid = self.world, Ulid(self.attempt.ulid)
        token = token_of(world.client, ulid, world.namespace)
        world.runners.append(Runner(world.address, ulid, token))
        return world.runners[-1]

    def claimed(self) -> Runner:
        """Return its runner once it has the attempt."""
        runner = self.runner()
        answer = runner.claim()
        assert answer.is_good, answer
        return runner

    def evict(self, grace_seconds: int | None = None) -> None:
        """Have the pod evicted by the eviction API, as a drained node does it."""
        options = {} if grace_seconds is None else {"gracePeriodSeconds": grace_seconds}
        body = {
            "apiVersion": "policy/v1",
            "kind": "Eviction",
            "metadata": {"name": self.name, "namespace": self.world.namespace},
            "deleteOptions": options,
        }
        answer = self.world.client._ask("POST", f"{self.world.pod_path(self.pod)}/eviction", body)
        assert answer.is_success, answer.text

    def ended(self) -> AttemptRow:
        """Go round until the attempt is over, and return it."""
        run_id, number, task = self.attempt.run_id, self.attempt.number, self.attempt.task_key

        def look() -> AttemptRow | None:
            row = self.world.attempt(run_id, number, task)
            return row if row is not None and row.ended_ns is not None else None

        found: AttemptRow = self.world.until(look)
        return found


@contextmanager
def service_at(home: Path, clock: ManualClock) -> Iterator[tuple[Store, str]]:
    """Serve an empty store; yield it and the address."""
    store = open_store(home, clock=clock)
    service = Service(
        store=store,
        settings=read_settings(environ={"HOTFIRE_HOME": str(home), "HOTFIRE_USER": "ada"}),
        executor=PushedExecutor(store.attempts, clock),
        reports=StoreReports(store),
        executes=False,
    )
    try:
        with serve_service(service) as address:
            yield store, address
    finally:
        store.close()


@contextmanager
def worlds(cluster: ClusterHandle, folder: Path) -> Iterator[Callable[..., World]]:
    """Yield what makes worlds on one cluster; they end with the block, and so do their Jobs."""
    with ExitStack() as stack:
        client = stack.enter_context(cluster.client())
        clock = ManualClock()
        store, address = stack.enter_context(service_at(folder / "home", clock))

        def build(**section: Any) -> World:
            namespace = str(section.pop("namespace", "")) or make_namespace(client)
            world = World(
                cluster=cluster, client=client, store=store, clock=clock, address=address,
                namespace=namespace, section=section,
            )  # fmt: skip
            stack.callback(_take_away, world)
            return world

        yield build


def make_namespace(client: ApiClient) -> str:
    """Make a namespace in which pods can be made."""
    name = f"traps-{next(_NUMBERS)}"
    client.create({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}})
    deadline = time.monotonic() + PATIENCE_S
    while client.get(f"/api/v1/namespaces/{name}/serviceaccounts/default") is None:
        assert time.monotonic() < deadline, "no service account"
        time.sleep(0.05)
    return name


def _take_away(world: World) -> None:
    world.end()
    for runner in world.runners:
        runner.link.close()
    base = f"/apis/batch/v1/namespaces/{world.namespace}/jobs"
    for job in (world.client.get(base) or {"items": []})["items"]:
        world.client.delete(f"{base}/{job['metadata']['name']}?propagationPolicy=Background")
    for pod in world.pods():
        world.client.delete(f"{world.pod_path(pod)}?gracePeriodSeconds=0")


def passes(world: World, run_id: int, number: int = 1, task: str = "") -> None:
    """Play the runner of an attempt, which passes."""
    pod = world.running(run_id, number, task)
    pod.runner().play()
    assert pod.ended().state is AttemptState.PASSED


def add_queue(world: World, cpus: int, **spec: Any) -> None:
    """Let Kueue admit so many processors in the world's namespace, in a queue of its own."""
    every = {"kubernetes.io/os": "linux"}
    taint = {"key": FAKE_TAINT["key"], "operator": "Exists"}
    flavor = {"nodeLabels": every, "tolerations": [taint]}
    quotas = [{"name": "cpu", "nominalQuota": cpus}, {"name": "memory", "nominalQuota": "64Gi"}]
    group = {
        "coveredResources": ["cpu", "memory"],
        "flavors": [{"name": "anywhere", "resources": quotas}],
    }
    queue = {"namespaceSelector": {}, "resourceGroups": [group], **spec}
    for kind, name, place, body in (
        ("ResourceFlavor", "anywhere", {}, {"spec": flavor}),
        ("ClusterQueue", world.namespace, {}, {"spec": queue}),
        ("LocalQueue", "default", {"namespace": world.namespace},
         {"spec": {"clusterQueue": world.namespace}}),
        # All of them: of a Job with a class that is not there Kueue makes nothing, and says nothing.
        *(("WorkloadPriorityClass", one.value, {}, {"value": value})
          for one, value in names.PRIORITIES.items()),
    ):  # fmt: skip
        world.client.apply(
            {"apiVersion": KUEUE, "kind": kind, "metadata": {"name": name, **place}, **body}
        )
