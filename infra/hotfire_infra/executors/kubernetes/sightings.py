"""What the cluster said last of our attempts: small values instead of objects.

A Job with its pod and its Workload is 15 kB of JSON that changes a dozen times; of it a few texts
are kept while the attempt is of interest here.
"""

from __future__ import annotations

import re
import threading
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from hotfire_infra.executors.kubernetes.cluster import Object
from hotfire_infra.executors.kubernetes.names import (
    ATTEMPT,
    CONTAINER,
    PRIORITY_CLASS,
    attempt_of,
    is_ours,
)
from hotfire_testframework.contract.ulid import Ulid

LONGEST = 1500
"""Signs of a message that are kept."""
LAST_WORDS = 4096
_QUANTITY = re.compile(r"([0-9.]+)([A-Za-z]*)")
_UNITS = {
    "": 1.0, "m": 1e-3, "k": 1e3, "M": 1e6, "G": 1e9, "T": 1e12, "P": 1e15,
    "Ki": 2.0**10, "Mi": 2.0**20, "Gi": 2.0**30, "Ti": 2.0**40, "Pi": 2.0**50,
}  # fmt: skip


@dataclass(frozen=True, slots=True, kw_only=True)
class Condition:
    """One condition of an object, as it stands there."""

    type: str
    is_true: bool
    reason: str = ""
    message: str = ""

    @property
    def words(self) -> str:
        """Reason and message, verbatim."""
        return ": ".join(part for part in (self.reason, self.message) if part)


@dataclass(frozen=True, slots=True, kw_only=True)
class JobSight:
    """A Job of ours."""

    attempt: Ulid
    uid: str
    is_suspended: bool
    priority_class: str = ""
    """Of Kueue."""
    conditions: tuple[Condition, ...] = ()

    def condition(self, kind: str) -> Condition | None:
        """Return a condition that is true."""
        return _true(self.conditions, kind)


@dataclass(frozen=True, slots=True, kw_only=True)
class PodSight:
    """A pod of ours."""

    attempt: Ulid
    name: str
    uid: str
    created: str
    node: str
    phase: str
    reason: str
    message: str
    conditions: tuple[Condition, ...]
    is_deleted: bool
    """Its end was asked for."""
    is_running: bool
    """Its container runs."""
    waits: Condition | None
    """Why its container does not run yet."""
    exit_code: int | None
    end: str
    """What the kubelet calls the end of the container: OOMKilled, Error, Completed."""
    last_words: str
    memory_limit: str
    grace_seconds: float
    """From the wish for its end to its kill."""
    is_gone: bool = False
    """It is not in the cluster any more; this is how it was last seen."""

    def condition(self, kind: str) -> Condition | None:
        """Return a condition that is true."""
        return _true(self.conditions, kind)

    @property
    def is_over(self) -> bool:
        """Whether its container has ended, or never will run."""
        return self.exit_code is not None or self.phase in ("Succeeded", "Failed") or self.is_gone


@dataclass(frozen=True, slots=True, kw_only=True)
class WorkloadSight:
    """What Kueue says of a Job of ours."""

    attempt: Ulid
    conditions: tuple[Condition, ...]

    def condition(self, kind: str) -> Condition | None:
        """Return a condition that is true."""
        return _true(self.conditions, kind)

    def denied(self, kind: str) -> Condition | None:
        """Return a condition that is false, with why."""
        return next((one for one in self.conditions if one.type == kind and not one.is_true), None)


def read_job(found: Object) -> tuple[str, JobSight] | None:
    """Return a Job's key and what matters of it; None if it is not one of ours."""
    meta = found.get("metadata") or {}
    attempt = _attempt(meta)
    if attempt is None:
        return None
    spec, status = found.get("spec") or {}, found.get("status") or {}
    sight = JobSight(
        attempt=attempt,
        uid=str(meta.get("uid", "")),
        is_suspended=bool(spec.get("suspend")),
        priority_class=str((meta.get("labels") or {}).get(PRIORITY_CLASS, "")),
        conditions=_conditions(status),
    )
    return str(meta.get("name")), sight


