"""Exports every run that ends as a trace: by the process that leads, from where the last one stopped."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from importlib.metadata import version
from typing import Any

from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace.export import SpanExporter, SpanExportResult
from sqlalchemy import Connection, func, insert, select, update

from hotfire_infra.errors import InfraError
from hotfire_infra.operations.spans import spans_of
from hotfire_infra.store import queries
from hotfire_infra.store.database import Store
from hotfire_infra.store.models import Lock, Outbox

log = logging.getLogger(__name__)

PLACE = "traces"
"""Name of the row that says how far the outbox was exported."""
TOPICS = ("run.finalized", "run.cancelled")
BATCH_SPANS = 500
LOOK_SECONDS = 5.0
RUNS_AT_ONCE = 20


def collector() -> SpanExporter:
    """Return the exporter to the collector that the environment names (OTLP over HTTP)."""
    from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter

    return OTLPSpanExporter()


@dataclass(slots=True)
class RunTraces:
    """`start` and `stop` a thread, or `look` by hand."""

    store: Store
    exporter: SpanExporter
    url: str
    leads: Callable[[], bool]
    resource: Resource = field(
        default_factory=lambda: Resource.create(
            {"service.name": "hotfire", "service.version": version("hotfire")}
        )
    )
    _stop: threading.Event = field(default_factory=threading.Event)
    _thread: threading.Thread | None = None

    def start(self) -> None:
        """Begin to export; the first service ever begins with what ends from now on."""
        with self.store.writing() as connection:
            _position(connection)
        self._thread = threading.Thread(target=self._work, name="hotfire-traces", daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """Export what has ended, then stop."""
        self._stop.set()
        if self._thread is not None:
            self._thread.join()
        self.exporter.shutdown()

    def _work(self) -> None:
        while not self._stop.wait(LOOK_SECONDS):
            self.look_safely()
        self.look_safely()

    def look_safely(self) -> None:
        """Export; a collector or database that is away is logged, and asked again later."""
        try:
            self.look()
        except InfraError as error:
            log.warning("traces wait: %s", error)
        except Exception:
            log.exception("traces wait: a defect")

    def look(self) -> int:
        """Export the runs that ended since the last look; return how many.

        What the collector did not take stays where it is and is sent again; a process that died
        between sending and noting it sends the same spans with the same ids twice.
        """
        if not self.leads():
            return 0
        with self.store.writing() as connection:
            begun = _position(connection)
        with self.store.reading() as connection:
            ended = _ended_after(connection, begun)
        for row in ended:
            if not self._export(row.run_id):
                raise TracesRefusedError("the collector did not take the spans of a run")
            with self.store.writing() as connection:
                _note(connection, row.id)
        return len(ended)

    def _export(self, run_id: int) -> bool:
        with self.store.reading() as connection:
            whole = queries.snapshot(connection, run_id)
            attempts = queries.attempts_of(connection, run_id)
        spans = spans_of(whole, attempts, url=self.url, resource=self.resource)
        return all(
            self.exporter.export(spans[start : start + BATCH_SPANS]) is SpanExportResult.SUCCESS
            for start in range(0, len(spans), BATCH_SPANS)
        )


class TracesRefusedError(InfraError):
    """The collector cannot be reached or refuses."""


def _ended_after(connection: Connection, last_id: int) -> list[Any]:
    query = (
        select(Outbox.id, Outbox.run_id)
        .where(Outbox.id > last_id, Outbox.topic.in_(TOPICS), Outbox.run_id.is_not(None))
        .order_by(Outbox.id)
        .limit(RUNS_AT_ONCE)
    )
    return list(connection.execute(query))


def _position(connection: Connection) -> int:
    """Return how far was exported; the first time that is here."""
    info = connection.execute(select(Lock.info).where(Lock.name == PLACE)).scalar()
    if info is not None:
        return int(info["outbox"])
    newest = connection.execute(select(func.max(Outbox.id))).scalar() or 0
    connection.execute(
        insert(Lock).values(
            name=PLACE, holder="", boot_id="", mono_ns=0, fence=0, info={"outbox": newest}
        )
    )
    return int(newest)


def _note(connection: Connection, outbox_id: int) -> None:
    connection.execute(update(Lock).where(Lock.name == PLACE).values(info={"outbox": outbox_id}))
