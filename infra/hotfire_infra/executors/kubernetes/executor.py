"""The executor: orders become Jobs, and what the cluster says of them becomes observations.

Nothing here waits for the API server: requests are made by `Hands`, news come by watches, and
`attach` looks at what is in memory and in the attempt's directory. In that directory stand, beside
what the ingest routes lay there:

- `order.json`, then `attempt.json`: the attempt was submitted here; from then on a Job is owed.
- `job.made`: Job and Secret were taken by the cluster; no second Job is ever made after it.
- `job.failed`: the cluster will never take it.
- `node`: where its pod was put; a retry that is to go elsewhere asks for it.
- `released`, `job.deleted`: nothing is to be there any more, and is not.
"""

from __future__ import annotations

import contextlib
import os
import threading
import time
from collections.abc import Collection, Hashable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from hotfire_infra.clock import Clock, SystemClock
from hotfire_infra.errors import ExecutorError
from hotfire_infra.executors.kubernetes.admittance import Admittance
from hotfire_infra.executors.kubernetes.checking import check_cluster
from hotfire_infra.executors.kubernetes.cluster import Cluster
from hotfire_infra.executors.kubernetes.desk import Desk
from hotfire_infra.executors.kubernetes.diagnosis import (
    NO_POD_YET,
    detail_of,
    evidence_of,
    hopeless,
    late,
    stuck,
    waiting_of,
)
from hotfire_infra.executors.kubernetes.figures import figures_of
from hotfire_infra.executors.kubernetes.sightings import PodSight, Seen
from hotfire_infra.executors.kubernetes.workloads import NOT_SEEN
from hotfire_infra.executors.protocol import (
    Capacity,
    DeviceReport,
    Figure,
    Life,
    Mark,
    Observation,
    Order,
    Probe,
    Refusal,
)
from hotfire_infra.executors.pushed import PushedExecutor
from hotfire_infra.executors.spool import Spool, read_object, write_object
from hotfire_infra.sections.kubernetes import KubernetesSection
from hotfire_testframework.contract.evidence import Evidence
from hotfire_testframework.contract.exit_codes import RunnerExit
from hotfire_testframework.contract.ulid import Ulid

LOG_BYTES = 1 << 20
CROWD_SECONDS = 0.05
NODE = "node"
EVIDENCE_SECONDS = 3.0
"""A runner that was terminated says so before the cluster says by whom."""
_UNEXPLAINED = (RunnerExit.TERMINATED, RunnerExit.KILLED, RunnerExit.UPLOAD_OR_DISK, -9, -15)