def read_pod(found: Object) -> tuple[str, PodSight] | None:
    """Return a pod's key and what matters of it; None if it is not one of ours."""
    meta = found.get("metadata") or {}
    attempt = _attempt(meta)
    if attempt is None:
        return None
    spec, status = found.get("spec") or {}, found.get("status") or {}
    state = _container_state(status)
    ended = state.get("terminated") or {}
    waiting = state.get("waiting")
    limits = _container(spec.get("containers")).get("resources", {}).get("limits") or {}
    sight = PodSight(
        attempt=attempt,
        name=str(meta.get("name")),
        uid=str(meta.get("uid", "")),
        created=str(meta.get("creationTimestamp", "")),
        node=str(spec.get("nodeName") or ""),
        phase=str(status.get("phase") or "Pending"),
        reason=str(status.get("reason") or ""),
        message=_short(status.get("message")),
        conditions=_conditions(status),
        is_deleted=bool(meta.get("deletionTimestamp")),
        is_running="running" in state,
        waits=None if waiting is None else Condition(
            type="waiting", is_true=True,
            reason=str(waiting.get("reason") or ""), message=_short(waiting.get("message")),
        ),
        exit_code=int(ended["exitCode"]) if "exitCode" in ended else None,
        end=str(ended.get("reason") or ""),
        last_words=str(ended.get("message") or "")[-LAST_WORDS:],
        memory_limit=str(limits.get("memory") or ""),
        grace_seconds=float(
            meta.get("deletionGracePeriodSeconds", spec.get("terminationGracePeriodSeconds")) or 0
        ),
    )  # fmt: skip
    return sight.name, sight


def read_workload(found: Object) -> tuple[str, WorkloadSight] | None:
    """Return a Workload's key and what matters of it; None if it is of no Job of ours."""
    meta = found.get("metadata") or {}
    owners = [one for one in meta.get("ownerReferences") or () if one.get("kind") == "Job"]
    attempt = attempt_of(str(owners[0].get("name", ""))) if owners else None
    if attempt is None:
        return None
    conditions = _conditions(found.get("status") or {})
    return str(meta.get("name")), WorkloadSight(attempt=attempt, conditions=conditions)


def quantity(text: object) -> float:
    """Return a quantity as Kubernetes writes it (`500m`, `4Ti`, `8`); 0 for what is none."""
    found = _QUANTITY.fullmatch(str(text).strip())
    if found is None or found[2] not in _UNITS:
        return 0.0
    return float(found[1]) * _UNITS[found[2]]


def _attempt(meta: Object) -> Ulid | None:
    labels = meta.get("labels") or {}
    if not is_ours(labels):
        return None
    return attempt_of(f"hf-{str(labels.get(ATTEMPT, '')).lower()}")


def _conditions(status: Object) -> tuple[Condition, ...]:
    return tuple(
        Condition(
            type=str(one.get("type")),
            is_true=one.get("status") == "True",
            reason=str(one.get("reason") or ""),
            message=_short(one.get("message")),
        )
        for one in status.get("conditions") or ()
    )


def _true(conditions: Iterable[Condition], kind: str) -> Condition | None:
    return next((one for one in conditions if one.type == kind and one.is_true), None)


def _container(containers: Iterable[Object] | None) -> Object:
    return next((one for one in containers or () if one.get("name") == CONTAINER), {})


def _container_state(status: Object) -> Mapping[str, Any]:
    state = _container(status.get("containerStatuses")).get("state")
    return state if isinstance(state, dict) else {}


def _short(text: object) -> str:
    return " ".join(str(text or "").split())[:LONGEST]


