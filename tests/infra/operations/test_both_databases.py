"""What operators look at comes from PostgreSQL as it does from SQLite."""

import time

from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

from hotfire_infra.operations.event_log import EventLog
from hotfire_infra.operations.health import Level, check_clock, check_database
from hotfire_infra.operations.metrics import Metrics
from hotfire_infra.operations.traces import RunTraces
from hotfire_infra.orchestrator.lock import LOCK_NAME


def test_figures_health_events_and_traces_are_read(any_store):
    metrics = Metrics(any_store, lock_name=LOCK_NAME)
    text = metrics.render().decode()
    assert "hotfire_database_up 1.0" in text
    assert 'hotfire_queue_tasks{priority="gate"} 0.0' in text
    assert check_database(any_store).level is Level.OK
    assert check_clock(any_store, time.time_ns()).level is Level.OK
    assert EventLog(any_store, lambda: True).look() == 0
    exporter = InMemorySpanExporter()
    assert RunTraces(any_store, exporter, "http://127.0.0.1", lambda: True).look() == 0
