"""Where requests go out and news come in: watches, hands, and which Jobs are owed or too many.

A Job is made by its name, which is the attempt's: asked twice, the cluster answers "already exists",
and with our label that is success. It is never made again once it was seen, so that one which
somebody deleted, or which ran out of its time to live, does not come to life a second time.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from hotfire_infra.errors import ClusterError
from hotfire_infra.executors.kubernetes import names
from hotfire_infra.executors.kubernetes.cluster import Access, Cluster, Object, Trouble
from hotfire_infra.executors.kubernetes.events import read_event
from hotfire_infra.executors.kubernetes.hands import Hands, Work
from hotfire_infra.executors.kubernetes.jobs import job_of, secret_of
from hotfire_infra.executors.kubernetes.overlooked import Overlooked
from hotfire_infra.executors.kubernetes.sightings import (
    Condition,
    JobSight,
    JobSink,
    PodSight,
    PodSink,
    Seen,
    Sightings,
    WorkloadSight,
    WorkloadSink,
    read_job,
    read_pod,
    read_workload,
)
from hotfire_infra.executors.kubernetes.watching import Pace, Watcher
from hotfire_infra.executors.protocol import Order
from hotfire_infra.executors.spool import Spool, read_object, write_object
from hotfire_infra.sections.kubernetes import KubernetesSection
from hotfire_infra.states import Priority
from hotfire_testframework.contract.evidence import Evidence, Witness
from hotfire_testframework.contract.failure import FailureClass
from hotfire_testframework.contract.task import AttemptSpec
from hotfire_testframework.contract.ulid import Ulid
from hotfire_testframework.runner.bundle import bundle_sha256

log = logging.getLogger(__name__)

KUEUE_SECONDS = 60.0
"""How often it is asked whether the cluster has Kueue: it may come, and go, while we run."""
JANITOR_SECONDS = 5.0
POD_SECONDS, EVENT_SECONDS = 10.0, 15.0
"""When Jobs without a pod are asked about, and how often again."""
CREATE = "create"
"""All creating pauses together."""
JOB_WATCH, POD_WATCH, WORKLOAD_WATCH = "jobs", "pods", "workloads"


@dataclass(slots=True)
class Desk:
    """One per executor; threads start with the first request for something."""

    root: Path
    section: KubernetesSection
    news: threading.Event
    given: Cluster | None = None
    pace: Pace = field(default_factory=Pace)
    mono_ns: Callable[[], int] = time.monotonic_ns
    avoid: Callable[[Order], tuple[str, ...]] = lambda order: order.avoid
    """Which nodes an order is to keep off; asked when its Job is made, and may ask the cluster."""
    cluster: Cluster = field(init=False)
    hands: Hands = field(init=False)
    sightings: Sightings = field(init=False)
    watchers: dict[str, Watcher[Any]] = field(default_factory=dict)
    has_kueue: bool = False
    _overlooked: Overlooked = field(init=False)
    _kueue_version: str = names.KUEUE_VERSION
    _is_kueue_known: bool = False
    _made_ns: dict[Ulid, int] = field(default_factory=dict)
    _troubles: dict[Ulid, str] = field(default_factory=dict)
    _events_ns: int = -(10**18)
    _failures: dict[Ulid, Evidence] = field(default_factory=dict)
    _runner: str | None = None
    _lock: threading.Lock = field(default_factory=threading.Lock)
    _is_started: bool = False
    _is_closed: bool = False

    def __post_init__(self) -> None:
        limits = self.section.limits
        access = Access(
            kubeconfig=self.section.kubeconfig,
            context=self.section.context,
            connections=limits.connections + 4,
        )
        self.cluster = self.given or Cluster(access)
        self.hands = Hands(count=limits.connections, per_second=limits.requests_per_second)
        self._overlooked = Overlooked(self.cluster, self.hands, self.news)
        self.sightings = Sightings(
            on_news=self._heard,
            on_eviction=self._evicted,
            on_listed=self._clear_leftovers,
        )

    def _heard(self, attempt: Ulid) -> None:
        """Wake the round for what it is to act on; the rest it sees when it comes by."""
        if self.sightings.is_urgent(attempt):
            self.news.set()

    def mark(self, attempt: Ulid) -> tuple[object, ...]:
        """Return what is another as soon as anything else is to be said of an attempt."""
        return (
            self.sightings.version(attempt),
            attempt in self._made_ns,
            self._troubles.get(attempt),
        )

    def has_failed(self, attempt: Ulid) -> bool:
        """Whether this process was told that an attempt will never get its Job."""
        return attempt in self._failures

    # Starting and ending.

    def start(self) -> None:
        """Begin to watch, unless that has begun."""
        if self._is_started:
            return
        with self._lock:
            if self._is_started or self._is_closed:
                return
            self._is_started = True
        spaces = f"/namespaces/{self.section.namespace}"
        jobs: Watcher[JobSight] = self._watcher(
            JOB_WATCH, f"/apis/batch/v1{spaces}/jobs", read_job, JobSink(self.sightings)
        )
        pods: Watcher[PodSight] = self._watcher(
            POD_WATCH, f"/api/v1{spaces}/pods", read_pod, PodSink(self.sightings)
        )
        for watcher in (jobs, pods):
            self.watchers[watcher.name] = watcher
            watcher.start()
        self._repeat("is there Kueue", self._look_for_kueue, KUEUE_SECONDS)
        self._repeat("janitor", self._sweep, JANITOR_SECONDS, first=JANITOR_SECONDS)

    def _watcher(
        self, name: str, path: str, parse: Any, sink: Any, selector: str = names.SELECTOR
    ) -> Watcher[Any]:
        return Watcher(
            name=name, cluster=self.cluster, path=path, parse=parse, sink=sink,
            selector=selector, decode=read_event, pace=self.pace,
        )  # fmt: skip

    def _repeat(
        self, key: str, do: Callable[[], None], seconds: float, *, first: float = 0.0
    ) -> None:
        """Do something now and then for as long as the desk is open."""
        work = Work(key=key, do=do, give_up=lambda _error: None, every_seconds=seconds)
        self.hands.take(work, after_seconds=first)

    def close(self) -> None:
        """End watches and hands; what is in the cluster stays there."""
        self._is_closed = True
        self.hands.close()
        for watcher in list(self.watchers.values()):
            watcher.close()
        self.cluster.close()

    # Kueue.

    def _look_for_kueue(self) -> None:
        """Find out whether the cluster has Kueue, and by which version it is spoken to."""
        if self.section.kueue != "auto":
            self.has_kueue = self.section.kueue == "yes"
        else:
            self.has_kueue = self._ask_for_kueue()
        self._is_kueue_known = True
        if self.has_kueue and WORKLOAD_WATCH not in self.watchers and not self._is_closed:
            path = (
                f"/apis/{names.KUEUE_GROUP}/{self._kueue_version}"
                f"/namespaces/{self.section.namespace}/workloads"
            )
            workloads: Watcher[WorkloadSight] = self._watcher(
                WORKLOAD_WATCH, path, read_workload, WorkloadSink(self.sightings), ""
            )
            self.watchers[WORKLOAD_WATCH] = workloads
            workloads.start()
        if not self.has_kueue and (watcher := self.watchers.pop(WORKLOAD_WATCH, None)):
            watcher.close(0)

    def _ask_for_kueue(self) -> bool:
        try:
            group = self.cluster.get(f"/apis/{names.KUEUE_GROUP}")
        except ClusterError as error:
            if error.trouble == Trouble.ABSENT:
                return False
            raise
        served = {str(one.get("version")) for one in group.get("versions") or ()}
        preferred = (group.get("preferredVersion") or {}).get("version")
        if self._kueue_version not in served and preferred:
            self._kueue_version = str(preferred)
        return True

    # Making Jobs.

    def create(self, order: Order) -> None:
        """Have Job and Secret made; again and again until the cluster takes them."""
        attempt = order.attempt

        def give_up(error: ClusterError) -> None:
            self._fail(attempt, error)

        def note(error: ClusterError) -> None:
            self._troubles[attempt] = str(error)
            self.news.set()

        work = Work(
            key=f"{CREATE} {attempt}", do=lambda: self._make(order), give_up=give_up, note=note,
            group=CREATE, patience_seconds=self.section.limits.submit_minutes * 60,
        )  # fmt: skip
        self.hands.take(work)

    def _make(self, order: Order) -> None:
        attempt, root = order.attempt, self.root / order.attempt
        if self._is_unwanted(root) or (root / "job.made").exists():
            return
        if not self._is_kueue_known:
            self._look_for_kueue()
        namespace = self.section.namespace
        job = job_of(
            replace(order, avoid=self.avoid(order)), self.section,
            with_kueue=self.has_kueue, runner_sha256=self._runner_sha256(),
        )  # fmt: skip
        path = f"/apis/batch/v1/namespaces/{namespace}/jobs"
        uid = self._made_or_there(path, job, attempt)
        secret = secret_of(order, self.section, uid)
        self._made_or_there(f"/api/v1/namespaces/{namespace}/secrets", secret, attempt)
        self._made_ns[attempt] = self.mono_ns()
        write_object(root / "job.made", {"uid": uid})
        self._troubles.pop(attempt, None)
        # Not `_is_unwanted`: a runner that has claimed by now is the one of this very Job.
        if _is_called_off(root):
            self.delete(attempt)

    def _runner_sha256(self) -> str:
        """Return the runner that plans are frozen with here; none where any will do."""
        if self._runner is None:
            self._runner = bundle_sha256() if self.section.checks_runner else ""
        return self._runner

    def _made_or_there(self, path: str, wanted: Object, attempt: Ulid) -> str:
        """Make an object; return its UID, or that of the same one made before."""
        try:
            found = self.cluster.request("POST", path, body=wanted, is_brief=True)
        except ClusterError as error:
            if error.trouble != Trouble.CONFLICT:
                raise
            found = self.cluster.get(f"{path}/{wanted['metadata']['name']}")
            labels = found["metadata"].get("labels") or {}
            if labels.get(names.ATTEMPT) != attempt:
                raise ClusterError(
                    f"{path}/{wanted['metadata']['name']} is there and is not of attempt {attempt}",
                    trouble=Trouble.REFUSED,
                ) from error
        return str(found["metadata"]["uid"])

    def _is_unwanted(self, root: Path) -> bool:
        return Spool(root).claim_request() is not None or _is_called_off(root)

    def _fail(self, attempt: Ulid, error: ClusterError) -> None:
        """Note that an attempt will never get its Job."""
        is_wrong = error.trouble == Trouble.REFUSED
        evidence = Evidence.of(
            Witness.SUBMISSION, "kubernetes", f"the cluster did not take its Job: {error}",
            failure_class=FailureClass.CONFIG if is_wrong else None, confidence=0.9,
        )  # fmt: skip
        self._failures[attempt] = evidence
        root = self.root / attempt
        if root.exists():
            write_object(root / "job.failed", evidence.to_json())
        self.news.set()

    def failure(self, attempt: Ulid) -> Evidence | None:
        """Return why an attempt will never get its Job, if that is so."""
        if attempt in self._failures:
            return self._failures[attempt]
        noted = (
            None if attempt in self._made_ns else read_object(self.root / attempt / "job.failed")
        )
        if noted is None:
            return None
        return self._failures.setdefault(attempt, Evidence.from_json(noted))

    def obstacle(self, attempt: Ulid, seen: Seen) -> str:
        """Return why there is no Job yet; has it made where a service died before it was."""
        if seen.job is not None:
            return ""
        if self.hands.has(f"{CREATE} {attempt}"):
            trouble = self._troubles.get(attempt, "")
            return f"its Job is not made yet: {trouble}" if trouble else "its Job is being made"
        if self._has_been_made(attempt):
            return self._silence()
        order = self._order_of(attempt)
        if order is not None:
            self.create(order)
        return "its Job is being made"

    def why_no_workload(self, job: JobSight) -> str:
        """Return why Kueue does nothing with a Job; it is asked where that takes long."""
        made_ns = self._made_ns.get(job.attempt, 0)
        return self._overlooked.why(job, made_ns, self._kueue_version)

    def why_no_pod(self, attempt: Ulid) -> str:
        """Return why the Job's controller makes no pod; it is asked where that takes long."""
        now = self.mono_ns()
        if (
            now - self._made_ns.get(attempt, 0) > POD_SECONDS * 1e9
            and now - self._events_ns > EVENT_SECONDS * 1e9
        ):
            self._events_ns = now
            work = Work(
                key="events", do=self._ask_events, give_up=lambda _error: None, patience_seconds=0
            )
            self.hands.take(work)
        return self._troubles.get(attempt, "")

    def _ask_events(self) -> None:
        """Ask once for all Jobs: thousands may wait for their pods in a cluster that is busy."""
        path = f"/api/v1/namespaces/{self.section.namespace}/events"
        fields = "involvedObject.kind=Job,reason=FailedCreate"
        for event in self.cluster.get(path, fieldSelector=fields, limit="500").get("items") or ():
            attempt = names.attempt_of(str((event.get("involvedObject") or {}).get("name", "")))
            if attempt is None or self.sightings.version(attempt) == 0:
                continue
            words = " ".join(str(event.get("message", "")).split())[:300]
            self._troubles[attempt] = f"FailedCreate: {words}"

    def _silence(self) -> str:
        watcher = self.watchers.get(JOB_WATCH)
        trouble = "" if watcher is None else watcher.health.trouble
        return f"nothing is heard of its Job: {trouble}" if trouble else "its Job was made just now"

    def is_gone(self, attempt: Ulid, seen: Seen) -> bool:
        """Whether there was a Job and is none any more, and no pod that could still tell."""
        if seen.job is not None or self.hands.has(f"{CREATE} {attempt}"):
            return False
        if seen.pod is not None and not seen.pod.is_over:
            return False  # It goes after its Job, and may still come to its end.
        if seen.was_there:
            return True
        listed = self.sightings.jobs_listed_ns
        made = self._made_ns.get(attempt, 0)
        return self._has_been_made(attempt) and listed is not None and listed > made

    def _has_been_made(self, attempt: Ulid) -> bool:
        return attempt in self._made_ns or (self.root / attempt / "job.made").exists()

    def _order_of(self, attempt: Ulid) -> Order | None:
        """Read back the order of a service that died before it had the Job made."""
        root = self.root / attempt
        noted = read_object(root / "order.json")
        try:
            spec = AttemptSpec.parse((root / "attempt.json").read_bytes())
            token = (root / "token").read_text(encoding="ascii")
        except OSError:
            return None
        return None if noted is None else _order(spec, token, noted)

    # Removing.

    def delete(self, attempt: Ulid) -> None:
        """Have the Job removed, and with it Secret and pod, which gets its grace."""
        patience = self.section.limits.keep_seconds
        work = Work(
            key=f"delete {attempt}", do=lambda: self._delete(attempt),
            give_up=lambda error: log.warning("the Job of %s stays: %s", attempt, error),
            patience_seconds=patience,
        )  # fmt: skip
        self.hands.take(work)

    def _delete(self, attempt: Ulid) -> None:
        if self.hands.has(f"{CREATE} {attempt}"):
            raise ClusterError("its Job is being made", trouble=Trouble.BUSY)
        name = names.job_name(attempt)
        path = f"/apis/batch/v1/namespaces/{self.section.namespace}/jobs/{name}"
        self._remove(path, {"propagationPolicy": "Background"})
        root = self.root / attempt
        if root.exists():
            (root / "job.deleted").touch()

    def kill(self, attempt: Ulid) -> None:
        """Have the pod ended at once, not after its own grace."""
        pod = self.sightings.of(attempt).pod
        if pod is not None and not pod.is_over:
            self._end_pod(pod, 1)

    def _end_pod(self, pod: PodSight, grace_seconds: int) -> None:
        path = f"/api/v1/namespaces/{self.section.namespace}/pods/{pod.name}"
        options: Object = {"gracePeriodSeconds": grace_seconds, "preconditions": {"uid": pod.uid}}
        work = Work(
            key=f"end {pod.uid} {grace_seconds}", do=lambda: self._remove(path, options),
            give_up=lambda error: log.warning("pod %s stays: %s", pod.name, error),
        )  # fmt: skip
        self.hands.take(work)

    def _remove(self, path: str, options: Object) -> None:
        body = {"kind": "DeleteOptions", "apiVersion": "v1", **options}
        try:
            self.cluster.request("DELETE", path, body=body, is_brief=True)
        except ClusterError as error:
            # Gone, or another one of the same name: nothing of ours is left.
            if error.trouble not in (Trouble.ABSENT, Trouble.CONFLICT):
                raise

    def _evicted(self, attempt: Ulid, condition: Condition) -> None:
        """Remove the Job of an attempt whose place Kueue took: it must not be let in again."""
        if (self.root / attempt / "attempt.json").exists():
            log.info("attempt %s was evicted: %s", attempt, condition.words)
            self.delete(attempt)

    def _sweep(self) -> None:
        """Remove pods by force that should have ended long ago: their nodes are dead."""
        limit = self.section.limits.stuck_seconds
        for seen in self.sightings.pods():
            pod, deleted = seen.pod, seen.since_ns.get("deleted")
            if pod is None or deleted is None:
                continue
            is_ours = (self.root / pod.attempt).exists()
            if is_ours and self.mono_ns() - deleted > (pod.grace_seconds + limit) * 1e9:
                log.warning("pod %s on node %s is removed by force", pod.name, pod.node)
                self._end_pod(pod, 0)

    def _clear_leftovers(self) -> None:
        """Remove the Jobs of attempts that were released while the cluster was out of reach."""
        for attempt in self.sightings.attempts():
            root = self.root / attempt
            if (root / "released").exists():
                self.delete(attempt)

    def forget(self, attempt: Ulid) -> None:
        """Keep nothing of an attempt in memory."""
        self._made_ns.pop(attempt, None)
        self._troubles.pop(attempt, None)
        self._failures.pop(attempt, None)
        self.sightings.forget(attempt)

    # Reading.

    def pod_log(self, attempt: Ulid, most: int) -> bytes:
        """Return what the pod of an attempt printed; nothing where nobody can say."""
        base = f"/api/v1/namespaces/{self.section.namespace}/pods"
        try:
            found = self.cluster.get(base, labelSelector=f"{names.ATTEMPT}={attempt}", limit="1")
            pods = found.get("items") or []
            if not pods:
                return b""
            name = pods[0]["metadata"]["name"]
            query = {"container": names.CONTAINER, "limitBytes": str(most)}
            return self.cluster.text(f"{base}/{name}/log", **query)
        except ClusterError as error:
            log.info("no log of the pod of %s: %s", attempt, error)
            return b""


def _order(spec: AttemptSpec, token: str, noted: Mapping[str, Any]) -> Order:
    return Order(
        spec=spec,
        token=token,
        requires=noted.get("requires") or {},
        platform=str(noted.get("platform", "")),
        cell=str(noted.get("cell", "")),
        team=str(noted.get("team", "")),
        priority=Priority(noted.get("priority", Priority.DEVELOPER.value)),
        avoid=tuple(noted.get("avoid") or ()),
        shun=tuple(Ulid(one) for one in noted.get("shun") or ()),
    )


def _is_called_off(root: Path) -> bool:
    return (root / "cancel").exists() or (root / "released").exists()