@dataclass(slots=True)
class Seen:
    """All that is known of one attempt."""

    job: JobSight | None = None
    pod: PodSight | None = None
    """The first one: a second may come up by somebody else's doing, and claims nothing."""
    workload: WorkloadSight | None = None
    was_there: bool = False
    """Its Job was seen at least once."""
    evicted: Condition | None = None
    """Kueue took its place back; that stays so, whatever Kueue does with the Job after it."""
    version: int = 0
    """Another one after each change."""
    since_ns: Mapping[str, int] = field(default_factory=dict)
    """By the monotonic clock here, when its pod was first seen `placed`, `running`, `deleted`."""


NOTHING = Seen()


@dataclass(slots=True)
class Sightings:
    """By attempt; written by the watches, read by everybody else."""

    on_news: Callable[[Ulid], None] = lambda _attempt: None
    on_eviction: Callable[[Ulid, Condition], None] = lambda _attempt, _condition: None
    on_listed: Callable[[], None] = lambda: None
    mono_ns: Callable[[], int] = time.monotonic_ns
    jobs_listed_ns: int | None = None
    """When the last whole list of Jobs began, by the monotonic clock."""
    _changes: int = 0
    _seen: dict[Ulid, Seen] = field(default_factory=dict)
    _minded: set[Ulid] = field(default_factory=set)
    _lock: threading.RLock = field(default_factory=threading.RLock)

    def of(self, attempt: Ulid) -> Seen:
        """Return what is known of an attempt; it is remembered after it is gone, from here on."""
        self._minded.add(attempt)
        return self._seen.get(attempt, NOTHING)

    def forget(self, attempt: Ulid) -> None:
        """Keep nothing of an attempt that nobody asks about any more, once it is gone."""
        with self._lock:
            self._minded.discard(attempt)
            seen = self._seen.get(attempt)
            if seen is not None and seen.job is None:
                del self._seen[attempt]

    def pods(self) -> list[Seen]:
        """Return what is known of the attempts that have a pod in the cluster."""
        known = list(self._seen.values())
        return [seen for seen in known if seen.pod is not None and not seen.pod.is_gone]

    def attempts(self) -> list[Ulid]:
        """Return the attempts that have a Job."""
        return [attempt for attempt, seen in list(self._seen.items()) if seen.job is not None]

    def __len__(self) -> int:
        return len(self._seen)

    def version(self, attempt: Ulid) -> int:
        """Return what is another one as soon as anything else is known of an attempt."""
        return self._seen.get(attempt, NOTHING).version

    def urgency(self, attempt: Ulid) -> tuple[bool | int | None, ...]:
        """Return what is another as soon as what is known of an attempt may end it."""
        # That there is a Job, or a pod, ends nothing.
        seen = self._seen.get(attempt, NOTHING)
        pod, job = seen.pod, seen.job
        return (
            pod is not None and pod.is_over,
            pod is not None and pod.is_deleted,
            None if pod is None else pod.exit_code,
            seen.evicted is not None,
            seen.was_there if job is None else job.condition("Failed") is not None,
        )

    def is_urgent(self, attempt: Ulid) -> bool:
        """Whether what is known of an attempt that is asked about may end it; words may wait."""
        seen = self._seen.get(attempt)
        if seen is None or attempt not in self._minded:
            return False
        pod, job = seen.pod, seen.job
        has_ended = pod is not None and (pod.is_over or pod.is_deleted)
        return (
            has_ended
            or seen.evicted is not None
            or (job.condition("Failed") is not None if job is not None else seen.was_there)
        )

    def _entry(self, attempt: Ulid) -> Seen:
        """Return what is to be changed; called with the lock."""
        found = self._seen.setdefault(attempt, Seen())
        self._changes += 1
        found.version = self._changes
        return found

    def _drop_if_empty(self, attempt: Ulid) -> None:
        seen = self._seen.get(attempt)
        if attempt in self._minded or seen is None:
            return
        is_gone = seen.pod is None or seen.pod.is_gone
        if seen.job is None and is_gone and seen.workload is None:
            del self._seen[attempt]


def _since(before: Mapping[str, int], pod: PodSight, now_ns: int) -> Mapping[str, int]:
    marks = {"placed": bool(pod.node), "running": pod.is_running, "deleted": pod.is_deleted}
    new = {name: now_ns for name, is_so in marks.items() if is_so and name not in before}
    return {**before, **new} if new else before


