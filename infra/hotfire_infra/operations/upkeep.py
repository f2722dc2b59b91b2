"""What a store needs once a day: partitions of the next months, rollups of closed ones, retention.

It works in a thread of its own and in short transactions, so that ingest and the orchestrator go on.
Without a rule in section `retention` only old lines of the audit log and sessions are removed.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Iterable, Sequence

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from hotfire_infra.errors import InfraError
from hotfire_infra.sections.retention import RetentionSection
from hotfire_infra.store.backup import maintenance
from hotfire_infra.store.database import Store
from hotfire_infra.store.partitions import ensure_partitions
from hotfire_infra.store.retention import Pruning, prune, prune_access
from hotfire_infra.store.rollups import months_to_roll_up, roll_up

log = logging.getLogger(__name__)

LOOK_SECONDS = 30.0
"""How often the thread looks whether anything is due."""
DELAY_SECONDS = 300.0
"""After the start: first come the runs that a restart has kept waiting."""
STOP_SECONDS = 5.0
EVERY_SECONDS = 86_400.0
RETRY_SECONDS = 600.0
"""After trouble, or while a backup holds the home."""


class Upkeep(Collector):
    """`start` and `stop` a thread, or `look` by hand; only who leads does it.

    `then` is done after it, once a day too; what of it fails waits for the next day.
    Register it with a registry of metrics: it says when it last succeeded and what it removed.
    """

    def __init__(
        self,
        store: Store,
        policy: RetentionSection,
        *,
        leads: Callable[[], bool],
        then: Sequence[Callable[[Store], object]] = (),
    ) -> None:
        self._store = store
        self._policy = policy
        self._leads = leads
        self._then = then
        self._due_ns = store.clock.mono_ns() + int(DELAY_SECONDS * 1e9)
        self._stop = threading.Event()
        self._thread: threading.Thread | None = None
        self._succeeded_ns = 0
        self._lasted_s = 0.0
        self._failures = 0
        self._removed = 0

    def start(self) -> None:
        """Look from now on."""
        self._thread = threading.Thread(target=self._work, name="hotfire-upkeep", daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """Begin nothing more; what is under way for long is cut off, each of its steps is whole."""
        self._stop.set()
        if self._thread is not None:
            self._thread.join(timeout=STOP_SECONDS)

    def _work(self) -> None:
        while not self._stop.wait(LOOK_SECONDS):
            self.look()

    def look(self) -> bool:
        """Do what is due; return whether it was done. Trouble is logged and tried again."""
        if not self._leads():
            return False
        try:
            if self._store.clock.mono_ns() < self._due_ns:
                return False
            self._keep()
        except Exception as error:
            # Whatever it is: tomorrow's upkeep must not be lost with today's.
            self._failures += 1
            self._put_off(RETRY_SECONDS)
            # Of a defect the whole trace, of a busy or lost database its sentence.
            trace = None if isinstance(error, InfraError) else error
            log.warning("the store's upkeep failed, it is tried again: %s", error, exc_info=trace)
            return False
        self._put_off(EVERY_SECONDS)
        self._go_on()
        return True

    def _go_on(self) -> None:
        for chore in self._then:
            try:
                chore(self._store)
            except Exception as error:
                # It waits for tomorrow: upkeep itself was done, and is not done again for it.
                self._failures += 1
                log.warning("a daily chore failed: %s", error, exc_info=error)

    def _put_off(self, seconds: float) -> None:
        try:
            self._due_ns = self._store.clock.mono_ns() + int(seconds * 1e9)
        except InfraError:
            log.debug("the store's clock does not answer; upkeep stays due")

    def _keep(self) -> None:
        began = time.monotonic()
        now_ns = self._store.clock.wall_ns()
        with self._store.writing() as connection:
            added = ensure_partitions(connection, now_ns)
        if self._policy.has_rule:
            rows, blobs = _removed_by(prune(self._store, self._policy, now_ns, dry_run=False))
        else:
            blobs = 0
            with maintenance(self._store.home):
                with self._store.reading() as connection:
                    months = months_to_roll_up(connection, now_ns)
                roll_up(self._store, now_ns, months)
                rows = prune_access(self._store, self._policy, now_ns)
        self._removed += rows
        self._lasted_s = time.monotonic() - began
        self._succeeded_ns = now_ns
        log.info(
            "the store was kept in %.1f s: %d partitions added, %d rows and %d blobs removed",
            self._lasted_s,
            len(added),
            rows,
            blobs,
        )

    def describe(self) -> Iterable[Metric]:
        """Name nothing at registration."""
        return ()

    def collect(self) -> Iterable[Metric]:
        """Return the figures of this process."""
        gauges = (
            ("hotfire_upkeep_succeeded_seconds", "When upkeep last succeeded, since 1970; 0: never",
             self._succeeded_ns / 1e9),
            ("hotfire_upkeep_lasted_seconds", "How long the last upkeep took", self._lasted_s),
        )  # fmt: skip
        for name, said, value in gauges:
            gauge = GaugeMetricFamily(name, said)
            gauge.add_metric([], value)
            yield gauge
        counters = (
            ("hotfire_upkeep_failures", "Upkeep that failed and was put off", self._failures),
            ("hotfire_upkeep_removed_rows", "Rows that retention removed", self._removed),
        )
        for name, said, value in counters:
            counter = CounterMetricFamily(name, said)
            counter.add_metric([], value)
            yield counter


def _removed_by(pruning: Pruning) -> tuple[int, int]:
    return sum(portion.rows for portion in pruning.portions), pruning.blobs.blobs
