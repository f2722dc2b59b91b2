"""Figures of the store for a scrape: gauges by indexed queries, counters by reading on the history."""

from __future__ import annotations

import logging
import shutil
from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Any

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector
from sqlalchemy import Connection, func, select

from hotfire_infra.errors import InfraError
from hotfire_infra.executors.spool import Spool
from hotfire_infra.states import (
    ATTEMPT_LIVE,
    ATTEMPT_TERMINAL,
    RUN_LIVE,
    AttemptState,
    DeviceHealth,
    Priority,
    RequestState,
    TaskState,
)
from hotfire_infra.store.database import Store
from hotfire_infra.store.models import (
    Attempt,
    Device,
    History,
    Hold,
    Lock,
    Request,
    Run,
    Task,
)
from hotfire_infra.store.queries_quality import label_counts, newest_checks
from hotfire_testframework.contract.failure import FailureClass

log = logging.getLogger(__name__)

BATCH = 20_000
"""History rows read per query; a scrape reads on until none is left."""
POOLS = 50
"""Pools with a label of their own; the rest are `other`, so that a scrape stays small."""
SPOOLS = 1000
"""Live attempts whose spools are looked at in one scrape."""
_GPU = ("GPU-", "MIG-")


@dataclass(slots=True)
class _Counted:
    """What happened since this process began to count."""

    attempts: Counter[str] = field(default_factory=Counter)
    failures: Counter[str] = field(default_factory=Counter)
    slot_seconds: float = 0.0
    gpu_seconds: float = 0.0
    lease_expiries: int = 0
    last_id: int | None = None