@dataclass(slots=True)
class JobSink:
    """Takes in Jobs."""

    sightings: Sightings

    def replace(self, items: Mapping[str, JobSight], began_ns: int) -> None:
        """Take in a whole list; Jobs that are not on it are gone."""
        known = self.sightings
        there = {item.attempt for item in items.values()}
        for item in items.values():
            self.put("", item)
        for attempt in known.attempts():
            if attempt not in there:
                self._remove(attempt)
        known.jobs_listed_ns = began_ns
        known.on_listed()

    def put(self, key: str, item: JobSight) -> None:
        """Take in a Job as it is now."""
        del key
        known = self.sightings
        with known._lock:
            entry = known._entry(item.attempt)
            entry.job, entry.was_there = item, True
        known.on_news(item.attempt)

    def drop(self, key: str, item: JobSight) -> None:
        """Note that a Job is gone."""
        del key
        self._remove(item.attempt)

    def _remove(self, attempt: Ulid) -> None:
        known = self.sightings
        with known._lock:
            known._entry(attempt).job = None
            known._drop_if_empty(attempt)
        known.on_news(attempt)


@dataclass(slots=True)
class PodSink:
    """Takes in pods; the first of an attempt counts."""

    sightings: Sightings

    def replace(self, items: Mapping[str, PodSight], began_ns: int) -> None:
        """Take in a whole list; pods that are not on it are gone."""
        del began_ns
        known = self.sightings
        for item in items.values():
            self.put(item.name, item)
        names = {item.name for item in items.values()}
        for seen in list(known._seen.values()):
            pod = seen.pod
            if pod is not None and not pod.is_gone and pod.name not in names:
                self.drop(pod.name, pod)

    def put(self, key: str, item: PodSight) -> None:
        """Take in a pod as it is now."""
        del key
        known = self.sightings
        with known._lock:
            entry = known._entry(item.attempt)
            before = entry.pod
            is_other = before is not None and before.uid != item.uid
            if before is not None and is_other and before.created <= item.created:
                return
            entry.pod = item
            entry.since_ns = _since(entry.since_ns, item, known.mono_ns())
        known.on_news(item.attempt)

    def drop(self, key: str, item: PodSight) -> None:
        """Note that a pod is gone; how it was last seen stays."""
        del key
        known = self.sightings
        with known._lock:
            entry = known._entry(item.attempt)
            if entry.pod is None or entry.pod.uid == item.uid:
                entry.pod = replace(item, is_gone=True)
            known._drop_if_empty(item.attempt)
        known.on_news(item.attempt)


@dataclass(slots=True)
class WorkloadSink:
    """Takes in what Kueue says."""

    sightings: Sightings

    def replace(self, items: Mapping[str, WorkloadSight], began_ns: int) -> None:
        """Take in a whole list."""
        del began_ns
        known = self.sightings
        there = {item.attempt for item in items.values()}
        for item in items.values():
            self.put("", item)
        for attempt, seen in list(known._seen.items()):
            if seen.workload is not None and attempt not in there:
                self.drop("", seen.workload)

    def put(self, key: str, item: WorkloadSight) -> None:
        """Take in a Workload as it is now; an eviction is noted for good."""
        del key
        known = self.sightings
        evicted = item.condition("Evicted")
        with known._lock:
            entry = known._entry(item.attempt)
            entry.workload = item
            is_new = evicted is not None and entry.evicted is None
            if is_new:
                entry.evicted = evicted
        if is_new and evicted is not None:
            known.on_eviction(item.attempt, evicted)
        known.on_news(item.attempt)

    def drop(self, key: str, item: WorkloadSight) -> None:
        """Note that a Workload is gone, as it goes with its Job."""
        del key
        known = self.sightings
        with known._lock:
            known._entry(item.attempt).workload = None
            known._drop_if_empty(item.attempt)