@dataclass(slots=True)
class KubernetesExecutor:
    """Attempts are Jobs of one namespace; see the module for what lies in their directories."""

    root: Path
    """Directory of all attempts."""
    section: KubernetesSection
    clock: Clock = field(default_factory=SystemClock)
    cluster: Cluster | None = None
    """None: as the section says."""
    teams: Collection[str] = ()
    """Those that the configuration names; doctor asks whether they have queues."""
    name: str = "kubernetes"
    _pushed: PushedExecutor = field(init=False)
    _desk: Desk = field(init=False)
    _admittance: Admittance = field(init=False)
    _news: threading.Event = field(default_factory=threading.Event)
    _told_ns: dict[Ulid, int] = field(default_factory=dict)
    _placed: set[Ulid] = field(default_factory=set)
    """Attempts whose node is noted."""
    _claimed: set[Ulid] = field(default_factory=set)

    def __post_init__(self) -> None:
        self._pushed = PushedExecutor(self.root, self.clock)
        self._desk = Desk(self.root, self.section, self._news, self.cluster)
        self._admittance = Admittance(self.section, self._desk.cluster)
        self._desk.avoid = self._avoid

    @property
    def desk(self) -> Desk:
        """What makes the requests and hears the news."""
        return self._desk

    @property
    def capacity(self) -> Capacity:
        """A bounded number of attempts, whatever they take: the cluster decides what fits."""
        return Capacity(cpus=self.section.limits.backlog, counts_attempts=True)

    def devices(self) -> Sequence[DeviceReport]:
        """Return none: the scheduler chooses nodes; machines tell of themselves in the stream."""
        return ()

    def can_execute(self, requires: Mapping[str, Any]) -> Refusal | None:
        """Refuse what is not reached by Kubernetes, and what this cluster can never admit."""
        reach = requires.get("reach", ())
        if reach and self.name not in reach:
            ways = " or ".join(reach)
            return Refusal(reason=f"reached by {ways}, and this is the executor {self.name!r}")
        why = self._admittance.refusal(requires)
        return None if why is None else Refusal(reason=why)

    def survey(self) -> None:
        """Look now at what the cluster has; ClusterError where nobody may or can."""
        self._admittance.survey()

    def observe(self, probe: Probe) -> tuple[Mapping[str, Any], ...]:
        """Return nothing: no machine can be asked before an attempt is on it."""
        del probe
        return ()

    def figures(self) -> Iterable[Figure]:
        """Return what operations shows of this executor."""
        return figures_of(self._desk)

    def check(self) -> Sequence[str]:
        """Ask the cluster what we may do there, and return what is missing."""
        return check_cluster(self._desk.cluster, self.section, self.teams)

    def spool(self, attempt: Ulid) -> Spool:
        """Return the copy of the attempt's directory."""
        return Spool(self.root / attempt)

    def submit(self, order: Order) -> None:
        """Lay the order out, then have the Job made; once, whoever asks how often."""
        root = self.spool(order.attempt).root
        if (root / "attempt.json").exists() or (root / "released").exists():
            return
        # The cache that it names is of this machine, and the pod is on another.
        placed = replace(order, spec=replace(order.spec, cache=self.section.cache, python=None))
        try:
            root.mkdir(parents=True, exist_ok=True)
            write_object(root / "order.json", _order_document(order), mode=0o600)
        except OSError as error:
            raise ExecutorError(f"the order could not be laid out in {root}: {error}") from error
        self._pushed.submit(placed)
        self._desk.start()
        self._desk.create(placed)

    def attach(self, attempt: Ulid) -> Observation:
        """Look at the directory and at what the watches said; ask nobody."""
        spool = self.spool(attempt)
        # Read once: to ask for each file that is not there yet costs as much as all else here.
        there = _listed(spool.root)
        if "released" in there:
            return Observation(life=Life.ENDED, exit_code=spool.exit_code(), detail="released")
        if "attempt.json" not in there:
            return Observation(life=Life.ABSENT)
        self._desk.start()
        seen = self._desk.sightings.of(attempt)
        self._note_node(attempt, spool, seen)
        told = self._told(attempt, spool, seen) if "exit" in there else None
        if told is not None:
            return told
        is_claimed = "claim.request" in there
        if is_claimed:
            self._claimed.add(attempt)
        if "cancel" in there or "exit" in there:
            cancelled = self._pushed.attach(attempt)
            if cancelled.life is Life.ENDED:
                return replace(cancelled, evidence=evidence_of(seen))
        failed = self._desk.failure(attempt)
        if failed is not None and not is_claimed:
            return _ended(seen, None, (failed,))
        return self._by_cluster(attempt, spool, seen, is_claimed=is_claimed)

    def mark(self, attempt: Ulid) -> Mark:
        """Return what changes with what is known of an attempt: files of its own, and the news.

        A claim shows in the store; that of one that was not seen to claim brings no news here.
        """
        root, acts = f"{self.root}/{attempt}", self.acts(attempt)
        if attempt not in self._claimed:
            return Mark(acts, (_state_of(root), *self._desk.mark(attempt)))
        # Its heartbeats change the directory all the time, and words nobody waits for any more.
        return Mark(acts, _state_of(f"{root}/stream.jsonl"))

    def acts(self, attempt: Ulid) -> Hashable:
        """Return what changes when it may have ended, or never will begin."""
        seen, failed = self._desk.sightings.urgency(attempt), self._desk.has_failed(attempt)
        ended = _state_of(f"{self.root}/{attempt}/exit") if attempt in self._claimed else None
        # Patience runs out by the clock alone: with what was said last, or with a pod that stays.
        patience = self._desk.mono_ns() // 10**9 if ended or any(seen) else 0
        return (seen, failed, ended, patience)

    def nudge(self) -> None:
        """Let `wait` return."""
        self._news.set()

    def _avoid(self, order: Order) -> tuple[str, ...]:
        """Return the nodes that an order is to keep off: those that spoiled its task before.

        None of them while no other node could take it: the only one there is has to do again.
        """
        noted = [read_object(self.spool(attempt).root / NODE) for attempt in order.shun]
        nodes = {str(one["name"]) for one in noted if one is not None}
        return (*order.avoid, *sorted(self._admittance.avoidable(nodes, order)))

    def _note_node(self, attempt: Ulid, spool: Spool, seen: Seen) -> None:
        """Write down where its pod is, for those who come after it and after this process."""
        if attempt in self._placed or seen.pod is None or not seen.pod.node:
            return
        with contextlib.suppress(OSError):
            write_object(spool.root / NODE, {"name": seen.pod.node})
            self._placed.add(attempt)

    def _told(self, attempt: Ulid, spool: Spool, seen: Seen) -> Observation | None:
        """Return the end that the runner itself has told, with what the cluster knows of it."""
        code = spool.exit_code()
        if code is None:
            return None
        evidence = evidence_of(seen)
        is_cancelled = (spool.root / "cancel").exists()
        # Of one that could not deliver, its pod has the last word; see `runner ship`.
        is_explained = code == RunnerExit.UPLOAD_OR_DISK and _has_ended(seen.pod)
        if code in _UNEXPLAINED and not (evidence or is_explained or is_cancelled):
            first = self._told_ns.setdefault(attempt, self.clock.mono_ns())
            if self.clock.mono_ns() - first < EVIDENCE_SECONDS * 1e9:
                return Observation(life=Life.RUNNING, detail="waits to hear who ended it")
        self._told_ns.pop(attempt, None)
        detail = detail_of(seen, evidence) if evidence or is_explained else ""
        return Observation(life=Life.ENDED, exit_code=code, detail=detail, evidence=evidence)

    def _by_cluster(
        self, attempt: Ulid, spool: Spool, seen: Seen, *, is_claimed: bool
    ) -> Observation:
        pod = seen.pod
        if pod is not None and pod.is_over:
            return self._over(spool, seen, pod, is_claimed=is_claimed)
        if pod is None and seen.evicted is not None:
            return _ended(seen, None)
        if pod is not None and self._is_stuck(seen, pod):
            return _ended(seen, None, (stuck(pod, self.section.limits.stuck_seconds),))
        if is_claimed:
            # Its lease says whether it lives; the cluster may say why it will not.
            return Observation(
                life=Life.RUNNING, detail=detail_of(seen, ()) if pod is None else "",
                evidence=evidence_of(seen),
            )  # fmt: skip
        return self._starting(attempt, seen)

    def _starting(self, attempt: Ulid, seen: Seen) -> Observation:
        """Return why nothing runs yet, or that nothing ever will."""
        if self._desk.is_gone(attempt, seen):
            return _ended(seen, None)
        pod, limits = seen.pod, self.section.limits
        never = hopeless(pod)
        if pod is not None and never is None:
            placed = seen.since_ns.get("placed")
            is_late = placed is not None and self._is_past(placed, limits.start_minutes * 60)
            never = late(pod, limits.start_minutes) if is_late and not pod.is_running else None
        if never is not None:
            return _ended(seen, None, (never,))
        if pod is not None and pod.is_running:
            running = seen.since_ns.get("running", 0)
            is_late = self._is_past(running, limits.start_minutes * 60)
            words = "" if is_late else f"its runner fetches inputs on node {pod.node}"
            detail = (
                f"no claim {limits.start_minutes:g} minutes after it started" if is_late else ""
            )
            return Observation(life=Life.STARTING, waiting=words, detail=detail)
        words = self._desk.obstacle(attempt, seen) or waiting_of(
            seen, with_kueue=self._desk.has_kueue
        )
        if words == NOT_SEEN and seen.job is not None:
            words = self._desk.why_no_workload(seen.job)
        if words == NO_POD_YET:
            words = self._desk.why_no_pod(attempt) or words
        return Observation(life=Life.STARTING, waiting=words or "its Job is being made")

    def _over(self, spool: Spool, seen: Seen, pod: PodSight, *, is_claimed: bool) -> Observation:
        """Return the end of a pod whose runner has not told any."""
        if not is_claimed and pod.last_words and not spool.log("stdout").exists():
            with contextlib.suppress(OSError):
                spool.log("stdout").write_bytes(pod.last_words.encode())
        evidence = evidence_of(seen)
        code = pod.exit_code
        if code == 0 and evidence:
            # Who is told to end and answers 0 has not done what it was to do.
            code = int(RunnerExit.TERMINATED)
        return _ended(seen, code, evidence)

    def _is_stuck(self, seen: Seen, pod: PodSight) -> bool:
        deleted = seen.since_ns.get("deleted")
        seconds = pod.grace_seconds + self.section.limits.stuck_seconds
        return deleted is not None and self._is_past(deleted, seconds)

    def _is_past(self, since_ns: int, seconds: float) -> bool:
        return self._desk.mono_ns() - since_ns >= seconds * 1e9

    def logs(self, attempt: Ulid, stream: str, offset: int) -> bytes:
        """Return what the runner brought; of one that never claimed, what its pod printed."""
        content = self._pushed.logs(attempt, stream, offset)
        spool = self.spool(attempt)
        is_mute = not spool.log("stdout").exists() and spool.claim_request() is None
        if content or stream != "stdout" or not is_mute:
            return content
        if not (spool.root / "attempt.json").exists() or (spool.root / "released").exists():
            return content
        return self._desk.pod_log(attempt, LOG_BYTES + offset)[offset:]

    def cancel(self, attempt: Ulid, *, grace_seconds: float) -> None:
        """Tell the runner by its heartbeat and its pod by deleting the Job, each with a grace."""
        root = self.spool(attempt).root
        # What it has when it stops is still to be brought here: the pod has that much longer, too.
        upload = self.section.limits.upload_seconds if grace_seconds > 0 else 0.0
        self._pushed.cancel(attempt, grace_seconds=grace_seconds, upload_seconds=upload)
        if (root / "cancel").exists() and not (root / "job.deleted").exists():
            self._desk.start()
            self._desk.delete(attempt)
            if grace_seconds <= 0:
                self._desk.kill(attempt)

    def release(self, attempt: Ulid) -> None:
        """Forget token and files here; have Job, Secret and pod removed."""
        root = self.spool(attempt).root
        was_submitted = (root / "attempt.json").exists()
        self._pushed.release(attempt)
        self._told_ns.pop(attempt, None)
        self._placed.discard(attempt)
        self._claimed.discard(attempt)
        if was_submitted and not (root / "job.deleted").exists():
            self._desk.start()
            self._desk.delete(attempt)
        self._desk.forget(attempt)

    def wait(self, seconds: float) -> None:
        """Wait for news of the cluster; a claim or an end comes by the ingest routes."""
        if self._news.wait(seconds):
            # News come in crowds, and one round serves them all.
            time.sleep(min(seconds, CROWD_SECONDS))
        self._news.clear()

    def close(self) -> None:
        """Let the cluster go; Jobs go on, the next process finds them."""
        self._desk.close()