class StoreMetrics(Collector):
    """Register with a registry; a scrape of a database that is away says so and raises nothing."""

    def __init__(self, store: Store, lock_name: str, leads: Callable[[], bool]) -> None:
        self._store = store
        self._lock_name = lock_name
        self._leads = leads
        self._counted = _Counted()
        self._scrape_failures = 0

    def describe(self) -> Iterable[Metric]:
        """Name nothing at registration: that would be a scrape."""
        return ()

    def start(self) -> None:
        """Count from here on."""
        with self._store.reading() as connection:
            self._counted.last_id = connection.execute(select(func.max(History.id))).scalar() or 0

    def collect(self) -> Iterable[Metric]:
        """Return all families."""
        families: list[Metric] = []
        try:
            with self._store.reading() as connection:
                self._read_on(connection)
                families = [
                    *_queue(connection, self._store.clock.wall_ns()),
                    _gauge("hotfire_runs", "Runs that are not over", ["state"], _runs(connection)),
                    _gauge("hotfire_attempts_live", "Attempts that are not over", ["state"],
                           _live(connection)),
                    _gauge("hotfire_devices", "Devices by pool and health; `bad` is quarantine",
                           ["pool", "health"], _devices(connection)),
                    _single("hotfire_requests_open", "Requests nobody has carried out yet",
                            _open_requests(connection)),
                    _single("hotfire_holds", "Machines kept for people", _holds(connection)),
                    _single("hotfire_ingest_lag_bytes",
                            "Bytes that runners have written and the store has not, of live attempts",
                            self._lag(connection)),
                    *_detector(connection),
                    *self._leadership(connection),
                ]  # fmt: skip
        except (InfraError, OSError) as error:
            self._scrape_failures += 1
            log.warning("a scrape could not read the store: %s", error)
        up = 1.0 if families else 0.0
        families.append(_single("hotfire_database_up", "Whether the last scrape could read", up))
        failed = CounterMetricFamily("hotfire_scrape_failures", "Scrapes that could not read")
        failed.add_metric([], self._scrape_failures)
        return [*families, failed, *self._counters(), *self._disk()]

    def _read_on(self, connection: Connection) -> None:
        if self._counted.last_id is None:
            self._counted.last_id = connection.execute(select(func.max(History.id))).scalar() or 0
        while True:
            rows = _ended_after(connection, self._counted.last_id)
            for row in rows:
                self._count(row)
                self._counted.last_id = row.id
            if len(rows) < BATCH:
                return

    def _count(self, row: Any) -> None:
        counted = self._counted
        counted.attempts[str(row.to_state)] += 1
        if row.failure_class is not None:
            counted.failures[_class_of(row.failure_class)] += 1
        kinds = {str(item.get("kind")) for item in row.evidence or [] if isinstance(item, dict)}
        if row.to_state == AttemptState.LOST and (
            row.failure_source == "lease" or "lease" in kinds
        ):
            counted.lease_expiries += 1
        if row.started_ns is not None and row.ended_ns is not None:
            seconds = max(0.0, (row.ended_ns - row.started_ns) / 1e9)
            counted.slot_seconds += seconds * int((row.spec or {}).get("cpus", 1))
            if str(row.identity or "").startswith(_GPU):
                counted.gpu_seconds += seconds

    def _counters(self) -> Iterable[Metric]:
        counted = self._counted
        attempts = CounterMetricFamily(
            "hotfire_attempts", "Attempts that ended, since this process started", labels=["state"]
        )
        for state in sorted(ATTEMPT_TERMINAL):
            attempts.add_metric([state], counted.attempts[state])
        failures = CounterMetricFamily(
            "hotfire_failures", "Attempts that ended with this failure class", labels=["class"]
        )
        for failure in FailureClass:
            failures.add_metric([failure.value], counted.failures[failure.value])
        yield from (attempts, failures)
        for name, text, value in (
            ("hotfire_lease_expiries", "Leases nobody renewed in time", counted.lease_expiries),
            (
                "hotfire_slot_seconds",
                "Seconds of CPU slots that attempts held",
                counted.slot_seconds,
            ),
            ("hotfire_gpu_seconds", "Seconds of GPUs that attempts held", counted.gpu_seconds),
        ):
            family = CounterMetricFamily(name, text)
            family.add_metric([], value)
            yield family

    def _lag(self, connection: Connection) -> float:
        query = select(Attempt.ulid, Attempt.acked_bytes).where(Attempt.state.in_(ATTEMPT_LIVE))
        lag = 0
        for ulid, acked in connection.execute(query.limit(SPOOLS)):
            try:
                size = Spool(self._store.attempts / ulid).stream.stat().st_size
            except OSError:
                continue  # Nothing written yet, or written on another machine.
            lag += max(0, size - acked)
        return float(lag)

    def _leadership(self, connection: Connection) -> Iterable[Metric]:
        row = connection.execute(
            select(Lock.holder, Lock.mono_ns, Lock.boot_id).where(Lock.name == self._lock_name)
        ).one_or_none()
        leads = 1.0 if self._leads() else 0.0
        yield _single("hotfire_leader", "Whether this process executes the store", leads)
        if row is not None and row.holder and row.boot_id == self._store.clock.boot_id:
            age = max(0.0, (self._store.clock.mono_ns() - row.mono_ns) / 1e9)
            yield _single(
                "hotfire_leader_heartbeat_age_seconds",
                "Since the last sign of life of who leads",
                age,
            )

    def _disk(self) -> Iterable[Metric]:
        try:
            free = shutil.disk_usage(self._store.home).free
        except OSError:
            return
        yield _single(
            "hotfire_disk_free_bytes", "Free on the disk of blobs and spools", float(free)
        )


def _ended_after(connection: Connection, last_id: int) -> list[Any]:
    query = (
        select(
            History.id, History.to_state, Attempt.failure_class, Attempt.failure_source,
            Attempt.evidence, Attempt.started_ns, Attempt.ended_ns, Task.spec, Device.identity,
        )
        .join(Attempt, Attempt.id == History.entity_id)
        .join(Task, Task.id == Attempt.task_id)
        .join(Device, Device.id == Attempt.device_id, isouter=True)
        .where(
            History.id > last_id,
            History.entity == "attempt",
            History.to_state.in_([state.value for state in ATTEMPT_TERMINAL]),
        )
        .order_by(History.id)
        .limit(BATCH)
    )  # fmt: skip
    return list(connection.execute(query))


def _class_of(name: str) -> str:
    known = {failure.value for failure in FailureClass}
    return name if name in known else FailureClass.UNKNOWN.value