def _listed(root: Path) -> frozenset[str]:
    """Return the names in a directory; none where there is no such directory."""
    try:
        return frozenset(os.listdir(root))  # names alone, and they cost a tenth
    except FileNotFoundError:
        return frozenset()


def _state_of(path: str) -> tuple[int, int] | None:
    """Return when a file or directory changed last, and its size; None: there is none."""
    try:
        found = os.stat(path)  # noqa: PTH116  # a Path costs ten times the call
    except OSError:
        return None
    return found.st_mtime_ns, found.st_size


def _has_ended(pod: PodSight | None) -> bool:
    return pod is not None and pod.exit_code is not None


def _ended(seen: Seen, code: int | None, more: tuple[Evidence, ...] = ()) -> Observation:
    known = evidence_of(seen)
    whole = (*known, *(item for item in more if item not in known))
    return Observation(
        life=Life.ENDED, exit_code=code, detail=detail_of(seen, whole), evidence=whole
    )


def _order_document(order: Order) -> dict[str, Any]:
    """Return what of an order is not in its specification; the token is in a file of its own."""
    return {
        "requires": dict(order.requires),
        "platform": order.platform,
        "cell": order.cell,
        "team": order.team,
        "priority": order.priority.value,
        "avoid": list(order.avoid),
        "shun": list(order.shun),
    }