def _queue(connection: Connection, now_ns: int) -> Iterable[Metric]:
    query = (
        select(Run.priority, func.count(), func.min(Task.queued_ns), func.avg(Task.queued_ns))
        .join(Run, Run.id == Task.run_id)
        .where(Task.state == TaskState.QUEUED)
        .group_by(Run.priority)
    )
    found = {str(row[0]): row for row in connection.execute(query)}
    waiting: dict[tuple[str, ...], float] = {
        (name.value,): float(found[name][1]) if name in found else 0.0 for name in Priority
    }
    yield _gauge("hotfire_queue_tasks", "Tasks that could start and wait", ["priority"], waiting)
    for name, text, column in (
        ("hotfire_queue_oldest_age_seconds", "How long the oldest queued task has waited", 2),
        ("hotfire_queue_mean_age_seconds", "How long queued tasks have waited on average", 3),
    ):
        ages: dict[tuple[str, ...], float] = {
            (priority.value,): _age(found[priority][column], now_ns) if priority in found else 0.0
            for priority in Priority
        }
        yield _gauge(name, text, ["priority"], ages)


def _age(since_ns: Any, now_ns: int) -> float:
    return 0.0 if since_ns is None else max(0.0, (now_ns - float(since_ns)) / 1e9)


def _runs(connection: Connection) -> dict[tuple[str, ...], float]:
    query = select(Run.state, func.count()).where(Run.state.in_(RUN_LIVE)).group_by(Run.state)
    found = {str(state): count for state, count in connection.execute(query)}
    return {(state,): float(found.get(state, 0)) for state in sorted(RUN_LIVE)}


def _live(connection: Connection) -> dict[tuple[str, ...], float]:
    query = (
        select(Attempt.state, func.count())
        .where(Attempt.state.in_(ATTEMPT_LIVE))
        .group_by(Attempt.state)
    )
    found = {str(state): count for state, count in connection.execute(query)}
    return {(state,): float(found.get(state, 0)) for state in sorted(ATTEMPT_LIVE)}


def _devices(connection: Connection) -> dict[tuple[str, ...], float]:
    query = select(Device.pool, Device.health, func.count()).group_by(Device.pool, Device.health)
    rows = list(connection.execute(query))
    known = sorted({str(row[0]) for row in rows})[:POOLS]
    counts: dict[tuple[str, ...], float] = {
        (pool, health.value): 0.0 for pool in known for health in DeviceHealth
    }
    for pool, health, count in rows:
        key = (pool if pool in known else "other", str(health))
        counts[key] = counts.get(key, 0.0) + count
    return counts


def _open_requests(connection: Connection) -> float:
    query = select(func.count()).where(Request.state == RequestState.OPEN)
    return float(connection.execute(query).scalar() or 0)


def _holds(connection: Connection) -> float:
    query = select(func.count()).select_from(Hold).where(Hold.released_ns.is_(None))
    return float(connection.execute(query).scalar() or 0)


def _detector(connection: Connection) -> Iterable[Metric]:
    """What triage and the last check say of the change detector; ratios are the reader's."""
    labels: dict[tuple[str, ...], float] = {
        (label,): float(number) for label, number in label_counts(connection).items()
    }
    yield _gauge("hotfire_change_labels", "Alerts by what triage called them", ["label"], labels)
    for row in newest_checks(connection, limit=1):
        classes = {(f"{one['low']:g}",): one for one in row.body["classes"]}
        for what in ("injected", "found"):
            values: dict[tuple[str, ...], float] = {
                key: float(one[what]) for key, one in classes.items()
            }
            text = f"Steps {what} by the last check of the detector, by least size"
            yield _gauge(f"hotfire_detector_steps_{what}", text, ["from"], values)


def _gauge(
    name: str, text: str, labels: list[str], values: dict[tuple[str, ...], float]
) -> GaugeMetricFamily:
    family = GaugeMetricFamily(name, text, labels=labels)
    for key, value in values.items():
        family.add_metric(list(key), value)
    return family


def _single(name: str, text: str, value: float) -> GaugeMetricFamily:
    return GaugeMetricFamily(name, text, value=value)
